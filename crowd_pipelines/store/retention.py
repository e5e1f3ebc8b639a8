"""Retention: what is old goes, a batch per transaction, so that no statement takes long and none waits for another."""

from datetime import datetime

from sqlalchemy import ColumnElement, Engine, Table, and_, delete, exists, func, select, tuple_

from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.schema import integration_runs, lookups, rate_budgets

RUNS_AT_ONCE = 50
"""Small, because the streams of an integration run, which may be many thousands, go with it."""

ROWS_AT_ONCE = 5000

FORGET_DAYS = 30
"""When a lookup or a rate budget is forgotten: long after the lookup ceased to be fresh and a closed budget opened."""


def prune(engine: Engine, *, days: int) -> dict[str, int]:
    """Delete integration runs, with their streams, that ended so long ago, and lookups and budgets out of use.

    Members, activities, watermarks and quarantined records stay. Returns how many rows of each table went.
    """
    return {
        "integration_runs": _delete(
            engine,
            integration_runs,
            and_(integration_runs.c.processed_at < _ago(days), ~_leaves_something()),
            at_once=RUNS_AT_ONCE,
        ),
        "lookups": _delete(engine, lookups, lookups.c.looked_up_at < _ago(FORGET_DAYS), at_once=ROWS_AT_ONCE),
        "rate_budgets": _delete(
            engine, rate_budgets, rate_budgets.c.updated_at < _ago(FORGET_DAYS), at_once=ROWS_AT_ONCE
        ),
    }


def _leaves_something() -> ColumnElement[bool]:
    """Tell of an integration run that ended in error whether the next one, which is not there yet, has to go on."""
    later = integration_runs.alias()
    newer = exists().where(
        later.c.integration_id == integration_runs.c.integration_id,
        later.c.created_at > integration_runs.c.created_at,
        later.c.streams_planned_at.is_not(None),
    )
    planned = integration_runs.c.streams_planned_at.is_not(None)
    return and_(integration_runs.c.state == RunState.ERROR, planned, ~newer)


def _ago(days: int) -> ColumnElement[datetime]:
    return func.now() - func.make_interval(0, 0, 0, days)


def _delete(engine: Engine, table: Table, old: ColumnElement[bool], *, at_once: int) -> int:
    """Delete old rows until there are none; those in someone's hands are left for the next time."""
    key = table.primary_key.columns.values()
    # Ids of integration runs are in the order of time, so that the index leads to the oldest.
    batch = select(*key).where(old).order_by(*key).limit(at_once).with_for_update(skip_locked=True)
    statement = delete(table).where(tuple_(*key).in_(batch))
    total = 0
    while gone := transact(engine, lambda conn: conn.execute(statement).rowcount):
        total += gone
    return total
