"""Requests for Dagster runs that neither a doubled daemon nor a lost launch can spoil."""

import json
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


class Memory:
    """A sensor's memory, kept in its cursor: since when the Dagster runs for what it asks for have been over.

    Dagster notes moments by the clock of whoever ran or launched; this one by the database's. What was not asked about
    in an evaluation is forgotten after it.
    """

    def __init__(self, cursor: str | None, now: datetime) -> None:
        self._known: dict[str, float] = json.loads(cursor) if cursor else {}
        self._kept: dict[str, float] = {}
        self._now = now.timestamp()

    @property
    def cursor(self) -> str:
        """Return what is to be remembered until the next evaluation."""
        return json.dumps(self._kept)

    def age(self, fact: str) -> timedelta:
        """Tell for how long a fact has been known, from now on if it is new."""
        self._kept[fact] = self._known.get(fact, self._now)
        return timedelta(seconds=self._now - self._kept[fact])


def request_once(
    instance: dg.DagsterInstance,
    request: str,
    *,
    memory: Memory,
    job_name: str,
    start: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    run_tags: Mapping[str, str],
) -> dg.RunRequest | None:
    """Return a request for a Dagster run, or None while an earlier one for the same `request` is under way or fresh.

    Dagster remembers a run key for ever, so the key carries how many Dagster runs for this request are over.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={tags.REQUEST: request}), limit=MOST_COUNTED)
    if any(record.dagster_run.status not in _OVER for record in records):
        return None
    run_key = f"{request}:{len(records)}"
    if records and memory.age(run_key) < wait_after(len(records)):
        return None
    return dg.RunRequest(
        run_key=run_key,
        job_name=job_name,
        partition_key=partition_key,
        run_config={"ops": {"start_runs": {"config": dict(start)}}} if start else None,
        tags={tags.REQUEST: request, **run_tags},
    )


def wait_after(launches: int) -> timedelta:
    """Return how long to wait after so many launches without effect."""
    return min(FIRST_WAIT * (1 << min(launches - 1, 16)), LONGEST_WAIT)
