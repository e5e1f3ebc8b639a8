"""Records that could not be used: kept with the reason until someone looks."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
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
    text = json.dumps(record.payload, sort_keys=True, default=str)
    payload = clean_json(record.payload) if len(text) <= MAX_PAYLOAD else {"cut": clean_text(text[:MAX_PAYLOAD])}
    return {
        "tenant_id": quarantined.tenant_id,
        "integration_id": quarantined.integration_id,
        "run_id": quarantined.stream.run_id,
        "stream_id": quarantined.stream.id,
        "stream_name": quarantined.stream.name,
        "reason": clean_text(record.reason),
        "payload": payload,
        "digest": hashlib.sha256(f"{record.reason}\n{text}".encode("utf-8", "replace")).hexdigest(),
    }
