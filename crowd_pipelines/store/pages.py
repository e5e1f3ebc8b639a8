"""Committing finished pages: records, further streams, watermarks, counters and each stream's own end, or nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from crowd_pipelines import failpoints
from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    RetractActivities,
    RetractMissing,
    Stream,
    StreamResult,
    UpdateMembers,
    UpsertActivities,
    UpsertMembers,
)
from crowd_pipelines.store import activities, integrations, owed, quarantine, runs, streams, traces, watermarks
from crowd_pipelines.store.activities import PageRecords
from crowd_pipelines.store.integrations import Limit
from crowd_pipelines.store.members import IdentityKey
from crowd_pipelines.store.owed import OwedRead, StreamRead
from crowd_pipelines.store.quarantine import Quarantined, Reread
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import ClaimedStream, Ending, NewStream

CIRCLE = (
    "the provider's list leads back to a page that was read already: what was shown is stored, and what may follow "
    "cannot be reached. The next check tries again; tell the provider if that lasts"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPage:
    """A processed page of an integration run, not yet committed.

    `follow` says whether the page's next page is wanted; `limit` is the integration's global limit in this run. `owed`
    is what it leaves owed, and `pays` says that it may pay what is owed. A page that is incomplete is tried again after
    `retry_after` s; with None it is given up.
    """

    run: RunRecord
    claimed: ClaimedStream
    stream: Stream
    result: StreamResult
    follow: bool
    limit: Limit | None
    requests: int
    waited_seconds: float
    retry_after: float | None = None
    owed: tuple[OwedRead, ...] = ()
    pays: bool = True

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is written: a page that contradicts itself proves nothing by what it does not hold."""
        if self.result.incomplete is None:
            return self.result.operations
        return tuple(o for o in self.result.operations if not isinstance(o, RetractMissing | RetractActivities))

    @property
    def watermarks(self) -> Mapping[str, Json]:
        """What is noted of how far its subjects were read."""
        return {} if self.result.incomplete or self.claimed.reread else self.result.watermarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What became of a group of pages: those that this worker no longer held left no trace."""

    accepted: frozenset[UUID]
    delayed_runs: frozenset[UUID]


@failpoints.step("page")
def commit(conn: Connection, pages: Sequence[FinishedPage], *, priority: Sequence[str]) -> Committed:
    """Write a group of pages in the caller's transaction: on what they belong to, and behind the fence."""
    integrations.hold(conn, [page.run.integration_id for page in pages])
    circles = streams.circles(conn, {page.claimed.id: onward for page in pages if (onward := _onward(page))})
    accepted = streams.end(conn, [_ending(page, in_circle=page.claimed.id in circles) for page in pages])
    held = [page for page in pages if page.claimed.id in accepted]
    _write_records(conn, held, priority)
    streams.add(conn, [new for page in held for new in _new_streams(page)])
    watermarks.write(
        conn,
        {(page.run.integration_id, subject): value for page in held for subject, value in page.watermarks.items()},
    )
    watermarks.remember_lookups(
        conn, [(p.run.tenant_id, p.run.platform, p.claimed.key) for p in held if p.stream.fresh_for]
    )
    quarantine.add(conn, [kept for page in held for kept in _quarantined(conn, page)])
    quarantine.resolve(conn, [_reread(page) for page in held if not page.result.skipped])
    owed.settle(conn, [_read(page) for page in held if _may_pay(page) and page.claimed.id not in circles])
    owed.record(conn, [read for page in held for read in page.owed])
    delayed = [page.run.id for page in held if _delay(conn, page)]
    limited = _count_and_limit(conn, held)
    return Committed(accepted=frozenset(accepted), delayed_runs=frozenset([*delayed, *limited]))


def _write_records(conn: Connection, pages: Sequence[FinishedPage], priority: Sequence[str]) -> None:
    by_tenant: defaultdict[UUID, list[FinishedPage]] = defaultdict(list)
    for page in pages:
        if page.operations:
            by_tenant[page.run.tenant_id].append(page)
    for tenant_id, of_tenant in sorted(by_tenant.items()):
        written = activities.write(conn, tenant_id, list(map(_records, of_tenant)), priority=priority)
        _count_left_out(conn, of_tenant, written.left_out)
        for integration_id in sorted(written.activities.keys() | written.members.keys()):
            integrations.add_to_totals(
                conn,
                integration_id,
                activities=written.activities[integration_id],
                members=written.members[integration_id],
            )


def _records(page: FinishedPage) -> PageRecords:
    return PageRecords(integration_id=page.run.integration_id, platform=page.run.platform, operations=page.operations)


def _may_pay(page: FinishedPage) -> bool:
    return page.pays and page.result.incomplete is None and not page.claimed.reread


def _read(page: FinishedPage) -> StreamRead:
    return StreamRead(
        integration_id=page.run.integration_id,
        key=page.claimed.key,
        whole=page.run.onboarding or page.claimed.whole,
        has_nulls=page.result.unread > 0,
    )


def _count_left_out(conn: Connection, pages: Sequence[FinishedPage], erased: Collection[IdentityKey]) -> None:
    """Count records of people who were erased, on the streams that brought them."""
    if not erased:
        return
    counts = {page.claimed.id: _left_out(page, erased) for page in pages}
    streams.count_left_out(conn, {stream_id: count for stream_id, count in counts.items() if count})


def _left_out(page: FinishedPage, erased: Collection[IdentityKey]) -> int:
    people = activities.people_of(page.result.operations)
    return sum((member.platform, member.key) in erased for member in people)


def _new_streams(page: FinishedPage) -> Iterable[NewStream]:
    for stream in page.result.new_streams:
        yield NewStream(run_id=page.run.id, stream=stream, parent=page.claimed)
    if onward := _onward(page):
        yield NewStream(run_id=page.run.id, stream=onward, parent=page.claimed)


def _onward(page: FinishedPage) -> Stream | None:
    if page.result.incomplete is not None:
        return None
    return page.result.next_page if page.follow and not page.claimed.reread else None


def _quarantined(conn: Connection, page: FinishedPage) -> Iterable[Quarantined]:
    for record in _without_erased(conn, page):
        yield Quarantined(
            tenant_id=page.run.tenant_id,
            integration_id=page.run.integration_id,
            stream=page.claimed,
            record=record,
        )


def _without_erased(conn: Connection, page: FinishedPage) -> Sequence[RejectedRecord]:
    """Return the rejected records of a page but those that name somebody who was erased."""
    rejected, tenant_id = page.result.rejected, page.run.tenant_id
    if not rejected or not traces.has_erased(conn, tenant_id):
        return rejected
    # Some platforms show the accounts of others.
    updates = [operation for operation in page.result.operations if isinstance(operation, UpdateMembers)]
    platforms = {page.run.platform, *(member.platform for update in updates for member in update.members)}
    return [one for one in rejected if not traces.names_erased(conn, tenant_id, platforms, one.payload)]


def _reread(page: FinishedPage) -> Reread:
    return Reread(
        integration_id=page.run.integration_id,
        stream=page.claimed,
        found=frozenset(_found(page.result)),
        rejected=page.result.rejected,
    )


def _found(result: StreamResult) -> Iterator[str]:
    """Yield the provider's ids of all that a page could use, as far as they can be told from ours."""
    for operation in result.operations:
        match operation:
            case UpsertActivities(activities=found):
                # Some of our ids are the provider's with that of a channel or repository before it.
                yield from (part for one in found for part in (one.source_id, *one.source_id.split(":")))
            case UpsertMembers(members=people) | UpdateMembers(members=people):
                yield from (one.source_id or one.username for one in people)
    for stream in result.new_streams:
        yield from _texts(stream.parameters)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from (text for part in value.values() for text in _texts(part))
        case str() | int():
            yield str(value)


def _delay(conn: Connection, page: FinishedPage) -> bool:
    until = page.result.resume_at
    if page.result.sleep is not None:
        until = _now(conn) + page.result.sleep
    if until is None:
        return False
    runs.delay(conn, page.run, until=until, reason=f"{page.claimed.label} asked for a pause")
    return True


def _count_and_limit(conn: Connection, pages: Sequence[FinishedPage]) -> list[UUID]:
    """Count records against the global limits; returns the integration runs that have to wait for a new window."""
    delayed = []
    for run, of_run in _by_run(pages):
        limit = of_run[0].limit
        records = sum(page.result.records for page in of_run)
        if limit is None or not records:
            continue
        resets_at = integrations.count_records(conn, run.integration_id, records=records, limit=limit)
        if resets_at is not None:
            runs.delay(conn, run, until=resets_at, reason=f"the global limit of {limit.records} records is reached")
            delayed.append(run.id)
    return delayed


def _by_run(pages: Sequence[FinishedPage]) -> Iterable[tuple[RunRecord, list[FinishedPage]]]:
    grouped: defaultdict[UUID, list[FinishedPage]] = defaultdict(list)
    for page in sorted(pages, key=lambda page: page.run.integration_id):
        grouped[page.run.id].append(page)
    return [(of_run[0].run, of_run) for of_run in grouped.values()]


def _ending(page: FinishedPage, *, in_circle: bool) -> Ending:
    """What a page holds counts, even where it leads back; but nobody can tell what its list holds beyond."""
    result = page.result
    state, error = _state(page)
    found = sum(len(o.activities) for o in result.operations if isinstance(o, UpsertActivities))
    people = sum(len(o.members) for o in result.operations if isinstance(o, UpsertMembers | UpdateMembers))
    return Ending(
        stream=page.claimed,
        state=StreamState.ERROR if in_circle else state,
        failed=int(in_circle or result.incomplete is not None),
        error=CIRCLE if in_circle else error,
        retry_after=None if in_circle else page.retry_after,
        requests=page.requests,
        waited_seconds=page.waited_seconds,
        activities=found,
        members=people,
        quarantined=len(result.rejected),
        unread=result.unread,
        uncollected=result.uncollected,
    )


def _state(page: FinishedPage) -> tuple[StreamState, str | None]:
    result = page.result
    if result.incomplete is not None:
        return (StreamState.OWED if page.retry_after is None else StreamState.ERROR), result.incomplete
    return (StreamState.SKIPPED if result.skipped else StreamState.PROCESSED), result.skipped


def _now(conn: Connection) -> datetime:
    moment: datetime = conn.execute(select(func.now())).scalar_one()
    return moment
