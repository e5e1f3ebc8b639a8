"""The sensor that ends Dagster runs whose process is gone.

Dagster's code server watches the processes that it started. Nobody does when it was killed with them, or when it could
not write down that they ended because the database was away: such runs would count as started, and hold their place in
the queue, until run monitoring ends them after `max_runtime_seconds`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import dagster as dg

from crowd_pipelines.defs.requests import Memory
from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines.http.logs import hides_secrets
from crowd_pipelines.store import runs
from crowd_pipelines.store.database import BRIEF_PATIENCE_SECONDS, current_time, transact

SILENT = timedelta(seconds=90)
"""A worker that for so long neither holds a lease nor notes an event is gone: all that it does without is brief."""

_AT_ONCE = 100
_MESSAGE = (
    f"The process of this run is gone: it has given no sign for {SILENT.seconds} s. resume_runs goes on with its work."
)


def lost_workers_sensor(jobs: Mapping[str, dg.JobDefinition]) -> dg.SensorDefinition:
    """Return the sensor that ends Dagster runs of these jobs whose worker has been silent for long.

    Ending the run of a worker that lives would do no harm to the data: its leases are its own.
    """

    @hides_secrets
    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult:
        started = _started(context.instance, jobs)
        silent, now = transact(
            database.engine(),
            lambda conn: (runs.silent_workers(conn, list(started)), current_time(conn)),
            patience=BRIEF_PATIENCE_SECONDS,
        )
        memory = Memory(context.cursor, now)
        lost = [run_id for run_id in silent if memory.age(_last_sign(context.instance, run_id)) >= SILENT]
        for run_id in lost:
            context.instance.report_run_failed(started[run_id], _MESSAGE)
        return dg.SensorResult(skip_reason=_told(lost, len(started)), cursor=memory.cursor)

    return dg.SensorDefinition(
        name="lost_workers",
        evaluation_fn=evaluate,
        jobs=list(jobs.values()),
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends Dagster runs whose process is gone: no lease and no event of it for "
        f"{SILENT.seconds} s. What it had in hand, `resume_runs` goes on with.",
    )


def _started(instance: dg.DagsterInstance, jobs: Iterable[str]) -> dict[str, dg.DagsterRun]:
    """Return Dagster runs that should have a process; starting and canceling ones are run monitoring's to end."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    records = instance.get_run_records(wanted, limit=_AT_ONCE, ascending=True)
    ours = set(jobs)
    return {record.dagster_run.run_id: record.dagster_run for record in records if record.dagster_run.job_name in ours}


def _last_sign(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return what changes with every event of a Dagster run: on a busy machine it is long until it takes a lease."""
    newest = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    return f"{run_id}:{newest[0].storage_id if newest else 0}"


def _told(lost: Sequence[str], started: int) -> str:
    return (
        f"{len(lost)} of {started} Dagster runs had lost their process" if lost else f"{started} Dagster runs are alive"
    )
