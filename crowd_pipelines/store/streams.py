"""The queue: rows of `integration_streams`, leased, fenced by an epoch, and ended together with their page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, RowMapping, case, cast, exists, func, literal, or_, select, true, update

from crowd_pipelines import failpoints
from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.store.database import encode, query
from crowd_pipelines.store.leases import lease, lease_seconds
from crowd_pipelines.store.schema import integration_streams as table

MAX_CRASHES = 3
"""A stream that took its worker down so often is not tried again."""

MAX_LABEL = 300
"""Characters of a label that people see; whoever named it longer than this had no name in mind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedStream:
    """A stream in this worker's hands, until it is ended or the lease expires."""

    id: UUID
    run_id: UUID
    root_id: UUID
    name: str
    label: str
    metadata: dict[str, Any]
    key: str
    retries: int
    crashes: int
    lease_epoch: int
    reread: bool = False
    """Read again for records in quarantine: it leads to no next page and moves no watermark."""

    whole: bool = False
    """Read as an onboarding reads, whatever its integration run is; so is everything that descends from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStream:
    """A stream to be queued; without a parent it is a root."""

    run_id: UUID
    stream: Stream
    parent: ClaimedStream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a claimed stream ended, with what it cost and brought.

    `retry_after` (seconds) keeps it claimable; `failed` is 1 when this counts as an attempt.
    """

    stream: ClaimedStream
    state: StreamState
    retry_after: float | None = None
    failed: int = 0
    error: str | None = None
    requests: int = 0
    waited_seconds: float = 0.0
    activities: int = 0
    members: int = 0
    quarantined: int = 0
    unread: int = 0
    uncollected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A root stream."""

    root_id: UUID
    run_id: UUID
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A root stream and all that descend from it, counted."""

    root_id: UUID
    label: str
    run_id: UUID
    streams: int
    processed: int
    skipped: int
    failed: int
    unfinished: int
    requests: int
    waited_seconds: float
    activities: int
    members: int
    quarantined: int
    left_out: int = 0
    owed: int = 0
    unread: int = 0


def add(conn: Connection, streams: Iterable[NewStream]) -> int:
    """Queue streams; returns how many were new to their integration run and not fresh lookups."""
    # Pages of one group often lead to the same people; who comes first counts.
    distinct: dict[tuple[UUID, str], NewStream] = {}
    for new in streams:
        distinct.setdefault((new.run_id, new.stream.key), new)
    if not distinct:
        return 0
    rows = [_new_row(position, new) for position, new in enumerate(distinct.values())]
    return len(conn.execute(query("streams_add"), {"streams": encode(rows)}).all())


def circles(conn: Connection, leads: Mapping[UUID, Stream]) -> set[UUID]:
    """Return which of these streams lead on to a page that they come from: the provider's list has no end."""
    if not leads:
        return set()
    rows = [{"id": str(stream_id), "next_key": onward.key} for stream_id, onward in leads.items()]
    return set(conn.scalars(query("streams_circles"), {"leads": encode(rows)}))


def take_up(conn: Connection, run_id: UUID, integration_id: UUID, *, retries: int) -> None:
    """Queue what the integration run before left unread; what failed for good there has `retries` behind it."""
    arguments = {"run_id": run_id, "integration_id": integration_id, "retries": retries}
    conn.execute(query("owed_plan"), arguments)
    conn.execute(query("streams_take_up"), {**arguments, "most_crashes": MAX_CRASHES})


@failpoints.step("claim")
def claim(
    conn: Connection, run_ids: Sequence[UUID], *, owner: str, limit: int, suspects: bool | None = None
) -> list[ClaimedStream]:
    """Lease up to `limit` streams of these integration runs whose time has come, those of the first ones first.

    `suspects` wants only those that were with a worker when it went down, or only the others.
    """
    rows = conn.execute(
        query("streams_claim"),
        {
            "run_ids": list(run_ids),
            "owner": owner,
            "limit": limit,
            "lease_seconds": lease_seconds(),
            "suspects": suspects,
        },
    )
    return [ClaimedStream(**row) for row in rows.mappings()]


def end(conn: Connection, endings: Sequence[Ending]) -> set[UUID]:
    """End claimed streams; returns the ids of those this worker still held. The others must leave no trace."""
    if not endings:
        return set()
    rows = [_ending_row(ending) for ending in endings]
    return set(conn.scalars(query("streams_finish"), {"ended": encode(rows)}))


def count_left_out(conn: Connection, counts: Mapping[UUID, int]) -> None:
    """Note how many records of each stream's page were left out, since the people they belong to were erased."""
    for stream_id, count in sorted(counts.items()):
        conn.execute(update(table).where(table.c.id == stream_id).values(left_out=table.c.left_out + count))


@failpoints.step("release")
def release(conn: Connection, streams: Sequence[ClaimedStream]) -> None:
    """Give streams back unharmed, for whoever comes next."""
    end(conn, [Ending(stream=stream, state=StreamState.PENDING, retry_after=0) for stream in streams])


def extend_leases(conn: Connection, streams: Sequence[ClaimedStream], *, owner: str) -> None:
    """Say that this worker is alive and still has these streams."""
    conn.execute(
        update(table)
        .where(
            table.c.id.in_([stream.id for stream in streams]),
            table.c.lease_owner == owner,
            table.c.state == StreamState.PROCESSING,
        )
        .values(due_at=func.now() + lease())
    )


def roots(conn: Connection, run_ids: Sequence[UUID]) -> list[Root]:
    """Return the root streams of integration runs, in the order in which they were planned."""
    rows = conn.execute(
        select(table.c.id.label("root_id"), table.c.run_id, table.c.label)
        .where(table.c.run_id.in_(run_ids), table.c.id == table.c.root_id)
        .order_by(table.c.id)
    )
    return [Root(**row) for row in rows.mappings()]


def lineages(conn: Connection, run_ids: Sequence[UUID], roots: Sequence[UUID] | None = None) -> list[Lineage]:
    """Return the state of every root's lineage (or of these), in the order in which they were planned."""
    arguments = {"run_ids": list(run_ids), "roots": None if roots is None else list(roots)}
    rows = conn.execute(query("streams_count"), arguments)
    return [Lineage(**row) for row in rows.mappings()]


def has_work(conn: Connection, roots: Sequence[UUID]) -> bool:
    """Tell whether a stream of these lineages could be worked on now, or is being worked on."""
    claimable = or_(table.c.due_at <= func.now(), table.c.state == StreamState.PROCESSING)
    found = select(literal(1)).where(table.c.root_id.in_(roots), table.c.due_at.is_not(None), claimable).limit(1)
    return conn.scalar(found) is not None


def get(conn: Connection, stream_id: UUID) -> ClaimedStream | None:
    """Return a stream as a worker would hold it, without claiming it; None when there is none of this id."""
    columns = [table.c[name] for name in ClaimedStream.__slots__]
    row = conn.execute(select(*columns).where(table.c.id == stream_id)).mappings().one_or_none()
    return ClaimedStream(**row) if row else None


def find(conn: Connection, run_id: UUID, *, limit: int) -> list[RowMapping]:
    """Return streams of an integration run, those in trouble first, then those at work, then the newest."""
    trouble = case((table.c.state == StreamState.ERROR, 0), (table.c.state == StreamState.PROCESSING, 1), else_=2)
    wanted = select(table).where(table.c.run_id == run_id).order_by(trouble, table.c.id.desc()).limit(limit)
    return list(conn.execute(wanted).mappings())


def failures(conn: Connection, run_id: UUID, *, limit: int = 5) -> list[tuple[str, str]]:
    """Return label and error of the first streams that failed for good."""
    rows = conn.execute(
        select(table.c.label, table.c.error)
        .where(table.c.run_id == run_id, table.c.state == StreamState.ERROR, table.c.due_at.is_(None))
        .order_by(table.c.id)
        .limit(limit)
    )
    return [(label, error or "no reason given") for label, error in rows]


def was_read(conn: Connection, run_id: UUID) -> bool:
    """Tell whether any page of an integration run was read."""
    return bool(conn.scalar(select(exists().where(table.c.run_id == run_id, table.c.state == StreamState.PROCESSED))))


def owed_reasons(conn: Connection, run_id: UUID, *, limit: int = 3) -> list[str]:
    """Return why the first streams of an integration run that are owed could not be read."""
    rows = conn.scalars(
        select(table.c.error)
        .where(table.c.run_id == run_id, table.c.state == StreamState.OWED)
        .order_by(table.c.id)
        .limit(limit)
    )
    return list(dict.fromkeys(reason or "no reason given" for reason in rows))


def last_trouble(conn: Connection, run_id: UUID) -> tuple[str, str, int] | None:
    """Return label and error of the stream that failed last and waits for another try, and how many do."""
    waiting = (table.c.run_id == run_id, table.c.state == StreamState.ERROR, table.c.due_at.is_not(None))
    row = conn.execute(
        select(table.c.label, table.c.error, func.count().over())
        .where(*waiting)
        .order_by(table.c.updated_at.desc())
        .limit(1)
    ).one_or_none()
    return (row[0], row[1] or "no reason given", row[2]) if row else None


def uncollected(conn: Connection, run_id: UUID) -> dict[str, int]:
    """Return how many records carry text that is stored nowhere, by their kind."""
    kinds = func.jsonb_each_text(table.c.uncollected).table_valued("key", "value")
    rows = conn.execute(
        select(kinds.c.key, func.sum(cast(kinds.c.value, BigInteger)))
        .select_from(table.join(kinds, true()))
        .where(table.c.run_id == run_id, table.c.uncollected.is_not(None))
        .group_by(kinds.c.key)
    )
    return {kind: int(count) for kind, count in rows}


def revive(conn: Connection, run_id: UUID) -> int:
    """Make every failed, owed or waiting stream of an integration run claimable now, with fresh attempts."""
    again = [StreamState.PENDING, StreamState.ERROR, StreamState.OWED]
    revived = conn.execute(
        update(table)
        .where(table.c.run_id == run_id, table.c.state.in_(again))
        .values(
            state=StreamState.PENDING,
            due_at=func.now(),
            processed_at=None,
            retries=0,
            crashes=0,
            updated_at=func.now(),
        )
    )
    return revived.rowcount


def _new_row(position: int, new: NewStream) -> dict[str, Any]:
    stream, parent = new.stream, new.parent
    return {
        "position": position,
        "run_id": str(new.run_id),
        "parent_id": str(parent.id) if parent else None,
        "root_id": str(parent.root_id) if parent else None,
        "name": stream.kind,
        "label": stream.label[:MAX_LABEL],
        "metadata": stream.parameters,
        "key": stream.key,
        "fresh_for": stream.fresh_for.total_seconds() if stream.fresh_for else 0,
        "whole": bool(parent and parent.whole),
    }


def _ending_row(ending: Ending) -> dict[str, Any]:
    return {
        "id": str(ending.stream.id),
        "lease_epoch": ending.stream.lease_epoch,
        "state": ending.state,
        "retry_after": ending.retry_after,
        "failed": ending.failed,
        "error": ending.error,
        "requests": ending.requests,
        "waited_seconds": ending.waited_seconds,
        "activities": ending.activities,
        "members": ending.members,
        "quarantined": ending.quarantined,
        "unread": ending.unread,
        "uncollected": dict(ending.uncollected) or None,
    }
