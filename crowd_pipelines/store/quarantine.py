"""Records that could not be used: kept with the reason and the way to them until they are read again, or dropped."""

import hashlib
import json
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Text,
    and_,
    cast,
    delete,
    func,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.model.streams import RejectedRecord
from crowd_pipelines.model.text import clean_json, clean_text
from crowd_pipelines.store.database import encode, portions, query
from crowd_pipelines.store.schema import integration_streams, integrations
from crowd_pipelines.store.schema import quarantined_records as table
from crowd_pipelines.store.streams import ClaimedStream

MAX_PAYLOAD = 100_000
"""Characters of a payload that are kept."""

_ID_NAMES = ("id", "id_code", "ts", "databaseId", "user_id")
"""What providers call the id of a record."""

_OWNERS = ("user", "node")
"""Objects within a record whose id is the record's, where it has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A rejected record with where it came from."""

    tenant_id: UUID
    integration_id: UUID
    stream: ClaimedStream
    record: RejectedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What a page showed of its stream: the ids of all that can be used and that it leads to, and what was refused."""

    integration_id: UUID
    stream: ClaimedStream
    found: frozenset[str]
    rejected: Sequence[RejectedRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which kept records are meant: all conditions together; none of them means all records."""

    ids: Sequence[UUID] = ()
    integration_ids: Sequence[UUID] = ()
    platform: str | None = None
    reason: str | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """The rows as SQL; a reason is meant by any part of it, in upper or lower case."""
        of_platform = select(integrations.c.id).where(integrations.c.platform == self.platform)
        return and_(
            true(),
            *([table.c.id.in_(self.ids)] if self.ids else []),
            *([table.c.integration_id.in_(self.integration_ids)] if self.integration_ids else []),
            *([table.c.integration_id.in_(of_platform)] if self.platform else []),
            *([func.strpos(func.lower(table.c.reason), self.reason.lower()) > 0] if self.reason else []),
        )


def add(conn: Connection, records: Sequence[Quarantined]) -> None:
    """Keep records; the same one of an integration is kept once, and counted however often it comes."""
    # By what is unique: a statement can change a row only once.
    rows = {(row["integration_id"], row["digest"]): row for row in map(_row, records)}
    for portion in portions(list(rows.values())):
        new = insert(table).values(portion)
        again = {name: new.excluded[name] for name in portion[0] if name.startswith(("stream", "run"))}
        conn.execute(
            new.on_conflict_do_update(
                index_elements=["integration_id", "digest"],
                set_={**again, "seen": table.c.seen + 1, "last_seen_at": func.now()},
            )
        )


def resolve(conn: Connection, pages: Sequence[Reread]) -> int:
    """Let go of records that pages show again, and that can be used now; returns how many went."""
    streams = [(page.integration_id, page.stream.key) for page in pages]
    known = select(table.c.integration_id, table.c.stream_key).where(
        tuple_(table.c.integration_id, table.c.stream_key).in_(streams)
    )
    # Hardly any page ever refused something: most of the time nothing is to be sent.
    concerned = set(map(tuple, conn.execute(known.distinct()))) if streams else set()
    read = [_read_row(page) for page in pages if (page.integration_id, page.stream.key) in concerned]
    return conn.execute(query("quarantine_resolve"), {"read": encode(read)}).rowcount if read else 0


def take_up(conn: Connection, run_id: UUID, integration_id: UUID, *, retries: int) -> None:
    """Queue the streams of records that are to be read again in this integration run, with `retries` behind them."""
    arguments = {"run_id": run_id, "integration_id": integration_id, "retries": retries}
    conn.execute(query("quarantine_take_up"), arguments)


def groups(conn: Connection, wanted: Selection, *, limit: int) -> list[RowMapping]:
    """Return kept records by integration, kind of stream and reason (numbers apart), the most frequent first."""
    # Without the numbers: messages with an id or a time in them would be a group each.
    alike = func.regexp_replace(table.c.reason, "[0-9]+", "#", "g")
    counted = (
        select(
            func.count().label("records"),
            integrations.c.name.label("integration"),
            integrations.c.platform,
            table.c.integration_id,
            table.c.stream_name,
            func.min(table.c.reason).label("reason"),
            func.sum(table.c.seen).label("seen"),
            func.min(table.c.created_at).label("first"),
            func.max(table.c.last_seen_at).label("last"),
            func.max(table.c.retries).label("retries"),
            # There is no max(uuid) before PostgreSQL 18.
            func.max(cast(table.c.id, Text)).label("example"),
        )
        .join(integrations, integrations.c.id == table.c.integration_id)
        .where(wanted.condition)
        .group_by(integrations.c.name, integrations.c.platform, table.c.integration_id, table.c.stream_name, alike)
        .order_by(func.count().desc(), func.max(table.c.last_seen_at).desc())
        .limit(limit)
    )
    return list(conn.execute(counted).mappings())


def find(conn: Connection, wanted: Selection, *, limit: int) -> list[RowMapping]:
    """Return kept records without their payloads, those that came last first."""
    columns = [column for column in table.c if column is not table.c.payload]
    rows = _with_integration(*columns).where(wanted.condition).order_by(table.c.last_seen_at.desc(), table.c.id.desc())
    return list(conn.execute(rows.limit(limit)).mappings())


def get(conn: Connection, record_id: UUID) -> RowMapping | None:
    """Return a kept record with its payload, None when there is none of this id."""
    return conn.execute(_with_integration(*table.c).where(table.c.id == record_id)).mappings().one_or_none()


def count(conn: Connection, wanted: Selection) -> int:
    """Return how many kept records are meant."""
    return conn.execute(select(func.count()).select_from(table).where(wanted.condition)).scalar_one()


def request_retry(conn: Connection, wanted: Selection) -> list[UUID]:
    """Ask for the streams of records to be read again; returns their integrations, one for each record.

    Records kept by a version that did not note their streams are left out.
    """
    asked = update(table).where(wanted.condition, table.c.stream_key.is_not(None))
    return list(conn.scalars(asked.values(retry_requested_at=func.now()).returning(table.c.integration_id)))


def retried(conn: Connection, run_ids: Sequence[UUID]) -> list[RowMapping]:
    """Return records that these integration runs read again and could not let go, with what became of the streams."""
    rows = (
        _with_integration(
            table.c.id, table.c.stream_label, table.c.reason, table.c.retries, integration_streams.c.error
        )
        .outerjoin(
            integration_streams,
            and_(integration_streams.c.run_id == table.c.retry_run_id, integration_streams.c.key == table.c.stream_key),
        )
        .where(table.c.retry_run_id.in_(run_ids))
        .order_by(table.c.id)
    )
    return list(conn.execute(rows).mappings())


def drop(conn: Connection, wanted: Selection) -> int:
    """Delete kept records; returns how many."""
    return conn.execute(delete(table).where(wanted.condition)).rowcount


def record_ids(payload: Any) -> list[str]:
    """Return the provider's ids of a record: its own, else those of whom or what it wraps; none where it tells none."""
    if not isinstance(payload, Mapping):
        return []
    own = [payload[name] for name in _ID_NAMES if _is_id(payload.get(name))]
    return [clean_text(str(id_)) for id_ in own] or [id_ for name in _OWNERS for id_ in record_ids(payload.get(name))]


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _with_integration(*columns: Any) -> Select[Any]:
    beside = [integrations.c.name.label("integration"), integrations.c.platform]
    return select(*columns, *beside).join(integrations, integrations.c.id == table.c.integration_id)


def _row(quarantined: Quarantined) -> dict[str, Any]:
    record, stream = quarantined.record, quarantined.stream
    text = _text(record.payload)
    return {
        "tenant_id": quarantined.tenant_id,
        "integration_id": quarantined.integration_id,
        "run_id": stream.run_id,
        "stream_id": stream.id,
        "stream_name": stream.name,
        "stream_label": stream.label,
        "stream_metadata": stream.metadata,
        "stream_key": stream.key,
        "reason": clean_text(record.reason),
        "payload": _kept(text),
        "record_ids": record_ids(record.payload),
        "digest": _digest(record.reason, text),
    }


def _read_row(page: Reread) -> dict[str, Any]:
    # Kept anew is as good as used: what was kept of it before is an older state of the same record.
    anew = {id_ for record in page.rejected for id_ in record_ids(record.payload)}
    return {
        "integration_id": str(page.integration_id),
        "stream_key": page.stream.key,
        "run_id": str(page.stream.run_id),
        "found": sorted(page.found | anew),
        "refused": [_digest(record.reason, _text(record.payload)) for record in page.rejected],
    }


def _digest(reason: str, payload: str) -> str:
    return hashlib.sha256(f"{reason}\n{payload}".encode("utf-8", "replace")).hexdigest()


def _text(payload: Any) -> str:
    """Return any value as JSON, or as something like it where JSON cannot say it."""
    try:
        return json.dumps(payload, sort_keys=True, default=str)
    except (TypeError, RecursionError):
        return reprlib.repr(payload)


def _kept(text: str) -> Any:
    """Return the value as the column takes it; of one that is too long, too deep or no JSON, the beginning as text."""
    if len(text) <= MAX_PAYLOAD:
        with suppress(ValueError, RecursionError):
            return clean_json(json.loads(text, parse_constant=str))
    return {"cut": clean_text(text[:MAX_PAYLOAD])}
