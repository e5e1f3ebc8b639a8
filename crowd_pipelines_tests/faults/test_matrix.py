"""Every platform with every trouble on one of its streams: bounded, named, alone, and whole again afterwards."""

import re
import tracemalloc
from dataclasses import replace
from typing import Any

from crowd_pipelines.http.transport import Limits
from crowd_pipelines.model.states import RunState, StreamState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.faults.choice import on_every_platform
from crowd_pipelines_tests.faults.conftest import Tell
from crowd_pipelines_tests.faults.ground import MOST_ATTEMPTS, Ground
from crowd_pipelines_tests.faults.troubles import ALL, BOMBS, Trouble

QUICK = frozenset({"503", "reset halfway", "HTML with 200", "deep", "utf-16", "redirect to another host"})


@on_every_platform([trouble for trouble in ALL if trouble not in BOMBS], quick=QUICK)
def test_trouble_with_one_stream_is_bounded_named_and_healed(
    ground: Ground, platform: str, case: Trouble, tell: Tell
) -> None:
    _strike(ground, platform, case, tell)


@on_every_platform([trouble for trouble in ALL if trouble.name == "500"], quick={"500"})
def test_streams_that_were_given_up_are_read_by_the_next_check(
    ground: Ground, platform: str, case: Trouble, tell: Tell
) -> None:
    ground.connected.sandbox.fault(None, **case.fault, **(ground.places.below or ground.places.one))
    run, _ = ground.work_off(ground.connected.onboard())
    assert run.state is RunState.ERROR
    ground.lift()
    check = ground.connected.check()
    assert check.state is RunState.PROCESSED, check.error or check.delay_reason
    ground.assert_database_is_the_truth()
    tell(f"{case.name}, then a check", "given up, then read")


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
    run, times = ground.connected.onboard(), 0
    if told is None:
        assert run.state is RunState.PROCESSED, run.error or run.delay_reason
        ground.assert_database_is_the_truth()
        tell(trouble.name, "read all the same", requests=ground.met())
        return
    if trouble.lasting:
        run, times = ground.work_off(run)
    _assert_only_the_struck_stream_suffered(ground, run, told)
    assert 0 < ground.met() <= trouble.most_requests(platform)
    assert times < MOST_ATTEMPTS
    _assert_the_run_says_so(run, told, given_up=trouble.lasting)
    ground.assert_nothing_is_half_written()
    tell(trouble.name, "given up, then read" if trouble.lasting else "tried again, then read", requests=ground.met())
    ground.lift()
    again = ground.continue_run(run) if run.state is RunState.ERROR else ground.connected.resume(run)
    assert again.state is RunState.PROCESSED, again.error or again.delay_reason
    ground.assert_database_is_the_truth()


def _assert_only_the_struck_stream_suffered(ground: Ground, run: RunRecord, told: str) -> None:
    troubled = [stream for stream in ground.streams(run) if stream["state"] not in ("processed", "skipped")]
    assert [_sort(stream) for stream in troubled] == [(StreamState.ERROR, True)] * len(troubled)
    [stream] = troubled
    assert re.search(told, stream["error"]), stream["error"]
    assert 1 <= stream["retries"] <= MOST_ATTEMPTS


def _sort(stream: dict[str, Any]) -> tuple[str, bool]:
    return stream["state"], bool(stream["error"])


def _assert_the_run_says_so(run: RunRecord, told: str, *, given_up: bool) -> None:
    """An integration run that has something left to try waits; one that gave a stream up names it, and why."""
    if not given_up:
        assert (run.state, run.delay_reason) == (RunState.DELAYED, "failed streams wait for another try")
        return
    assert run.state is RunState.ERROR
    assert re.search(rf"^1 of \d+ streams failed: .+: .*{told}", run.error or "", re.DOTALL), run.error
