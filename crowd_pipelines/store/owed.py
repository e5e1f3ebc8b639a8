"""What is owed: places and pages that could not be read, told to the user, and read when that is over.

A row per place and permission, however many streams were refused there. It keeps the stream that is asked for next; of
a permission that is the refused stream, once a day, and as soon as it is not refused any more, the place's own, whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, select, update

from crowd_pipelines.model.states import OwedKind
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.store.database import encode, query
from crowd_pipelines.store.schema import integration_streams as queue
from crowd_pipelines.store.schema import owed_reads as table

MAX_LABEL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedRead:
    """Something that an integration owes. `place_stream` reads its place from the start, where that is another stream.

    `whole` says that `stream` is to be read as an onboarding reads, `by_hand` that it is tried only when somebody asks.
    """

    tenant_id: UUID
    integration_id: UUID
    kind: OwedKind
    place: str
    label: str
    reason: str
    stream: Stream
    whole: bool
    permission: str = ""
    place_stream: Stream | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedRecord:
    """A row of `owed_reads`, for people."""

    integration_id: UUID
    kind: OwedKind
    place: str
    permission: str
    label: str
    reason: str
    attempts: int
    due_at: datetime
    created_at: datetime


class StreamRead(NamedTuple):
    """A stream whose page was read, `whole` as an onboarding reads; `has_nulls` when some of its records are not."""

    integration_id: UUID
    key: str
    whole: bool
    has_nulls: bool = False


def record(conn: Connection, reads: Iterable[OwedRead]) -> None:
    """Note what could not be read; what is owed already is owed with the newest reason, and waits for its next turn."""
    distinct = {(read.integration_id, read.place, read.permission): read for read in reads}
    if distinct:
        rows = [_row(distinct[key]) for key in sorted(distinct, key=str)]
        conn.execute(query("owed_record"), {"owed": encode(rows)})


def settle(conn: Connection, reads: Iterable[StreamRead]) -> None:
    """Take note of what was read: debts that are paid by it go; where only a refusal is over, the place is due now."""
    rows = [{**read._asdict(), "integration_id": str(read.integration_id)} for read in reads]
    if rows:
        conn.execute(query("owed_settle"), {"reads": encode(rows)})


def try_once(conn: Connection, run_id: UUID, integration_id: UUID, *, retries: int) -> None:
    """Give planned streams that kept failing before one try each: they have `retries` behind them."""
    failing = select(table.c.stream_key).where(
        table.c.integration_id == integration_id, table.c.kind == OwedKind.FAILURE
    )
    conn.execute(update(queue).where(queue.c.run_id == run_id, queue.c.key.in_(failing)).values(retries=retries))


def forget_older(conn: Connection, integration_id: UUID, moment: datetime) -> None:
    """Forget what an onboarding, which asked for everything from that moment on, was not refused again."""
    conn.execute(delete(table).where(table.c.integration_id == integration_id, table.c.updated_at < moment))


def expedite(conn: Connection, integration_ids: Sequence[UUID]) -> None:
    """Let the next check try everything that these integrations owe: somebody asks for it by hand."""
    conn.execute(
        update(table)
        .where(table.c.integration_id.in_(integration_ids), table.c.due_at > func.now())
        .values(due_at=func.now())
    )


def has_failures(conn: Connection, integration_id: UUID) -> bool:
    """Tell whether something is owed that failed, and not for want of a permission."""
    failure = exists().where(table.c.integration_id == integration_id, table.c.kind == OwedKind.FAILURE)
    return bool(conn.scalar(select(failure)))


def refused_places(conn: Connection, integration_id: UUID) -> frozenset[str]:
    """Return the places that these credentials may not read at all, and that are not asked for now."""
    rows = conn.scalars(
        select(table.c.place).where(
            table.c.integration_id == integration_id,
            table.c.kind == OwedKind.PERMISSION,
            # The refused stream is the place's own.
            table.c.place_stream.is_(None),
        )
    )
    return frozenset(rows)


def owes(conn: Connection, integration_id: UUID) -> bool:
    """Tell whether an integration owes anything."""
    return bool(conn.scalar(select(exists().where(table.c.integration_id == integration_id))))


def permissions(conn: Connection, integration_id: UUID, places: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return, for these places, the permissions that are missing there."""
    rows = conn.execute(
        select(table.c.place, func.array_agg(table.c.permission))
        .where(
            table.c.integration_id == integration_id,
            table.c.kind == OwedKind.PERMISSION,
            table.c.place.in_(places),
        )
        .group_by(table.c.place)
    )
    return {row[0]: frozenset(row[1]) for row in rows}


def find(conn: Connection, integration_ids: Sequence[UUID]) -> list[OwedRecord]:
    """Return what integrations owe, oldest first."""
    columns = [table.c[name] for name in OwedRecord.__slots__]
    rows = conn.execute(select(*columns).where(table.c.integration_id.in_(integration_ids)).order_by(table.c.id))
    return [OwedRecord(**{**row, "kind": OwedKind(row["kind"])}) for row in rows.mappings()]


def sentences(conn: Connection, integration_ids: Sequence[UUID], *, most: int = 10) -> Mapping[UUID, list[str]]:
    """Return, for every integration, what it owes in sentences for the user; of very much, the first and how much."""
    told: dict[UUID, list[str]] = {}
    records = find(conn, integration_ids)
    for integration_id in integration_ids:
        own = [record for record in records if record.integration_id == integration_id]
        lines = [f"{record.label} is owed: {record.reason}" for record in own[:most]]
        told[integration_id] = lines + ([f"{len(own) - most} more are owed."] if len(own) > most else [])
    return told


def _row(read: OwedRead) -> dict[str, Any]:
    stream, place = read.stream, read.place_stream
    return {
        "tenant_id": str(read.tenant_id),
        "integration_id": str(read.integration_id),
        "kind": read.kind,
        "place": read.place,
        "permission": read.permission,
        "label": read.label[:MAX_LABEL],
        "reason": read.reason,
        "stream_name": stream.kind,
        "stream_label": stream.label[:MAX_LABEL],
        "stream_metadata": stream.parameters,
        "stream_key": stream.key,
        "whole": read.whole,
        "by_hand": read.by_hand,
        "place_stream": _stored(place) if place is not None and place.key != stream.key else None,
    }


def _stored(stream: Stream) -> dict[str, Any]:
    return {
        "name": stream.kind,
        "label": stream.label[:MAX_LABEL],
        "metadata": stream.parameters,
        "key": stream.key,
    }
