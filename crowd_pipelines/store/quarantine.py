"""Records that could not be used: kept with the reason until someone looks."""

import hashlib
import json
import reprlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.model.streams import RejectedRecord
from crowd_pipelines.model.text import clean_json, clean_text
from crowd_pipelines.store.schema import quarantined_records
from crowd_pipelines.store.streams import ClaimedStream

MAX_PAYLOAD = 100_000
"""Characters of a payload that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A rejected record with where it came from."""

    tenant_id: UUID
    integration_id: UUID
    stream: ClaimedStream
    record: RejectedRecord


def add(conn: Connection, records: Sequence[Quarantined]) -> None:
    """Keep records; the same one of an integration is kept once, however often it comes."""
    if records:
        conn.execute(insert(quarantined_records).values([_row(record) for record in records]).on_conflict_do_nothing())


def _row(quarantined: Quarantined) -> dict[str, object]:
    record = quarantined.record
    text = _text(record.payload)
    return {
        "tenant_id": quarantined.tenant_id,
        "integration_id": quarantined.integration_id,
        "run_id": quarantined.stream.run_id,
        "stream_id": quarantined.stream.id,
        "stream_name": quarantined.stream.name,
        "reason": clean_text(record.reason),
        "payload": _kept(text),
        "digest": hashlib.sha256(f"{record.reason}\n{text}".encode("utf-8", "replace")).hexdigest(),
    }


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
