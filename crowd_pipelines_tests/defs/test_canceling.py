"""Who ends a Dagster run early: a person, whose decision it is, or run monitoring, after which the work goes on."""

import inspect
import uuid
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._daemon.monitoring import run_monitoring

from crowd_pipelines.defs.resources import canceled_by_a_person

OVERDUE = "Canceling due to exceeding maximum runtime of 900 seconds."


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.add_run(dg.DagsterRun(job_name="devto", run_id=str(uuid.uuid4())))


def test_a_run_that_goes_on_is_not_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    assert not canceled_by_a_person(instance, run.run_id)
    assert not canceled_by_a_person(instance, "unknown")


def test_what_a_person_cancels_is_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_canceling(run)
    assert canceled_by_a_person(instance, run.run_id)


def test_what_lasts_too_long_is_not_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_canceling(run, message=OVERDUE)
    # Dagster's launcher says so in either case.
    instance.report_run_canceling(run, message="Sending run termination request.")
    assert not canceled_by_a_person(instance, run.run_id)


def test_dagster_still_says_it_so() -> None:
    assert OVERDUE.partition(" of ")[0] in inspect.getsource(run_monitoring)
