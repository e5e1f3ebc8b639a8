"""Experiments on the core: workers that are frozen beyond their lease, and workers that are told to end."""

import random
import signal
import time
from dataclasses import dataclass

from crowd_pipelines_tests.chaos.cell import Cell, Worker
from crowd_pipelines_tests.chaos.disturbance import LINGERING_SECONDS, CoreExperiment, Disturbed, slow_down
from crowd_pipelines_tests.chaos.ground import Reading

GRACE_SECONDS = 10
"""How long a worker may take to hand over after SIGTERM."""


def wake(worker: Worker, disturbed: Disturbed) -> None:
    """SIGCONT, and wait until it has done all that it still wants to do."""
    worker.signal(signal.SIGCONT)
    if not worker.ended(within=LINGERING_SECONDS):
        disturbed.findings.append("a worker that was frozen hangs")


def count_stale(cell: Cell, worker: Worker, disturbed: Disturbed) -> int:
    """Count what a worker tried to end after it had lost it, and what of that was refused; returns the former."""
    notes = [note for note in cell.attempts if note["pid"] == worker.pid]
    tried, passed = sum(note.get("stale", 0) for note in notes), sum(note.get("passed", 0) for note in notes)
    disturbed.measures |= {"stale_commits_tried": tried, "stale_commits_refused": tried - passed}
    return tried


@dataclass(frozen=True, kw_only=True)
class Frozen(CoreExperiment):
    """SIGSTOP until another worker has finished the integration run; then SIGCONT: nothing it brings may count."""

    scenario = "S4"
    point: str

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        turns = max(1, reading.reached.get(self.point, 1) // 2)
        worker = cell.begin(failpoints=f"{self.point}=stop@{dice.randint(1, turns)}")
        if not worker.froze():
            return
        disturbed.happened()
        cell.finish()
        wake(worker, disturbed)
        if count_stale(cell, worker, disturbed) == 0:
            disturbed.count = 0  # a worker that does not try proves nothing


@dataclass(frozen=True, kw_only=True)
class Overtaken(CoreExperiment):
    """SIGSTOP until another worker has a stream of the frozen one in hand; then SIGCONT while that one holds it."""

    scenario = "S4"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        first = cell.begin(failpoints="fetch.after=stop")
        if not first.froze():
            return
        disturbed.happened()
        second = cell.successor(failpoints="fetch.before=stop")
        if not second.froze():
            return
        wake(first, disturbed)
        if count_stale(cell, first, disturbed) == 0:
            disturbed.count = 0
        wake(second, disturbed)


@dataclass(frozen=True, kw_only=True)
class FrozenForAWhile(CoreExperiment):
    """SIGSTOP at a random moment, longer than the lease; SIGCONT while the successor is at work."""

    scenario = "S4"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        lasting = slow_down(cell, reading)
        worker = cell.begin()
        if worker.ended(within=dice.uniform(0, lasting)) or not worker.signal(signal.SIGSTOP):
            return
        disturbed.happened()
        cell.successor().ended(within=dice.uniform(0, lasting / 2))
        worker.signal(signal.SIGCONT)


@dataclass(frozen=True, kw_only=True)
class Terminated(CoreExperiment):
    """SIGTERM at a random moment: gone within 10 s, nothing counted as a crash or a failure, the next one goes on."""

    scenario = "S4"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        lasting = slow_down(cell, reading)
        if dice.random() < 0.3:
            # Some answers come too late for any grace.
            cell.connected.sandbox.fault(self.platform, "latency", seconds=20, times=2)
        worker = cell.begin()
        if worker.ended(within=dice.uniform(0, lasting)) or not worker.signal(signal.SIGTERM):
            return
        disturbed.happened()
        if not worker.ended(within=GRACE_SECONDS * 6):
            disturbed.findings.append(f"SIGTERM did not end the worker within {GRACE_SECONDS * 6} s")
        disturbed.longest("gone_after_s", time.time() - disturbed.at)
        cell.connected.sandbox.clear_faults()
        disturbed.findings += cell.harm()
