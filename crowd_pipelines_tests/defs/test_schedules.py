"""What the schedule answers each minute."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs.resources import LifecycleResource
from crowd_pipelines.defs.schedules import ticks_of
from crowd_pipelines.framework import processor
from crowd_pipelines.integrations.devto.integration import DevtoIntegration
from crowd_pipelines_tests.defs.connected import Connected

# Dagster warns of what it does itself.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")

MINUTE = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def answer(lifecycle: LifecycleResource, monkeypatch: pytest.MonkeyPatch) -> Any:
    def evaluate() -> Any:
        # The daemon's clock is a day behind.
        monkeypatch.setattr(processor, "current_time", lambda _: MINUTE + timedelta(seconds=20))
        with dg.build_schedule_context(
            scheduled_execution_time=MINUTE - timedelta(days=1), resources={"lifecycle": lifecycle}
        ) as context:
            return defs.resolve_schedule_def("devto_ticks").evaluate_tick(context)

    return evaluate


@pytest.mark.parametrize(("minutes", "reason"), [(0, "tick 1 of 20"), (6, "tick 7 of 20"), (19, "tick 20 of 20")])
def test_it_says_which_tick_it_is(connected: Connected, answer: Any, minutes: int, reason: str) -> None:
    connected.checked_at(connected.add("Town"), MINUTE - timedelta(minutes=minutes))
    answered = answer()
    assert (answered.skip_message, answered.run_requests) == (reason, [])


def test_it_says_when_nothing_is_onboarded(connected: Connected, answer: Any) -> None:
    connected.add("Town")
    assert answer().skip_message == "no DEV integration is onboarded yet"


def test_it_asks_for_a_check_when_the_ticks_are_over(connected: Connected, answer: Any) -> None:
    due, fresh = connected.add("Due"), connected.add("Fresh")
    connected.checked_at(due, MINUTE - timedelta(minutes=20))
    connected.checked_at(fresh, MINUTE - timedelta(minutes=19))
    [request] = answer().run_requests
    assert request.run_key == "check:2024-05-01T12:30:00+00:00:0"
    assert request.run_config["ops"]["start_runs"]["config"] == {"integration_ids": [due], "tick": MINUTE.isoformat()}
    assert {key: request.tags[key] for key in ("crowd/onboarding", "dagster/priority")} == {
        "crowd/onboarding": "false",
        "dagster/priority": "1",
    }


def test_many_checks_share_few_dagster_runs(connected: Connected, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWD_CHECK_BATCH_SIZE", "2")
    ids = [connected.add(f"Town {number}") for number in range(5)]
    for number, integration_id in enumerate(ids):
        connected.checked_at(integration_id, MINUTE - timedelta(minutes=60 - number))
    requests = answer().run_requests
    assert [request.run_config["ops"]["start_runs"]["config"]["integration_ids"] for request in requests] == [
        ids[:2],
        ids[2:4],
        ids[4:],
    ]
    assert len({request.run_key for request in requests}) == 3


def test_a_platform_that_is_checked_every_minute_says_so() -> None:
    class Restless(DevtoIntegration):
        ticks_between_checks = 0

    job = defs.resolve_job_def("devto")
    assert "each every 1 min" in str(ticks_of(Restless(), job).description)
    assert "each every 20 min" in str(ticks_of(DevtoIntegration(), job).description)
