"""What is due, and what is started."""

from datetime import UTC, datetime, timedelta

import pytest

from crowd_pipelines.framework import processor
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.model.states import RunState
from crowd_pipelines_tests.framework.scripted import Script, Town
from crowd_pipelines_tests.store.tenant import Tenant

NOW = datetime(2024, 5, 1, 12, 30, 40, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database's clock says."""
    monkeypatch.setattr(processor, "current_time", lambda _: NOW)


def checked_at(town: Town, moment: datetime) -> None:
    town.tenant.execute("UPDATE integrations SET onboarded_at = now(), last_check_at = :at", at=moment)


@pytest.mark.parametrize(("minutes", "number", "due"), [(1, 2, False), (19, 20, False), (20, 21, True), (90, 91, True)])
def test_a_tick_counts_the_minutes_since_the_last_check(town: Town, minutes: int, number: int, due: bool) -> None:
    checked_at(town, NOW.replace(second=0) - timedelta(minutes=minutes))
    tick = town.processor().process_tick("town")
    assert (tick.number, tick.of, bool(tick.due)) == (number, 20, due)


def test_a_platform_without_checks_is_never_due(tenant: Tenant, script: Script) -> None:
    town = Town.of(tenant, script, ticks_between_checks=-1)
    checked_at(town, NOW - timedelta(days=9))
    assert town.processor().process_tick("town").due == ()


def test_a_platform_checked_every_minute_is_due_every_minute_but_not_twice(tenant: Tenant, script: Script) -> None:
    town = Town.of(tenant, script, ticks_between_checks=1)
    checked_at(town, NOW - timedelta(minutes=1))
    assert town.processor().process_tick("town").due != ()
    checked_at(town, NOW - timedelta(seconds=20))
    assert town.processor().process_tick("town").due == ()


def test_a_check_is_opened_once_for_a_tick(town: Town) -> None:
    checks = town.processor()
    since = datetime.now(UTC)
    [run_id] = checks.process_check([town.tenant.integration_id], not_checked_since=since)
    town.work(run_id)
    assert checks.process_check([town.tenant.integration_id], not_checked_since=since) == []


def test_an_onboarding_that_is_open_already_is_continued(town: Town) -> None:
    run = town.onboard(slice_=Slice(0))
    started = town.processor(owner="next worker").onboard([town.tenant.integration_id])
    assert started.run_ids == (run.id,)


def test_an_onboarding_waits_for_the_end_of_an_open_check(town: Town) -> None:
    town.tenant.execute("UPDATE integrations SET onboarded_at = now()")
    town.open(onboarding=False)
    started = town.processor().onboard([town.tenant.integration_id])
    assert started.run_ids == ()
    assert "onboarded after that" in started.passed_over[0]
    assert town.tenant.value("SELECT onboarding_requested_at FROM integrations") is not None


def test_what_another_worker_has_is_passed_over_with_the_reason(town: Town) -> None:
    run_id = town.open()
    assert town.processor(owner="other").lifecycle.take([run_id]) == [run_id]
    started = town.processor().resume([run_id])
    assert started.run_ids == ()
    assert str(run_id) in started.passed_over[0]
    assert town.script.asked == []


def test_a_check_of_something_already_read_is_passed_over(town: Town) -> None:
    town.open()
    started = town.processor().check([town.tenant.integration_id])
    assert (started.run_ids, len(started.passed_over)) == ((), 1)


@pytest.mark.parametrize(("canceled", "state"), [(True, RunState.ERROR), (False, RunState.DELAYED)])
def test_a_worker_that_goes_hands_over_what_it_holds(town: Town, canceled: bool, state: RunState) -> None:
    worker = town.processor()
    [run_id] = worker.onboard([town.tenant.integration_id]).run_ids
    worker.lifecycle.get_streams([run_id])
    worker.lifecycle.hand_over(canceled=canceled)
    assert town.tenant.value("SELECT state FROM integration_runs") == state
    assert town.script.fetched == []
