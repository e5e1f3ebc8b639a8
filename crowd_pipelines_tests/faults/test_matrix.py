"""Every platform with every trouble on one of its streams: bounded, named, alone, and whole again afterwards."""

import re
import tracemalloc
from dataclasses import replace
from enum import StrEnum

import pytest

from crowd_pipelines.framework import runner
from crowd_pipelines.framework.runner import EVERYTHING_REFUSED
from crowd_pipelines.http.transport import Limits
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState, StreamState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.faults.choice import on_every_platform
from crowd_pipelines_tests.faults.conftest import Tell
from crowd_pipelines_tests.faults.ground import MOST_ATTEMPTS, Ground
from crowd_pipelines_tests.faults.troubles import ALL, BOMBS, IN_PLACE, Trouble

QUICK = frozenset({"503", "reset halfway", "HTML with 200", "deep", "utf-16", "redirect to another host"})


class End(StrEnum):
    """What has become of a stream in trouble when the trouble is over."""

    TRIED_AGAIN = "tried again"
    OWED = "owed"
    FAILED = "given up"


@on_every_platform([trouble for trouble in ALL if trouble not in BOMBS], quick=QUICK)
def test_trouble_with_one_stream_is_bounded_named_and_healed(
    ground: Ground, platform: str, case: Trouble, tell: Tell
) -> None:
    _strike(ground, platform, case, tell)


@on_every_platform([trouble for trouble in ALL if trouble.name == "500"], quick={"500"})
def test_streams_that_were_given_up_are_owed_and_read_by_the_next_check(
    ground: Ground, platform: str, case: Trouble, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However many fail one after the other, each is taken to be at fault itself.
    monkeypatch.setattr(runner, "EVERYTHING_REFUSED", 1_000_000)
    ground.connected.sandbox.fault(None, **case.fault, **(ground.places.below or ground.places.one))
    run, _ = ground.wear_out(ground.connected.onboard())
    given_up = [stream for stream in ground.streams(run) if stream["state"] == StreamState.OWED]
    if ground.places.alone:
        assert (run.state, given_up) == (RunState.DELAYED, [])
    else:
        assert (run.state, run.error) == (RunState.PROCESSED, None)
        assert {debt["stream_key"] for debt in ground.owed()} == {stream["key"] for stream in given_up} != set()
    ground.lift()
    if run.state is RunState.DELAYED:
        assert ground.connected.resume(run).state is RunState.PROCESSED
    check = ground.connected.check()
    assert check.state is RunState.PROCESSED, check.error or check.delay_reason
    ground.assert_whole()
    tell(f"{case.name}, then a check", "given up, then read")


@on_every_platform([trouble for trouble in ALL if trouble.name == "500"], quick={"500"})
def test_when_all_streams_of_a_kind_fail_the_integration_run_waits_and_goes_on(
    ground: Ground, platform: str, case: Trouble, tell: Tell
) -> None:
    ground.connected.sandbox.fault(None, **case.fault, **(ground.places.below or ground.places.one))
    run, turns = ground.wear_out(ground.connected.onboard(), most=3)
    assert run.state is RunState.DELAYED
    assert re.search(case.words(platform) or "", run.delay_reason or ""), run.delay_reason
    at_once = registry()[platform].max_concurrency
    assert 0 < ground.met() <= (turns + 1) * (EVERYTHING_REFUSED + 2 * at_once) * IN_PLACE
    ground.assert_nothing_is_half_written()
    ground.lift()
    again, _ = ground.work_off(ground.connected.resume(run))
    assert again.state is RunState.PROCESSED, again.error
    ground.assert_whole()
    tell(f"{case.name} everywhere", "waits, then read")


@on_every_platform(BOMBS, quick={"100 MB"})
def test_a_bomb_takes_no_more_memory_than_an_answer_may(
    ground: Ground, platform: str, case: Trouble, tell: Tell
) -> None:
    # With the patience of production: a bomb takes its time to be made.
    patient = replace(ground, connected=replace(ground.connected, limits=Limits()))
    tracemalloc.start()
    try:
        _strike(patient, platform, case, tell)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


def _strike(ground: Ground, platform: str, trouble: Trouble, tell: Tell) -> None:
    told = trouble.words(platform)
    ground.connected.sandbox.fault(None, **trouble.fault, **getattr(ground.places, trouble.place))
    run = ground.connected.onboard()
    if told is None:
        assert run.state is RunState.PROCESSED, run.error or run.delay_reason
        ground.assert_whole()
        tell(trouble.name, "read all the same", requests=ground.met())
        return
    if trouble.lasting:
        run, _ = ground.wear_out(run, most=MOST_ATTEMPTS - 1)
    end = _end(ground, trouble)
    _assert_only_the_struck_stream_suffered(ground, run, told, end)
    assert 0 < ground.met() <= trouble.most_requests(platform)
    _assert_the_run_says_so(ground, run, told, end)
    ground.assert_nothing_is_half_written()
    tell(trouble.name, f"{end}, then read", requests=ground.met())
    ground.lift()
    again = _read_again(ground, run, end)
    assert again.state is RunState.PROCESSED, again.error or again.delay_reason
    ground.assert_whole()


def _end(ground: Ground, trouble: Trouble) -> End:
    """How the trouble ends: what no time heals fails, what it may heal is owed, or waited for where nothing is read."""
    if not trouble.lasting:
        return End.TRIED_AGAIN
    if trouble.permanent:
        return End.FAILED
    return End.TRIED_AGAIN if ground.places.alone else End.OWED


def _read_again(ground: Ground, run: RunRecord, end: End) -> RunRecord:
    match end:
        case End.FAILED:
            return ground.continue_run(run)
        case End.OWED:
            return ground.connected.check()
    return ground.connected.resume(run)


def _assert_only_the_struck_stream_suffered(ground: Ground, run: RunRecord, told: str, end: End) -> None:
    [stream] = [one for one in ground.streams(run) if one["state"] not in ("processed", "skipped")]
    assert stream["state"] == (StreamState.OWED if end is End.OWED else StreamState.ERROR)
    assert (stream["due_at"] is not None) == (end is End.TRIED_AGAIN)
    assert re.search(told, stream["error"]), stream["error"]
    assert 1 <= stream["retries"] <= MOST_ATTEMPTS


def _assert_the_run_says_so(ground: Ground, run: RunRecord, told: str, end: End) -> None:
    """An integration run that has something left to try waits; one that gave a stream up names it, and why."""
    match end:
        case End.TRIED_AGAIN:
            assert run.state is RunState.DELAYED
            waits = rf"^failed streams wait for another try: .+: .*{told}"
            assert re.search(waits, run.delay_reason or "", re.DOTALL), run.delay_reason
        case End.FAILED:
            assert run.state is RunState.ERROR
            assert re.search(rf"^1 of \d+ streams failed: .+: .*{told}", run.error or "", re.DOTALL), run.error
        case End.OWED:
            _assert_it_is_owed(ground, run, told)


def _assert_it_is_owed(ground: Ground, run: RunRecord, told: str) -> None:
    """The integration run may end well, since it is told; the integration is not onboarded before it is paid."""
    assert (run.state, run.error) == (RunState.PROCESSED, None)
    [stream] = [one for one in ground.streams(run) if one["state"] == StreamState.OWED]
    [debt] = ground.owed()
    assert (debt["kind"], debt["stream_key"], debt["label"]) == ("failure", stream["key"], stream["label"])
    assert re.search(told, debt["reason"]), debt["reason"]
    assert ground.integration() == {"status": "in_progress", "error": None, "onboarded": False}
