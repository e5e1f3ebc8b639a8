"""The runner: claim streams, process them concurrently, commit their pages in groups.

Only this module decides in which order things happen. Fetching runs in worker threads and touches the database only
to read; every write happens in the thread that calls `drain`, so a page is one transaction and the heartbeat comes
from the loop that does the work.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from crowd_pipelines import failpoints
from crowd_pipelines.framework.attempts import (
    Attempt,
    buried_read,
    describe,
    ending_of,
    evidence_of,
    owed_by,
    owed_failure,
    owed_read,
    page_of,
    pauses,
    process,
    unwritable,
)
from crowd_pipelines.framework.refusals import owed_for
from crowd_pipelines.framework.slices import Slice, SliceOver
from crowd_pipelines.framework.work import RunWork
from crowd_pipelines.framework.workers import Workers
from crowd_pipelines.http.errors import (
    CredentialsRejected,
    NotPermitted,
    RateLimited,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import StreamResult
from crowd_pipelines.store import integrations, owed, pages, quarantine, runs, streams
from crowd_pipelines.store.database import follow_clock, out_of_service, transact
from crowd_pipelines.store.leases import heartbeat_seconds
from crowd_pipelines.store.pages import FinishedPage
from crowd_pipelines.store.streams import ClaimedStream

T = TypeVar("T")

logger = logging.getLogger(__name__)

MAX_RETRIES = 5
RETRY_STEP = timedelta(minutes=5)
"""A stream that failed n times waits n steps, give or take a fifth."""

LONGEST_RETRY = timedelta(hours=1)
"""What is not given up is tried again at least so often."""

EVERYTHING_REFUSED = 5
"""So many streams that fail one after the other, with none read between them, mean that it is not about the streams."""

CREDENTIALS_DOUBTED = timedelta(minutes=5)
"""So long an integration run waits when credentials are refused that worked before."""

GROUP_WINDOW_SECONDS = 0.05
GROUP_PAGES = 64
GROUP_RECORDS = 1_000
STOP_GRACE_SECONDS = 3
"""How long a stopped worker waits for requests under way before it gives their streams back."""


class Runner:
    """Works the queue of some integration runs of one platform until a slice is over or nothing is claimable."""

    def __init__(
        self, engine: Engine, works: Sequence[RunWork], *, owner: str, slice_: Slice, priority: Sequence[str]
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._slice = slice_
        self._priority = priority
        self._active = {work.run.id: work for work in works}
        self._held: dict[UUID, ClaimedStream] = {}
        self._pausing: set[UUID] = set()
        self._proven: set[UUID] = set()
        self._in_a_row: Counter[UUID] = Counter()
        self._trusted: set[UUID] = set()
        self._turns: dict[UUID, threading.Event] = {}
        self._concurrency = max((work.integration.max_concurrency for work in works), default=1)
        self._workers: Workers[Attempt] = Workers(self._concurrency)
        self._depth = self._concurrency  # until it is known how large pages are
        self._last_beat = time.monotonic()

    def drain(self, roots: Sequence[UUID] | None = None) -> None:
        """Work until nothing is claimable or the slice is over; with `roots`, only until their lineages are done.

        What other lineages have under way stays so, for the next call.
        """
        while not self._slice.over:
            if not self._claim() and not self._workers.busy:
                return
            self._commit(self._workers.collect(timeout=1, window=GROUP_WINDOW_SECONDS, limit=GROUP_PAGES))
            self._beat()
            if roots is not None and not self._transact(lambda conn: streams.has_work(conn, roots)):
                return
        self._wind_down()

    def close(self) -> None:
        """Give back what is still held and let the threads go."""
        if self._held:
            self._transact(lambda conn: streams.release(conn, list(self._held.values())))
            self._held.clear()
        self._workers.close()

    def _claim(self) -> int:
        """Take streams off the queue: at last, each alone, those that were with a worker when it went down.

        Returns how many it took, buried ones included.

        Which of them took it down is not known; were they together again, all would be buried for one.
        """
        wanted = self._depth - len(self._held)
        alone = any(stream.crashes for stream in self._held.values())
        if wanted < self._depth // 2 or not self._active or alone:
            return 0
        claimed = self._take(wanted, suspects=False)
        if not claimed and not self._held:
            claimed = self._take(1, suspects=True)
        for stream in claimed:
            if stream.crashes >= streams.MAX_CRASHES:
                self._bury(stream)
                continue
            self._held[stream.id] = stream
            self._served(stream.run_id)
            self._workers.submit(self._task(self._active[stream.run_id], stream))
        return len(claimed)

    def _take(self, limit: int, *, suspects: bool) -> list[ClaimedStream]:
        ids = list(self._active)
        return self._transact(lambda conn: streams.claim(conn, ids, owner=self._owner, limit=limit, suspects=suspects))

    def _served(self, run_id: UUID) -> None:
        """Send an integration run to the end of the line: one with a million pages must not hold up the others."""
        self._active[run_id] = self._active.pop(run_id)

    def _task(self, work: RunWork, claimed: ClaimedStream) -> Callable[[], Attempt]:
        run_id = claimed.run_id

        def wanted() -> bool:
            return not self._slice.over and run_id in self._active and run_id not in self._pausing

        def task() -> Attempt:
            attempt = process(work, claimed, wanted)
            if pauses(attempt.outcome):
                # Told by the thread that learns it: until the commit, others would go on asking.
                self._pausing.add(run_id)
            if isinstance(attempt.outcome, StreamResult):
                self._proven.add(run_id)
                work.trial.worked_before = True
            return attempt

        return task if run_id in self._proven else self._in_turn(run_id, task)

    def _in_turn(self, run_id: UUID, task: Callable[[], Attempt]) -> Callable[[], Attempt]:
        """Let an integration run's tasks wait for each other until one has succeeded.

        Credentials that the provider refuses cost one request, not one per thread.
        """
        before, done = self._turns.get(run_id), threading.Event()
        self._turns[run_id] = done

        def in_turn() -> Attempt:
            if before is not None:
                before.wait()
            if run_id in self._proven:
                done.set()
                return task()
            try:
                return task()
            finally:
                done.set()

        return in_turn

    def _commit(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._held.pop(attempt.claimed.id, None)
        finished = [attempt for attempt in attempts if isinstance(attempt.outcome, StreamResult)]
        self._commit_pages(finished)
        self._trust(finished)
        self._adapt(finished)
        for attempt in attempts:
            if isinstance(attempt.outcome, Exception):
                self._fail(attempt, attempt.outcome)
        for run_id in tuple(self._pausing):
            self._active.pop(run_id, None)

    def _trust(self, finished: Sequence[Attempt]) -> None:
        """Take note that an integration run gets on."""
        for work in {attempt.work.run.id: attempt.work for attempt in finished}.values():
            self._in_a_row.pop(work.run.id, None)
            if work.credentials_doubted and work.run.id not in self._trusted:
                self._trusted.add(work.run.id)
                trust = partial(integrations.trust_credentials, integration_id=work.run.integration_id)
                self._transact(trust)

    def _adapt(self, finished: Sequence[Attempt]) -> None:
        """Hold twice as many streams as a group has pages: so many are processed while it is committed.

        Of a slow provider that is few, so that others can share the queue. Of pages so large that each is a group, two:
        one is fetched while the other is committed, for memory's sake.
        """
        records = sum(attempt.outcome.records for attempt in finished if isinstance(attempt.outcome, StreamResult))
        pages = min(len(finished), GROUP_RECORDS * len(finished) // max(records, 1))
        self._depth = 2 * max(pages, self._concurrency) if pages or not finished else 2

    def _commit_pages(self, attempts: Sequence[Attempt]) -> None:
        """Commit pages together; if one of them cannot be written, each on its own."""
        if not attempts:
            return
        group = [self._page(attempt) for attempt in attempts]
        try:
            committed = self._transact(lambda conn: pages.commit(conn, group, priority=self._priority))
        except Exception as error:
            if out_of_service(error):
                raise
            if len(attempts) == 1:
                self._fail(attempts[0], unwritable(error))
                return
            for attempt in attempts:
                self._commit_pages([attempt])
            return
        for run_id in committed.delayed_runs:
            self._active.pop(run_id, None)

    def _page(self, attempt: Attempt) -> FinishedPage:
        """Return a page as it is committed; one that contradicts itself is tried again, or given up and owed."""
        owed = owed_by(attempt)
        incomplete = attempt.outcome.incomplete if isinstance(attempt.outcome, StreamResult) else None
        if incomplete is None:
            return page_of(attempt, owed=owed)
        if self._is_given_up(attempt):
            return page_of(attempt, owed=(*owed, owed_failure(attempt, incomplete)))
        return page_of(attempt, owed=owed, retry_after=_wait_after(attempt))

    def _is_given_up(self, attempt: Attempt) -> bool:
        """Tell whether a stream has had its attempts.

        What time may heal is given up only in an integration run in which others were read: else it is not the stream.
        """
        if attempt.claimed.retries < MAX_RETRIES:
            return False
        if isinstance(attempt.outcome, Exception) and not isinstance(attempt.outcome, Retryable):
            return True
        run_id = attempt.work.run.id
        return run_id in self._proven or self._transact(lambda conn: streams.was_read(conn, run_id))

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        claimed, run = attempt.claimed, attempt.work.run
        match error:
            case SliceOver():
                self._transact(lambda conn: streams.release(conn, [claimed]))
            case RateLimited():
                self._delay(attempt, error.until, describe(error))
            case CredentialsRejected():
                self._reject(attempt, describe(error))
            case NotPermitted():
                self._owe(attempt, error)
            case Retryable() if self._is_everything_refused(attempt):
                self._await_recovery(attempt, describe(error))
            case _:
                self._retry(attempt, error)
        logger.info("%s of %s: %s", claimed.label, run.integration_key, describe(error))

    def _is_everything_refused(self, attempt: Attempt) -> bool:
        """Count failures with no success between them; tell whether they are too many to be the streams' fault."""
        run_id = attempt.work.run.id
        self._in_a_row[run_id] += 1
        return self._in_a_row[run_id] >= EVERYTHING_REFUSED

    def _await_recovery(self, attempt: Attempt, reason: str) -> None:
        """Give the stream back unharmed and let the whole integration run wait: for longer each time."""
        run = attempt.work.run
        wait = min(RETRY_STEP * (run.retries + 1), LONGEST_RETRY)

        @failpoints.step("delay")
        def write(conn: Connection) -> None:
            integrations.hold(conn, [run.integration_id])
            ending = ending_of(attempt.claimed, StreamState.PENDING, attempt=attempt, retry_after=0)
            if streams.end(conn, [ending]) and run.id in self._active:
                told = f"everything is refused, so the whole integration run waits: {reason}"
                runs.wait_for_provider(conn, run, until=wait, reason=told, failed=True)

        self._transact(write)
        self._active.pop(run.id, None)
        self._pausing.add(run.id)

    def _owe(self, attempt: Attempt, error: NotPermitted) -> None:
        """End a stream that may not be read: its place is owed, once, however many of its streams are refused."""
        if attempt.stream is None:
            raise TypeError(f"{attempt.claimed.label} was never loaded")
        read = owed_read(attempt, owed_for(attempt.work, attempt.stream, error))

        @failpoints.step("owe")
        def write(conn: Connection) -> None:
            integrations.hold(conn, [attempt.work.run.integration_id])
            ending = ending_of(attempt.claimed, StreamState.OWED, attempt=attempt, error=describe(error))
            if streams.end(conn, [ending]):
                owed.record(conn, [read])

        self._transact(write)

    def _delay(self, attempt: Attempt, until: datetime, reason: str) -> None:
        """Give the stream back unharmed and let the whole integration run wait."""

        @failpoints.step("delay")
        def write(conn: Connection) -> None:
            integrations.hold(conn, [attempt.work.run.integration_id])
            ending = ending_of(attempt.claimed, StreamState.PENDING, attempt=attempt, retry_after=0)
            if streams.end(conn, [ending]):
                runs.wait_for_provider(conn, attempt.work.run, until=until, reason=reason)

        self._transact(write)
        self._active.pop(attempt.work.run.id, None)

    def _reject(self, attempt: Attempt, reason: str) -> None:
        """Give the stream back, for the integration run that goes on with credentials that are accepted."""

        @failpoints.step("reject")
        def write(conn: Connection) -> None:
            integrations.hold(conn, [attempt.work.run.integration_id])
            if streams.end(conn, [ending_of(attempt.claimed, StreamState.PENDING, attempt=attempt, retry_after=0)]):
                refuse_credentials(conn, attempt.work, reason)

        self._transact(write)
        self._active.pop(attempt.work.run.id, None)

    def _retry(self, attempt: Attempt, error: Exception) -> None:
        """Count an attempt; the last one gives the stream up: owed where time may heal it, else failed for good.

        What cannot be explained is kept as evidence.
        """
        given_up = self._is_given_up(attempt)
        owes = given_up and isinstance(error, Retryable) and not attempt.claimed.reread
        # Nothing is missing that was there before: the record stays in quarantine, and the check is as good as without.
        unchanged = given_up and attempt.claimed.reread
        state = StreamState.OWED if owes else StreamState.SKIPPED if unchanged else StreamState.ERROR
        wait = None if given_up else _wait_after(attempt)
        ending = ending_of(attempt.claimed, state, attempt=attempt, error=describe(error), retry_after=wait, failed=1)

        @failpoints.step("retry")
        def write(conn: Connection) -> None:
            integrations.hold(conn, [attempt.work.run.integration_id])
            if not streams.end(conn, [ending]):
                return
            if isinstance(error, UnexpectedPayload):
                quarantine.add(conn, [evidence_of(attempt, error)])
            if owes:
                owed.record(conn, [owed_failure(attempt, describe(error))])

        self._transact(write)

    def _bury(self, claimed: ClaimedStream) -> None:
        error = f"took its worker down {claimed.crashes} times; not tried again"
        ending = ending_of(claimed, StreamState.ERROR, attempt=None, error=error)
        read = buried_read(self._active[claimed.run_id], claimed, error)

        def write(conn: Connection) -> None:
            integrations.hold(conn, [read.integration_id])
            if streams.end(conn, [ending]):
                owed.record(conn, [read])

        self._transact(write)

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat < heartbeat_seconds():
            return
        held, works = list(self._held.values()), list(self._active.values())

        @failpoints.step("heartbeat")
        def write(conn: Connection) -> set[UUID]:
            # From the top down: a deletion goes the same way.
            alive = runs.extend_leases(conn, [work.run for work in works])
            streams.extend_leases(conn, held, owner=self._owner)
            return alive

        follow_clock(self._engine)
        still_mine = self._transact(write)
        self._active = {run_id: work for run_id, work in self._active.items() if run_id in still_mine}
        self._last_beat = time.monotonic()

    def _wind_down(self) -> None:
        """Commit what is under way: at the slice's natural end all of it, when stopped what comes within a moment."""
        # Counted from the stop, not from here: this comes once for every step that is left.
        while self._workers.busy and self._slice.stopped_for <= STOP_GRACE_SECONDS:
            self._commit(self._workers.collect(timeout=0.5, window=0, limit=GROUP_PAGES))
            self._beat()

    def _transact(self, write: Callable[[Connection], T]) -> T:
        return transact(self._engine, write)


def _wait_after(attempt: Attempt) -> float:
    """Return how many seconds a stream waits after another failure."""
    wait = min(RETRY_STEP * (attempt.claimed.retries + 1), LONGEST_RETRY)
    return wait.total_seconds() * random.uniform(0.8, 1.2)  # noqa: S311  jitter


def refuse_credentials(conn: Connection, work: RunWork, reason: str) -> None:
    """Let an integration run wait whose credentials worked before, and end it when they are refused again."""
    refusals = integrations.doubt_credentials(conn, work.run.integration_id)
    if work.trial.worked_before and refusals == 1:
        told = f"the credentials are refused, and tried again then: {reason}"
        runs.delay(conn, work.run, until=CREDENTIALS_DOUBTED, reason=told)
        return
    runs.fail(
        conn,
        work.run,
        f"{reason} Connect the integration again with credentials that work. What is missing is read then. The present "
        "ones are tried again after an hour, later once a day.",
    )
    integrations.reject_credentials(conn, work.run.integration_id)
