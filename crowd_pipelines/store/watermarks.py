"""How far each subject of an integration has been read, and which lookups are still fresh."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.model.text import clean_json, clean_key
from crowd_pipelines.store.schema import lookups, watermarks

Subject = tuple[UUID, str]
"""(integration, subject)"""


def read(conn: Connection, integration_id: UUID, subjects: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the watermarks of these subjects, as far as there are any."""
    asked = {clean_key(subject): subject for subject in subjects}
    rows = conn.execute(
        select(watermarks.c.subject, watermarks.c.value).where(
            watermarks.c.integration_id == integration_id, watermarks.c.subject.in_(list(asked))
        )
    )
    return {asked[row.subject]: row.value for row in rows}


def write(conn: Connection, values: Mapping[Subject, Mapping[str, Any]]) -> None:
    """Set watermarks; one that says the same again is left alone, and an empty one is forgotten."""
    ordered = sorted(values.items(), key=lambda item: item[0])
    _forget(conn, [(integration, clean_key(subject)) for (integration, subject), value in ordered if not value])
    rows = [
        {"integration_id": integration, "subject": clean_key(subject), "value": clean_json(dict(value))}
        for (integration, subject), value in ordered
        if value
    ]
    if not rows:
        return
    new = insert(watermarks).values(rows)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=["integration_id", "subject"],
            set_={"value": new.excluded.value, "updated_at": func.now()},
            where=watermarks.c.value.is_distinct_from(new.excluded.value),
        )
    )


def _forget(conn: Connection, subjects: Sequence[Subject]) -> None:
    if subjects:
        key = tuple_(watermarks.c.integration_id, watermarks.c.subject)
        conn.execute(delete(watermarks).where(key.in_(subjects)))


def remember_lookups(conn: Connection, looked_up: Iterable[tuple[UUID, str, str]]) -> None:
    """Note that these (tenant, platform, stream key) were looked up now."""
    rows = [{"tenant_id": tenant, "platform": platform, "key": key} for tenant, platform, key in sorted(set(looked_up))]
    if rows:
        new = insert(lookups).values(rows)
        keys = ["tenant_id", "platform", "key"]
        conn.execute(new.on_conflict_do_update(index_elements=keys, set_={"looked_up_at": func.now()}))
