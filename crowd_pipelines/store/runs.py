"""Integration runs: opening, leasing, planning, delaying and ending them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Update,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from crowd_pipelines import failpoints
from crowd_pipelines.model.states import IntegrationStatus, RunState, StreamState
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.model.text import clean_json
from crowd_pipelines.store import owed, quarantine, streams
from crowd_pipelines.store.integrations import hold
from crowd_pipelines.store.leases import lease
from crowd_pipelines.store.schema import integration_runs as table
from crowd_pipelines.store.schema import integration_streams as queue
from crowd_pipelines.store.schema import integrations


class RunIsOpen(Exception):
    """The integration has an open integration run already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A row of `integration_runs`, with what its integration's row says beside it."""

    id: UUID
    tenant_id: UUID
    integration_id: UUID
    platform: str
    integration_name: str
    integration_key: str
    onboarding: bool
    state: RunState
    delayed_until: datetime | None
    delay_reason: str | None
    context: dict[str, Any] | None
    streams_planned_at: datetime | None
    processed_at: datetime | None
    error: str | None
    dagster_run_id: str | None
    attempt: int
    retries: int
    lease_epoch: int
    created_at: datetime


LONGEST_STANDSTILL = timedelta(days=14)
"""An integration run that its provider's limits keep from any page for so long is not continued by itself."""

_OPEN = (RunState.PENDING, RunState.PROCESSING, RunState.DELAYED)


@failpoints.step("begin")
def begin(
    conn: Connection,
    integration_id: UUID,
    *,
    onboarding: bool,
    requested_only: bool = False,
    not_checked_since: datetime | None = None,
) -> UUID | None:
    """Open an integration run; returns None when one is open already, or what it was wanted for has been begun.

    That is: nobody asks for an onboarding any more (`requested_only`), or a check began since that moment. None also
    when the integration is not there any more, or is disconnected.

    Only an onboarding onboards: a check of an integration that is not onboarded goes on with the onboarding that ended
    with something left to read, or begins one where there was none.
    """
    hold(conn, [integration_id])
    if not onboarding:
        if find(conn, integration_ids=[integration_id], open_only=True, limit=1):
            return None
        onboardings = _onboardings_left(conn, integration_id)
        if onboardings.unfinished is not None:
            return _go_on(conn, integration_id, onboardings.unfinished, not_checked_since=not_checked_since)
        onboarding = onboardings.never
    wanted = select(
        integrations.c.tenant_id, integrations.c.id, literal(onboarding, Boolean), literal(RunState.PENDING)
    ).where(integrations.c.id == integration_id, integrations.c.disconnected_at.is_(None))
    if requested_only:
        wanted = wanted.where(integrations.c.onboarding_requested_at.is_not(None))
    if not_checked_since is not None:
        wanted = wanted.where(_not_checked_since(not_checked_since))
    run_id: UUID | None = conn.execute(
        insert(table)
        .from_select(["tenant_id", "integration_id", "onboarding", "state"], wanted)
        .on_conflict_do_nothing()
        .returning(table.c.id)
    ).scalar_one_or_none()
    if run_id is not None:
        # An onboarding is as good as a check until its start: the first check is due an interval after that.
        changes: dict[str, Any] = {"last_check_at": func.now()}
        if onboarding:
            changes |= {"onboarding_requested_at": None, "status": IntegrationStatus.IN_PROGRESS}
        conn.execute(update(integrations).where(integrations.c.id == integration_id).values(**changes))
    return run_id


class _Onboardings(NamedTuple):
    """What an integration that is not onboarded has to go on with: `unfinished`, or nothing since there was `never`."""

    never: bool
    unfinished: UUID | None


def _onboardings_left(conn: Connection, integration_id: UUID) -> _Onboardings:
    onboarded_at = conn.scalar(select(integrations.c.onboarded_at).where(integrations.c.id == integration_id))
    if onboarded_at is not None:
        return _Onboardings(never=False, unfinished=None)
    last = conn.execute(
        select(table.c.id, _is_unfinished(table))
        .where(table.c.integration_id == integration_id, table.c.onboarding)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return _Onboardings(never=True, unfinished=None)
    return _Onboardings(never=False, unfinished=last[0] if last[1] else None)


def _is_unfinished(run: FromClause) -> ColumnElement[bool]:
    """Tell of an ended integration run whether it has streams that nobody came to, or was never planned."""
    left = exists().where(queue.c.run_id == run.c.id, queue.c.due_at.is_not(None))
    return and_(run.c.state == RunState.ERROR, or_(run.c.streams_planned_at.is_(None), left))


def _go_on(conn: Connection, integration_id: UUID, run_id: UUID, *, not_checked_since: datetime | None) -> UUID | None:
    """Reopen an onboarding in place of a check; returns None where the check was wanted for something begun already."""
    checked = update(integrations).where(integrations.c.id == integration_id, integrations.c.disconnected_at.is_(None))
    if not_checked_since is not None:
        checked = checked.where(_not_checked_since(not_checked_since))
    changes = {"last_check_at": func.now(), "status": IntegrationStatus.IN_PROGRESS, "onboarding_requested_at": None}
    if not conn.execute(checked.values(**changes)).rowcount:
        return None
    return run_id if reopen(conn, run_id) else None


def _not_checked_since(moment: datetime) -> ColumnElement[bool]:
    return or_(integrations.c.last_check_at.is_(None), integrations.c.last_check_at < moment)


@failpoints.step("take")
def take(conn: Connection, run_id: UUID, *, owner: str) -> RunRecord | None:
    """Lease an integration run that waits, is due, or lost its worker; returns None when it is not to be had."""
    taken = conn.execute(
        update(table)
        .where(table.c.id == run_id, _takeable())
        .values(
            state=RunState.PROCESSING,
            delayed_until=None,
            delay_reason=None,
            attempt=table.c.attempt + 1,
            lease_owner=owner,
            lease_epoch=table.c.lease_epoch + 1,
            leased_until=func.now() + lease(),
            dagster_run_id=owner,
            updated_at=func.now(),
        )
    )
    return get(conn, run_id) if taken.rowcount else None


def extend_leases(conn: Connection, held: Sequence[RunRecord]) -> set[UUID]:
    """Say that this worker is alive; returns the ids of the integration runs it still holds."""
    mine = tuple_(table.c.id, table.c.lease_epoch).in_([(run.id, run.lease_epoch) for run in held])
    return set(
        conn.scalars(
            update(table)
            .where(mine, table.c.state.in_([RunState.PROCESSING, RunState.DELAYED]))
            .values(leased_until=func.now() + lease())
            .returning(table.c.id)
        )
    )


@failpoints.step("preprocess")
def save_context(conn: Connection, run: RunRecord, context: Mapping[str, Any]) -> None:
    """Keep what `preprocess` loaded, so that a resume does not pay for it again."""
    conn.execute(_mine(run).values(context=clean_json(dict(context))))


@failpoints.step("plan")
def plan(conn: Connection, run: RunRecord, roots: Sequence[Stream], *, retries: int = 0) -> bool:
    """Store the root streams, once per integration run; returns False when another worker was faster.

    A check also takes up what is owed and due, and what the integration run before it left; an onboarding reads all of
    that anyway. Both take up what is to be read again for records in quarantine. What failed before has `retries`
    behind it.
    """
    marked = conn.execute(
        _mine(run)
        .where(table.c.streams_planned_at.is_(None))
        .values(streams_planned_at=func.now(), updated_at=func.now())
    )
    if not marked.rowcount:
        return False
    if not run.onboarding:
        # Before the roots: the same stream twice is one, and the one that is to be read whole counts.
        streams.take_up(conn, run.id, run.integration_id, retries=retries)
    streams.add(conn, [streams.NewStream(run_id=run.id, stream=root) for root in roots])
    if not run.onboarding:
        # What is owed and not due may be a root of the check: it must not make every check wait for it.
        owed.try_once(conn, run.id, run.integration_id, retries=retries)
    quarantine.take_up(conn, run.id, run.integration_id, retries=retries)
    return True


@failpoints.step("delay")
def delay(conn: Connection, run: RunRecord, *, until: datetime | timedelta, reason: str, failed: bool = False) -> None:
    """Let the rest of an integration run wait; of several reasons the latest moment counts.

    `until` is a moment, or a time from now on the database's clock. `failed` says that a step of its lifecycle failed,
    and will be tried again then.
    """
    moment = func.now() + until if isinstance(until, timedelta) else until
    conn.execute(
        _mine(run).values(
            state=RunState.DELAYED,
            delayed_until=func.greatest(table.c.delayed_until, moment),
            delay_reason=case((table.c.delayed_until >= moment, table.c.delay_reason), else_=reason),
            retries=table.c.retries + (1 if failed else 0),
            updated_at=func.now(),
        )
    )


def wait_for_provider(
    conn: Connection, run: RunRecord, *, until: datetime | timedelta, reason: str, failed: bool = False
) -> None:
    """Let an integration run wait for its provider; one that has not got on for two weeks ends instead.

    `failed` says that the provider did not ask for the wait: it refuses, or does not answer.
    """
    idle = _idle_for(conn, run)
    if idle <= LONGEST_STANDSTILL:
        delay(conn, run, until=until, reason=reason, failed=failed)
        return
    told = f"{reason} Nothing could be read for {idle.days} days, so this is no longer waited for."
    fail(
        conn,
        run,
        f"{told} See whether the limit is that of another user of these credentials; "
        f"`crowd-pipelines continue-run -r {run.id}` goes on where it ended.",
    )


def _idle_for(conn: Connection, run: RunRecord) -> timedelta:
    """Return how long ago an integration run got on: when a stream of it ended, it was planned, or taken up by hand."""
    last_page = select(func.max(queue.c.processed_at)).where(queue.c.run_id == run.id).scalar_subquery()
    got_on = func.greatest(table.c.created_at, table.c.streams_planned_at, last_page)
    now, then = conn.execute(select(func.now(), got_on).where(table.c.id == run.id)).one()
    return timedelta(seconds=(now - then).total_seconds())


def fail(conn: Connection, run: RunRecord, error: str) -> bool:
    """End an integration run in error; nothing overwrites that. Returns whether it was this worker's to end.

    What it leaves unread belongs to the next one; see `plan` and `begin`.
    """
    hold(conn, [run.integration_id])
    ended = conn.execute(
        _mine(run).values(
            state=RunState.ERROR, error=error, processed_at=func.now(), delayed_until=None, updated_at=func.now()
        )
    )
    if ended.rowcount:
        conn.execute(
            update(integrations)
            .where(integrations.c.id == run.integration_id)
            .values(status=IntegrationStatus.ERROR, error=error, updated_at=func.now())
        )
    return bool(ended.rowcount)


def cancel(conn: Connection, run: RunRecord) -> bool:
    """End an integration run because a person wants it to end: nothing goes on with it by itself."""
    if not fail(conn, run, "canceled in Dagster; `crowd-pipelines continue-run -r` goes on with it"):
        return False
    conn.execute(update(table).where(table.c.id == run.id).values(canceled=True))
    return True


def finish(conn: Connection, run: RunRecord) -> bool:
    """End an integration run well: it was planned, and all its streams ended. Returns whether that was so.

    The integration is onboarded by that, unless something failed that is owed still.
    """
    hold(conn, [run.integration_id])
    unfinished = select(queue.c.id).where(
        queue.c.run_id == run.id,
        or_(queue.c.due_at.is_not(None), queue.c.state == StreamState.ERROR),
    )
    ended = conn.execute(
        _mine(run)
        .where(table.c.streams_planned_at.is_not(None), ~unfinished.exists())
        .values(state=RunState.PROCESSED, processed_at=func.now(), delayed_until=None, updated_at=func.now())
    )
    if not ended.rowcount:
        return False
    if run.onboarding:
        owed.forget_older(conn, run.integration_id, run.created_at)
    onboarded: dict[str, Any] = {"status": IntegrationStatus.DONE}
    if owed.has_failures(conn, run.integration_id):
        was = integrations.c.onboarded_at.is_not(None)
        onboarded = {"status": case((was, IntegrationStatus.DONE), else_=IntegrationStatus.IN_PROGRESS)}
    else:
        onboarded["onboarded_at"] = func.coalesce(integrations.c.onboarded_at, func.now())
    conn.execute(
        update(integrations)
        .where(integrations.c.id == run.integration_id)
        .values(error=None, credentials_rejected_at=None, credential_refusals=0, updated_at=func.now(), **onboarded)
    )
    return True


def next_due(conn: Connection, run_id: UUID) -> datetime | None:
    """Return when the first unfinished stream of an integration run may be claimed, None when none is left."""
    due = select(func.min(queue.c.due_at)).where(queue.c.run_id == run_id)
    moment: datetime | None = conn.execute(due).scalar_one()
    return moment


def reopen(conn: Connection, run_id: UUID) -> bool:
    """Make an integration run claimable at once with its pending and failed streams.

    Returns False when a worker holds it right now. Raises RunIsOpen when the integration has another open one.
    """
    try:
        changed = conn.execute(
            update(table)
            .where(
                table.c.id == run_id,
                or_(table.c.state != RunState.PROCESSING, table.c.leased_until < func.now()),
            )
            .values(
                state=RunState.DELAYED,
                delayed_until=func.now(),
                delay_reason="continued by hand",
                processed_at=None,
                error=None,
                canceled=False,
                # Whoever continues it by hand wants it to be waited for anew.
                streams_planned_at=case((table.c.streams_planned_at.is_not(None), func.now())),
                updated_at=func.now(),
            )
        )
    except IntegrityError:
        raise RunIsOpen(
            f"integration run {run_id} cannot be continued: its integration has another open one; wait for its end"
        ) from None
    if changed.rowcount:
        streams.revive(conn, run_id)
    return bool(changed.rowcount)


def waiting(conn: Connection, *, limit: int) -> list[RunRecord]:
    """Return integration runs that someone should take: due, abandoned by their worker, or never taken.

    Up to `limit` checks and then up to `limit` onboardings, so that many of one kind never hide the other; of each
    those that have waited longest first.
    """
    never_taken = and_(table.c.state == RunState.PENDING, table.c.created_at < func.now() - lease())
    abandoned = and_(table.c.state == RunState.PROCESSING, table.c.leased_until < func.now())
    due = and_(table.c.state == RunState.DELAYED, table.c.delayed_until <= func.now())
    since = func.coalesce(table.c.delayed_until, table.c.leased_until, table.c.created_at)
    wanted = _records().where(or_(due, abandoned, never_taken)).order_by(since, table.c.id).limit(limit)
    lanes = (wanted.where(table.c.onboarding.is_(onboarding)) for onboarding in (False, True))
    return [_record(row) for lane in lanes for row in conn.execute(lane).mappings()]


def get(conn: Connection, run_id: UUID) -> RunRecord | None:
    """Return an integration run, None when there is none of this id."""
    row = conn.execute(_records().where(table.c.id == run_id)).mappings().one_or_none()
    return _record(row) if row else None


def find(
    conn: Connection, *, integration_ids: Sequence[UUID] | None = None, open_only: bool = False, limit: int = 50
) -> list[RunRecord]:
    """Return integration runs, newest first."""
    wanted = _records().order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    if integration_ids is not None:
        wanted = wanted.where(table.c.integration_id.in_(integration_ids))
    if open_only:
        wanted = wanted.where(table.c.state.in_(_OPEN))
    return [_record(row) for row in conn.execute(wanted).mappings()]


def silent_workers(conn: Connection, owners: Sequence[str]) -> set[str]:
    """Return those of some workers that hold no integration run: not any more, not yet, or because they are gone."""
    holding = select(table.c.dagster_run_id).where(
        table.c.dagster_run_id.in_(owners),
        table.c.state.in_([RunState.PROCESSING, RunState.DELAYED]),
        table.c.leased_until > func.now(),
    )
    return set(owners) - set(conn.scalars(holding))


def last_processed(conn: Connection, run: RunRecord) -> datetime | None:
    """Return when the integration run began that was the last before this one to end well, None when none did."""
    wanted = select(func.max(table.c.created_at)).where(
        table.c.integration_id == run.integration_id,
        table.c.state == RunState.PROCESSED,
        table.c.created_at < run.created_at,
    )
    moment: datetime | None = conn.execute(wanted).scalar_one()
    return moment


def of_worker(conn: Connection, owner: str) -> list[RunRecord]:
    """Return the integration runs that this worker took last."""
    wanted = _records().where(table.c.dagster_run_id == owner).order_by(table.c.id)
    return [_record(row) for row in conn.execute(wanted).mappings()]


def _mine(run: RunRecord) -> Update:
    """An update that holds only while this worker's lease has not passed to another."""
    return update(table).where(
        table.c.id == run.id,
        table.c.lease_epoch == run.lease_epoch,
        table.c.state.in_([RunState.PROCESSING, RunState.DELAYED]),
    )


def _takeable() -> ColumnElement[bool]:
    return or_(
        table.c.state == RunState.PENDING,
        and_(table.c.state == RunState.DELAYED, table.c.delayed_until <= func.now()),
        and_(table.c.state == RunState.PROCESSING, table.c.leased_until < func.now()),
    )


def _records() -> Select[Any]:
    beside = {
        "platform": integrations.c.platform,
        "integration_name": integrations.c.name,
        "integration_key": integrations.c.key,
    }
    own = [table.c[field.name] for field in fields(RunRecord) if field.name not in beside]
    columns = [*own, *(column.label(name) for name, column in beside.items())]
    return select(*columns).join(integrations, integrations.c.id == table.c.integration_id)


def _record(row: Mapping[Any, Any]) -> RunRecord:
    return RunRecord(**{**row, "state": RunState(row["state"])})
