"""Members and their identities: who is who, and one clean row for each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.model.records import Member, Organization
from crowd_pipelines.store.database import encode, portions, query
from crowd_pipelines.store.schema import member_organizations, members, organizations

IdentityKey = tuple[str, str]
"""(platform, identity key)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A row of `members`, as far as pages change it."""

    id: UUID
    display_name: str | None = None
    emails: tuple[str, ...] = ()
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reach: Mapping[str, int] = field(default_factory=dict)
    score: int = 0
    joined_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The member behind an identity, whether this transaction added it, and the name it had, if that changed."""

    member_id: UUID
    added: bool
    former_name: str | None = None


def resolve(
    conn: Connection, tenant_id: UUID, seen: Iterable[Member], *, known_only: bool = False
) -> dict[IdentityKey, Resolved]:
    """Return the member of every identity; strangers get one, unless only known ones are wanted.

    Who was erased has none: their identities are not among those returned.
    """
    wanted = {(member.platform, member.key): member for member in seen}
    found: dict[IdentityKey, Resolved | None] = {}
    while missing := [_identity(member) for key, member in wanted.items() if key not in found]:
        arguments = {"tenant_id": tenant_id, "identities": encode(missing), "known_only": known_only}
        rows = conn.execute(query("identities_resolve"), arguments).all()
        if any(row.former_name for row in rows):
            conn.execute(query("identities_rename"), {"tenant_id": tenant_id, "identities": encode(missing)})
        for row in rows:
            who = (
                Resolved(member_id=row.member_id, added=row.added, former_name=row.former_name)
                if row.member_id
                else None
            )
            found[row.platform, row.identity_key] = who
        if known_only:
            break
    return {key: who for key, who in found.items() if who}


def load(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, MemberRow]:
    """Return members, locked until the transaction ends, in an order that keeps writers from deadlocks."""
    columns = [members.c[name] for name in MemberRow.__slots__]
    rows = conn.execute(
        select(*columns)
        .where(members.c.id == any_(literal(list(ids), ARRAY(Uuid))))
        .order_by(members.c.id)
        .with_for_update()
    )
    return {row["id"]: MemberRow(**{**row, "emails": tuple(row["emails"])}) for row in rows.mappings()}


def write(conn: Connection, tenant_id: UUID, rows: Sequence[MemberRow]) -> None:
    """Add these members, or change them where they are known."""
    for portion in portions(rows):
        conn.execute(query("members_write"), {"tenant_id": tenant_id, "members": encode(map(_row, portion))})


def merge(known: MemberRow, seen: Member, priority: Sequence[str], *, former_name: str | None = None) -> MemberRow:
    """Return `known` with what a page tells of the member. Pure: the same page twice gives the same row.

    Attributes are kept per platform; "default" is the value of the first platform in `priority` that has one. The user
    name stands in for somebody without a name, and follows when it changes: `former_name` may be another's by now.
    """
    stands_in = known.display_name in (None, "", former_name)
    return replace(
        known,
        display_name=seen.display_name or (seen.username if stands_in else known.display_name),
        emails=tuple(dict.fromkeys((*known.emails, *seen.emails))),
        attributes=_merge_attributes(known.attributes, seen, priority),
        reach=_merge_reach(known.reach, seen),
        joined_at=earliest(known.joined_at, seen.joined_at),
    )


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the earlier of two moments, where None is unknown."""
    if one is None or other is None:
        return one or other
    return min(one, other)


def _merge_attributes(
    known: Mapping[str, Mapping[str, Any]], seen: Member, priority: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    merged = dict(known)
    for name, value in seen.attributes.items():
        values = {key: old for key, old in known.get(name, {}).items() if key != "default"}
        values[seen.platform] = value
        merged[name] = _with_default({key: new for key, new in values.items() if new is not None}, priority)
    return {name: values for name, values in merged.items() if values}


def _with_default(values: dict[str, Any], priority: Sequence[str]) -> dict[str, Any]:
    if not values:
        return {}
    first = min(values, key=lambda platform: (_rank(platform, priority), platform))
    return {**values, "default": values[first]}


def _rank(platform: str, priority: Sequence[str]) -> int:
    return priority.index(platform) if platform in priority else len(priority)


def _merge_reach(known: Mapping[str, int], seen: Member) -> Mapping[str, int]:
    if seen.reach is None:
        return known
    values = {platform: reach for platform, reach in known.items() if platform != "total"}
    values[seen.platform] = seen.reach
    return {**values, "total": sum(values.values())}


def write_organizations(conn: Connection, tenant_id: UUID, belonging: Iterable[tuple[UUID, str, Organization]]) -> None:
    """Store organizations and who belongs to them: (member, platform, organization)."""
    pairs = list(belonging)
    if not pairs:
        return
    named = {(platform, org.source_id): org for _, platform, org in pairs}
    given = insert(organizations).values(
        [
            {"tenant_id": tenant_id, "platform": platform, "source_id": source_id, "name": org.name}
            | {"url": org.url, "image_url": org.image_url}
            for (platform, source_id), org in sorted(named.items(), key=lambda item: item[0])
        ]
    )
    table, new = organizations.c, given.excluded
    conn.execute(
        given.on_conflict_do_update(
            index_elements=["tenant_id", "platform", "source_id"],
            set_={"name": new.name, "url": new.url, "image_url": new.image_url, "updated_at": new.updated_at},
            where=(table.name.is_distinct_from(new.name))
            | (table.url.is_distinct_from(new.url))
            | (table.image_url.is_distinct_from(new.image_url)),
        )
    )
    ids = {
        (row.platform, row.source_id): row.id
        for row in conn.execute(
            select(table.id, table.platform, table.source_id).where(
                table.tenant_id == tenant_id, table.source_id.in_([source_id for _, source_id in named])
            )
        )
    }
    members_of = {(member_id, ids[platform, org.source_id]) for member_id, platform, org in pairs}
    rows = [{"member_id": member, "organization_id": organization} for member, organization in sorted(members_of)]
    conn.execute(insert(member_organizations).values(rows).on_conflict_do_nothing())


def _identity(member: Member) -> dict[str, Any]:
    return {
        "platform": member.platform,
        "source_id": member.source_id,
        "username": member.username,
        "identity_key": member.key,
    }


def _row(row: MemberRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "display_name": row.display_name,
        "emails": list(row.emails),
        "attributes": row.attributes,
        "reach": row.reach,
        "score": row.score,
        "joined_at": row.joined_at.isoformat() if row.joined_at else None,
    }
