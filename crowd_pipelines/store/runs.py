"""Integration runs: opening, leasing, planning, delaying and ending them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from crowd_pipelines.model.states import IntegrationStatus, RunState, StreamState
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.model.text import clean_json
from crowd_pipelines.store import streams
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


_OPEN = (RunState.PENDING, RunState.PROCESSING, RunState.DELAYED)
_LEASE = func.make_interval(0, 0, 0, 0, 0, 0, streams.LEASE_SECONDS)


def begin(
    conn: Connection,
    integration_id: UUID,
    *,
    onboarding: bool,
    requested_only: bool = False,
    not_checked_since: datetime | None = None,
) -> UUID | None:
    """Open an integration run; returns None when one is open already, or what it was wanted for has been begun.

    That is: nobody asks for an onboarding any more (`requested_only`), or a check began since that moment.
    """
    wanted = select(
        integrations.c.tenant_id, integrations.c.id, literal(onboarding, Boolean), literal(RunState.PENDING)
    ).where(integrations.c.id == integration_id)
    if requested_only:
        wanted = wanted.where(integrations.c.onboarding_requested_at.is_not(None))
    if not_checked_since is not None:
        wanted = wanted.where(
            or_(integrations.c.last_check_at.is_(None), integrations.c.last_check_at < not_checked_since)
        )
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
            leased_until=func.now() + _LEASE,
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
            .values(leased_until=func.now() + _LEASE)
            .returning(table.c.id)
        )
    )


def save_context(conn: Connection, run: RunRecord, context: Mapping[str, Any]) -> None:
    """Keep what `preprocess` loaded, so that a resume does not pay for it again."""
    conn.execute(_mine(run).values(context=clean_json(dict(context))))


def plan(
    conn: Connection, run: RunRecord, roots: Sequence[Stream], *, owed: Sequence[str] = (), retries: int = 0
) -> bool:
    """Store the root streams, once per integration run; returns False when another worker was faster.

    A check also takes up what the integration run before it failed to read of the kinds `owed`, with `retries` behind.
    """
    marked = conn.execute(
        _mine(run)
        .where(table.c.streams_planned_at.is_(None))
        .values(streams_planned_at=func.now(), updated_at=func.now())
    )
    if not marked.rowcount:
        return False
    streams.add(conn, [streams.NewStream(run_id=run.id, stream=root) for root in roots])
    if not run.onboarding:
        streams.take_up(conn, run.id, run.integration_id, owed, retries=retries)
    return True


def delay(conn: Connection, run: RunRecord, *, until: datetime, reason: str, failed: bool = False) -> None:
    """Let the rest of an integration run wait; of several reasons the latest moment counts.

    `failed` says that a step of its lifecycle failed, and will be tried again then.
    """
    conn.execute(
        _mine(run).values(
            state=RunState.DELAYED,
            delayed_until=func.greatest(table.c.delayed_until, until),
            delay_reason=case((table.c.delayed_until >= until, table.c.delay_reason), else_=reason),
            retries=table.c.retries + (1 if failed else 0),
            updated_at=func.now(),
        )
    )


def fail(conn: Connection, run: RunRecord, error: str, *, read_mostly: bool = False) -> bool:
    """End an integration run in error; nothing overwrites that. Returns whether it was this worker's to end.

    `read_mostly`: only some streams failed, so checks may go on; they find what is missing by its watermarks.
    """
    ended = conn.execute(
        _mine(run).values(
            state=RunState.ERROR, error=error, processed_at=func.now(), delayed_until=None, updated_at=func.now()
        )
    )
    if ended.rowcount:
        conn.execute(
            update(integrations)
            .where(integrations.c.id == run.integration_id)
            .values(
                status=IntegrationStatus.ERROR,
                error=error,
                onboarded_at=func.coalesce(integrations.c.onboarded_at, func.now())
                if read_mostly
                else integrations.c.onboarded_at,
                updated_at=func.now(),
            )
        )
    return bool(ended.rowcount)


def finish(conn: Connection, run: RunRecord) -> bool:
    """End an integration run well: it was planned, and all its streams ended. Returns whether that was so."""
    unfinished = select(queue.c.id).where(
        queue.c.run_id == run.id,
        or_(queue.c.due_at.is_not(None), queue.c.state == StreamState.ERROR),
    )
    ended = conn.execute(
        _mine(run)
        .where(table.c.streams_planned_at.is_not(None), ~unfinished.exists())
        .values(state=RunState.PROCESSED, processed_at=func.now(), delayed_until=None, updated_at=func.now())
    )
    if ended.rowcount:
        conn.execute(
            update(integrations)
            .where(integrations.c.id == run.integration_id)
            .values(
                status=IntegrationStatus.DONE,
                error=None,
                credentials_rejected_at=None,
                onboarded_at=func.coalesce(integrations.c.onboarded_at, func.now()),
                updated_at=func.now(),
            )
        )
    return bool(ended.rowcount)


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
    """Return integration runs that someone should take: due, abandoned by their worker, or never taken."""
    never_taken = and_(table.c.state == RunState.PENDING, table.c.created_at < func.now() - _LEASE)
    abandoned = and_(table.c.state == RunState.PROCESSING, table.c.leased_until < func.now())
    due = and_(table.c.state == RunState.DELAYED, table.c.delayed_until <= func.now())
    wanted = _records().where(or_(due, abandoned, never_taken)).order_by(table.c.id).limit(limit)
    return [_record(row) for row in conn.execute(wanted).mappings()]


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
