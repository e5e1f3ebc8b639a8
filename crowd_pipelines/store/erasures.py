"""Erasing people: what is stored of them goes, and whoever reads later leaves them out.

What is remembered of them are hashes under a salt of the tenant's own. A page is committed either before such a hash is
there, and then what it wrote is removed with the rest, or after it, and then it resolves without them: both take turns.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, RowMapping, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.store import traces
from crowd_pipelines.store.database import encode, query, transact
from crowd_pipelines.store.schema import (
    activities,
    erased_identities,
    erasure_salts,
    erasures,
    member_identities,
    member_organizations,
    member_reach,
    tenants,
)
from crowd_pipelines.store.traces import Account, Words

ACTIVITIES_AT_ONCE = 2_000

Progress = Callable[[str, int], None]
"""Is told what goes, and how much of it has gone so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account of a person on a platform, by its id or by its name."""

    platform: str
    source_id: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of a tenant, with all accounts that are known; without `member_id`, nothing is stored of them."""

    tenant_id: UUID
    member_id: UUID | None
    identities: tuple[Identity, ...]


def find_member(conn: Connection, tenant_id: UUID, member_id: UUID) -> Person | None:
    """Return the person behind a member, None when the tenant has no such member."""
    rows = conn.execute(
        select(member_identities)
        .where(member_identities.c.tenant_id == tenant_id, member_identities.c.member_id == member_id)
        .order_by(member_identities.c.platform, member_identities.c.identity_key)
    ).mappings()
    identities = tuple(
        Identity(platform=row["platform"], source_id=row["source_id"], username=row["username"]) for row in rows
    )
    return Person(tenant_id=tenant_id, member_id=member_id, identities=identities) if identities else None


def find_account(conn: Connection, tenant_id: UUID, given: Identity) -> list[Person]:
    """Return the members behind an account: several, when the name alone is given and was not theirs alone."""
    same_name = func.lower(member_identities.c.username) == func.lower(given.username)
    theirs = member_identities.c.source_id == given.source_id if given.source_id else same_name
    ids = conn.scalars(
        select(member_identities.c.member_id)
        .where(member_identities.c.tenant_id == tenant_id, member_identities.c.platform == given.platform, theirs)
        .distinct()
    ).all()
    return [person for person in (find_member(conn, tenant_id, id_) for id_ in ids) if person]


def is_erased(conn: Connection, person: Person) -> bool:
    """Tell whether somebody of these accounts was erased."""
    return bool(_erasures_of(conn, person, _digests(conn, person)))


def count(conn: Connection, person: Person, read_by: traces.ReadBy) -> dict[str, int]:
    """Return how much is stored of a person, by what it is."""
    found = dict.fromkeys(("activities", "identities", "reaches", "organizations", "answers of others"), 0)
    if person.member_id:
        mine = {
            "activities": activities.c.member_id,
            "identities": member_identities.c.member_id,
            "reaches": member_reach.c.member_id,
            "organizations": member_organizations.c.member_id,
        }
        for name, column in mine.items():
            found[name] = conn.execute(
                select(func.count()).select_from(column.table).where(column == person.member_id)
            ).scalar_one()
        found["answers of others"] = conn.execute(_answers(person.member_id)).scalar_one()
    return {**found, **traces.count(conn, person.tenant_id, _accounts(person, read_by))}


def erase(
    engine: Engine, person: Person, *, command: str, read_by: traces.ReadBy, progress: Progress = lambda *_: None
) -> RowMapping:
    """Erase a person; returns the row that remembers it. What was interrupted is finished by doing it again.

    `command` says how it was asked for, without naming anybody. `read_by` tells which platforms' integrations show the
    accounts of which platform.
    """
    person, erasure_id = transact(engine, lambda conn: _block(conn, person, command))
    removed = traces.remove(engine, person.tenant_id, _accounts(person, read_by), progress)
    if person.member_id:
        removed |= _erase_member(engine, person.tenant_id, person.member_id, progress)
    return transact(engine, lambda conn: _complete(conn, erasure_id, removed))


def find(conn: Connection, tenant_id: UUID | None = None) -> list[RowMapping]:
    """Return erasures, newest first, with how many hashes block each."""
    hashes = select(func.count()).where(erased_identities.c.erasure_id == erasures.c.id).scalar_subquery()
    wanted = (
        select(erasures, tenants.c.name.label("tenant"), hashes.label("hashes"))
        .join(tenants, tenants.c.id == erasures.c.tenant_id)
        .order_by(erasures.c.id.desc())
    )
    if tenant_id is not None:
        wanted = wanted.where(erasures.c.tenant_id == tenant_id)
    return list(conn.execute(wanted).mappings())


def returned(conn: Connection) -> list[Person]:
    """Return people who were erased and are stored again: a backup was restored, or an older version has read them."""
    rows = conn.execute(query("erasures_returned")).all()
    people = [find_member(conn, row.tenant_id, row.member_id) for row in rows]
    return [person for person in people if person]


def lift(conn: Connection, erasure_id: UUID) -> bool:
    """Let somebody be read again; what was erased only comes back from the platform. Returns whether it was blocked."""
    lifted = conn.execute(
        update(erasures).where(erasures.c.id == erasure_id, erasures.c.lifted_at.is_(None)).values(lifted_at=func.now())
    )
    conn.execute(delete(erased_identities).where(erased_identities.c.erasure_id == erasure_id))
    return bool(lifted.rowcount)


def lift_account(conn: Connection, person: Person) -> list[UUID]:
    """Let the person of these accounts be read again; returns the erasures that were lifted."""
    found = _erasures_of(conn, person, _digests(conn, person))
    return [erasure_id for erasure_id in found if lift(conn, erasure_id)]


def take_turn(conn: Connection, tenant_id: UUID) -> None:
    """Wait until no page of the tenant is being committed, and let none begin before the transaction ends."""
    key = func.hashtextextended(f"crowd_pipelines.tenant {tenant_id}", 0)
    conn.execute(select(func.pg_advisory_xact_lock(key)))


def _block(conn: Connection, person: Person, command: str) -> tuple[Person, UUID]:
    """Remember the hashes of a person; returns all that is known of them by now, and the erasure."""
    take_turn(conn, person.tenant_id)
    person = _again(conn, person)
    conn.execute(
        insert(erasure_salts).values(tenant_id=person.tenant_id, salt=secrets.token_bytes(32)).on_conflict_do_nothing()
    )
    digests = _digests(conn, person)
    known = _erasures_of(conn, person, digests)
    erasure_id: UUID = (
        known[0]
        if known
        else conn.execute(
            insert(erasures).values(tenant_id=person.tenant_id, command=command).returning(erasures.c.id)
        ).scalar_one()
    )
    rows = [
        {"tenant_id": person.tenant_id, "erasure_id": erasure_id}
        | {name: row[name] for name in ("platform", "digest", "id_known")}
        for row in digests
    ]
    conn.execute(insert(erased_identities).values(rows).on_conflict_do_nothing())
    return person, erasure_id


def _again(conn: Connection, person: Person) -> Person:
    """Return a person as they are now: a page may have brought them, or another account of theirs, meanwhile."""
    if person.member_id:
        return find_member(conn, person.tenant_id, person.member_id) or person
    found = [one for given in person.identities for one in find_account(conn, person.tenant_id, given)]
    return found[0] if len(found) == 1 else person


def _digests(conn: Connection, person: Person) -> Sequence[RowMapping]:
    identities = encode(asdict(identity) for identity in person.identities)
    arguments = {"tenant_id": person.tenant_id, "identities": identities}
    return conn.execute(query("erasures_digest"), arguments).mappings().all()


def _erasures_of(conn: Connection, person: Person, digests: Sequence[RowMapping]) -> list[UUID]:
    """Return the erasures that remember a person by what identifies them."""
    theirs = [(row["platform"], row["digest"]) for row in digests if row["identifies"]]
    by_name = [(row["platform"], row["digest"]) for row in digests if not row["id_known"]]
    columns = tuple_(erased_identities.c.platform, erased_identities.c.digest)
    wanted = (
        select(erased_identities.c.erasure_id)
        .where(erased_identities.c.tenant_id == person.tenant_id, or_(columns.in_(theirs), columns.in_(by_name)))
        .distinct()
        .order_by(erased_identities.c.erasure_id)
    )
    return list(conn.scalars(wanted))


def _erase_member(engine: Engine, tenant_id: UUID, member_id: UUID, progress: Progress) -> dict[str, int]:
    """Delete a member: the activities a batch at a time, the oldest of them with everything else."""
    total = 0

    def batch(conn: Connection) -> int:
        arguments = {"member_id": member_id, "limit": ACTIVITIES_AT_ONCE}
        return int(conn.execute(query("activities_erase"), arguments).scalar_one())

    def last(conn: Connection) -> dict[str, int]:
        # Organizations: nobody may come to belong to one while it is seen to be empty.
        take_turn(conn, tenant_id)
        gone = conn.execute(query("members_erase"), {"member_id": member_id}).mappings().one()
        return dict(gone)

    while number := transact(engine, batch):
        total += number
        progress("activities", total)
    gone = transact(engine, last)
    return {**gone, "activities": total + gone["activities"]}


def _complete(conn: Connection, erasure_id: UUID, removed: Mapping[str, int]) -> RowMapping:
    """Add to the erasure's row what went, in numbers."""
    row = conn.execute(select(erasures).where(erasures.c.id == erasure_id).with_for_update()).mappings().one()
    before: dict[str, int] = row["removed"]
    total = {name: before.get(name, 0) + number for name, number in removed.items()}
    return (
        conn.execute(
            update(erasures)
            .where(erasures.c.id == erasure_id)
            .values(removed={**before, **total}, completed_at=func.now())
            .returning(erasures)
        )
        .mappings()
        .one()
    )


def _answers(member_id: UUID) -> Any:
    answer = activities.alias("answer")
    return (
        select(func.count())
        .select_from(activities.join(answer, answer.c.parent_id == activities.c.id))
        .where(and_(activities.c.member_id == member_id, answer.c.member_id != member_id))
    )


def _accounts(person: Person, read_by: traces.ReadBy) -> list[Account]:
    return [
        Account(
            platforms=tuple(read_by.get(identity.platform, (identity.platform,))),
            words=Words(ids=_word(identity.source_id), names=_word(identity.username) - _word(identity.source_id)),
        )
        for identity in person.identities
    ]


def _word(text: str | None) -> frozenset[str]:
    return frozenset([text.lower()] if text else [])
