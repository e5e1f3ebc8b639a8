"""Experiments on the core: workers that are killed, frozen or told to end, at random and at every failpoint."""

import random
import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import ClassVar

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.store import erasures
from crowd_pipelines.store.erasures import Identity, Person
from crowd_pipelines_tests.chaos.cell import Cell, NeverClean, Worker
from crowd_pipelines_tests.chaos.experiment import Outcome
from crowd_pipelines_tests.chaos.ground import Ground, Reading
from crowd_pipelines_tests.chaos.verdict import RATE_LIMIT_SECONDS, Verdict, verdict

SHORT_LEASE_SECONDS = 3.0
REAL_LEASE_SECONDS = 45.0
TRIES = 6
"""A disturbance that comes too late, because the reading was faster, is tried again from the beginning."""

LINGERING_SECONDS = 120
"""A worker that should end and does not within this time hangs."""

GRACE_SECONDS = 10
"""How long a worker may take to hand over after SIGTERM."""

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


def _since(moment: float, later: float | None) -> float | None:
    return None if later is None else later - moment


def kill(cell: Cell, worker: Worker, disturbed: Disturbed) -> bool:
    """SIGKILL; False when the worker had ended by itself. Measures when its leases end."""
    if not worker.signal(signal.SIGKILL):
        return False
    disturbed.happened()
    disturbed.measures["kills"] = disturbed.measures.get("kills", 0) + 1
    worker.ended(within=LINGERING_SECONDS)
    disturbed.longest("claimable_after_s", cell.leases_end_after(worker, disturbed.at))
    return True


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
class KillAt(CoreExperiment):
    """SIGKILL at a failpoint, the first or a later time that it is reached."""

    scenario = "S1"
    point: str
    turns: int = 1

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        turn = dice.randint(1, self.turns)
        worker = self.begin(cell, f"{self.point}=kill@{turn}", dice)
        if not worker.ended(within=LINGERING_SECONDS):
            disturbed.findings.append(f"the worker hangs, and {self.point} was not reached")
        elif worker.exit_code == -signal.SIGKILL:
            disturbed.happened()
            disturbed.measures["kills"] = 1

    def begin(self, cell: Cell, failpoints: str, dice: random.Random) -> Worker:
        return cell.begin(failpoints=failpoints)


@dataclass(frozen=True, kw_only=True)
class KillAtRelease(KillAt):
    """SIGKILL while a worker that was told to end gives its streams back."""

    def prepare(self, cell: Cell) -> None:
        # One answer takes longer than the worker waits for it.
        cell.connected.sandbox.fault(self.platform, "latency", seconds=20, after=1)

    def begin(self, cell: Cell, failpoints: str, dice: random.Random) -> Worker:
        worker = cell.begin(failpoints=failpoints)
        cell.wait_for_requests(2, worker)
        worker.signal(signal.SIGTERM)
        return worker

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        cell.connected.sandbox.clear_faults()
        return super().judge(cell, reading)


@dataclass(frozen=True, kw_only=True)
class KillAtHeartbeat(KillAt):
    """SIGKILL while a worker says that it lives: the reading must last longer than a heartbeat."""

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        slow_down(cell, reading, 3 * self.lease_seconds)
        super().disturb(cell, reading, dice, disturbed)

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        cell.connected.sandbox.clear_faults()
        return super().judge(cell, reading)


@dataclass(frozen=True, kw_only=True)
class KillInTrouble(KillAt):
    """SIGKILL while a provider's server errors are taken note of."""

    def prepare(self, cell: Cell) -> None:
        cell.hasty = True
        # Enough that some stream fails, whoever meets them, and too few for any to fail for good.
        cell.connected.sandbox.fault(self.platform, "server_error", times=9, after=1)


@dataclass(frozen=True, kw_only=True)
class KillAtDelay(KillAt):
    """SIGKILL while an integration run is delayed, because the provider wants to be left alone for long."""

    def prepare(self, cell: Cell) -> None:
        fault = {"times": 1, "after": 1, "retry_after": str(2 * RATE_LIMIT_SECONDS)}
        cell.connected.sandbox.fault(self.platform, "rate_limit", **fault)


@dataclass(frozen=True, kw_only=True)
class KillAtPoison(KillAt):
    """SIGKILL while a record that cannot be used is put into quarantine; the provider mends it afterwards."""

    def prepare(self, cell: Cell) -> None:
        cell.connected.sandbox.fault(self.platform, "poison", times=1)

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        cell.finish()
        cell.connected.sandbox.clear_faults()
        return verdict(cell, reading, cell.read_again(), alike=False)


@dataclass(frozen=True, kw_only=True)
class KillAtMending(KillAt):
    """SIGKILL while a record leaves quarantine, because the provider has mended it."""

    def prepare(self, cell: Cell) -> None:
        cell.connected.sandbox.fault(self.platform, "poison", times=1)

    def begin(self, cell: Cell, failpoints: str, dice: random.Random) -> Worker:
        cell.finish()
        cell.connected.sandbox.clear_faults()
        cell.ask_again()
        return super().begin(cell, failpoints, dice)

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        return verdict(cell, reading, cell.finish(), alike=False)


@dataclass(frozen=True, kw_only=True)
class KillAtLeftOut(KillAt):
    """SIGKILL while records of somebody who was erased are left out; nothing of them may be stored afterwards."""

    def prepare(self, cell: Cell) -> None:
        truth = cell.connected.truth()
        who = _busiest(truth)
        [member] = [member for member in truth.members if member["source_id"] == who]
        account = Identity(platform=self.platform, source_id=who, username=member["username"])
        person = Person(tenant_id=cell.connected.record.tenant_id, member_id=None, identities=(account,))
        erasures.erase(cell.engine, person, command="chaos", read_by={})

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        who, truth = _busiest(reading.truth), reading.truth
        others = replace(
            truth,
            activities=[one for one in truth.activities if one["member"] != who],
            members=[one for one in truth.members if one["source_id"] != who],
        )
        return verdict(cell, replace(reading, truth=others), cell.finish(), alike=False, whole=False)


def _busiest(truth: Truth) -> str:
    [(who, _)] = Counter(one["member"] for one in truth.activities).most_common(1)
    return str(who)


@dataclass(frozen=True, kw_only=True)
class KillAtRenewal(KillAt):
    """SIGKILL while tokens are renewed. Between the provider's answer and the commit the grant is lost: X gives each
    token once. Then a person has to connect again, and nothing else may be amiss."""

    def prepare(self, cell: Cell) -> None:
        cell.connected.sandbox.change(self.platform, [{"do": "expire_tokens", "after": 0}])

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        run = cell.finish()
        if self.point in ANSWERED_BUT_NOT_STORED and run.state is RunState.ERROR:
            run = cell.read_again()
        return verdict(cell, reading, run)


ANSWERED_BUT_NOT_STORED = (
    "renew.exchange.after",
    "renew.update_integrations.before",
    "renew.update_integrations.after",
    "renew.commit.before",
)


@dataclass(frozen=True, kw_only=True)
class KillAtRejection(KillAt):
    """SIGKILL while refused credentials are taken note of; a person connects again afterwards."""

    def prepare(self, cell: Cell) -> None:
        cell.connected.sandbox.fault(self.platform, "replace", status=401, body="{}", content_type="application/json")

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        cell.finish()
        cell.connected.sandbox.clear_faults()
        return verdict(cell, reading, cell.read_again())


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
        rivals = [cell.begin() for _ in range(4)]
        time.sleep(dice.uniform(0, reading.seconds))
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
