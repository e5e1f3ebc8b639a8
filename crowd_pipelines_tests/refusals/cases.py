"""The grid: which answer meets which kind of stream, in which reading, and for how long."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crowd_pipelines_tests.refusals import kinds
from crowd_pipelines_tests.refusals.answers import BODIES, HEADERS, STATUSES, Answer
from crowd_pipelines_tests.refusals.readings import CHECK, ONBOARDING, places_of

READINGS = ((ONBOARDING, 1), (CHECK, 0), (CHECK, 2), (ONBOARDING, 0), (CHECK, 1), (ONBOARDING, 3))
"""Modes, and how many requests are refused; none for all."""

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
    return [case for number, place in enumerate(places) for case in _at(number, *place)]


def _at(number: int, platform: str, kind: str) -> Iterator[Case]:
    headers = list(HEADERS)
    for row, status in enumerate(STATUSES):
        for column, body in enumerate(BODIES):
            if (number + row + column) % EVERY:
                continue
            mode, times = READINGS[(number + row + column // EVERY) % len(READINGS)]
            name = headers[(number + row + 2 * column) % len(headers)]
            answer = Answer(status=status, body=body, headers=name)
            yield Case(platform=platform, kind=kind, mode=mode, times=times, answer=answer)


def some(seed: int) -> list[Case]:
    """Return a small part of the grid: of every platform an onboarding and a check, refused briefly and for long."""
    dice, everything = random.Random(seed), grid()
    return [
        dice.choice(_of(everything, platform, mode, lasting=lasting))
        for platform in kinds.OF
        for mode in (ONBOARDING, CHECK)
        for lasting in (False, True)
    ]


def _of(cases: Sequence[Case], platform: str, mode: str, *, lasting: bool) -> list[Case]:
    wanted = (platform, mode, lasting)
    return [case for case in cases if (case.platform, case.mode, not case.times) == wanted]
