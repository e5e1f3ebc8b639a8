"""Lists of several pages that lead in circles, or whose further pages are refused: bounded, told, and read later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crowd_pipelines.framework.lists import NO_CURSOR
from crowd_pipelines.model.states import RunState, StreamState
from crowd_pipelines.store.pages import CIRCLE
from crowd_pipelines_tests.faults.choice import on_every_platform
from crowd_pipelines_tests.faults.conftest import Tell
from crowd_pipelines_tests.faults.ground import MOST_ATTEMPTS, Ground

MOST_REQUESTS = MOST_ATTEMPTS * 8
"""No list of the small communities has more than eight pages."""

PAGED = ("slack", "twitter", "github", "discord", "devto")
"""Not `twitter_reach`: whom to look up next, our own database says."""

QUICK = frozenset({"page leads to itself", "two pages lead to each other", "cursor expired: 410"})


@dataclass(frozen=True, kw_only=True)
class Detour:
    """Something wrong with the pages of a list. `fault` is None for what the provider itself says of its cursors.

    `told` is an error that must be told, by some platforms in other words, but by those that `know_better`.
    """

    name: str
    fault: Mapping[str, Any] | None
    place: str = "further"
    told: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)
    know_better: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name

    def on(self, ground: Ground) -> Mapping[str, Any] | None:
        """The fault as this platform meets it, None where it has none like it."""
        return ground.places.expired if self.fault is None else self.fault


DETOURS = [
    # A site of DEV's that shows the same page again is taken to have no other.
    Detour(
        name="page leads to itself",
        fault={"kind": "replay"},
        place="paged",
        told=CIRCLE,
        instead={"slack": NO_CURSOR},
        know_better=frozenset({"devto"}),
    ),
    Detour(name="two pages lead to each other", fault={"kind": "replay", "size": 2}, place="paged"),
    Detour(name="cursor expired: 410", fault={"kind": "replace", "status": 410, "body": '{"error": "expired"}'}),
    Detour(name="cursor expired: 400", fault={"kind": "replace", "status": 400, "body": '{"error": "expired"}'}),
    Detour(name="cursor expired: the provider's own way", fault=None),
]


@on_every_platform(DETOURS, quick=QUICK, platforms=PAGED)
def test_a_list_astray_takes_few_requests_and_the_next_check_finds_what_it_hid(
    ground: Ground, platform: str, case: Detour, tell: Tell
) -> None:
    fault = case.on(ground)
    if fault is None:
        tell(case.name, "not there")
        return
    # It ends for those who would never stop asking.
    ground.connected.sandbox.fault(None, times=MOST_REQUESTS + 1, **fault, **getattr(ground.places, case.place))
    run, _ = ground.work_off(ground.connected.onboard())
    met = ground.met()
    assert 0 < met <= MOST_REQUESTS
    ground.assert_nothing_is_half_written()
    troubled = [stream for stream in ground.streams(run) if stream["state"] not in ("processed", "skipped")]
    failed = [stream for stream in troubled if stream["state"] == StreamState.ERROR]
    assert run.state is (RunState.ERROR if failed else RunState.PROCESSED)
    assert all(stream["error"] and stream["error"] in (run.error or "") for stream in failed)
    told = {debt["stream_key"]: debt["reason"] for debt in ground.owed()}
    given_up = [stream for stream in troubled if stream not in failed]
    assert all(stream["error"] and stream["error"] in told[stream["key"]] for stream in given_up)
    words = case.instead.get(platform, case.told)
    assert words in " ".join([run.error or "", *told.values()]) or platform in case.know_better
    ground.lift()
    check, _ = ground.work_off(ground.connected.check())
    assert check.state is RunState.PROCESSED, check.error or check.delay_reason
    ground.assert_database_is_the_truth()
    assert ground.owed() == []
    tell(case.name, "given up, then read" if troubled else "read", requests=met)
