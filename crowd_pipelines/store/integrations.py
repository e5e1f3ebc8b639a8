"""Integrations: the connections of tenants to platforms."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.text import clean_json
from crowd_pipelines.store.database import query
from crowd_pipelines.store.schema import integration_runs, integration_streams, tenants
from crowd_pipelines.store.schema import integrations as table
from crowd_pipelines.store.vault import Sealed, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationRecord:
    """A row of `integrations` without its credentials."""

    id: UUID
    tenant_id: UUID
    platform: str
    name: str
    key: str
    status: str
    error: str | None
    settings: dict[str, Any]
    state: dict[str, Any]
    credentials_rejected_at: datetime | None
    onboarding_requested_at: datetime | None
    onboarded_at: datetime | None
    last_check_at: datetime | None
    limit_count: int
    limit_last_reset_at: datetime | None
    activity_count: int
    member_count: int
    disconnected_at: datetime | None = None
    credential_refusals: int = 0

    @property
    def notices(self) -> list[str]:
        """What keeps something from being read, and what is stored nowhere, in sentences for the user."""
        notices = list(self.state.get("notices", ()))
        kinds = self.state.get("uncollected") or {}
        if kinds:
            counted = ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
            notices.append(f"Some records carry text that is stored nowhere, by kind: {counted}.")
        return notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A global limit: so many records of one integration per window."""

    records: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the integrations of a platform brought together."""

    integrations: int
    activities: int
    members: int


_AN_HOUR, _A_DAY = timedelta(hours=1), timedelta(days=1)
_REFUSALS_BEFORE_DAYS = 2
"""Refused credentials are given up at the second refusal and tried again after an hour; later once a day."""

_COLUMNS = [table.c[field.name] for field in fields(IntegrationRecord)]


def ensure_tenant(conn: Connection, name: str) -> UUID:
    """Return the tenant of this name, made if there is none."""
    conn.execute(insert(tenants).values(name=name).on_conflict_do_nothing())
    tenant_id: UUID = conn.execute(select(tenants.c.id).where(tenants.c.name == name)).scalar_one()
    return tenant_id


def tenant_named(conn: Connection, name: str) -> UUID | None:
    """Return the tenant of this name, None when there is none."""
    tenant_id: UUID | None = conn.execute(select(tenants.c.id).where(tenants.c.name == name)).scalar_one_or_none()
    return tenant_id


def connect(
    conn: Connection, *, tenant_id: UUID, platform: str, name: str, settings: Mapping[str, Any]
) -> IntegrationRecord:
    """Store a connection; one of the same tenant, platform and name gets the new settings, and is connected again."""
    values = {"settings": clean_json(dict(settings)), "disconnected_at": None, "updated_at": func.now()}
    key = f"{_slug(name)}-{secrets.token_hex(3)}"
    conn.execute(
        insert(table)
        .values(tenant_id=tenant_id, platform=platform, name=name, key=key, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "platform", "name"], set_=values)
    )
    found = (table.c.tenant_id == tenant_id) & (table.c.platform == platform) & (table.c.name == name)
    return _record(conn.execute(select(*_COLUMNS).where(found)).mappings().one())


def set_credentials(conn: Connection, integration_id: UUID, sealed: Sealed | None) -> None:
    """Store sealed credentials, or none; new ones may be tried, whatever became of the old ones."""
    conn.execute(
        update(table)
        .where(table.c.id == integration_id)
        .values(
            credentials=sealed.data if sealed else None,
            credentials_key_id=sealed.key_id if sealed else None,
            credentials_rejected_at=None,
            credential_refusals=0,
            error=None,
            updated_at=func.now(),
        )
    )


def renew_credentials(conn: Connection, integration_id: UUID, sealed: Sealed) -> None:
    """Store credentials that follow from the old ones: nobody was asked, so nothing else changes."""
    conn.execute(
        update(table)
        .where(table.c.id == integration_id)
        .values(credentials=sealed.data, credentials_key_id=sealed.key_id, updated_at=func.now())
    )


def sealed_by(conn: Connection) -> dict[str, int]:
    """Return how many integrations have their credentials sealed with each key, by the key's id."""
    sealed = select(table.c.credentials_key_id, func.count()).where(table.c.credentials.is_not(None))
    return {row[0]: row[1] for row in conn.execute(sealed.group_by(table.c.credentials_key_id))}


def sealed_otherwise(conn: Connection, key_id: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return integrations, by id, whose credentials are sealed with another key than this one."""
    wanted = (
        select(table.c.id)
        .where(table.c.credentials.is_not(None), table.c.credentials_key_id.is_distinct_from(key_id))
        .order_by(table.c.id)
        .limit(limit)
    )
    return list(conn.scalars(wanted.where(table.c.id > after) if after else wanted))


def reseal_credentials(conn: Connection, integration_id: UUID, vault: Vault, *, wait: bool = True) -> bool:
    """Seal credentials with the vault's first key, whatever they are by now, while nobody can change them.

    Returns whether it did: they may be gone or sealed so already or, without `wait`, locked. Raises VaultError when
    they cannot be opened.
    """
    row = conn.execute(
        select(table.c.credentials, table.c.credentials_key_id)
        .where(table.c.id == integration_id)
        .with_for_update(key_share=True, skip_locked=not wait)
    ).one_or_none()
    if row is None or row.credentials is None or row.credentials_key_id == vault.current:
        return False
    opened = vault.open(Sealed(data=row.credentials, key_id=row.credentials_key_id), integration_id)
    renew_credentials(conn, integration_id, vault.seal(opened, integration_id))
    return True


def accept_credentials(conn: Connection, tenant_id: UUID, platforms: Sequence[str]) -> None:
    """Let a tenant's integrations of platforms that borrow credentials try again: there are new ones."""
    conn.execute(
        update(table)
        .where(table.c.tenant_id == tenant_id, table.c.platform.in_(platforms))
        .where(table.c.credentials_rejected_at.is_not(None))
        .values(credentials_rejected_at=None, credential_refusals=0, error=None, updated_at=func.now())
    )


def lender(conn: Connection, tenant_id: UUID, platform: str) -> UUID | None:
    """Return the tenant's oldest integration of a platform whose credentials are there and were not rejected."""
    lending = (
        select(table.c.id)
        .where(table.c.tenant_id == tenant_id, table.c.platform == platform)
        .where(table.c.credentials.is_not(None), table.c.credentials_rejected_at.is_(None))
        .order_by(table.c.created_at, table.c.id)
        .limit(1)
    )
    return conn.scalars(lending).first()


def credentials(conn: Connection, integration_id: UUID, vault: Vault, *, lock: bool = False) -> dict[str, Any]:
    """Return the opened credentials, empty when none are stored; with `lock`, nobody changes them meanwhile.

    None are stored of an integration that was removed.
    """
    wanted = select(table.c.credentials, table.c.credentials_key_id).where(table.c.id == integration_id)
    # NO KEY UPDATE: rows that refer to the integration can still be added.
    row = conn.execute(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    if row is None or row.credentials is None:
        return {}
    return vault.open(Sealed(data=row.credentials, key_id=row.credentials_key_id), integration_id)


def hold(conn: Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Let nobody remove these integrations, or erase a person of their tenants, before the transaction ends.

    First of all in a transaction. Returns those that there are: who came too late finds them gone.
    """
    return set(conn.scalars(query("integrations_hold"), {"ids": sorted(set(ids))}))


def get(conn: Connection, integration_id: UUID) -> IntegrationRecord | None:
    """Return an integration, None when there is none of this id."""
    row = conn.execute(select(*_COLUMNS).where(table.c.id == integration_id)).mappings().one_or_none()
    return _record(row) if row else None


def find(
    conn: Connection,
    *,
    platform: str | None = None,
    ids: Sequence[UUID] | None = None,
    key: str | None = None,
    tenant_id: UUID | None = None,
    disconnected: bool = False,
) -> list[IntegrationRecord]:
    """Return integrations in the order in which they were connected; `disconnected` wants those, too."""
    wanted = select(*_COLUMNS).order_by(table.c.created_at, table.c.id)
    if not disconnected:
        wanted = wanted.where(table.c.disconnected_at.is_(None))
    if tenant_id is not None:
        wanted = wanted.where(table.c.tenant_id == tenant_id)
    if platform is not None:
        wanted = wanted.where(table.c.platform == platform)
    if ids is not None:
        wanted = wanted.where(table.c.id.in_(ids))
    if key is not None:
        wanted = wanted.where(table.c.key == key)
    return [_record(row) for row in conn.execute(wanted).mappings()]


def named(conn: Connection, tenant: str, platform: str, name: str) -> IntegrationRecord | None:
    """Return the integration of this name, None when there is none."""
    wanted = (
        select(*_COLUMNS)
        .join(tenants, tenants.c.id == table.c.tenant_id)
        .where(tenants.c.name == tenant, table.c.platform == platform, table.c.name == name)
    )
    row = conn.execute(wanted).mappings().one_or_none()
    return _record(row) if row else None


def request_onboarding(conn: Connection, ids: Sequence[UUID]) -> None:
    """Ask for an onboarding; the sensor `onboarding` launches it."""
    conn.execute(
        update(table)
        .where(table.c.id.in_(ids), table.c.disconnected_at.is_(None))
        .values(onboarding_requested_at=func.now(), updated_at=func.now())
    )


def requested_onboardings(conn: Connection, *, limit: int) -> list[IntegrationRecord]:
    """Return integrations that wait for an onboarding and have no open integration run, oldest request first."""
    wanted = (
        select(*_COLUMNS)
        .where(table.c.onboarding_requested_at.is_not(None), table.c.disconnected_at.is_(None), ~_has_open_run())
        .order_by(table.c.onboarding_requested_at)
        .limit(limit)
    )
    return [_record(row) for row in conn.execute(wanted).mappings()]


def due_for_check(conn: Connection, platform: str, *, interval: timedelta, now: datetime) -> list[UUID]:
    """Return integrations to be checked whose last check began `interval` ago, whole minutes counted.

    Those whose credentials were rejected wait for new ones, and are asked for after an hour and then once a day.
    """
    minute = func.date_trunc("minute", table.c.last_check_at)
    due = or_(table.c.last_check_at.is_(None), minute <= now - interval)
    wanted = (
        select(table.c.id)
        .where(table.c.platform == platform, _checkable(), due, ~_has_open_run())
        .order_by(table.c.last_check_at.nulls_first(), table.c.id)
    )
    return list(conn.scalars(wanted))


def oldest_check(conn: Connection, platform: str) -> datetime | None:
    """Return when the longest-waiting checkable integration of a platform was checked last."""
    wanted = select(func.min(table.c.last_check_at)).where(table.c.platform == platform, _checkable())
    moment: datetime | None = conn.execute(wanted).scalar_one()
    return moment


def patch(conn: Connection, integration_id: UUID, *, settings: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Change keys of settings and state without touching what others wrote meanwhile."""
    if settings or state:
        conn.execute(
            update(table)
            .where(table.c.id == integration_id)
            .values(
                settings=table.c.settings.concat(clean_json(dict(settings))),
                state=table.c.state.concat(clean_json(dict(state))),
                updated_at=func.now(),
            )
        )


def add_to_totals(conn: Connection, integration_id: UUID, *, activities: int, members: int) -> None:
    """Add what a page brought that was new, so that growth can be told without counting the tables."""
    conn.execute(
        update(table)
        .where(table.c.id == integration_id)
        .values(
            activity_count=table.c.activity_count + activities,
            member_count=table.c.member_count + members,
        )
    )


def totals(conn: Connection, platform: str) -> Totals:
    """Return what the database holds of a platform, from the counters."""
    row = conn.execute(
        select(
            func.count(),
            func.coalesce(func.sum(table.c.activity_count), 0),
            func.coalesce(func.sum(table.c.member_count), 0),
        ).where(table.c.platform == platform)
    ).one()
    return Totals(integrations=row[0], activities=int(row[1]), members=int(row[2]))


def count_records(conn: Connection, integration_id: UUID, *, records: int, limit: Limit) -> datetime | None:
    """Count records in the window of a global limit; returns when the window ends if the limit is reached."""
    arguments = {
        "id": integration_id,
        "records": records,
        "window_seconds": limit.window.total_seconds(),
        "limit": limit.records,
    }
    resets_at: datetime | None = conn.execute(query("integrations_count"), arguments).scalar_one_or_none()
    return resets_at


def limit_resets_at(conn: Connection, integration_id: UUID, limit: Limit) -> datetime | None:
    """Return when the window of a global limit ends, if the limit is reached and the window is not over."""
    ends = table.c.limit_last_reset_at + limit.window
    reached = (table.c.id == integration_id) & (table.c.limit_count >= limit.records) & (ends > func.now())
    moment: datetime | None = conn.execute(select(ends).where(reached)).scalar_one_or_none()
    return moment


def doubt_credentials(conn: Connection, integration_id: UUID) -> int:
    """Count that the provider refused credentials which it accepted before; returns how often it has, in a row."""
    refusals: int = conn.execute(
        update(table)
        .where(table.c.id == integration_id)
        .values(credential_refusals=table.c.credential_refusals + 1)
        .returning(table.c.credential_refusals)
    ).scalar_one()
    return refusals


def trust_credentials(conn: Connection, integration_id: UUID) -> None:
    """Note that the provider accepts the credentials (again)."""
    conn.execute(
        update(table)
        .where(table.c.id == integration_id, table.c.credential_refusals > 0)
        .values(credential_refusals=0, credentials_rejected_at=None, updated_at=func.now())
    )


def reject_credentials(conn: Connection, integration_id: UUID) -> None:
    """Remember that the provider refuses the credentials: they are tried again rarely until they change."""
    conn.execute(
        update(table)
        .where(table.c.id == integration_id)
        .values(credentials_rejected_at=func.coalesce(table.c.credentials_rejected_at, func.now()))
    )


def _checkable() -> ColumnElement[bool]:
    """Tell what is checked: what is onboarded or has tried all of it; once a day what an onboarding could not go on
    with; and after an hour, then once a day, what has credentials that are refused."""
    asked_last = func.greatest(table.c.last_check_at, table.c.credentials_rejected_at)
    hourly, daily = asked_last <= func.now() - _AN_HOUR, asked_last <= func.now() - _A_DAY
    often_refused = table.c.credential_refusals > _REFUSALS_BEFORE_DAYS
    onboarded = table.c.onboarded_at.is_not(None)
    return and_(
        table.c.disconnected_at.is_(None),
        case(
            (table.c.credentials_rejected_at.is_not(None), and_(hourly, or_(~often_refused, daily))),
            (or_(onboarded, _onboarding_ended(tried_everything=True)), true()),
            else_=and_(daily, _onboarding_ended(tried_everything=False)),
        ),
    )


def _onboarding_ended(*, tried_everything: bool) -> ColumnElement[bool]:
    """Tell whether the last onboarding ended: with every stream tried, or because nobody could go on with it then.

    One that a person canceled is not gone on with.
    """
    run, later = integration_runs.alias(), integration_runs.alias()
    left = exists().where(integration_streams.c.run_id == run.c.id, integration_streams.c.due_at.is_not(None))
    tried = and_(run.c.streams_planned_at.is_not(None), ~left)
    return exists().where(
        run.c.integration_id == table.c.id,
        run.c.onboarding,
        run.c.processed_at.is_not(None),
        tried if tried_everything else ~run.c.canceled,
        ~exists().where(
            later.c.integration_id == table.c.id, later.c.onboarding, later.c.created_at > run.c.created_at
        ),
    )


def _has_open_run() -> ColumnElement[bool]:
    open_states = [RunState.PENDING, RunState.PROCESSING, RunState.DELAYED]
    return exists().where(integration_runs.c.integration_id == table.c.id, integration_runs.c.state.in_(open_states))


def _record(row: Mapping[Any, Any]) -> IntegrationRecord:
    return IntegrationRecord(**row)


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return slug[:40] or "integration"
