"""The grid: which answer meets which kind of stream, in which reading, and for how long."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crowd_pipelines_tests.faults.ground import provider_of
from crowd_pipelines_tests.refusals import kinds
from crowd_pipelines_tests.refusals.answers import BODIES, HEADERS, OWN, STATUSES, Answer
from crowd_pipelines_tests.refusals.readings import CHECK, ONBOARDING, places_of

READINGS = (
    (ONBOARDING, 1),
    (CHECK, 0),
    (CHECK, 2),
    (ONBOARDING, 0),
    (ONBOARDING, 3),
    (CHECK, 0),
    (CHECK, 1),
    (ONBOARDING, 0),
)
"""Modes, and how many requests are refused; none for all."""

OF_EACH_SORT = 4
"""So many readings in a row are onboardings and checks, each refused for a while and for long."""

EVERY = 3
"""On each kind of stream every status comes with every third body, on the next one with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A refusal at a kind of stream, of `times` requests, 0 for all as long as it lasts."""

    platform: str
    kind: str
    mode: str
    times: int
    answer: Answer

    def __str__(self) -> str:
        return f"{self.platform}-{self.kind}-{self.mode}-{self.times or 'lasting'}-{self.answer}"


def grid() -> list[Case]:
    """Return all cases; headers and readings take turns, so that each meets every status and every body."""
    places = [(platform, kind) for platform in kinds.OF for kind in places_of(platform)]
    return list(dict.fromkeys(case for number, place in enumerate(places) for case in _at(number, *place)))


def _at(number: int, platform: str, kind: str) -> Iterator[Case]:
    met = [(turn, answer) for turn, answer in enumerate(_strange(number))]
    met += [(turn, answer) for answer in _own(number, platform) for turn in range(OF_EACH_SORT)]
    for turn, answer in met:
        mode, times = READINGS[(number + turn) % len(READINGS)]
        if (platform, kind) in kinds.NEW_ONLY_TO_CHECKS:
            mode = CHECK
        yield Case(platform=platform, kind=kind, mode=mode, times=times, answer=answer)


def _strange(number: int) -> Iterator[Answer]:
    headers = list(HEADERS)
    for row, status in enumerate(STATUSES):
        for column, body in enumerate(BODIES):
            if (number + row + column) % EVERY == 0:
                yield Answer(status=status, body=body, headers=headers[(number + row + 2 * column) % len(headers)])


def _own(number: int, platform: str) -> Iterator[Answer]:
    for status, body in OWN[provider_of(platform)]:
        headers = ("no header", "points left", "cache")[(number + status) % 3]
        yield Answer(status=status, body=body, headers=headers)


def some(seed: int, *, draws: int = 1) -> list[Case]:
    """Return a small part of the grid: of every platform an onboarding and a check, one for long."""
    dice, everything = random.Random(seed), grid()
    chosen: list[Case] = []
    for platform in [*kinds.OF] * draws:
        lasting = dice.random() < 0.5
        chosen.append(dice.choice(_of(everything, platform, ONBOARDING, lasting=lasting)))
        chosen.append(dice.choice(_of(everything, platform, CHECK, lasting=not lasting)))
    return list(dict.fromkeys(chosen))


def _of(cases: Sequence[Case], platform: str, mode: str, *, lasting: bool) -> list[Case]:
    wanted = (platform, mode, lasting)
    return [case for case in cases if (case.platform, case.mode, not case.times) == wanted]
