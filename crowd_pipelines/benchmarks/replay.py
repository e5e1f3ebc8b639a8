"""The baseline: the stored activities written once more, page-wise as the runner does, and record by record."""

from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text

from crowd_pipelines.model.records import Activity, ActivityType, Member, TimestampSource
from crowd_pipelines.model.streams import UpsertActivities
from crowd_pipelines.store import activities, integrations
from crowd_pipelines.store.activities import PageRecords
from crowd_pipelines.store.database import transact

RECORDS = 500
ROUNDS = 3

_SAMPLE = text(
    "SELECT a.*, who.username, who.source_id AS user_id FROM activities AS a "
    "JOIN member_identities AS who ON who.member_id = a.member_id WHERE a.retracted_at IS NULL ORDER BY a.id LIMIT :n"
)


def times_faster(engine: Engine) -> float:
    """Return how many times as long the same activities take with a transaction for each of them."""
    sample = list(_stored(engine))
    whole, single = [], []
    for _ in range(ROUNDS):
        whole.append(_seconds(engine, sample, at_once=len(sample)))
        single.append(_seconds(engine, sample, at_once=1))
    return min(single) / min(whole)


def _stored(engine: Engine) -> Iterator[Activity]:
    for row in transact(engine, lambda conn: conn.execute(_SAMPLE, {"n": RECORDS}).all()):
        yield Activity(
            platform=row.platform,
            type=ActivityType(name=row.type, score=row.score, is_contribution=row.is_contribution),
            source_id=row.source_id,
            source_parent_id=row.source_parent_id,
            source_parent_type=row.source_parent_type,
            thread=row.thread,
            timestamp=row.timestamp,
            timestamp_source=TimestampSource(row.timestamp_source),
            member=Member(platform=row.platform, username=row.username, source_id=row.user_id),
            title=row.title,
            body=row.body,
            url=row.url,
            channel=row.channel,
            attributes=row.attributes,
        )


def _seconds(engine: Engine, sample: Sequence[Activity], *, at_once: int) -> float:
    """Write the sample for a tenant that has nothing yet; returns how long that took."""
    platform = sample[0].platform
    tenant_id, integration_id = transact(engine, lambda conn: _newcomer(conn, platform))
    began = perf_counter()
    for start in range(0, len(sample), at_once):
        page = PageRecords(
            integration_id=integration_id,
            platform=platform,
            operations=(UpsertActivities(activities=tuple(sample[start : start + at_once])),),
        )
        transact(engine, partial(activities.write, tenant_id=tenant_id, pages=[page], priority=()))
    return perf_counter() - began


def _newcomer(conn: Connection, platform: str) -> tuple[UUID, UUID]:
    tenant_id = integrations.ensure_tenant(conn, f"replay {uuid4()}")
    record = integrations.connect(conn, tenant_id=tenant_id, platform=platform, name="replay", settings={})
    return tenant_id, record.id
