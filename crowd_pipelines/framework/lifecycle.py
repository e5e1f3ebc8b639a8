"""The lifecycle of integration runs in one worker: from taking their leases to settling them."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

from sqlalchemy import Connection

from crowd_pipelines import failpoints
from crowd_pipelines.framework.attempts import describe, is_refused
from crowd_pipelines.framework.clients import ApiClients, ConfigurationInvalid
from crowd_pipelines.framework.credentials import CredentialsMissing
from crowd_pipelines.framework.integration import Integration, Patch, RunSummary
from crowd_pipelines.framework.runner import LONGEST_RETRY, Runner, refuse_credentials
from crowd_pipelines.framework.runner import MAX_RETRIES as STREAM_RETRIES
from crowd_pipelines.framework.slices import Slice, SliceOver
from crowd_pipelines.framework.work import RunWork, open_work
from crowd_pipelines.framework.workers import Workers
from crowd_pipelines.http.errors import CredentialsRejected, RateLimited, Retryable
from crowd_pipelines.model import clock
from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import StreamResult
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import attributes, integrations, owed, runs, streams
from crowd_pipelines.store.activities import link_late
from crowd_pipelines.store.database import follow_clock, out_of_service, transact
from crowd_pipelines.store.leases import heartbeat_seconds
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import ClaimedStream, Lineage, Root
from crowd_pipelines.store.vault import VaultError

T = TypeVar("T")
P = ParamSpec("P")

logger = logging.getLogger(__name__)

_GLOBAL_LIMIT = "global limit"
"""The scope of the user's own limit, which may well last for longer than anybody waits for a provider."""

RETRY_STEP = timedelta(minutes=5)
"""A step of the lifecycle that fails the nth time, for a reason that may pass, is tried again after n times this."""

_AT_ONCE = timedelta()
_LOOK_SECONDS = 0.5


class Lifecycle:
    """Takes integration runs through preprocess, create_member_attributes, get_streams, process_stream, postprocess.

    Every step takes ids and returns those to go on with: what goes wrong ends or delays one integration run, never
    the others. `owner` names the worker in leases and in `integration_runs.dagster_run_id`.
    """

    def __init__(
        self,
        *,
        clients: ApiClients,
        settings: Settings,
        registry: Mapping[str, Integration[Any, Any, Any]],
        owner: str,
        slice_: Slice | None = None,
    ) -> None:
        self.slice = slice_ or Slice(settings.slice_seconds)
        self._clients = clients
        self.engine = clients.budget.engine
        self.registry = registry
        self._owner = owner
        self._priority = settings.attribute_priority
        self._works: dict[UUID, RunWork] = {}
        self._runner: Runner | None = None
        self._last_beat = time.monotonic()

    def take(self, run_ids: Sequence[UUID]) -> list[UUID]:
        """Lease integration runs; returns those that are now this worker's to go on with."""
        follow_clock(self.engine)
        return [run_id for run_id in run_ids if self._work(run_id)]

    def preprocess(self, run_ids: Sequence[UUID]) -> list[UUID]:
        """Load what each whole integration run needs, unless that is stored; returns those to go on with."""
        return [run_id for run_id in run_ids if self._phase(run_id, self._preprocess)]

    def create_member_attributes(self, run_ids: Sequence[UUID]) -> list[UUID]:
        """Create the member attributes that tenants lack; returns the integration runs to go on with."""
        return [run_id for run_id in run_ids if self._phase(run_id, self._create_member_attributes)]

    def get_streams(self, run_ids: Sequence[UUID]) -> list[UUID]:
        """Plan the root streams, unless that was done; returns the integration runs to go on with."""
        return [run_id for run_id in run_ids if self._phase(run_id, self._get_streams)]

    def mine(self) -> list[UUID]:
        """Return the integration runs that this worker has in hand."""
        held = transact(self.engine, lambda conn: runs.of_worker(conn, self._owner))
        return [run.id for run in held if run.state is RunState.PROCESSING]

    def handled(self) -> list[RunRecord]:
        """Return all integration runs that this worker took last, whatever became of them."""
        return transact(self.engine, lambda conn: runs.of_worker(conn, self._owner))

    def notices(self) -> list[str]:
        """Return what keeps something of the integrations that this worker took from being read."""
        ids = [run.integration_id for run in self.handled()]
        if not ids:
            return []
        records = transact(self.engine, lambda conn: integrations.find(conn, ids=ids))
        debts = transact(self.engine, lambda conn: owed.sentences(conn, ids))
        return [
            f"{record.name} ({record.key}): {notice}"
            for record in records
            for notice in (*record.notices, *debts[record.id])
        ]

    def fetch(self, run: RunRecord, claimed: ClaimedStream) -> StreamResult:
        """Process a stream without claiming or writing anything: a look at what its page gives."""
        work = self._open(run)
        stream = work.integration.load_stream(claimed.name, claimed.metadata)
        return work.integration.process_stream(stream, work.context)

    def hand_over(self, *, canceled: bool) -> None:
        """Let go of everything that is still in hand: for the next worker, or for good when a person canceled it."""
        self._close_runner()
        for run in self.handled():
            if run.state is not RunState.PROCESSING:
                continue
            if canceled:
                self._write(runs.cancel, run)
            else:
                self._delay(run, _AT_ONCE, "the worker was stopped")

    def roots(self, run_ids: Sequence[UUID]) -> list[Root]:
        """Return the root streams, in the order in which they were planned."""
        return transact(self.engine, lambda conn: streams.roots(conn, run_ids))

    def lineages(self, run_ids: Sequence[UUID], roots: Sequence[UUID] | None = None) -> list[Lineage]:
        """Return what has become of root streams and all that descend from them."""
        return transact(self.engine, lambda conn: streams.lineages(conn, run_ids, roots))

    def process_streams(self, run_ids: Sequence[UUID], roots: Sequence[UUID] | None = None) -> None:
        """Work the queue; with `roots`, until their lineages are done. Other lineages progress meanwhile."""
        if self._runner is None:
            works = [work for work in map(self._work, run_ids) if work and self._phase(work.run.id, self._check_limit)]
            self._runner = Runner(self.engine, works, owner=self._owner, slice_=self.slice, priority=self._priority)
        self._runner.drain(roots)

    def postprocess(self, run_ids: Sequence[UUID]) -> list[RunRecord]:
        """Settle integration runs: ended when no stream is left, delayed otherwise; returns how they stand."""
        self._close_runner()
        for run_id in run_ids:
            self._phase(run_id, self._settle)
        self._works.clear()
        return [run for run in (self._read(run_id) for run_id in run_ids) if run]

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _work(self, run_id: UUID) -> RunWork | None:
        """Return the work on an integration run, taking its lease if it is not this worker's yet."""
        if run_id not in self._works:
            run = self._adopt(run_id)
            if run is None:
                return None
            try:
                self._works[run_id] = self._open(run)
            except (ConfigurationInvalid, CredentialsMissing, VaultError) as error:
                self._write(runs.fail, run, str(error))
                return None
        return self._works[run_id]

    def _adopt(self, run_id: UUID) -> RunRecord | None:
        run = self._read(run_id)
        if run and run.dagster_run_id == self._owner and run.state is RunState.PROCESSING:
            return run
        return transact(self.engine, lambda conn: runs.take(conn, run_id, owner=self._owner))

    def _open(self, run: RunRecord) -> RunWork:
        record = transact(self.engine, lambda conn: integrations.get(conn, run.integration_id))
        integration = self.registry.get(run.platform)
        if record is None or integration is None:
            raise ConfigurationInvalid(
                f"no platform {run.platform!r} is registered; install the package that brings it, "
                f"or remove the integration {run.integration_name}"
            )
        return open_work(run, record, integration, clients=self._clients, slice_=self.slice)

    def _phase(self, run_id: UUID, phase: Callable[[RunWork], None]) -> bool:
        """Do a part of the lifecycle; what goes wrong ends or delays that one integration run, never the others."""
        work = self._work(run_id)
        if work is None:
            return False
        try:
            if not self._keep(work):
                raise SliceOver  # noqa: TRY301  like a stop in the middle
            phase(work)
        except Exception as error:
            if out_of_service(error):
                raise
            self._stop(work, self._meaning(work, error))
            return False
        return True

    def _meaning(self, work: RunWork, error: Exception) -> Exception:
        """Return what an error means: credentials that worked before are tried once more before they are refused."""
        if not isinstance(error, CredentialsRejected):
            return error
        try:
            return self._while_beating(work, lambda: work.trial.meaning(work, error))
        except SliceOver as stopped:
            return stopped

    def _preprocess(self, work: RunWork) -> None:
        if work.run.streams_planned_at or work.run.context is not None:
            return
        context = self._while_beating(work, lambda: work.integration.preprocess(work.context))
        self._write(runs.save_context, work.run, context)
        self._works[work.run.id] = replace(work, context=replace(work.context, preprocessed=context))

    def _create_member_attributes(self, work: RunWork) -> None:
        if not work.run.streams_planned_at:
            self._write(attributes.ensure, work.run.tenant_id, work.integration.create_member_attributes())

    def _get_streams(self, work: RunWork) -> None:
        if not work.run.streams_planned_at:
            roots = self._while_beating(work, lambda: work.integration.get_streams(work.context))
            wanted = [root for root in roots if not is_refused(work, root)]
            # One try each: what fails for long must not make every check wait for it.
            self._write(runs.plan, work.run, wanted, retries=STREAM_RETRIES)

    def _check_limit(self, work: RunWork) -> None:
        """Wait for the next window before asking for anything, when this one's records are used up."""
        limit = work.limit
        if limit is None:
            return
        resets_at = self._write(integrations.limit_resets_at, work.run.integration_id, limit)
        if resets_at is not None:
            raise RateLimited(
                f"the global limit of {limit.records} records is reached", until=resets_at, scope=_GLOBAL_LIMIT
            )

    def _settle(self, work: RunWork) -> None:
        run = self._read(work.run.id)
        if run is None or run.state is not RunState.PROCESSING or run.lease_epoch != work.run.lease_epoch:
            return
        due = self._write(runs.next_due, run.id)
        if due is None:
            self._finish(work)
        elif due > clock.now():
            self._write(_await_retry, run, due)
        else:
            self._delay(run, due, "the slice was over")

    def _finish(self, work: RunWork) -> None:
        run = work.run
        self._write(_link_late, run)
        summary = _summary(self.lineages([run.id]))
        patch = self._while_beating(work, lambda: work.integration.postprocess(work.context, summary))

        @failpoints.step("finish")
        def write(conn: Connection) -> None:
            failure = _failure_of(conn, run, summary)
            if runs.fail(conn, run, failure) if failure else runs.finish(conn, run):
                state = {**patch.state, **_told(conn, work, patch)}
                integrations.patch(conn, run.integration_id, settings=patch.settings, state=state)

        transact(self.engine, write)

    def _stop(self, work: RunWork, error: Exception) -> None:
        """End or delay an integration run that cannot go on now."""
        run = self._works.pop(work.run.id, work).run
        logger.info("%s of %s: %s", run.id, run.integration_key, describe(error))
        match error:
            case SliceOver():
                self._delay(run, _AT_ONCE, "the slice was over")
            case RateLimited() if error.scope == _GLOBAL_LIMIT:
                self._delay(run, error.until, describe(error))
            case RateLimited():
                self._write(runs.wait_for_provider, run, until=error.until, reason=describe(error))
            case CredentialsRejected():
                self._write(refuse_credentials, work, describe(error))
            case Retryable():
                wait = min(RETRY_STEP * (run.retries + 1), LONGEST_RETRY)
                self._write(runs.wait_for_provider, run, until=wait, reason=describe(error), failed=True)
            case _:
                self._write(runs.fail, run, describe(error))

    def _delay(self, run: RunRecord, until: datetime | timedelta, reason: str) -> None:
        transact(self.engine, lambda conn: runs.delay(conn, run, until=until, reason=reason))

    def _keep(self, work: RunWork) -> bool:
        """Say that this worker is alive, if it is time; tell whether it still has the integration run.

        It holds others of the batch, too, while it is busy with this one.
        """
        if time.monotonic() - self._last_beat < heartbeat_seconds():
            return True
        held = [one.run for one in self._works.values()]
        self._last_beat = time.monotonic()
        return work.run.id in self._write(runs.extend_leases, held)

    def _while_beating(self, work: RunWork, task: Callable[[], T]) -> T:
        """Run a part of the lifecycle in a thread, keeping all leases meanwhile. Raises what the task raises."""
        workers: Workers[tuple[T | None, Exception | None]] = Workers(1)
        workers.submit(lambda: _outcome(task))
        try:
            while not (results := workers.collect(timeout=_LOOK_SECONDS, window=0, limit=1)):
                if self.slice.stopping or not self._keep(work):
                    raise SliceOver
        finally:
            workers.close()
        value, error = results[0]
        if error is not None:
            raise error
        return cast("T", value)

    def _read(self, run_id: UUID) -> RunRecord | None:
        return transact(self.engine, lambda conn: runs.get(conn, run_id))

    def _write(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return transact(self.engine, lambda conn: function(conn, *args, **kwargs))


def _outcome(task: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return task(), None
    except Exception as error:  # noqa: BLE001  raised again in the thread that waits
        return None, error


def _link_late(conn: Connection, run: RunRecord) -> None:
    if integrations.hold(conn, [run.integration_id]):
        # What a run that ended in error left untied is for the next that ends well.
        link_late(conn, run.tenant_id, run.platform, since=runs.last_processed(conn, run))


def _summary(lineages: Sequence[Lineage]) -> RunSummary:
    return RunSummary(**{name: sum(getattr(lineage, name) for lineage in lineages) for name in RunSummary.__slots__})


def _await_retry(conn: Connection, run: RunRecord, due: datetime) -> None:
    """Let an integration run wait for streams that are tried again, and say what keeps them."""
    reason = "failed streams wait for another try"
    if trouble := streams.last_trouble(conn, run.id):
        label, error, count = trouble
        reason += f": {label}: {error}" + (f" (and {count - 1} more)" if count > 1 else "")
    runs.wait_for_provider(conn, run, until=due, reason=reason)


def _failure_of(conn: Connection, run: RunRecord, summary: RunSummary) -> str | None:
    """Return with which error an integration run ends that has no stream left: some failed, or nothing was shown."""
    failures = streams.failures(conn, run.id)
    if failures:
        return _failure_message(summary, failures)
    if summary.owed and not summary.processed:
        reasons = " ".join(streams.owed_reasons(conn, run.id))
        return f"Nothing could be read: the provider shows nothing of this to these credentials. {reasons}"
    return None


def _told(conn: Connection, work: RunWork, patch: Patch) -> dict[str, Any]:
    """Return what the integration's state says to the user: notices, and records whose text is stored nowhere."""
    told: dict[str, Any] = {} if patch.notices is None else {"notices": list(patch.notices)}
    uncollected = streams.uncollected(conn, work.run.id)
    if uncollected or (work.run.onboarding and "uncollected" in work.context.state):
        told["uncollected"] = uncollected
    return told


def _failure_message(summary: RunSummary, failures: Sequence[tuple[str, str]]) -> str:
    told = "; ".join(f"{label}: {error}" for label, error in failures)
    more = "" if summary.failed <= len(failures) else f"; and {summary.failed - len(failures)} more"
    return f"{summary.failed} of {summary.streams} streams failed: {told}{more}"
