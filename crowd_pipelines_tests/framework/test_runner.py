"""How streams are worked: what each error means, what is committed, and what is left to whom."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crowd_pipelines.framework import runner
from crowd_pipelines.framework.clients import PacedConnector
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http import CredentialsRejected, Gone, RateLimited, Retryable, UnexpectedPayload
from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import StreamResult
from crowd_pipelines.store.streams import MAX_CRASHES
from crowd_pipelines_tests.framework.scripted import PageStream, Script, Town, found, pages
from crowd_pipelines_tests.store.tenant import NOON, Tenant, said

MINUTE = timedelta(minutes=1)


@pytest.fixture
def alone(tenant: Tenant, script: Script) -> Town:
    """One stream after the other, so that what comes after an error can be told."""
    return Town.of(tenant, script, max_concurrency=1)


def chain(*, length: int, newest: datetime = NOON) -> dict[str, StreamResult]:
    """Pages of one activity each, a minute apart, newest first, all but the last with a next page."""
    return {
        f"a/{number}": found(
            said(str(number), timestamp=newest - number * MINUTE),
            to_page=PageStream(name="a", number=number + 1) if number < length else None,
            last_record_timestamp=newest - number * MINUTE,
        )
        for number in range(1, length + 1)
    }


def test_pages_children_and_grandchildren_are_all_read(town: Town) -> None:
    town.script.steps = dict(chain(length=3))
    town.script.steps["a/2"] = found(said("2"), to_page=PageStream(name="a", number=3), new_streams=pages("b"))
    town.script.steps["b/1"] = found(said("child"), new_streams=pages("c"))
    town.script.steps["c/1"] = found(said("grandchild"))
    assert town.onboard().state is RunState.PROCESSED
    assert town.stored() == {"1", "2", "3", "child", "grandchild"}


@pytest.mark.parametrize("length", [1, 2, 5])
def test_pages_in_a_circle_are_read_once_and_the_run_says_so(town: Town, length: int) -> None:
    town.script.steps = dict(chain(length=length))
    town.script.steps[f"a/{length}"] = found(said("last"), to_page=PageStream(name="a", number=1))
    run = town.onboard()
    assert run.state is RunState.ERROR
    assert f"1 of {length} streams failed: a/{length}: the provider's list leads back" in (run.error or "")
    assert town.script.fetched == [f"a/{number}" for number in range(1, length + 1)]
    assert len(town.stored()) == length


def test_a_passing_failure_is_retried_five_times_and_then_owed(town: Town) -> None:
    town.script.roots = pages("a", "b")
    town.script.steps["a/1"] = Retryable("503: come back later")
    run = town.onboard()
    for failures in range(1, 6):
        reason = "failed streams wait for another try: a/1: 503: come back later"
        assert (run.state, run.delay_reason) == (RunState.DELAYED, reason)
        stream = town.stream("a/1")
        assert (stream["state"], stream["retries"], stream["error"]) == ("error", failures, "503: come back later")
        assert 4 * failures * MINUTE - MINUTE < stream["due_in"] <= 6 * failures * MINUTE
        assert run.delayed_until == stream["due_at"]
        run = town.resume(run)
    assert run.state is RunState.PROCESSED
    owed = town.tenant.row("SELECT kind, label, reason, whole FROM owed_reads")
    assert owed == {"kind": "failure", "label": "a/1", "reason": "503: come back later", "whole": True}
    assert town.stream("a/1")["state"] == "owed"
    assert town.tenant.row("SELECT status, onboarded_at FROM integrations") == {
        "status": "in_progress",
        "onboarded_at": None,
    }
    assert town.script.fetched.count("a/1") == 6
    assert town.script.fetched.count("b/1") == 1


def test_retries_do_not_come_all_at_the_same_moment(town: Town) -> None:
    names = [f"s{number}" for number in range(8)]
    town.script.roots = pages(*names)
    town.script.steps = {f"{name}/1": Retryable("503") for name in names}
    town.onboard()
    waits = {round(town.stream(f"{name}/1")["due_in"].total_seconds() / 6) for name in names}
    assert len(waits) > 1


def test_a_retry_that_works_ends_well(town: Town) -> None:
    town.script.steps["a/1"] = [Retryable("503"), found(said("1"))]
    run = town.resume(town.onboard())
    assert (run.state, town.stored()) == (RunState.PROCESSED, {"1"})
    assert town.stream("a/1")["error"] is None


def test_a_rate_limit_delays_the_run_and_is_no_attempt_and_nothing_more_is_asked(alone: Town) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    alone.script.roots = pages("a", "b", "c", "d")
    alone.script.steps["a/1"] = [RateLimited("429", until=until, scope="default"), found(said("1"))]
    run = alone.onboard()
    assert (run.state, run.delayed_until, run.delay_reason) == (RunState.DELAYED, until, "429")
    assert alone.script.fetched == ["a/1"]
    stream = alone.stream("a/1")
    assert (stream["state"], stream["retries"], stream["crashes"]) == ("pending", 0, 0)
    assert alone.resume(run).state is RunState.PROCESSED
    assert alone.stored() == {"1"}


@pytest.mark.parametrize("pause", [{"sleep": timedelta(hours=1)}, {"resume_at": NOON.replace(year=2099)}])
def test_a_pause_commits_its_page_and_delays_the_rest(alone: Town, pause: dict[str, object]) -> None:
    alone.script.roots = pages("a", "b")
    second = PageStream(name="a", number=2)
    alone.script.steps["a/1"] = found(said("1"), to_page=second, **pause)
    run = alone.onboard()
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "a/1 asked for a pause")
    assert run.delayed_until is not None
    assert run.delayed_until > datetime.now(UTC) + timedelta(minutes=59)
    assert (alone.stored(), alone.script.fetched) == ({"1"}, ["a/1"])
    assert alone.resume(run).state is RunState.PROCESSED
    assert sorted(alone.script.fetched) == ["a/1", "a/2", "b/1"]


def test_refused_credentials_stop_the_run_after_one_request(alone: Town) -> None:
    alone.script.roots = pages("a", "b", "c", "d")
    alone.script.steps["a/1"] = CredentialsRejected("401: bad token.")
    run = alone.onboard()
    assert alone.script.fetched == ["a/1"]
    assert run.state is RunState.ERROR
    row = alone.tenant.row("SELECT status, error, credentials_rejected_at FROM integrations")
    assert row["status"] == "error"
    assert row["error"].startswith("401: bad token. Connect the integration again with credentials that work.")
    assert row["credentials_rejected_at"] is not None


def test_what_is_gone_below_what_was_read_is_skipped_and_no_failure(town: Town) -> None:
    town.script.steps = {"a/1": found(said("1"), new_streams=pages("b")), "b/1": Gone("404: deleted")}
    assert town.onboard().state is RunState.PROCESSED
    stream = town.stream("b/1")
    assert (stream["state"], stream["error"], stream["retries"]) == ("skipped", "404: deleted", 0)
    assert town.stored() == {"1"}


def test_an_unexpected_payload_is_kept_as_evidence_once_and_fails_the_stream(town: Town) -> None:
    town.script.steps["a/1"] = UnexpectedPayload("a list belongs here", evidence='{"odd": 1}')
    run = town.onboard()
    assert run.state is RunState.DELAYED
    town.resume(run)
    kept = town.tenant.row("SELECT reason, payload, stream_name FROM quarantined_records")
    assert kept == {"reason": "a list belongs here", "payload": '{"odd": 1}', "stream_name": "page"}
    assert town.stream("a/1")["retries"] == 2


def test_an_error_that_nobody_expected_is_data_and_the_others_go_on(town: Town) -> None:
    town.script.roots = pages("a", "b")
    town.script.steps = {"a/1": ZeroDivisionError("no such luck"), "b/1": found(said("1"))}
    run = town.onboard()
    assert town.stored() == {"1"}
    stream = town.stream("a/1")
    assert (stream["state"], stream["error"]) == ("error", "ZeroDivisionError: no such luck")
    assert run.state is RunState.DELAYED


def test_a_result_of_the_wrong_kind_is_data_too(town: Town) -> None:
    town.script.steps["a/1"] = lambda: "no result"  # type: ignore[assignment,return-value]
    assert town.onboard().state is RunState.DELAYED
    assert town.stream("a/1")["state"] == "error"


def test_a_stream_of_a_kind_that_is_no_more_fails_by_name(town: Town) -> None:
    run = town.onboard(slice_=Slice(0))
    town.tenant.execute("UPDATE integration_streams SET name = 'old_kind'")
    town.resume(run)
    assert "no stream of kind 'old_kind'" in town.stream("a/1")["error"]


def together(*results: StreamResult) -> list[Callable[[], StreamResult]]:
    """Steps that end at the same moment, so that their pages share a transaction."""
    barrier = threading.Barrier(len(results))

    def step(result: StreamResult) -> Callable[[], StreamResult]:
        def finish() -> StreamResult:
            barrier.wait(timeout=10)
            return result

        return finish

    return [step(result) for result in results]


@pytest.mark.parametrize(
    "bad", [said("bad", body="refused"), said("bad", attributes={"x": {1, 2}})], ids=["by the database", "no JSON"]
)
def test_a_page_that_cannot_be_written_fails_alone_while_its_group_is_committed(town: Town, bad: object) -> None:
    town.tenant.execute("ALTER TABLE activities ADD CONSTRAINT never CHECK (body <> 'refused')")
    town.script.roots = pages("first", "a", "b", "c")
    refused = found(said("other"), bad, new_streams=pages("child of a"))  # type: ignore[arg-type]
    steps = together(refused, found(said("2")), found(said("3")))
    town.script.steps = dict(zip(["a/1", "b/1", "c/1"], steps, strict=True))
    run = town.onboard()
    assert town.stored() == {"2", "3"}
    failed = town.stream("a/1")
    assert (failed["state"], failed["retries"]) == ("error", 1)
    assert failed["error"].startswith("the page cannot be written: ")
    assert town.tenant.value("SELECT count(*) FROM integration_streams") == 4
    assert run.state is RunState.DELAYED


def test_a_slice_that_is_over_leaves_the_rest_to_the_next(alone: Town) -> None:
    slice_ = Slice(600)

    def last() -> StreamResult:
        slice_._deadline = 0
        return found(said("1"), to_page=PageStream(name="a", number=2))

    alone.script.roots = pages("a", "b", "c", "d")
    alone.script.steps["a/1"] = last
    run = alone.onboard(slice_=slice_)
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "the slice was over")
    assert run.delayed_until is not None
    assert run.delayed_until <= datetime.now(UTC)
    assert (alone.script.fetched, alone.stored()) == (["a/1"], {"1"})
    finished = alone.work(run.id, owner="next worker")
    assert finished.state is RunState.PROCESSED
    assert sorted(alone.script.fetched) == ["a/1", "a/2", "b/1", "c/1", "d/1"]


def stopped_during(town: Town, step: Callable[[], StreamResult], started: threading.Event) -> None:
    """Stop the worker while it processes the stream."""
    slice_ = Slice(600)
    town.script.steps["a/1"] = step
    working = threading.Thread(target=lambda: town.onboard(slice_=slice_))
    working.start()
    assert started.wait(10)
    slice_.stop()
    working.join(20)
    assert not working.is_alive()


def test_a_stopped_worker_gives_up_waiting_and_hands_its_stream_back_unharmed(town: Town) -> None:
    started = threading.Event()

    def waiting() -> StreamResult:
        started.set()
        assert isinstance(town.script.connector, PacedConnector)
        town.script.connector.sleep(3600)
        return StreamResult()

    stopped_during(town, waiting, started)
    stream = town.stream("a/1")
    assert (stream["state"], stream["retries"], stream["lease_owner"]) == ("pending", 0, None)
    assert stream["due_in"] <= timedelta()
    assert town.tenant.value("SELECT state FROM integration_runs") == "delayed"


def test_a_stopped_worker_does_not_wait_for_a_request_that_does_not_end(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STOP_GRACE_SECONDS", 0.1)
    started, ended = threading.Event(), threading.Event()

    def hanging() -> StreamResult:
        started.set()
        ended.wait(60)
        return found(said("late"))

    stopped_during(town, hanging, started)
    stream = town.stream("a/1")
    assert (stream["state"], stream["retries"], stream["crashes"]) == ("pending", 0, 0)
    ended.set()
    assert town.stored() == set()


def test_a_page_that_comes_while_the_worker_stops_is_committed(town: Town) -> None:
    started = threading.Event()

    def finishing() -> StreamResult:
        started.set()
        threading.Event().wait(0.2)
        return found(said("1"))

    stopped_during(town, finishing, started)
    assert (town.stored(), town.stream("a/1")["state"]) == ({"1"}, "processed")


def test_a_worker_whose_lease_was_taken_over_writes_nothing(town: Town) -> None:
    def taken_over() -> StreamResult:
        town.tenant.execute("UPDATE integration_streams SET lease_epoch = lease_epoch + 1, lease_owner = 'other'")
        return found(said("1"), new_streams=pages("child"), watermarks={"x": {"at": 1}})

    town.script.steps["a/1"] = taken_over
    town.onboard()
    assert town.stored() == set()
    assert town.tenant.value("SELECT count(*) FROM watermarks") == 0
    assert town.tenant.value("SELECT count(*) FROM integration_streams") == 1
    stream = town.stream("a/1")
    assert (stream["state"], stream["lease_owner"]) == ("processing", "other")


@pytest.mark.parametrize(
    "error", [Retryable("503"), CredentialsRejected("401"), ValueError("x"), UnexpectedPayload("odd", evidence="x")]
)
def test_an_error_of_a_stale_worker_changes_nothing_either(town: Town, error: Exception) -> None:
    def taken_over() -> StreamResult:
        town.tenant.execute("UPDATE integration_streams SET lease_epoch = lease_epoch + 1, lease_owner = 'other'")
        raise error

    town.script.steps["a/1"] = taken_over
    run = town.onboard()
    stream = town.stream("a/1")
    assert (stream["state"], stream["lease_owner"], stream["retries"]) == ("processing", "other", 0)
    assert run.state is RunState.DELAYED
    assert town.tenant.value("SELECT credentials_rejected_at FROM integrations") is None
    assert town.tenant.value("SELECT count(*) FROM quarantined_records") == 0


def test_a_stream_that_took_its_worker_down_too_often_is_not_tried_again(town: Town) -> None:
    town.script.roots = pages("a", "b")
    run = town.onboard(slice_=Slice(0))
    town.tenant.execute(
        "UPDATE integration_streams SET state = 'processing', crashes = :n WHERE label = 'a/1'", n=MAX_CRASHES - 1
    )
    run = town.resume(run)
    assert town.script.fetched == ["b/1"]
    assert run.state is RunState.ERROR
    assert run.error == "1 of 2 streams failed: a/1: took its worker down 3 times; not tried again"


def test_buried_streams_do_not_end_the_slice(town: Town) -> None:
    town.script.roots = pages("a", "b", "c")
    run = town.onboard(slice_=Slice(0))
    town.tenant.execute("UPDATE integration_streams SET crashes = :n", n=MAX_CRASHES)
    run = town.resume(run)
    assert (run.state, town.script.fetched) == (RunState.ERROR, [])


def test_streams_that_were_with_a_dead_worker_come_last_and_each_alone(town: Town) -> None:
    together: list[int] = []
    at_work = 0
    lock = threading.Lock()

    def counted() -> StreamResult:
        nonlocal at_work
        with lock:
            at_work += 1
            together.append(at_work)
        threading.Event().wait(0.05)
        with lock:
            at_work -= 1
        return found()

    names = ("a", "b", "c", "new")
    town.script.roots = pages(*names)
    town.script.steps = {f"{name}/1": counted for name in names}
    run = town.onboard(slice_=Slice(0))
    town.tenant.execute(
        "UPDATE integration_streams SET state = 'processing', due_at = now() - interval '1 min' WHERE label <> 'new/1'"
    )
    run = town.resume(run)
    assert run.state is RunState.PROCESSED
    assert town.script.fetched[0] == "new/1"
    assert together == [1, 1, 1, 1]
    assert {town.stream(f"{name}/1")["crashes"] for name in names[:3]} == {1}


def test_a_slow_stream_keeps_its_lease_and_that_of_its_run(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "heartbeat_seconds", lambda: 0.01)
    leases = (
        "SELECT s.due_at > now() AND r.leased_until > now() AS held"
        " FROM integration_streams AS s JOIN integration_runs AS r ON r.id = s.run_id"
    )
    held: list[bool] = []

    def slow() -> StreamResult:
        town.tenant.execute("UPDATE integration_streams SET due_at = now() - interval '1 s'")
        town.tenant.execute("UPDATE integration_runs SET leased_until = now() - interval '1 s'")
        for _ in range(100):
            held.append(town.tenant.value(leases))
            if held[-1]:
                break
            threading.Event().wait(0.05)
        return found(said("1"))

    town.script.steps["a/1"] = slow
    # Nothing else may be claimed meanwhile, or the beat would come from the claim.
    assert town.onboard().state is RunState.PROCESSED
    assert held[-1]
    assert town.script.fetched == ["a/1"]


def test_a_check_reads_all_pages_newer_than_the_watermark_and_not_the_older_one(town: Town) -> None:
    town.onboard()
    town.script.asked.clear()
    town.script.steps = dict(chain(length=4))
    town.script.read_until = NOON - 3 * MINUTE
    assert town.check().state is RunState.PROCESSED
    assert town.script.fetched == ["a/1", "a/2", "a/3"]
    assert town.stored() == {"1", "2", "3"}


def test_an_onboarding_reads_everything_and_is_not_asked_whether_it_is_enough(town: Town) -> None:
    town.script.steps = dict(chain(length=4))
    town.script.read_until = NOON
    town.onboard()
    assert town.script.fetched == ["a/1", "a/2", "a/3", "a/4"]
    assert town.script.finished_asked == []


def test_a_last_page_is_not_asked_whether_it_is_enough(town: Town) -> None:
    town.onboard()
    town.script.steps = dict(chain(length=2))
    town.check()
    assert town.script.finished_asked == ["a/1"]


def test_the_global_limit_delays_until_its_window_ends_and_nothing_is_asked_before(
    tenant: Tenant, script: Script
) -> None:
    town = Town.of(tenant, script, global_limit=10, onboarding_limit_factor=0.3, max_concurrency=1)
    script.steps = dict(chain(length=5))
    run = town.onboard()
    assert script.fetched == ["a/1", "a/2", "a/3"]
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "the global limit of 3 records is reached")
    run = town.resume(run)
    assert (run.state, script.fetched) == (RunState.DELAYED, ["a/1", "a/2", "a/3"])
    assert run.delayed_until == tenant.value("SELECT limit_last_reset_at + interval '1 h' FROM integrations")
    tenant.execute("UPDATE integrations SET limit_last_reset_at = now() - interval '61 min'")
    assert town.resume(run).state is RunState.PROCESSED
    assert (len(town.stored()), tenant.value("SELECT limit_count FROM integrations")) == (5, 2)


def test_a_check_has_the_whole_global_limit(tenant: Tenant, script: Script) -> None:
    town = Town.of(tenant, script, global_limit=4, onboarding_limit_factor=0.5, max_concurrency=1)
    town.onboard()
    script.steps = dict(chain(length=5))
    assert town.check().delay_reason == "the global limit of 4 records is reached"
    assert len(town.stored()) == 4


def test_streams_of_different_roots_are_fetched_at_once_up_to_the_declared_concurrency(
    tenant: Tenant, script: Script
) -> None:
    town = Town.of(tenant, script, max_concurrency=3)
    lock, level, most = threading.Lock(), [0], [0]
    barrier = threading.Barrier(3)

    def busy() -> StreamResult:
        with lock:
            level[0] += 1
            most[0] = max(most[0], level[0])
        barrier.wait(timeout=10)
        with lock:
            level[0] -= 1
        return StreamResult()

    names = [f"s{number}" for number in range(9)]
    script.roots = pages("first", *names)
    script.steps = {f"{name}/1": busy for name in names}
    assert town.onboard().state is RunState.PROCESSED
    assert most == [3]


def test_with_roots_named_their_lineages_are_done_before_the_call_returns(alone: Town) -> None:
    alone.script.roots = pages("a", "b")
    alone.script.steps["a/1"] = found(to_page=PageStream(name="a", number=2))
    processor, run_id = alone.processor(), alone.open()
    work = processor.lifecycle
    mine = work.get_streams(work.create_member_attributes(work.preprocess(work.take([run_id]))))
    roots = {lineage.label: lineage.root_id for lineage in work.lineages(mine)}
    work.process_streams(mine, [roots["a/1"]])
    states = {lineage.label: lineage.unfinished for lineage in work.lineages(mine)}
    assert states["a/1"] == 0
    work.process_streams(mine, [roots["b/1"]])
    assert {lineage.unfinished for lineage in work.lineages(mine)} == {0}
    assert work.postprocess(mine)[0].state is RunState.PROCESSED


def test_a_check_with_much_to_read_does_not_hold_up_the_others_of_its_batch(alone: Town) -> None:
    small = Tenant.connect(alone.tenant.engine, integration="Small")
    alone.script.roots = pages("a", "b", "c")
    processor = alone.processor()
    opened = processor.process_check([alone.tenant.integration_id, small.integration_id])
    lifecycle = processor.lifecycle
    mine = lifecycle.get_streams(lifecycle.preprocess(lifecycle.take(opened)))
    big = lifecycle.handled()[0]
    alone.tenant.queue(big, *(PageStream(name="big", number=number) for number in range(300)))

    lifecycle.process_streams(mine)

    order = [context.integration_id for context in alone.script.contexts]
    assert len(order) == 306
    served = [place for place, integration_id in enumerate(order) if integration_id == small.integration_id]
    assert len(served) == 3
    assert max(served) < 20


def test_credentials_that_are_refused_cost_one_request(town: Town) -> None:
    def refuses() -> StreamResult:
        time.sleep(0.2)
        raise CredentialsRejected("the token is revoked")

    town.script.roots = pages(*"abcd")
    town.script.steps = {f"{name}/1": refuses for name in "abcd"}
    assert town.onboard().state is RunState.ERROR
    assert len(town.script.fetched) == 1
