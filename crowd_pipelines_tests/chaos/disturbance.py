"""What all experiments on the core have in common: disturb, let it recover, and look."""

import random
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from crowd_pipelines_tests.chaos.cell import Cell, NeverClean
from crowd_pipelines_tests.chaos.experiment import Outcome
from crowd_pipelines_tests.chaos.ground import Ground, Reading
from crowd_pipelines_tests.chaos.verdict import Verdict, verdict

SHORT_LEASE_SECONDS = 3.0
TRIES = 6
"""A disturbance that comes too late, because the reading was faster, is tried again from the beginning."""

LINGERING_SECONDS = 120
"""A worker that should end and does not within this time hangs."""

SLOW_READING_SECONDS = 2.0


@dataclass(slots=True)
class Disturbed:
    """What was done to a cell: how often, when last, and what was measured and found on the way."""

    count: int = 0
    at: float = field(default_factory=time.time)
    findings: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)

    def happened(self) -> None:
        self.count += 1
        self.at = time.time()

    def longest(self, name: str, seconds: float | None) -> None:
        if seconds is not None:
            self.measures[name] = max(self.measures.get(name, 0), seconds)


@dataclass(frozen=True, kw_only=True)
class CoreExperiment(ABC):
    """A disturbance of a platform's reading by workers of the core."""

    scenario: ClassVar[str]
    name: str
    platform: str
    mode: str
    ground: Ground
    lease_seconds: float = SHORT_LEASE_SECONDS

    @abstractmethod
    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        """Begin the reading and hurt it."""

    def prepare(self, cell: Cell) -> None:  # noqa: B027  most need nothing
        """Make the provider such that what is to be hurt happens at all."""

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        """Let the cell recover, and look."""
        return verdict(cell, reading, cell.finish())

    def run(self, seed: int) -> Outcome:
        """Disturb, let it recover, and look; again when the reading was over before the disturbance came."""
        dice = random.Random(f"{self.name} {self.platform} {self.mode} {seed}")
        reading = self.ground.reading(self.platform, self.mode)
        for _ in range(TRIES):
            outcome = self._once(seed, reading, dice)
            if outcome.disturbances or outcome.findings:
                break
        return outcome

    def _once(self, seed: int, reading: Reading, dice: random.Random) -> Outcome:
        with self.ground.cell(reading, lease_seconds=self.lease_seconds) as cell:
            self.prepare(cell)
            found, disturbed = None, Disturbed()
            try:
                self.disturb(cell, reading, dice, disturbed)
                found = self.judge(cell, reading)
            except NeverClean as error:
                disturbed.findings.append(str(error))
            else:
                disturbed.longest("clean_after_s", time.time() - disturbed.at)
            measures = {**disturbed.measures, "lease_s": self.lease_seconds}
            if found:
                measures |= {"lost": found.lost, "doubled": found.doubled}
            return Outcome(
                scenario=self.scenario,
                name=self.name,
                platform=self.platform,
                seed=seed,
                disturbances=disturbed.count,
                findings=(*disturbed.findings, *(found.findings if found else ())),
                measures=measures,
            )


def slow_down(cell: Cell, reading: Reading, seconds: float = SLOW_READING_SECONDS) -> float:
    """Let the provider answer so slowly that a reading lasts about so long; returns how long it will take."""
    pause = seconds * 4 / max(len(reading.undisturbed.streams), 1)
    cell.connected.sandbox.fault(cell.connected.record.platform, "latency", seconds=pause)
    return seconds + reading.seconds / 2
