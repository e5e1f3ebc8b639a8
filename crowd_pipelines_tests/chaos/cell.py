"""A cell: one experiment's own database and provider, and workers to start and to hurt.

The cell starts what the sensors and schedules would start, when they would: a requested onboarding, a check, and every
integration run that `runs.waiting` gives.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, func, select, text

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.store import integrations, runs
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.chaos.worker import Task, work
from crowd_pipelines_tests.honesty import silent_losses
from crowd_pipelines_tests.integrations.connected import Connected

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 300
"""A cell that is not clean after so long never will be: that is a finding (G3)."""

LEASES_END = """
    SELECT extract(epoch FROM max(ends)) AS ends FROM (
        SELECT due_at AS ends FROM integration_streams WHERE lease_owner = :owner AND state = 'processing'
        UNION ALL
        SELECT leased_until FROM integration_runs
        WHERE lease_owner = :owner AND state = 'processing' AND integration_id = :id
    ) AS held
"""
HARM = """
    SELECT 'after SIGTERM, ' || s.label || ' is ' || s.state || ' with ' || s.crashes || ' crashes and ' || s.retries
           || ' failures' AS harm
    FROM integration_streams AS s JOIN integration_runs AS r ON r.id = s.run_id
    WHERE r.integration_id = :id AND (s.state = 'processing' OR s.crashes > 0 OR s.retries > 0)
    UNION ALL
    SELECT 'after SIGTERM, the integration run is ' || state FROM integration_runs
    WHERE integration_id = :id AND state = 'processing'
"""

_OVER = (RunState.PROCESSED, RunState.ERROR)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["crowd_pipelines_tests.chaos.worker"])
# Cells live in threads; one's look at its process must not take another's answer.
_family = threading.Lock()


class NeverClean(Exception):
    """The integration run did not end; the message says how it stands."""


class Worker:
    """A process that works for a cell."""

    def __init__(self, task: Task) -> None:
        self.owner = task.owner
        self.started_at = time.time()
        self._process = _processes.Process(target=work, args=(task,))
        with _family:
            self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def exit_code(self) -> int | None:
        """None while it lives, stopped or not; negative when a signal ended it."""
        with _family:
            return self._process.exitcode

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; False when the process had ended by itself."""
        if self.exit_code is not None:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True

    @property
    def frozen(self) -> bool:
        with suppress(OSError):
            status = Path(f"/proc/{self.pid}/stat").read_text("ascii")
            return status.rpartition(")")[2].split()[0] == "T"
        return False

    @property
    def works(self) -> bool:
        """Tell whether it lives and is not frozen."""
        return self.exit_code is None and not self.frozen

    def froze(self) -> bool:
        """Wait until it is frozen; False when it ended instead."""
        while not self.frozen:
            if self.ended(within=LOOK_SECONDS / 4):
                return False
        return True

    def ended(self, within: float) -> bool:
        """Wait for the end; tells whether it came."""
        multiprocessing.connection.wait([self._process.sentinel], timeout=within)
        return self.exit_code is not None


@dataclass(kw_only=True)
class Cell:
    """One experiment's ground. `environment` is that of its workers.

    `truth` is what has to be stored or told as owed whenever an integration run says that it read everything; what was
    kept silent is in `silent`.
    """

    connected: Connected
    onboarding: bool
    since: datetime
    environment: Mapping[str, str]
    folder: Path
    hasty: bool = False
    patience: float = PATIENCE_SECONDS
    workers: list[Worker] = field(default_factory=list)
    truth: Truth | None = None
    silent: list[str] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.connected.engine

    @property
    def fires(self) -> list[dict[str, Any]]:
        """What the workers noted of failpoints."""
        return _lines(self.folder / "failpoints")

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """What the workers noted of the fence, and of integration runs that they took."""
        return _lines(self.folder / "fence")

    def requests(self) -> list[dict[str, Any]]:
        """Return what the provider was asked."""
        return self.connected.sandbox.requests(self.connected.record.platform)

    def run(self) -> RunRecord | None:
        """The newest integration run of this reading; None when none was begun."""
        with self.engine.begin() as conn:
            found = runs.find(conn, integration_ids=[self.connected.record.id], limit=1)
        return next((run for run in found if run.created_at >= self.since), None)

    def runs_begun(self) -> int:
        """Return how many integration runs this reading has."""
        with self.engine.begin() as conn:
            found = runs.find(conn, integration_ids=[self.connected.record.id])
        return sum(run.created_at >= self.since for run in found)

    def begin(self, *, failpoints: str = "", owner: str | None = None) -> Worker:
        """Start what begins the reading."""
        start = "onboard" if self.onboarding else "check"
        return self.launch(start, [self.connected.record.id], failpoints=failpoints, owner=owner)

    def launch(self, start: str, ids: Sequence[UUID], *, failpoints: str = "", owner: str | None = None) -> Worker:
        task = Task(
            start=start,
            ids=tuple(ids),
            owner=owner or f"worker {len(self.workers) + 1}",
            environment={
                **self.environment,
                "CROWD_FAILPOINTS": failpoints,
                "CROWD_FAILPOINTS_LOG": str(self.folder / "failpoints"),
            },
            fence=self.folder / "fence",
            output=self.folder / "output",
            since=self.since,
        )
        worker = Worker(task)
        self.workers.append(worker)
        return worker

    def next_worker(self, *, failpoints: str = "") -> Worker | None:
        """Start what sensors would start now; None when there is nothing."""
        if self.hasty:
            self._hasten()
        with self.engine.begin() as conn:
            waiting = [run.id for run in runs.waiting(conn, limit=10)]
        if waiting:
            return self.launch("resume", waiting, failpoints=failpoints)
        return None if self.run() else self.begin(failpoints=failpoints)

    def successor(self, *, failpoints: str = "") -> Worker:
        """Wait until there is something to start; raises NeverClean."""
        for _ in self._patiently():
            if worker := self.next_worker(failpoints=failpoints):
                return worker
        raise AssertionError

    def is_over(self) -> bool:
        """Tell whether the reading needs nobody any more."""
        run = self.run()
        return run is not None and run.state in _OVER

    def finish(self) -> RunRecord:
        """Start workers, one after the other, until the integration run is over. Raises NeverClean."""
        for _ in self._patiently():
            run = self.run()
            if run and run.state in _OVER:
                self.look_for_silence()
                return run
            working = [worker for worker in self.workers if worker.works]
            if working:
                working[0].ended(within=1)
            else:
                self.next_worker()
        raise AssertionError

    def look_for_silence(self) -> None:
        """Note what is missing now without being told."""
        if self.truth:
            self.silent += silent_losses(self.connected, self.truth)

    def taken(self, worker: Worker) -> RunRecord | None:
        """Wait until a worker has taken the integration run, or ended without it; returns the integration run."""
        took = self.taken_at(worker)
        return self.run() if took else None

    def taken_at(self, worker: Worker) -> float | None:
        """Wait until a worker says that it has taken integration runs; returns when, None when it ended without."""
        while True:
            gone = worker.ended(within=0)
            notes = [note for note in self.attempts if note["pid"] == worker.pid and "took" in note]
            if notes:
                return float(notes[0]["at"]) if notes[0]["took"] else None
            if gone:
                return None
            time.sleep(LOOK_SECONDS / 4)

    def leases_end_after(self, worker: Worker, moment: float) -> float | None:
        """Return how many seconds after a moment all that a worker holds may be claimed; None when it holds nothing."""
        [row] = self.connected.rows(LEASES_END, owner=worker.owner, id=self.connected.record.id)
        return float(row["ends"]) - moment if row["ends"] else None

    def harm(self) -> list[str]:
        """Return what an end in good order must not leave: streams in hand, and counted crashes or failures."""
        return [row["harm"] for row in self.connected.rows(HARM, id=self.connected.record.id)]

    def wait_for_requests(self, count: int, worker: Worker) -> bool:
        """Wait until the provider was asked so often; False when the worker ended before."""
        return self._wait_for(lambda: len(self.requests()) >= count, worker)

    def wait_until_closed(self, worker: Worker) -> bool:
        """Wait until a budget is known to be closed; False when the worker ended before."""
        closed = "SELECT 1 FROM rate_budgets WHERE closed_until > now()"
        return self._wait_for(lambda: bool(self.connected.rows(closed)), worker)

    def _wait_for(self, fact: Callable[[], bool], worker: Worker) -> bool:
        while not fact():
            if worker.ended(within=LOOK_SECONDS):
                return fact()
        return True

    def read_again(self) -> RunRecord:
        """Connect anew, as a person would whose credentials were refused, and read from the beginning."""
        self.ask_again()
        return self.finish()

    def ask_again(self) -> None:
        """Connect anew and ask for an onboarding, which nobody has begun."""
        connected, vault = self.connected, self.connected.vault
        with self.engine.begin() as conn:
            for one in integrations.find(conn):
                if credentials := connected.sandbox.credentials(one.platform):
                    integrations.set_credentials(conn, one.id, vault.seal(credentials, one.id))
            integrations.request_onboarding(conn, [connected.record.id] if self.onboarding else [])
            self.since = conn.scalar(select(func.now()))

    def close(self) -> None:
        """End what still works."""
        for worker in self.workers:
            worker.signal(signal.SIGKILL)
            worker.ended(within=10)
        self.engine.dispose()

    def _patiently(self) -> Iterator[None]:
        give_up = time.monotonic() + self.patience
        while time.monotonic() < give_up:
            yield
            time.sleep(LOOK_SECONDS)
        run = self.run()
        stands = f"{run.state}, {run.delay_reason or run.error or 'no reason given'}" if run else "not begun"
        raise NeverClean(f"the integration run is not over after {self.patience:g} s: {stands}")

    def _hasten(self) -> None:
        """Let the waits for further tries be over; those that a provider asked for are waited."""
        with self.engine.begin() as conn:
            conn.execute(text("UPDATE integration_streams SET due_at = now() WHERE state = 'error' AND due_at > now()"))
            closed = "SELECT FROM rate_budgets WHERE closed_until > now()"
            late = f"state = 'delayed' AND delayed_until > now() AND NOT EXISTS ({closed})"
            conn.execute(text(f"UPDATE integration_runs SET delayed_until = now() WHERE {late}"))


@contextmanager
def closing(cell: Cell) -> Iterator[Cell]:
    try:
        yield cell
    finally:
        cell.close()


def _lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    # A killed process may have left half a line.
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.endswith("}")]
