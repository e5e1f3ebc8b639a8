"""Dagster launches a run that died again by itself; what the dead one had begun must not be begun twice."""

from typing import Any

import dagster as dg
import pytest

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs import ops, tags
from crowd_pipelines.store.vault import new_key
from crowd_pipelines_tests.defs.connected import Connected

# Dagster warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("CROWD_DATABASE_URL", database_url)
    monkeypatch.setenv("CROWD_ENCRYPTION_KEY", new_key())
    monkeypatch.setenv("CROWD_SLICE_SECONDS", "0.001")  # what is begun need not be read


def executed(instance: dg.DagsterInstance, integration_id: str, **run_tags: str) -> dg.DagsterRun:
    """A Dagster run that onboards an integration if it still asks for that."""
    config: dict[str, Any] = {"integration_ids": [integration_id], "onboarding": True, "requested": True}
    done = defs.resolve_job_def("devto").execute_in_process(
        instance=instance, run_config={"ops": {"start_runs": {"config": config}}}, tags=run_tags
    )
    assert done.success
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    return run


def test_what_is_begun_is_the_queue_s_and_not_launched_again(
    instance: dg.DagsterInstance, connected: Connected
) -> None:
    integration_id = connected.add("Town")
    connected.request_onboarding(integration_id)
    run = executed(instance, integration_id)
    assert len(connected.rows("SELECT id FROM integration_runs")) == 1
    assert (run.tags[tags.MAX_RETRIES], run.tags[tags.RETRY_STRATEGY]) == ("0", "ALL_STEPS")


@pytest.mark.parametrize(("run_tags", "requested"), [({tags.RETRY_NUMBER: "1"}, True), ({}, False)])
def test_a_person_who_executes_a_run_again_means_it_and_dagster_does_not(
    instance: dg.DagsterInstance, run_tags: dict[str, str], requested: bool
) -> None:
    job, config = defs.resolve_job_def("devto"), ops.StartRuns(requested=True, tick="2024-05-01T12:30:00+00:00")
    dead = instance.create_run_for_job(job)
    again = instance.create_run_for_job(job, parent_run_id=dead.run_id, root_run_id=dead.run_id, tags=run_tags)
    assert ops._meant(config, dead) == config
    meant = ops._meant(config, again)
    assert (meant.requested, meant.tick is not None) == (requested, requested)
