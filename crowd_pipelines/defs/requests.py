"""Requests for Dagster runs that neither a doubled daemon nor a lost launch can spoil."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from crowd_pipelines.defs import tags

FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
"""A Dagster run that died before it took what it was launched for is followed by another, each time twice as late: an
outage or a broken deployment must not use up the launches that come after it."""

MOST_COUNTED = 100

_OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def request_once(
    instance: dg.DagsterInstance,
    request: str,
    *,
    job_name: str,
    start: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    run_tags: Mapping[str, str],
    now: datetime,
) -> dg.RunRequest | None:
    """Return a request for a Dagster run, or None while an earlier one for the same `request` is under way or fresh.

    Dagster remembers a run key for ever, so the key carries how many Dagster runs for this request are over.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={tags.REQUEST: request}), limit=MOST_COUNTED)
    if any(record.dagster_run.status not in _OVER for record in records):
        return None
    if records and now < max(record.update_timestamp for record in records) + wait_after(len(records)):
        return None
    return dg.RunRequest(
        run_key=f"{request}:{len(records)}",
        job_name=job_name,
        partition_key=partition_key,
        run_config={"ops": {"start_runs": {"config": dict(start)}}} if start else None,
        tags={tags.REQUEST: request, **run_tags},
    )


def wait_after(launches: int) -> timedelta:
    """Return how long to wait after so many launches without effect."""
    return min(FIRST_WAIT * (1 << min(launches - 1, 16)), LONGEST_WAIT)
