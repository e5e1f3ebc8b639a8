"""Experiments on the core: workers that are killed at random moments, alone and among others."""

import random
import signal
import time
from dataclasses import dataclass

from crowd_pipelines_tests.chaos.cell import Cell, Worker
from crowd_pipelines_tests.chaos.disturbance import LINGERING_SECONDS, CoreExperiment, Disturbed, slow_down
from crowd_pipelines_tests.chaos.ground import Reading
from crowd_pipelines_tests.chaos.verdict import RATE_LIMIT_SECONDS

REAL_LEASE_SECONDS = 45.0


def kill(cell: Cell, worker: Worker, disturbed: Disturbed) -> bool:
    """SIGKILL; False when the worker had ended by itself. Measures when its leases end."""
    if not worker.signal(signal.SIGKILL):
        return False
    disturbed.happened()
    disturbed.measures["kills"] = disturbed.measures.get("kills", 0) + 1
    worker.ended(within=LINGERING_SECONDS)
    disturbed.longest("claimable_after_s", cell.leases_end_after(worker, disturbed.at))
    return True


def _since(moment: float, later: float | None) -> float | None:
    return None if later is None else later - moment


@dataclass(frozen=True, kw_only=True)
class RandomKills(CoreExperiment):
    """SIGKILL at random moments, to the first worker and to its successor."""

    scenario = "S1"
    kills: int = 2  # a stream that is hit three times is taken for the culprit and not tried again

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        lasting = slow_down(cell, reading) if dice.random() < 0.7 else reading.seconds
        worker = cell.begin()
        for _ in range(self.kills):
            if worker.ended(within=dice.uniform(0, lasting)) or not kill(cell, worker, disturbed):
                break
            if cell.is_over():
                break  # its last commit had gone through
            killed_at = disturbed.at
            worker = cell.successor()
            disturbed.longest("resumed_after_s", _since(killed_at, cell.taken_at(worker)))


@dataclass(frozen=True, kw_only=True)
class Together(CoreExperiment):
    """Three workers share an integration run, as the processes of one Dagster run may; one of them is killed."""

    scenario = "S1"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        lasting = slow_down(cell, reading)
        first = cell.begin(owner="together")
        # Before that there is nothing to share, and the others would leave at once.
        if (run := cell.taken(first)) is None or not cell.wait_for_requests(2, first):
            return
        others = [cell.launch("resume", [run.id], owner="together") for _ in range(2)]
        if not first.ended(within=dice.uniform(0, lasting / 2)):
            kill(cell, dice.choice([first, *(other for other in others if other.works)]), disturbed)


@dataclass(frozen=True, kw_only=True)
class Contended(CoreExperiment):
    """After a kill, four workers want the same integration run at once; one gets it (G2)."""

    scenario = "S1"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        lasting = slow_down(cell, reading)
        worker = cell.begin()
        if worker.ended(within=dice.uniform(0.2, lasting)) or not kill(cell, worker, disturbed):
            return
        if (run := cell.run()) is None:
            return
        time.sleep(self.lease_seconds + 0.5)
        rivals = [cell.launch("resume", [run.id]) for _ in range(4)]
        took = sum(cell.taken(rival) is not None for rival in rivals)
        if took > 1:
            disturbed.findings.append(f"{took} workers took one integration run at once (G2)")


@dataclass(frozen=True, kw_only=True)
class BegunAtOnce(CoreExperiment):
    """Four workers begin the same reading at once, one is killed; there is one integration run (G2)."""

    scenario = "S1"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        lasting = slow_down(cell, reading)
        rivals = [cell.begin() for _ in range(4)]
        time.sleep(dice.uniform(0, lasting / 2))
        for rival in dice.sample(rivals, len(rivals)):
            if kill(cell, rival, disturbed):
                break
        for rival in rivals:
            rival.ended(within=LINGERING_SECONDS)
        if (begun := cell.runs_begun()) > 1:
            disturbed.findings.append(f"{begun} integration runs were begun for one reading (G2)")


@dataclass(frozen=True, kw_only=True)
class KillWhileClosed(CoreExperiment):
    """SIGKILL while a provider wants to be left alone: the successor waits, too (I10)."""

    scenario = "S1"

    def prepare(self, cell: Cell) -> None:
        cell.connected.sandbox.fault(self.platform, "rate_limit", times=1, after=2, retry_after=str(RATE_LIMIT_SECONDS))

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        worker = cell.begin()
        if cell.wait_until_closed(worker) and not worker.ended(within=dice.uniform(0, 3)):
            kill(cell, worker, disturbed)
