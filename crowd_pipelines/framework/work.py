"""An integration run in this worker's hands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from crowd_pipelines.framework.clients import ApiClients, parse_settings
from crowd_pipelines.framework.integration import Integration, RunContext
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.model.streams import Json
from crowd_pipelines.store import watermarks
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
    """Return the work on an integration run. Raises ConfigurationInvalid or VaultError when it cannot be done."""
    context = RunContext(
        integration_id=record.id,
        onboarding=run.onboarding,
        started_at=run.created_at,
        settings=parse_settings(integration, record.settings),
        api=clients.of(integration, run, sleep=slice_.sleep),
        read_watermarks=_watermark_reader(clients.budget.engine, record.id),
        preprocessed=run.context or {},
    )
    return RunWork(run=run, integration=integration, context=context, limit=_limit(integration, run))


def _watermark_reader(engine: Engine, integration_id: UUID) -> Callable[[Sequence[str]], Mapping[str, Json]]:
    def read(subjects: Sequence[str]) -> Mapping[str, Json]:
        return transact(engine, lambda conn: watermarks.read(conn, integration_id, subjects))

    return read


def _limit(integration: Integration[Any, Any, Any], run: RunRecord) -> Limit | None:
    if integration.global_limit is None:
        return None
    factor = integration.onboarding_limit_factor if run.onboarding else 1.0
    return Limit(records=max(int(integration.global_limit * factor), 1), window=integration.limit_reset_frequency)
