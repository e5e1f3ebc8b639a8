"""Writing the records of finished pages: members first by identity, then activities, then the members' rows."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, true, update

from crowd_pipelines.model.records import Activity, Member
from crowd_pipelines.model.streams import (
    Operation,
    RenameChannel,
    RetractActivities,
    RetractMissing,
    ShowActivities,
    UpdateMembers,
    UpsertActivities,
    UpsertMembers,
)
from crowd_pipelines.store import members as member_store
from crowd_pipelines.store import reach, traces
from crowd_pipelines.store.database import encode, portions, query
from crowd_pipelines.store.members import IdentityKey, MemberRow, Resolved
from crowd_pipelines.store.reach import Observed
from crowd_pipelines.store.schema import activities as table
from crowd_pipelines.store.traces import Words

T = TypeVar("T")


class Change(NamedTuple):
    """An activity that was added, or that counts differently than before: by `gained` in its member's score."""

    integration_id: UUID
    member_id: UUID
    timestamp: datetime
    added: bool
    gained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was new, per integration, and whose records were left out: they were erased."""

    activities: Counter[UUID]
    members: Counter[UUID]
    left_out: frozenset[IdentityKey] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRecords:
    """The operations of one page, with the integration and platform they belong to."""

    integration_id: UUID
    platform: str
    operations: tuple[Operation, ...]

    def of(self, kind: type[T]) -> Iterable[T]:
        """Return the operations of one kind."""
        return (operation for operation in self.operations if isinstance(operation, kind))


def write(conn: Connection, tenant_id: UUID, pages: Sequence[PageRecords], *, priority: Sequence[str]) -> Written:
    """Apply the operations of pages of one tenant. Reading the same page again changes nothing."""
    _retract(conn, tenant_id, pages)
    pages = _with_restored(conn, tenant_id, pages)
    _rename_channels(conn, pages)
    upserts = list(_upserts(pages))
    updates = [member for page in pages for operation in page.of(UpdateMembers) for member in operation.members]
    resolved = member_store.resolve(conn, tenant_id, (member for _, member in upserts))
    if updates:
        resolved |= member_store.resolve(conn, tenant_id, updates, known_only=True)
    changes = _write_activities(conn, tenant_id, pages, resolved)
    everyone = [member for _, member in upserts] + updates
    _write_members(conn, tenant_id, everyone, resolved=resolved, changes=changes, priority=priority)
    return Written(
        activities=Counter(change.integration_id for change in changes if change.added),
        members=Counter(_newcomers(upserts, resolved).values()),
        left_out=frozenset((member.platform, member.key) for _, member in upserts) - resolved.keys(),
    )


def link_late(conn: Connection, tenant_id: UUID, platform: str, *, since: datetime | None) -> None:
    """Tie children added since then (None: ever) whose parents were committed by others at the same moment."""
    orphans = select(table.c.id).where(
        table.c.tenant_id == tenant_id,
        table.c.platform == platform,
        table.c.parent_id.is_(None),
        table.c.source_parent_id.is_not(None),
        table.c.created_at >= since - timedelta(minutes=10) if since else true(),
    )
    _link(conn, children=list(conn.scalars(orphans)), parents=[])


def people_of(operations: Iterable[Operation]) -> Iterator[Member]:
    """Yield whom operations want stored: one for each activity and each member."""
    for operation in operations:
        match operation:
            case UpsertActivities(activities=activities):
                yield from (activity.member for activity in activities)
            case UpsertMembers(members=members):
                yield from members


def _upserts(pages: Sequence[PageRecords]) -> Iterator[tuple[UUID, Member]]:
    for page in pages:
        yield from ((page.integration_id, member) for member in people_of(page.operations))


def _newcomers(upserts: Iterable[tuple[UUID, Member]], resolved: Mapping[IdentityKey, Resolved]) -> dict[UUID, UUID]:
    """Return the integration that brought each new member."""
    found: dict[UUID, UUID] = {}
    for integration_id, member in upserts:
        who = resolved.get((member.platform, member.key))
        if who and who.added:
            found.setdefault(who.member_id, integration_id)
    return found


def _write_activities(
    conn: Connection, tenant_id: UUID, pages: Sequence[PageRecords], resolved: Mapping[IdentityKey, Resolved]
) -> list[Change]:
    """Write the pages' activities, each once, and tie them to their parents; returns what members gain by it."""
    distinct = {
        activity.key: (page.integration_id, activity)
        for page in pages
        for operation in page.of(UpsertActivities)
        for activity in operation.activities
        if (activity.member.platform, activity.member.key) in resolved
    }
    erased = _erased_words(conn, tenant_id, [activity for _, activity in distinct.values()])
    # In order, so that writers do not wait for each other in circles.
    ordered = [distinct[key] for key in sorted(distinct)]
    changes: list[Change] = []
    for portion in portions(ordered):
        rows = [
            _row(activity, integration_id, resolved[activity.member.platform, activity.member.key], erased)
            for integration_id, activity in portion
        ]
        changes += _write_rows(conn, tenant_id, rows)
    return changes


def _write_rows(conn: Connection, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[Change]:
    changed = conn.execute(query("activities_write"), {"tenant_id": tenant_id, "activities": encode(rows)}).all()
    _link(
        conn,
        children=[row.id for row in changed if row.orphan],
        parents=[row.id for row in changed if row.added],
    )
    return [change for row in changed for change in _changes(row)]


def _changes(row: Row[Any]) -> Iterator[Change]:
    """Yield what members gain by a written activity, and who loses it when it turns out to be another's."""
    change = partial(Change, row.integration_id, timestamp=row.timestamp)
    if row.added:
        yield change(row.member_id, added=True, gained=row.score)
    elif row.member_before not in {None, row.member_id}:
        yield change(row.member_before, added=False, gained=-row.score_before)
        yield change(row.member_id, added=False, gained=row.score)
    elif row.member_before and row.score != row.score_before:
        yield change(row.member_id, added=False, gained=row.score - row.score_before)


def _link(conn: Connection, *, children: Sequence[UUID], parents: Sequence[UUID]) -> None:
    if children or parents:
        conn.execute(query("activities_link"), {"children": list(children), "parents": list(parents)})


def _write_members(
    conn: Connection,
    tenant_id: UUID,
    seen: Iterable[Member],
    *,
    resolved: Mapping[IdentityKey, Resolved],
    changes: Sequence[Change],
    priority: Sequence[str],
) -> None:
    ids = {who.member_id for who in resolved.values()}
    # An activity that turns out to be another's concerns somebody who is not on the page.
    strangers = {who.member_id for who in resolved.values() if who.added}
    known = member_store.load(conn, sorted((ids | {change.member_id for change in changes}) - strangers))
    rows = {**known, **{id_: known.get(id_) or MemberRow(id=id_) for id_ in ids}}
    belonging = []
    last: dict[tuple[UUID, str], Member] = {}
    for member in seen:
        who = resolved.get((member.platform, member.key))
        # Someone who says much looks the same each time.
        if who and last.get((who.member_id, member.platform)) != member:
            row = rows[who.member_id]
            rows[who.member_id] = member_store.merge(row, member, priority, former_name=who.former_name)
            belonging += [(who.member_id, member.platform, org) for org in member.organizations]
            last[who.member_id, member.platform] = member
    for change in changes:
        row = rows[change.member_id]
        joined_at = member_store.earliest(row.joined_at, change.timestamp) if change.gained > 0 else row.joined_at
        rows[row.id] = replace(row, score=row.score + change.gained, joined_at=joined_at)
    member_store.write(conn, tenant_id, [row for id_, row in rows.items() if row != known.get(id_)])
    reach.observe(conn, _reaches(last))
    member_store.write_organizations(conn, tenant_id, belonging)


def _reaches(last: Mapping[tuple[UUID, str], Member]) -> list[Observed]:
    return [
        Observed(member_id=member_id, platform=platform, reach=member.reach)
        for (member_id, platform), member in last.items()
        if member.reach is not None
    ]


def _retract(conn: Connection, tenant_id: UUID, pages: Sequence[PageRecords]) -> None:
    gone = [
        {"platform": page.platform, "type": operation.type.name, "source_id": source_id}
        for page in pages
        for operation in page.of(RetractActivities)
        for source_id in operation.source_ids
    ]
    if gone:
        conn.execute(query("activities_retract"), {"tenant_id": tenant_id, "retracted": encode(gone)})
    whole = [
        {"platform": page.platform, "type": read.type.name, "thread": read.thread, "present": sorted(read.present)}
        for page in pages
        for read in page.of(RetractMissing)
    ]
    if whole:
        conn.execute(query("activities_retract_missing"), {"tenant_id": tenant_id, "threads": encode(whole)})


def _with_restored(conn: Connection, tenant_id: UUID, pages: Sequence[PageRecords]) -> Sequence[PageRecords]:
    """Return the pages with upserts of what they show and the database has as retracted."""
    shown = {
        activity.key for page in pages for operation in page.of(ShowActivities) for activity in operation.activities
    }
    if not shown:
        return pages
    rows = [dict(zip(("platform", "type", "source_id"), key, strict=True)) for key in sorted(shown)]
    found = conn.execute(query("activities_retracted"), {"tenant_id": tenant_id, "shown": encode(rows)})
    retracted = {(row.platform, row.type, row.source_id) for row in found}
    return [_restoring(page, retracted) for page in pages] if retracted else pages


def _restoring(page: PageRecords, retracted: Collection[tuple[str, str, str]]) -> PageRecords:
    restored = tuple(
        activity
        for operation in page.of(ShowActivities)
        for activity in operation.activities
        if activity.key in retracted
    )
    return replace(page, operations=(UpsertActivities(activities=restored), *page.operations)) if restored else page


def _rename_channels(conn: Connection, pages: Sequence[PageRecords]) -> None:
    for page in pages:
        for renamed in page.of(RenameChannel):
            conn.execute(
                update(table)
                .where(
                    table.c.integration_id == page.integration_id,
                    table.c.channel_id == renamed.channel_id,
                    table.c.channel.is_distinct_from(renamed.channel),
                )
                .values(channel=renamed.channel, updated_at=func.now())
            )


def _erased_words(conn: Connection, tenant_id: UUID, wanted: Sequence[Activity]) -> Words:
    """Return the names and ids of erased people that other people's activities carry: who reacted, who was asked."""
    if not wanted or not traces.has_erased(conn, tenant_id):
        return Words()
    words = [(activity.platform, word) for activity in wanted for word in traces.words_of(activity.attributes)]
    return traces.erased_words(conn, tenant_id, words)


def _row(activity: Activity, integration_id: UUID, who: Resolved, erased: Words) -> dict[str, Any]:
    return {
        "integration_id": str(integration_id),
        "member_id": str(who.member_id),
        "platform": activity.platform,
        "type": activity.type.name,
        "source_id": activity.source_id,
        "source_parent_id": activity.source_parent_id,
        "source_parent_type": activity.source_parent_type,
        "thread": activity.thread,
        "timestamp": activity.timestamp.isoformat(),
        "timestamp_source": activity.timestamp_source,
        "title": activity.title,
        "body": activity.body,
        "url": activity.url,
        "channel": activity.channel,
        "channel_id": activity.channel_id,
        "attributes": traces.without(activity.attributes, erased) if erased else activity.attributes,
        "score": activity.type.score,
        "is_contribution": activity.type.is_contribution,
    }
