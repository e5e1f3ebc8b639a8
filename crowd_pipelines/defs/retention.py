"""Retention: what is old goes, so that neither our tables nor Dagster's, nor the logs of its runs, grow for ever."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines.http.logs import hides_secrets
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import retention

_AT_ONCE = 500
_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Deletes integration runs with their streams, and Dagster runs with their events and logs, that ended "
    "more than `CROWD_RETENTION_DAYS` ago; also lookups and rate budgets that nobody has used for "
    f"{retention.FORGET_DAYS} days. Members, activities, watermarks and quarantined records stay.",
)
@hides_secrets
def prune(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
    """Delete what is older than the retention."""
    days = Settings.load().retention_days
    ours = retention.prune(database.engine(), days=days)
    theirs = _prune_dagster(context.instance, before=datetime.now(UTC) - timedelta(days=days))
    context.add_output_metadata({**ours, "dagster_runs": theirs, "days": days})


@dg.job(
    name="retention",
    executor_def=dg.in_process_executor,
    description="Deletes old integration runs, streams, Dagster runs, their events and their logs.",
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
    """Delete Dagster runs that ended before, the oldest first; returns how many."""
    deleted = 0
    old = dg.RunsFilter(statuses=_OVER, updated_before=before)
    while records := instance.get_run_records(old, limit=_AT_ONCE, ascending=True):
        for record in records:
            _delete_run(instance, record.dagster_run.run_id)
        deleted += len(records)
    return deleted


def _delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    # Dagster keeps what ops printed in a folder per run, and leaves it there when the run is deleted.
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
