"""Dagster runs whose process is gone are ended, those whose process lives are left alone."""

from collections.abc import Callable
from datetime import datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import Connection

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs import lost_workers
from crowd_pipelines.defs.lost_workers import SILENT
from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines.store import runs
from crowd_pipelines.store.database import current_time
from crowd_pipelines_tests.defs.connected import Connected

SILENT_SECONDS = SILENT.total_seconds()
STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
Look = Callable[..., str]


@pytest.fixture
def look(instance: dg.DagsterInstance, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Look:
    """The sensor's next look, so many seconds from now; what it says."""
    cursor: list[str | None] = [None]

    def answer(*, later: float) -> str:
        def then(conn: Connection) -> datetime:
            return current_time(conn) + timedelta(seconds=later)

        monkeypatch.setattr(lost_workers, "current_time", then)
        context = dg.build_sensor_context(
            instance=instance,
            definitions=defs,
            cursor=cursor[0],
            resources={"database": DatabaseResource(url=database_url)},
        )
        told = defs.resolve_sensor_def("lost_workers")(context)
        cursor[0] = told.cursor
        return str(told.skip_reason.skip_message)

    return answer


@dg.job
def retention() -> None:
    """Nothing."""


def launched(instance: dg.DagsterInstance, job: dg.JobDefinition | None = None) -> str:
    return instance.create_run_for_job(job or defs.resolve_job_def("devto"), status=STARTED).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def taken(connected: Connected, owner: str) -> None:
    """An integration run in this worker's hands."""
    with connected.engine.begin() as conn:
        integration_id = connected.add("Town")
        run_id = runs.begin(conn, integration_id, onboarding=True)
        assert run_id is not None
        assert runs.take(conn, run_id, owner=owner)


def test_a_run_whose_process_is_gone_is_ended_after_a_while(instance: dg.DagsterInstance, look: Look) -> None:
    run_id = launched(instance)
    assert look(later=0) == "1 Dagster runs are alive"
    look(later=SILENT_SECONDS - 5)
    assert status(instance, run_id) is STARTED
    assert look(later=SILENT_SECONDS + 1) == "1 of 1 Dagster runs had lost their process"
    assert status(instance, run_id) is FAILURE


def test_a_run_whose_worker_holds_leases_is_left_alone(
    connected: Connected, instance: dg.DagsterInstance, look: Look
) -> None:
    run_id = launched(instance)
    look(later=0)
    taken(connected, run_id)
    look(later=SILENT_SECONDS + 1)
    assert status(instance, run_id) is STARTED
    connected.execute("UPDATE integration_runs SET leased_until = now()")
    look(later=SILENT_SECONDS + 2)
    assert status(instance, run_id) is STARTED, "it was silent for no more than a moment"
    look(later=2 * SILENT_SECONDS + 3)
    assert status(instance, run_id) is FAILURE


def test_a_run_that_notes_events_is_left_alone(instance: dg.DagsterInstance, look: Look) -> None:
    run_id = launched(instance)
    look(later=0)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_engine_event("still starting", run)
    look(later=SILENT_SECONDS + 1)
    assert status(instance, run_id) is STARTED
    look(later=2 * SILENT_SECONDS + 2)
    assert status(instance, run_id) is FAILURE


def test_other_jobs_have_no_leases_to_show(instance: dg.DagsterInstance, look: Look) -> None:
    run_id = launched(instance, retention)
    look(later=0)
    look(later=10 * SILENT_SECONDS)
    assert status(instance, run_id) is STARTED
