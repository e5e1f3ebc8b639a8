"""Removing integrations and tenants while they may be read: first nothing comes any more, then what is there goes.

A batch per transaction, so that nobody waits for long; what was interrupted is finished by doing it again.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Connection, Engine, Table, Uuid, any_, delete, exists, func, select, update
from sqlalchemy import literal as value

from crowd_pipelines.model.states import IntegrationStatus
from crowd_pipelines.store import integrations as integration_store
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.erasures import Progress, take_turn
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.schema import (
    activities,
    integration_runs,
    integration_streams,
    integrations,
    lookups,
    member_identities,
    member_organizations,
    members,
    organizations,
    quarantined_records,
    tenants,
    watermarks,
)

ROWS_AT_ONCE = 2_000


def count(conn: Connection, record: IntegrationRecord) -> dict[str, int]:
    """Return what belongs to an integration, by what it is; of members those whom nothing else tells of."""
    theirs = activities.c.integration_id == record.id
    return {
        "activities": _count(conn, activities, theirs),
        "members": _count(conn, members, _only_here(record)) if _is_alone(conn, record) else 0,
        "integration runs": _count(conn, integration_runs, integration_runs.c.integration_id == record.id),
        "quarantined records": _count(conn, quarantined_records, quarantined_records.c.integration_id == record.id),
        "watermarks": _count(conn, watermarks, watermarks.c.integration_id == record.id),
    }


def count_tenant(conn: Connection, tenant_id: UUID) -> dict[str, int]:
    """Return what belongs to a tenant, by what it is."""
    tables = (integrations, activities, members, organizations, quarantined_records)
    return {table.name.replace("_", " "): _count(conn, table, table.c.tenant_id == tenant_id) for table in tables}


def disconnect(engine: Engine, record: IntegrationRecord, progress: Progress = lambda *_: None) -> None:
    """Read an integration no more: forget its credentials, its queue and how far it was read. What it brought stays.

    Its row stays, too, to say where that came from; connecting it again goes on with it.
    """
    transact(engine, lambda conn: _stop(conn, record))
    # While pages still come; what is left in the end is little.
    queue = integration_streams.c.run_id.in_(
        select(integration_runs.c.id).where(integration_runs.c.integration_id == record.id)
    )
    _remove(engine, integration_streams, queue, "streams", progress)
    transact(engine, lambda conn: _forget(conn, record))


def remove(engine: Engine, record: IntegrationRecord, progress: Progress = lambda *_: None) -> None:
    """Disconnect an integration, and delete what it brought: its activities, and members whom nothing else tells of."""
    disconnect(engine, record, progress)
    _remove(engine, activities, activities.c.integration_id == record.id, "activities", progress)
    if transact(engine, lambda conn: _is_alone(conn, record)):
        _remove(engine, members, _only_here(record), "members", progress)
        _remove(engine, organizations, _deserted(record), "organizations", progress)
    transact(engine, lambda conn: conn.execute(delete(integrations).where(integrations.c.id == record.id)))


def remove_tenant(engine: Engine, tenant_id: UUID, progress: Progress = lambda *_: None) -> None:
    """Delete a tenant with everything that is stored of it."""
    for record in transact(engine, lambda conn: integration_store.find(conn, tenant_id=tenant_id, disconnected=True)):
        disconnect(engine, record, progress)
    _remove(engine, activities, activities.c.tenant_id == tenant_id, "activities", progress)
    _remove(engine, members, members.c.tenant_id == tenant_id, "members", progress)

    def last(conn: Connection) -> None:
        take_turn(conn, tenant_id)
        conn.execute(delete(tenants).where(tenants.c.id == tenant_id))

    transact(engine, last)


def _stop(conn: Connection, record: IntegrationRecord) -> None:
    """Let nobody begin to read the integration any more, workers of an older version included."""
    take_turn(conn, record.tenant_id)
    conn.execute(
        update(integrations)
        .where(integrations.c.id == record.id)
        .values(
            disconnected_at=func.coalesce(integrations.c.disconnected_at, func.now()),
            onboarding_requested_at=None,
            onboarded_at=None,
            last_check_at=None,
            credentials=None,
            credentials_key_id=None,
            credentials_rejected_at=None,
            status=IntegrationStatus.PENDING,
            error=None,
            state={},
            updated_at=func.now(),
        )
    )


def _forget(conn: Connection, record: IntegrationRecord) -> None:
    """Delete integration runs, with what is left of their queue, and what is known of how far they came.

    No page is being committed meanwhile, and none can be afterwards: its stream is gone.
    """
    take_turn(conn, record.tenant_id)
    for table in (integration_runs, watermarks, quarantined_records):
        conn.execute(delete(table).where(table.c.integration_id == record.id))
    if _is_alone(conn, record):
        conn.execute(
            delete(lookups).where(lookups.c.tenant_id == record.tenant_id, lookups.c.platform == record.platform)
        )


def _is_alone(conn: Connection, record: IntegrationRecord) -> bool:
    """Tell whether the tenant has no other integration of the platform, which may know the same people."""
    others = select(integrations.c.id).where(
        integrations.c.tenant_id == record.tenant_id,
        integrations.c.platform == record.platform,
        integrations.c.id != record.id,
    )
    return conn.execute(others.limit(1)).first() is None


def _only_here(record: IntegrationRecord) -> ColumnElement[bool]:
    """Members who are known by this platform alone, and of whom nothing that they did elsewhere is stored."""
    theirs = member_identities.c.member_id == members.c.id
    elsewhere = activities.c.member_id == members.c.id, activities.c.integration_id != record.id
    return (
        (members.c.tenant_id == record.tenant_id)
        & exists().where(theirs, member_identities.c.platform == record.platform)
        & ~exists().where(theirs, member_identities.c.platform != record.platform)
        & ~exists().where(*elsewhere)
    )


def _deserted(record: IntegrationRecord) -> ColumnElement[bool]:
    belongs = member_organizations.c.organization_id == organizations.c.id
    return (
        (organizations.c.tenant_id == record.tenant_id)
        & (organizations.c.platform == record.platform)
        & ~exists().where(belongs)
    )


def _remove(engine: Engine, table: Table, which: ColumnElement[bool], name: str, progress: Progress) -> None:
    """Delete rows a batch at a time, and tell how many have gone."""
    total = 0
    for number in _batches(engine, table, which):
        total += number
        progress(name, total)


def _batches(engine: Engine, table: Table, which: ColumnElement[bool]) -> Iterator[int]:
    def batch(conn: Connection) -> int:
        ids = list(conn.scalars(select(table.c.id).where(which).limit(ROWS_AT_ONCE)))
        # As an array: the planner would read the whole table for a subquery.
        return conn.execute(delete(table).where(table.c.id == any_(value(ids, ARRAY(Uuid))))).rowcount

    while number := transact(engine, batch):
        yield number


def _count(conn: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return int(conn.execute(select(func.count()).select_from(table).where(which)).scalar_one())
