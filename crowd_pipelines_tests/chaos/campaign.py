"""Which experiments a campaign is made of."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crowd_pipelines.failpoints import names
from crowd_pipelines_tests.chaos import kills, kills_at, stops
from crowd_pipelines_tests.chaos.disturbance import CoreExperiment
from crowd_pipelines_tests.chaos.ground import MODES, ONBOARDING, PLATFORMS, Ground
from crowd_pipelines_tests.chaos.mixed import mixed

STALE_AT = (
    "fetch.after",
    "claim.commit.after",
    "page.streams_finish.before",
    "page.commit.before",
    "page.streams_add.after",
)
"""Where a worker freezes with something in its hands that it will want to write."""

REFUSING = ("discord", "github", "twitter")
WITH_TOKENS = ("twitter", "twitter_reach")
POISONABLE = ("devto",)
OWING = ("devto", "slack", "twitter")
GOING_ON = ("devto", "slack")
ERASING = ("devto", "slack")
ONE_BUDGET = ("devto", "discord", "slack", "twitter", "twitter_reach")
"""GitHub's sandbox gives several tokens, each with a budget: when one is closed, the others serve."""

FEW_ROOTS = ("twitter", "twitter_reach")
"""Here the first worker holds everything that there is, so that the second has to take it over."""


QUICK_POINTS = (
    "begin.commit.after",
    "begin.update_integration_streams.after",
    "plan.streams_add.after",
    "claim.commit.after",
    "fetch.after",
    "page.streams_finish.after",
    "page.activities_write.after",
    "page.streams_add.before",
    "page.owed_settle.after",
    "page.commit.before",
    "page.commit.after",
    "retry.owed_record.after",
    "owe.commit.before",
    "finish.update_integration_runs.after",
    "renew.exchange.after",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of each a campaign does."""

    random_kills: int
    times_each_failpoint: int
    frozen: int
    terminated: int
    together: int
    closed: int
    real_lease: int
    mixed: int
    points: Sequence[str] | None = None
    platforms: Sequence[str] = PLATFORMS
    modes: Sequence[str] = MODES

    def scaled(self, factor: float) -> "Sizes":
        """Return so many times as much of everything, at least one of what there is, and all failpoints once."""
        numbers = {name: getattr(self, name) for name in self.__slots__ if isinstance(getattr(self, name), int)}
        return replace(self, **{name: max(round(number * factor), min(number, 1)) for name, number in numbers.items()})


FULL = Sizes(
    random_kills=500,
    times_each_failpoint=5,
    frozen=100,
    terminated=100,
    together=50,
    closed=24,
    real_lease=24,
    mixed=12,
)
QUICK = Sizes(
    random_kills=12,
    times_each_failpoint=1,
    frozen=4,
    terminated=3,
    together=2,
    closed=0,
    real_lease=0,
    mixed=0,
    points=QUICK_POINTS,
    platforms=("devto", "twitter"),
)


def campaign(ground: Ground, sizes: Sizes) -> list[CoreExperiment]:
    """Return the experiments, kinds and platforms mixed so that a part of them is a part of each."""
    ground.prepare(sizes.platforms, sizes.modes)
    parts = [
        _random_kills(ground, sizes),
        _at_failpoints(ground, sizes),
        _frozen(ground, sizes),
        _terminated(ground, sizes),
        _together(ground, sizes),
        _closed(ground, sizes),
        _real_leases(ground, sizes),
        mixed(ground, itertools.islice(_readings(sizes), sizes.mixed)),
    ]
    return [one for group in itertools.zip_longest(*parts) for one in group if one]


def _readings(sizes: Sizes) -> Iterator[tuple[str, str]]:
    return itertools.cycle([(platform, mode) for mode in sizes.modes for platform in sizes.platforms])


def _random_kills(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    two = kills.RandomKills.kills
    for platform, mode in itertools.islice(_readings(sizes), -(-sizes.random_kills // two)):
        yield kills.RandomKills(name=f"random-kills:{mode}", platform=platform, mode=mode, ground=ground)


def _at_failpoints(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    for turn in range(sizes.times_each_failpoint):
        for number, point in enumerate(sizes.points or names()):
            if found := at_failpoint(ground, point, number + turn, sizes):
                yield found


def at_failpoint(ground: Ground, point: str, number: int, sizes: Sizes) -> CoreExperiment | None:
    """Return the experiment that reaches a failpoint; `number` chooses among the readings where that is possible.

    None when none of these readings comes there. Of all platforms, one must: else the failpoint never fires.
    """
    step = point.partition(".")[0]
    kind, wanted = _HOW.get(step, (kills_at.KillAt, PLATFORMS))
    if point.startswith("page.insert_quarantined_records"):
        kind, wanted = kills_at.KillAtPoison, POISONABLE
    if point.startswith("page.quarantine_resolve"):
        kind, wanted = kills_at.KillAtMending, POISONABLE
    if point.startswith(("page.update_integration_streams", "page.erasures_known")):
        kind, wanted = kills_at.KillAtLeftOut, ERASING
    if point.startswith("retry.owed_record"):
        kind, wanted = kills_at.KillAtGivingUp, OWING
    if point.startswith(("begin.update_integration_runs", "begin.update_integration_streams")):
        kind, wanted = kills_at.KillAtGoingOn, GOING_ON
    turns = {(platform, ONBOARDING): 1 for platform in wanted if platform in sizes.platforms}
    if kind is kills_at.KillAt:
        readings = itertools.product(sizes.platforms, sizes.modes)
        turns = {one: times for one in readings if (times := ground.reading(*one).reached[point])}
        if not turns and set(sizes.platforms) == set(PLATFORMS):
            turns = {(PLATFORMS[0], ONBOARDING): 1}
    if not turns:
        return None
    platform, mode = one = list(turns)[number % len(turns)]
    name = f"kill-at:{point}:{mode}"
    return kind(name=name, platform=platform, mode=mode, ground=ground, point=point, turns=turns[one])


_HOW: dict[str, tuple[type[kills_at.KillAt], Sequence[str]]] = {
    "retry": (kills_at.KillInTrouble, ("devto", "discord", "github", "twitter")),
    # Slack's second request plans the integration run, and has no stream to give back.
    "delay": (kills_at.KillAtDelay, ("devto", "discord", "twitter", "twitter_reach")),
    "reject": (kills_at.KillAtRejection, REFUSING),
    "owe": (kills_at.KillAtOwing, OWING),
    "release": (kills_at.KillAtRelease, ("devto", "discord", "github")),
    "heartbeat": (kills_at.KillAtHeartbeat, ("devto", "discord", "github", "slack")),
    "renew": (kills_at.KillAtRenewal, WITH_TOKENS),
}
"""Steps that an undisturbed reading does not come to, and what brings it there, on which platforms."""


def _frozen(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    points = itertools.cycle(STALE_AT)
    for number, (platform, mode) in enumerate(itertools.islice(_readings(sizes), sizes.frozen)):
        if number % 4 == 1:
            yield _overtaken(ground, sizes, number // 4)
        elif number % 4 == 3:
            yield stops.FrozenForAWhile(name=f"frozen-for-a-while:{mode}", platform=platform, mode=mode, ground=ground)
        else:
            point = next(points)
            yield stops.Frozen(
                name=f"frozen-at:{point}:{mode}", platform=platform, mode=mode, ground=ground, point=point
            )


def _overtaken(ground: Ground, sizes: Sizes, number: int) -> CoreExperiment:
    able = [platform for platform in FEW_ROOTS if platform in sizes.platforms] or FEW_ROOTS
    platform = able[number % len(able)]
    return stops.Overtaken(name=f"overtaken:{ONBOARDING}", platform=platform, mode=ONBOARDING, ground=ground)


def _terminated(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    for platform, mode in itertools.islice(_readings(sizes), sizes.terminated):
        yield stops.Terminated(name=f"terminated:{mode}", platform=platform, mode=mode, ground=ground)


def _together(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    for number, (platform, mode) in enumerate(itertools.islice(_readings(sizes), sizes.together)):
        kind, name = (
            (kills.Together, "together"),
            (kills.Contended, "contended"),
            (kills.BegunAtOnce, "begun-at-once"),
        )[number % 3]
        yield kind(name=f"{name}:{mode}", platform=platform, mode=mode, ground=ground)


def _closed(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    closable = (reading for reading in _readings(sizes) if reading[0] in ONE_BUDGET)
    for platform, mode in itertools.islice(closable, sizes.closed):
        yield kills.KillWhileClosed(name=f"kill-while-closed:{mode}", platform=platform, mode=mode, ground=ground)


def _real_leases(ground: Ground, sizes: Sizes) -> Iterator[CoreExperiment]:
    for platform, mode in itertools.islice(_readings(sizes), sizes.real_lease):
        yield kills.RandomKills(
            name=f"real-lease-kill:{mode}",
            platform=platform,
            mode=mode,
            ground=ground,
            lease_seconds=kills.REAL_LEASE_SECONDS,
            kills=1,
        )
