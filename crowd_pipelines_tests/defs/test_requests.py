"""Requests for Dagster runs: one at a time, and again when one died, each time later."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import time_machine

from crowd_pipelines.defs import tags
from crowd_pipelines.defs.requests import FIRST_WAIT, LONGEST_WAIT, Memory, request_once, wait_after


@dg.job
def town() -> None:
    """Nothing."""


NOW = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


def ask(
    instance: dg.DagsterInstance, request: str = "onboarding:1", *, later: timedelta = LONGEST_WAIT
) -> dg.RunRequest | None:
    """What is asked for so much later than the sensor's look that saw the last run for it over."""
    memory = Memory(None, NOW)
    _ask(instance, request, memory)
    return _ask(instance, request, Memory(memory.cursor, NOW + later))


def _ask(instance: dg.DagsterInstance, request: str, memory: Memory) -> dg.RunRequest | None:
    start = {"requested": True}
    return request_once(instance, request, job_name="town", start=start, run_tags={"crowd/tenant": "t"}, memory=memory)


def launched(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, request: str = "onboarding:1") -> None:
    instance.create_run_for_job(town, tags={tags.REQUEST: request}, status=status)


def test_the_request_carries_what_finds_its_run_again(instance: dg.DagsterInstance) -> None:
    asked = ask(instance)
    assert asked is not None
    assert asked.run_key == "onboarding:1:0"
    assert asked.tags == {tags.REQUEST: "onboarding:1", "crowd/tenant": "t"}
    assert asked.run_config == {"ops": {"start_runs": {"config": {"requested": True}}}}


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING", "MANAGED"])
def test_nothing_is_asked_for_while_a_run_is_under_way(instance: dg.DagsterInstance, status: str) -> None:
    launched(instance, dg.DagsterRunStatus.FAILURE)
    launched(instance, dg.DagsterRunStatus(status))
    assert ask(instance) is None


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCELED"])
def test_each_run_that_ended_without_effect_makes_a_new_key(instance: dg.DagsterInstance, status: str) -> None:
    for number in range(1, 9):
        launched(instance, dg.DagsterRunStatus(status))
        asked = ask(instance)
        assert asked is not None
        assert asked.run_key == f"onboarding:1:{number}"


@pytest.mark.parametrize("deaths", [1, 2, 5])
def test_the_next_launch_waits_longer_after_each_death(instance: dg.DagsterInstance, deaths: int) -> None:
    for _ in range(deaths):
        launched(instance, dg.DagsterRunStatus.FAILURE)
    assert ask(instance, later=wait_after(deaths) - timedelta(seconds=5)) is None
    assert ask(instance, later=wait_after(deaths)) is not None
    assert ask(instance, "onboarding:2", later=timedelta()) is not None


@pytest.mark.parametrize("hours", [-2, 2])
def test_whose_clock_was_wrong_when_a_run_died_does_not_matter(instance: dg.DagsterInstance, hours: int) -> None:
    with time_machine.travel(NOW + timedelta(hours=hours), tick=True):
        launched(instance, dg.DagsterRunStatus.FAILURE)
    assert ask(instance, later=FIRST_WAIT - timedelta(seconds=1)) is None
    assert ask(instance, later=FIRST_WAIT) is not None


def test_what_is_no_longer_asked_for_is_forgotten(instance: dg.DagsterInstance) -> None:
    launched(instance, dg.DagsterRunStatus.FAILURE)
    memory = Memory(None, NOW)
    _ask(instance, "onboarding:1", memory)
    assert "onboarding:1:1" in memory.cursor
    assert Memory(memory.cursor, NOW).cursor == "{}"


def test_waits_double_up_to_an_hour() -> None:
    assert [wait_after(1), wait_after(2), wait_after(3)] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert wait_after(99) == LONGEST_WAIT


def test_runs_for_other_requests_do_not_count(instance: dg.DagsterInstance) -> None:
    launched(instance, dg.DagsterRunStatus.STARTED, "onboarding:2")
    assert ask(instance) is not None
