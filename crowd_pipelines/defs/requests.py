"""Requests for Dagster runs that neither a doubled daemon nor a lost launch can spoil."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from crowd_pipelines.defs import tags

MAX_LAUNCHES = 5
"""So many Dagster runs may die before they take what they were launched for; then someone has to look."""

_OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def request_once(
    instance: dg.DagsterInstance,
    request: str,
    *,
    job_name: str,
    start: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    run_tags: Mapping[str, str],
) -> dg.RunRequest | None:
    """Return a request for a Dagster run, or None while an earlier one for the same `request` is under way.

    Dagster remembers a run key for ever, so the key carries how many Dagster runs for this request are over.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={tags.REQUEST: request}), limit=MAX_LAUNCHES)
    under_way = any(record.dagster_run.status not in _OVER for record in records)
    if under_way or len(records) >= MAX_LAUNCHES:
        return None
    return dg.RunRequest(
        run_key=f"{request}:{len(records)}",
        job_name=job_name,
        partition_key=partition_key,
        run_config={"ops": {"start_runs": {"config": dict(start)}}} if start else None,
        tags={tags.REQUEST: request, **run_tags},
    )
