"""Only an onboarding onboards, and what an ended integration run left belongs to the next one."""

import pytest

from crowd_pipelines.http.errors import CredentialsRejected, Retryable
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.invariants import broken
from crowd_pipelines_tests.framework.scripted import Town, found, pages
from crowd_pipelines_tests.store.tenant import said

REFUSED = CredentialsRejected("401: bad token.")
ONBOARDED = "SELECT status, onboarded_at IS NOT NULL AS onboarded FROM integrations"


@pytest.fixture
def alone(town: Town) -> Town:
    return Town.of(town.tenant, town.script, max_concurrency=1)


@pytest.fixture
def halfway(alone: Town) -> Town:
    """An onboarding that ended with half of its streams unread, since the credentials were refused twice."""
    alone.script.roots = pages("a", "b", "c", "d")
    alone.script.steps = {f"{name}/1": found(said(name)) for name in "abcd"}
    alone.script.steps |= {"c/1": REFUSED, "d/1": REFUSED}
    alone.script.credentials = REFUSED
    run = alone.onboard()
    assert (run.state, run.delayed_until is not None) == (RunState.DELAYED, True)
    assert alone.resume(run).state is RunState.ERROR
    alone.script.steps |= {"c/1": found(said("c")), "d/1": found(said("d"))}
    alone.script.credentials = None
    return alone


def test_a_check_of_what_is_not_onboarded_goes_on_with_the_onboarding(halfway: Town) -> None:
    assert halfway.stored() == {"a", "b"}
    assert halfway.tenant.row(ONBOARDED) == {"status": "error", "onboarded": False}
    halfway.script.asked.clear()
    run = halfway.check()
    assert (run.onboarding, run.state) == (True, RunState.PROCESSED)
    assert halfway.stored() == {"a", "b", "c", "d"}
    assert sorted(halfway.script.fetched) == ["c/1", "d/1"]
    assert halfway.tenant.row(ONBOARDED) == {"status": "done", "onboarded": True}
    assert halfway.tenant.value("SELECT count(*) FROM integration_runs") == 1


def test_a_check_of_what_was_never_read_is_an_onboarding(town: Town) -> None:
    town.script.steps["a/1"] = found(said("1"))
    run = town.check()
    assert (run.onboarding, run.state) == (True, RunState.PROCESSED)


def test_a_check_takes_up_what_the_check_before_never_came_to(alone: Town) -> None:
    alone.script.roots = pages("a", "b")
    alone.onboard()
    alone.script.steps = {"a/1": found(said("1"), new_streams=pages("x")), "x/1": REFUSED, "b/1": REFUSED}
    alone.script.credentials = REFUSED
    run = alone.resume(alone.check())
    assert run.state is RunState.ERROR
    alone.script.credentials = None
    alone.script.steps = {"x/1": found(said("x"))}
    alone.script.asked.clear()
    assert alone.check().state is RunState.PROCESSED
    assert alone.stored() == {"1", "x"}


def test_what_an_onboarding_left_is_read_as_an_onboarding_reads_also_by_a_check(alone: Town) -> None:
    alone.onboard()
    alone.script.roots = pages("a", "b")
    alone.script.steps["b/1"] = REFUSED
    alone.script.credentials = REFUSED
    assert alone.resume(alone.onboard()).state is RunState.ERROR
    alone.script.credentials, alone.script.steps = None, {}
    alone.script.contexts.clear()
    run = alone.check()
    assert (run.onboarding, run.state) == (False, RunState.PROCESSED)
    assert True in [context.onboarding for context in alone.script.contexts]


def test_an_onboarding_that_a_person_canceled_is_not_gone_on_with_by_itself(town: Town) -> None:
    run_id = town.open()
    lifecycle = town.processor().lifecycle
    lifecycle.take([run_id])
    lifecycle.hand_over(canceled=True)
    town.tenant.execute("UPDATE integrations SET last_check_at = now() - interval '2 days'")
    assert town.processor().process_tick("town").due == ()
    assert town.check().state is RunState.PROCESSED


def test_one_odd_refusal_of_credentials_that_work_costs_a_second_look_and_nothing_else(alone: Town) -> None:
    alone.script.roots = pages("a", "b")
    alone.script.steps = {"a/1": found(said("a")), "b/1": [REFUSED, found(said("b"))]}
    run = alone.onboard()
    assert run.state is RunState.DELAYED
    assert "A moment later they were accepted" in (run.delay_reason or "")
    assert alone.resume(run).state is RunState.PROCESSED
    assert alone.stored() == {"a", "b"}
    assert alone.script.asked.count("check_credentials") == 1


def test_credentials_that_worked_are_asked_again_after_minutes_before_they_are_given_up(alone: Town) -> None:
    alone.onboard()
    alone.script.steps["a/1"] = REFUSED
    alone.script.credentials = REFUSED
    run = alone.check()
    assert (run.state, run.error) == (RunState.DELAYED, None)
    assert (run.delay_reason or "").startswith("the credentials are refused, and tried again then: 401")
    assert alone.tenant.value(
        "SELECT delayed_until - now() < interval '6 minutes' FROM integration_runs WHERE id = :i", i=run.id
    )
    alone.script.steps, alone.script.credentials = {}, None
    assert alone.resume(run).state is RunState.PROCESSED
    assert alone.tenant.value("SELECT credential_refusals FROM integrations") == 0


@pytest.mark.parametrize(("refusals", "waits"), [(2, "59 minutes"), (3, "23 hours")])
def test_refused_credentials_are_tried_again_rarely_and_come_back_by_themselves(
    alone: Town, refusals: int, waits: str
) -> None:
    alone.onboard()
    alone.script.steps["a/1"] = REFUSED
    alone.script.credentials = REFUSED
    assert alone.resume(alone.check()).state is RunState.ERROR
    ours = alone.tenant.integration_id
    alone.tenant.execute("UPDATE integrations SET credential_refusals = :n", n=refusals)
    asked_at = f"last_check_at = now() - interval '{waits}', credentials_rejected_at = now() - interval '{waits}'"
    alone.tenant.execute(f"UPDATE integrations SET {asked_at}")
    assert alone.processor().process_tick("town").due == ()
    alone.tenant.execute(
        "UPDATE integrations SET last_check_at = last_check_at - interval '61 minutes',"
        " credentials_rejected_at = credentials_rejected_at - interval '61 minutes'"
    )
    assert alone.processor().process_tick("town").due == (ours,)
    alone.script.asked.clear()
    assert alone.check().state is RunState.ERROR
    assert alone.script.fetched == ["a/1"]
    assert "check_credentials" not in alone.script.asked
    alone.script.steps = {"a/1": found(said("1"))}
    assert alone.check().state is RunState.PROCESSED
    row = alone.tenant.row("SELECT status, error, credentials_rejected_at, credential_refusals FROM integrations")
    assert row == {"status": "done", "error": None, "credentials_rejected_at": None, "credential_refusals": 0}


def test_a_network_that_fails_at_the_second_look_proves_nothing(alone: Town) -> None:
    alone.onboard()
    alone.script.steps["a/1"] = REFUSED
    alone.script.credentials = Retryable("the connection broke off")
    run = alone.check()
    assert run.state is RunState.DELAYED
    assert alone.tenant.value("SELECT credentials_rejected_at FROM integrations") is None


def harmed(town: Town, how: str) -> None:
    """An installation as version 0.1 left it: three of four streams read, and nothing that says so."""
    town.script.roots = pages("a", "b", "c", "d")
    town.script.steps = {f"{name}/1": found(said(name)) for name in "abcd"}
    town.onboard()
    town.tenant.execute("DELETE FROM activities WHERE source_id = 'd'")
    town.tenant.execute("UPDATE integrations SET activity_count = 3")
    town.tenant.execute("UPDATE members SET score = 6")
    town.tenant.execute(how)


SKIPPED = """
    UPDATE integration_streams SET state = 'skipped',
        error = 'GET town.example/d answered 403 Forbidden: "Access from your network is not allowed". It is skipped.'
    WHERE label = 'd/1'
"""
FORGOTTEN = """
    WITH harmed AS (
        UPDATE integration_runs SET state = 'error', error = '401', created_at = created_at - interval '1 hour'
        RETURNING tenant_id, integration_id
    ), left_over AS (
        UPDATE integration_streams SET state = 'pending', processed_at = NULL, due_at = now() WHERE label = 'd/1'
    )
    INSERT INTO integration_runs (tenant_id, integration_id, onboarding, state, streams_planned_at, processed_at)
    SELECT tenant_id, integration_id, FALSE, 'processed', now(), now() FROM harmed
"""


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (SKIPPED, {"what-is-skipped-is-gone"}),
        (FORGOTTEN, {"what-a-run-left-is-read", "only-onboardings-onboard"}),
    ],
    ids=["refused and skipped", "completed by a check"],
)
def test_what_the_version_before_lost_is_found_and_an_onboarding_repairs_it(
    town: Town, how: str, told: set[str]
) -> None:
    harmed(town, how)
    with town.tenant.engine.connect() as conn:
        found_now = {one.invariant.name: one.invariant.remedy for one in broken(conn)}
    assert found_now.keys() == told
    assert all("crowd-pipelines process-integration -o -i" in remedy for remedy in found_now.values())
    assert town.onboard().state is RunState.PROCESSED
    assert town.stored() == {"a", "b", "c", "d"}
    with town.tenant.engine.connect() as conn:
        assert broken(conn) == []
