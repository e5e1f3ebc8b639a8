"""Experiments on the core: workers that are killed at a failpoint, and what has to be so that it is reached."""

import json
import random
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.store import erasures
from crowd_pipelines.store.erasures import Identity, Person
from crowd_pipelines_tests.chaos.cell import Cell, Worker
from crowd_pipelines_tests.chaos.disturbance import LINGERING_SECONDS, CoreExperiment, Disturbed, slow_down
from crowd_pipelines_tests.chaos.ground import Reading
from crowd_pipelines_tests.chaos.verdict import RATE_LIMIT_SECONDS, Verdict, verdict
from crowd_pipelines_tests.faults import places


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
        cell.truth = _without(truth, who)

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        others = _without(reading.truth, _busiest(reading.truth))
        return verdict(cell, replace(reading, truth=others), cell.finish(), alike=False, whole=False)


def _without(truth: Truth, who: str) -> Truth:
    return replace(
        truth,
        activities=[one for one in truth.activities if one["member"] != who],
        members=[one for one in truth.members if one["source_id"] != who],
    )


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
        cell.hasty = True
        cell.connected.sandbox.fault(self.platform, **documented(self.platform, Outcome.CREDENTIALS))

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        cell.finish()
        cell.connected.sandbox.clear_faults()
        return verdict(cell, reading, cell.read_again())


@dataclass(frozen=True, kw_only=True)
class KillAtOwing(KillAt):
    """SIGKILL while it is noted that a place may not be read; afterwards it may, and a person has all of it read."""

    def prepare(self, cell: Cell) -> None:
        truth = cell.connected.truth()
        cell.connected.sandbox.fault(
            self.platform, **documented(self.platform, Outcome.PERMISSION), **_one(truth, self)
        )

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        cell.finish()
        cell.connected.sandbox.clear_faults()
        return verdict(cell, reading, cell.read_again(), alike=False)


@dataclass(frozen=True, kw_only=True)
class KillAtGivingUp(KillAtOwing):
    """SIGKILL while a stream that kept failing is given up, and noted as owed."""

    def prepare(self, cell: Cell) -> None:
        cell.hasty = True
        cell.connected.sandbox.fault(self.platform, "server_error", status=500, **_one(cell.connected.truth(), self))

    def begin(self, cell: Cell, failpoints: str, dice: random.Random) -> Worker:
        """Work until something is given up: only the last attempt comes to the failpoint."""
        worker = cell.begin(failpoints=failpoints)
        while worker.ended(within=LINGERING_SECONDS) and not worker.exit_code and not cell.is_over():
            worker = cell.successor(failpoints=failpoints)
        return worker


@dataclass(frozen=True, kw_only=True)
class KillAtGoingOn(KillAt):
    """SIGKILL while a check goes on with an onboarding that ended halfway, for want of credentials."""

    def prepare(self, cell: Cell) -> None:
        cell.hasty = True
        refusal = documented(self.platform, Outcome.CREDENTIALS)
        cell.connected.sandbox.fault(self.platform, after=3, **refusal)

    def begin(self, cell: Cell, failpoints: str, dice: random.Random) -> Worker:
        cell.finish()
        cell.connected.sandbox.clear_faults()
        return self._check(cell, failpoints)

    def judge(self, cell: Cell, reading: Reading) -> Verdict:
        run = cell.run()
        if run and run.state is RunState.ERROR:  # nothing of what the worker did was committed
            self._check(cell).ended(within=LINGERING_SECONDS)
        return verdict(cell, reading, cell.finish(), alike=False)

    def _check(self, cell: Cell, failpoints: str = "") -> Worker:
        now = cell.connected.value("SELECT clock_timestamp()")
        return replace(cell, since=now).launch("check", [cell.connected.record.id], failpoints=failpoints)


def documented(platform: str, outcome: Outcome) -> dict[str, Any]:
    """Return the fault that is the first refusal of this kind in a platform's table."""
    table = registry()[platform].refusals
    rows = table.rows if table else ()
    row = next(row for row in rows if row.outcome is outcome and row.body is not None)
    status = row.statuses[0] if row.statuses else 401
    return {"kind": "replace", "status": status, "body": json.dumps(row.body), "content_type": "application/json"}


def _one(truth: Truth, experiment: KillAt) -> Mapping[str, Any]:
    return places.OF[experiment.platform](truth).one
