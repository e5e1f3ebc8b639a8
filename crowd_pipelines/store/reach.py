"""How many people members reach, and how that changed: a row per platform and value, with when it was seen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import BigInteger, Connection, and_, cast, func, or_, select

from crowd_pipelines.model.records import KnownMember
from crowd_pipelines.store.database import encode, portions, query
from crowd_pipelines.store.schema import member_identities as identities
from crowd_pipelines.store.schema import member_reach as table
from crowd_pipelines.store.schema import members


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A reach that a page told."""

    member_id: UUID
    platform: str
    reach: int


def observe(conn: Connection, seen: Sequence[Observed]) -> None:
    """Remember what reaches members have now; one that stays the same lengthens its row, hourly at most."""
    rows = [{**asdict(one), "member_id": str(one.member_id)} for one in seen]
    for portion in portions(rows):
        conn.execute(query("reach_observe"), {"seen": encode(portion)})


def known_members(
    conn: Connection, tenant_id: UUID, platform: str, *, after: str | None, limit: int, unseen_for: timedelta
) -> list[KnownMember]:
    """Return members with a user id on the platform whose reach was not seen for that long, by user id."""
    latest = (
        select(func.max(table.c.last_seen_at))
        .where(table.c.member_id == identities.c.member_id, table.c.platform == platform)
        .scalar_subquery()
    )
    wanted = (
        select(
            identities.c.source_id,
            identities.c.username,
            cast(members.c.reach[platform].astext, BigInteger).label("reach"),
            latest.label("reach_seen_at"),
        )
        .join(members, members.c.id == identities.c.member_id)
        .where(
            and_(identities.c.tenant_id == tenant_id, identities.c.platform == platform),
            # The identity's key is the user id where there is one, and is what the index holds.
            identities.c.source_id.is_not(None),
            identities.c.identity_key > (after or ""),
            or_(latest.is_(None), latest < func.now() - unseen_for),
        )
        .order_by(identities.c.identity_key)
        .limit(limit)
    )
    return [KnownMember(**row) for row in conn.execute(wanted).mappings()]
