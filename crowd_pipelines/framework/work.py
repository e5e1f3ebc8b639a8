"""An integration run in this worker's hands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from crowd_pipelines.framework.clients import ApiClients, parse_settings
from crowd_pipelines.framework.integration import Integration, MemberReader, RunContext
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.model.records import KnownMember
from crowd_pipelines.model.streams import Json
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import reach, watermarks
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord, Limit
from crowd_pipelines.store.runs import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWork:
    """What working on one integration run takes."""

    run: RunRecord
    integration: Integration[Any, Any, Any]
    context: RunContext[Any, Any]
    limit: Limit | None


def open_work(
    run: RunRecord,
    record: IntegrationRecord,
    integration: Integration[Any, Any, Any],
    *,
    clients: ApiClients,
    slice_: Slice,
) -> RunWork:
    """Return the work on an integration run. Raises ConfigurationInvalid, CredentialsMissing or VaultError when not."""
    context = RunContext(
        integration_id=record.id,
        onboarding=run.onboarding,
        started_at=run.created_at,
        settings=parse_settings(integration, record.settings),
        api=clients.of(integration, run, sleep=slice_.sleep),
        read_watermarks=_watermark_reader(clients.budget.engine, record.id),
        preprocessed=run.context or {},
        state=record.state,
        known_members=_member_reader(clients.budget.engine, record.tenant_id, integration),
    )
    return RunWork(run=run, integration=integration, context=context, limit=_limit(integration, run, clients.settings))


def _watermark_reader(engine: Engine, integration_id: UUID) -> Callable[[Sequence[str]], Mapping[str, Json]]:
    def read(subjects: Sequence[str]) -> Mapping[str, Json]:
        return transact(engine, lambda conn: watermarks.read(conn, integration_id, subjects))

    return read


def _member_reader(engine: Engine, tenant_id: UUID, integration: Integration[Any, Any, Any]) -> MemberReader:
    platform = integration.member_platform or integration.platform

    def read(*, after: str | None, limit: int, unseen_for: timedelta) -> Sequence[KnownMember]:
        return transact(
            engine,
            lambda conn: reach.known_members(
                conn, tenant_id, platform, after=after, limit=limit, unseen_for=unseen_for
            ),
        )

    return read


def _limit(integration: Integration[Any, Any, Any], run: RunRecord, settings: Settings) -> Limit | None:
    """Return the global limit as the environment sets it, else as the platform's class declares it."""
    platform = integration.platform
    given = settings.number(platform, "GLOBAL_LIMIT", default=integration.global_limit or 0, or_none=True)
    if not given:
        return None
    factor = settings.number(platform, "ONBOARDING_LIMIT_FACTOR", default=integration.onboarding_limit_factor, most=1)
    days = settings.number(platform, "LIMIT_RESET_DAYS", default=integration.limit_reset_frequency / timedelta(days=1))
    records = given * factor if run.onboarding else given
    return Limit(records=max(int(records), 1), window=timedelta(days=days))
