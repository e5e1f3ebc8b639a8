"""Retention: what is old goes, a batch per transaction, so that no statement takes long and none waits for another."""

from datetime import datetime

from sqlalchemy import ColumnElement, Engine, Table, delete, func, select, tuple_

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
            engine, integration_runs, integration_runs.c.processed_at < _ago(days), at_once=RUNS_AT_ONCE
        ),
        "lookups": _delete(engine, lookups, lookups.c.looked_up_at < _ago(FORGET_DAYS), at_once=ROWS_AT_ONCE),
        "rate_budgets": _delete(
            engine, rate_budgets, rate_budgets.c.updated_at < _ago(FORGET_DAYS), at_once=ROWS_AT_ONCE
        ),
    }


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
