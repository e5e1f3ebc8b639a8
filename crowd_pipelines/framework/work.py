"""An integration run in this worker's hands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from crowd_pipelines.framework.clients import ApiClients, parse_settings
from crowd_pipelines.framework.integration import Integration, MemberReader, RunContext, nothing_owed
from crowd_pipelines.framework.refusals import CredentialTrial
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.model.records import KnownMember
from crowd_pipelines.model.streams import Json
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import owed, reach, streams, watermarks
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
    trial: CredentialTrial
    credentials_doubted: bool = False
    """The provider refused the credentials when they were used last."""

    owes: bool = False
    """Something was owed when the work began, so that what is read may pay it."""

    refused_places: frozenset[str] = frozenset()
    """What a check does not ask for by itself: the credentials do not reach there, and it is owed."""

    def whole(self) -> "RunWork":
        """Return the work as an onboarding does it: everything is to be read, and asked for."""
        context = replace(self.context, onboarding=True, read_owed=nothing_owed)
        return replace(self, context=context, refused_places=frozenset())


def open_work(
    run: RunRecord,
    record: IntegrationRecord,
    integration: Integration[Any, Any, Any],
    *,
    clients: ApiClients,
    slice_: Slice,
) -> RunWork:
    """Return the work on an integration run. Raises ConfigurationInvalid, CredentialsMissing or VaultError when not."""
    engine = clients.budget.engine
    context = RunContext(
        integration_id=record.id,
        onboarding=run.onboarding,
        started_at=run.created_at,
        settings=parse_settings(integration, record.settings),
        api=clients.of(integration, run, sleep=slice_.sleep),
        read_watermarks=_watermark_reader(engine, record.id),
        preprocessed=run.context or {},
        state=record.state,
        known_members=_member_reader(engine, record.tenant_id, integration),
        read_owed=nothing_owed if run.onboarding else _owed_reader(engine, record.id),
    )
    owes = transact(engine, lambda conn: owed.owes(conn, record.id))
    asks_for_all = run.onboarding or not owes
    refused = frozenset() if asks_for_all else transact(engine, lambda conn: owed.refused_places(conn, record.id))
    return RunWork(
        run=run,
        integration=integration,
        context=context,
        limit=_limit(integration, run, clients.settings),
        trial=CredentialTrial(worked_before=_worked_before(engine, record, run), sleep=slice_.sleep),
        credentials_doubted=record.credential_refusals > 0,
        owes=owes,
        refused_places=refused,
    )


def _worked_before(engine: Engine, record: IntegrationRecord, run: RunRecord) -> bool:
    """Tell whether something was read with the credentials, as far as is known."""
    if record.credentials_rejected_at is not None:
        return False
    return record.onboarded_at is not None or transact(engine, lambda conn: streams.was_read(conn, run.id))


def _owed_reader(engine: Engine, integration_id: UUID) -> Callable[[Sequence[str]], Mapping[str, frozenset[str]]]:
    def read(places: Sequence[str]) -> Mapping[str, frozenset[str]]:
        return transact(engine, lambda conn: owed.permissions(conn, integration_id, places))

    return read


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
