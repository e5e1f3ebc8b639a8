"""How long an integration run waits for a provider that lets nothing through."""

from datetime import UTC, datetime, timedelta

import pytest

from crowd_pipelines.http import RateLimited
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store import runs
from crowd_pipelines_tests.framework.scripted import Town, found, pages
from crowd_pipelines_tests.store.tenant import said

REFUSED = RateLimited("429: come back later.", until=datetime(2099, 1, 1, tzinfo=UTC), scope="default")


def long_ago(town: Town, days: int) -> None:
    """Everything so far happened that long ago."""
    back = f"- interval '{days} days'"
    town.tenant.execute(f"UPDATE integration_streams SET processed_at = processed_at {back}")
    town.tenant.execute(
        f"UPDATE integration_runs SET created_at = created_at {back}, streams_planned_at = streams_planned_at {back}"
    )


def refused_after(town: Town, days: int) -> runs.RunRecord:
    run = town.onboard()
    assert run.state is RunState.DELAYED
    long_ago(town, days)
    return town.resume(run)


@pytest.fixture
def refusing(town: Town) -> Town:
    town.script.roots = pages("a", "b")
    town.script.steps["b/1"] = REFUSED
    return town


def test_after_two_weeks_without_a_page_it_ends_and_says_how_to_go_on(refusing: Town) -> None:
    run = refused_after(refusing, 15)
    assert run.state is RunState.ERROR
    assert (run.error or "").startswith("429: come back later. Nothing could be read for 15 days")
    assert f"continue-run -r {run.id}" in (run.error or "")
    row = refusing.tenant.row("SELECT status, onboarded_at FROM integrations")
    assert row == {"status": "error", "onboarded_at": None}


def test_a_day_later_a_check_goes_on_with_the_onboarding_that_was_no_longer_waited_for(refusing: Town) -> None:
    run = refused_after(refusing, 15)
    processor, ours = refusing.processor(), refusing.tenant.integration_id
    refusing.tenant.execute("UPDATE integrations SET last_check_at = now() - interval '23 hours'")
    assert processor.process_tick("town").due == ()
    refusing.tenant.execute("UPDATE integrations SET last_check_at = now() - interval '25 hours'")
    assert processor.process_tick("town").due == (ours,)
    refusing.script.steps = {}
    again = refusing.check()
    assert (again.id, again.onboarding, again.state) == (run.id, True, RunState.PROCESSED)
    assert refusing.tenant.value("SELECT onboarded_at FROM integrations") is not None


def test_until_then_it_waits(refusing: Town) -> None:
    assert refused_after(refusing, 13).state is RunState.DELAYED


def test_every_page_begins_two_weeks_anew(refusing: Town) -> None:
    refusing.script.roots = pages("c", "b")
    run = refusing.onboard()
    long_ago(refusing, 15)
    refusing.tenant.execute("UPDATE integration_streams SET processed_at = now() WHERE label = 'c/1'")
    assert refusing.resume(run).state is RunState.DELAYED


def test_whoever_continues_it_has_it_wait_anew(refusing: Town) -> None:
    run = refused_after(refusing, 15)
    with refusing.tenant.engine.begin() as conn:
        assert runs.reopen(conn, run.id)
    run = refusing.resume(run)
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "429: come back later.")
    refusing.script.steps["b/1"] = found(said("1"))
    assert refusing.resume(run).state is RunState.PROCESSED


def test_it_ends_too_when_nothing_could_be_planned(town: Town) -> None:
    town.script.preprocessed = REFUSED
    run = refused_after(town, 15)
    assert run.state is RunState.ERROR
    assert town.tenant.value("SELECT onboarded_at FROM integrations") is None


def test_the_users_own_limit_may_last_longer(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWD_TOWN_GLOBAL_LIMIT", "1")
    monkeypatch.setenv("CROWD_TOWN_LIMIT_RESET_DAYS", "30")
    town.script.roots = pages("a", "b")
    town.script.steps = {"a/1": found(said("1"), said("2")), "b/1": found(said("3"), said("4"))}
    run = town.onboard()
    assert run.state is RunState.DELAYED
    long_ago(town, 15)
    run = town.resume(run)
    assert run.state is RunState.DELAYED
    assert run.delayed_until is not None
    assert run.delayed_until > datetime.now(UTC) + timedelta(days=20)
