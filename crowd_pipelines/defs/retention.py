"""Retention: what is old goes, so that neither our tables nor Dagster's grow for ever."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import runs
from crowd_pipelines.store.database import transact

_BATCH = 500
_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Deletes integration runs with their streams, and Dagster runs with their events, that ended more than "
    "`CROWD_RETENTION_DAYS` ago. Members, activities, watermarks and quarantined records stay.",
)
def prune(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
    """Delete what is older than the retention."""
    days = Settings.load().retention_days
    ours = transact(database.engine(), lambda conn: runs.prune(conn, days=days))
    theirs = _prune_dagster(context.instance, before=datetime.now(UTC) - timedelta(days=days))
    context.add_output_metadata({"integration_runs": ours, "dagster_runs": theirs, "days": days})


@dg.job(
    name="retention",
    executor_def=dg.in_process_executor,
    description="Deletes old integration runs, streams, Dagster runs and their events.",
)
def retention_job() -> None:
    """Delete what is older than the retention."""
    prune()


retention_schedule = dg.ScheduleDefinition(
    name="retention",
    job=retention_job,
    cron_schedule="17 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes what is older than the retention, every night.",
)


def _prune_dagster(instance: dg.DagsterInstance, *, before: datetime) -> int:
    deleted = 0
    old = dg.RunsFilter(statuses=_OVER, created_before=before)
    while records := instance.get_run_records(old, limit=_BATCH):
        for record in records:
            instance.delete_run(record.dagster_run.run_id)
        deleted += len(records)
    return deleted
