"""The order of things in an integration run, and what ends or delays it."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from crowd_pipelines.framework import lifecycle
from crowd_pipelines.framework.integration import Patch
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http import CredentialsRejected, Gone, RateLimited, Retryable, UnexpectedPayload
from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import StreamResult
from crowd_pipelines_tests.framework.scripted import PageStream, Script, Town, found, pages
from crowd_pipelines_tests.store.tenant import Tenant, answer, said

PLANNING = ["preprocess", "create_member_attributes", "get_streams"]


def rate_limited(*, hours: int = 1) -> RateLimited:
    return RateLimited("429: too many", until=datetime.now(UTC) + timedelta(hours=hours), scope="default")


def test_an_onboarding_goes_through_its_phases_in_order(town: Town) -> None:
    town.script.roots = pages("a", "b")
    run = town.onboard()
    assert run.state is RunState.PROCESSED
    assert town.script.asked[:3] == PLANNING
    assert set(town.script.asked[3:5]) == {"a/1", "b/1"}
    assert town.script.asked[5:] == ["postprocess"]


def test_what_the_tenant_lacks_of_the_member_attributes_is_created(town: Town) -> None:
    town.onboard()
    town.onboard()
    assert town.tenant.rows("SELECT name, label FROM member_attribute_settings") == [{"name": "bio", "label": "Bio"}]


def test_a_resume_neither_plans_nor_preprocesses_again(town: Town) -> None:
    town.script.preprocessed = {"loaded": [1, 2]}
    run = town.onboard(slice_=Slice(0))
    assert (run.state, town.script.asked) == (RunState.DELAYED, PLANNING)
    assert town.resume(run).state is RunState.PROCESSED
    assert town.script.asked == [*PLANNING, "a/1", "postprocess"]
    assert town.script.contexts[0].preprocessed == {"loaded": [1, 2]}


def test_a_resume_after_a_failed_plan_does_not_preprocess_again(town: Town) -> None:
    town.script.preprocessed = {"loaded": 1}
    town.script.roots = Retryable("503")
    run = town.onboard()
    town.script.roots = pages("a")
    assert town.resume(run).state is RunState.PROCESSED
    assert town.script.asked.count("preprocess") == 1
    assert town.script.contexts[0].preprocessed == {"loaded": 1}


def test_a_run_without_roots_is_processed(town: Town) -> None:
    town.script.roots = ()
    assert town.onboard().state is RunState.PROCESSED
    assert town.script.asked == [*PLANNING, "postprocess"]


def test_postprocess_is_told_what_the_run_did(town: Town) -> None:
    town.script.roots = pages("a", "b")
    below = PageStream(name="c")
    town.script.steps = {"a/1": found(said("1"), said("2"), new_streams=(below,)), "b/1": Gone("404")}
    town.script.steps["c/1"] = Gone("404")
    town.onboard()
    [summary] = town.script.summaries
    told = (summary.streams, summary.processed, summary.skipped, summary.owed, summary.failed, summary.activities)
    assert told == (3, 1, 1, 1, 0, 2)


def test_a_patch_of_settings_keeps_what_others_wrote_meanwhile(town: Town) -> None:
    town.tenant.execute("""UPDATE integrations SET settings = '{"mine": 1, "theirs": 1}'""")

    def meanwhile() -> StreamResult:
        town.tenant.execute("""UPDATE integrations SET settings = settings || '{"theirs": 2}'""")
        return StreamResult()

    town.script.steps["a/1"] = meanwhile
    town.script.patch = Patch(settings={"mine": 2}, state={"cursor": "x"})
    town.onboard()
    row = town.tenant.row("SELECT settings, state FROM integrations")
    assert row == {"settings": {"mine": 2, "theirs": 2}, "state": {"cursor": "x"}}


@pytest.mark.parametrize("where", ["preprocessed", "roots", "patch"])
def test_a_failed_phase_is_an_error_and_never_processed(town: Town, where: str) -> None:
    setattr(town.script, where, ValueError("the answer made no sense"))
    run = town.onboard()
    assert run.state is RunState.ERROR
    assert run.error == "ValueError: the answer made no sense"
    status = town.tenant.row("SELECT status, error, onboarded_at FROM integrations")
    assert status == {"status": "error", "error": run.error, "onboarded_at": None}
    assert where == "patch" or town.script.fetched == []


def test_a_subject_of_the_whole_run_that_is_gone_is_an_error(town: Town) -> None:
    town.script.roots = Gone("404: no such town")
    run = town.onboard()
    assert (run.state, run.error) == (RunState.ERROR, "404: no such town")


@pytest.mark.parametrize("where", ["preprocessed", "roots", "patch"])
def test_a_phase_that_is_rate_limited_delays_the_run_until_then(town: Town, where: str) -> None:
    refused = rate_limited()
    setattr(town.script, where, refused)
    run = town.onboard()
    assert (run.state, run.delayed_until, run.delay_reason) == (RunState.DELAYED, refused.until, "429: too many")
    setattr(town.script, where, Patch() if where == "patch" else pages("a") if where == "roots" else {})
    assert town.resume(run).state is RunState.PROCESSED
    assert town.script.fetched == ["a/1"]


@pytest.mark.parametrize("where", ["preprocessed", "roots"])
def test_a_phase_with_refused_credentials_ends_the_run_and_no_check_asks_again(town: Town, where: str) -> None:
    setattr(town.script, where, CredentialsRejected("401: bad token."))
    run = town.onboard()
    assert run.state is RunState.ERROR
    assert (run.error or "").startswith("401: bad token. Connect the integration again with credentials that work.")
    assert town.processor().process_tick("town").due == ()


def test_a_plan_that_fails_for_a_passing_reason_is_tried_again_until_it_passes(town: Town) -> None:
    town.script.roots = Retryable("503: later")
    run = town.onboard()
    for attempt in range(1, 15):
        assert (run.state, run.delay_reason) == (RunState.DELAYED, "503: later")
        assert run.delayed_until is not None
        wait = run.delayed_until - datetime.now(UTC)
        longest = min(5 * attempt, 60)
        assert timedelta(minutes=longest - 1) < wait <= timedelta(minutes=longest)
        run = town.resume(run)
    town.script.roots = pages("a")
    assert town.resume(run).state is RunState.PROCESSED


def test_settings_that_cannot_be_used_are_an_error_that_names_them(town: Town) -> None:
    town.tenant.execute("""UPDATE integrations SET settings = '{"number": "many"}'""")
    run_id = town.open()
    town.processor().process(run_id)
    error = town.tenant.value("SELECT error FROM integration_runs")
    assert error.startswith("the settings of Town cannot be used: number:")
    assert town.script.asked == []


def test_an_unknown_platform_is_an_error_that_says_so(town: Town) -> None:
    town.processor(registry={}).process(town.open())
    assert "no platform 'town' is registered" in town.tenant.value("SELECT error FROM integration_runs")


def test_credentials_sealed_with_a_lost_key_are_an_error_that_says_so(town: Town) -> None:
    town.tenant.execute("UPDATE integrations SET credentials = 'x', credentials_key_id = 'lost'")
    town.processor().process(town.open())
    assert "sealed with key lost" in town.tenant.value("SELECT error FROM integration_runs")


def test_one_run_that_fails_holds_no_other_up(tenant: Tenant, script: Script) -> None:
    town = Town.of(tenant, script)
    second = Tenant.connect(tenant.engine, integration="Second")
    second.execute("""UPDATE integrations SET settings = '{"number": "x"}' WHERE id = :id""", id=second.integration_id)
    processor = town.processor()
    started = processor.onboard([second.integration_id, tenant.integration_id])
    assert len(started.run_ids) == 1
    work = processor.lifecycle
    mine = work.get_streams(work.create_member_attributes(work.preprocess(started.run_ids)))
    work.process_streams(mine)
    [run] = work.postprocess(mine)
    assert (run.integration_id, run.state) == (tenant.integration_id, RunState.PROCESSED)
    assert second.value("SELECT state FROM integration_runs WHERE integration_id = :id", id=second.integration_id) == (
        "error"
    )


def test_a_slow_phase_keeps_the_lease_of_its_run(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "heartbeat_seconds", lambda: 0.02)
    beaten = threading.Event()

    def slow(script: Script) -> Patch:
        town.tenant.execute("UPDATE integration_runs SET leased_until = now() - interval '1 s'")
        for _ in range(100):
            if town.tenant.value("SELECT leased_until > now() FROM integration_runs"):
                beaten.set()
                break
            beaten.wait(0.02)
        return Patch()

    monkeypatch.setattr(type(town.integration), "postprocess", lambda self, run, summary: slow(run.api))
    assert town.onboard().state is RunState.PROCESSED
    assert beaten.is_set()


def test_a_run_that_another_took_over_while_planning_is_left_to_them(town: Town) -> None:
    def taken_over() -> None:
        town.tenant.execute("UPDATE integration_runs SET lease_epoch = lease_epoch + 1, dagster_run_id = 'other'")

    original = town.script.tell

    def tell(name: str, answer: object) -> object:
        if name == "get_streams":
            taken_over()
        return original(name, answer)

    town.script.tell = tell  # type: ignore[method-assign]
    run = town.onboard()
    assert (run.state, run.dagster_run_id, run.streams_planned_at) == (RunState.PROCESSING, "other", None)
    assert town.tenant.value("SELECT count(*) FROM integration_streams") == 0


def notices(town: Town) -> object:
    return town.tenant.value("SELECT state->'notices' FROM integrations")


def test_notices_stay_until_a_run_says_otherwise(town: Town) -> None:
    town.script.patch = Patch(notices=("The intent is missing; switch it on.",), state={"seen": 1})
    town.onboard()
    town.script.patch = Patch()
    town.check()
    assert notices(town) == ["The intent is missing; switch it on."]
    [told] = town.processor().lifecycle.notices()
    assert re.fullmatch(r"Town \(town-\w+\): The intent is missing; switch it on.", told)
    assert town.script.contexts[-1].state["seen"] == 1
    town.script.patch = Patch(notices=())
    town.check()
    assert notices(town) == []


@pytest.mark.parametrize(
    ("variables", "delayed"),
    [
        ({}, False),
        ({"GLOBAL_LIMIT": "3"}, True),
        ({"GLOBAL_LIMIT": "0"}, False),
        ({"GLOBAL_LIMIT": "4"}, False),
        ({"GLOBAL_LIMIT": "6", "ONBOARDING_LIMIT_FACTOR": "0.5"}, True),
    ],
    ids=["none", "reached", "switched off", "not reached", "an onboarding's part of it"],
)
def test_the_environment_sets_the_global_limit(
    town: Town, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], delayed: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"CROWD_TOWN_{name}", value)
    town.script.steps["a/1"] = found(
        said("1"), said("2"), said("3"), to_page=pages("a")[0].model_copy(update={"number": 2})
    )
    assert (town.onboard().state is RunState.DELAYED) is delayed


def test_the_window_of_the_limit_is_as_long_as_the_environment_says(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_TOWN_GLOBAL_LIMIT", "1")
    monkeypatch.setenv("CROWD_TOWN_LIMIT_RESET_DAYS", "2")
    town.script.roots = pages("a", "b")
    town.script.steps["a/1"] = found(said("1"))
    run = town.onboard()
    assert run.delayed_until is not None
    assert timedelta(hours=47) < run.delayed_until - datetime.now(UTC) <= timedelta(hours=48)


def failing_for_good(town: Town, stream: PageStream) -> None:
    """An onboarding of which this stream, found on the way, failed in all its tries."""
    town.script.steps["a/1"] = found(said("1"), new_streams=[stream])
    town.script.steps[stream.label] = UnexpectedPayload("no answer anyone can read")
    run = town.onboard()
    town.tenant.execute("UPDATE integration_streams SET retries = 5 WHERE state = 'error'")
    assert town.resume(run).state is RunState.ERROR
    town.script.steps = {}
    town.script.asked.clear()


def test_a_check_takes_up_what_only_the_failed_stream_leads_to(town: Town) -> None:
    failing_for_good(town, PageStream(name="b"))
    town.script.steps = {"b/1": found(said("2"))}
    assert town.check().state is RunState.PROCESSED
    assert sorted(town.script.fetched) == ["a/1", "b/1"]
    assert town.stored() == {"1", "2"}
    assert town.tenant.value("SELECT status FROM integrations") == "done"
    town.script.asked.clear()
    town.check()
    assert town.script.fetched == ["a/1"]


def test_it_is_tried_once_in_each_check_until_it_succeeds(town: Town) -> None:
    failing_for_good(town, PageStream(name="b"))
    town.script.steps = {"b/1": UnexpectedPayload("still no answer anyone can read")}
    for _ in range(2):
        assert town.check().state is RunState.ERROR
    assert sorted(town.script.fetched) == ["a/1", "a/1", "b/1", "b/1"]


def test_an_onboarding_reads_everything_and_takes_nothing_up(town: Town) -> None:
    failing_for_good(town, PageStream(name="b"))
    assert town.onboard().state is RunState.PROCESSED
    assert town.script.fetched == ["a/1"]


def test_what_a_failed_run_left_untied_is_tied_by_the_next_that_ends_well(town: Town) -> None:
    town.script.steps = {"a/1": found(said("1"), answer("2", "1"))}
    town.onboard()
    # As if two workers had committed them at the same moment, before the first run ended in error.
    town.tenant.execute("UPDATE activities SET parent_id = NULL, created_at = created_at - interval '1 day'")
    town.tenant.execute("UPDATE integration_runs SET state = 'error', error = 'refused'")
    assert town.check().state is RunState.PROCESSED
    assert town.tenant.activity("2")["parent_id"] == town.tenant.activity("1")["id"]
