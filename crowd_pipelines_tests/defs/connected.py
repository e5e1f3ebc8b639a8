"""DEV integrations, put into the database as `connect` does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from crowd_pipelines.store import integrations, runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The integrations of a tenant."""

    engine: Engine

    def add(self, name: str) -> str:
        with self.engine.begin() as conn:
            tenant_id = integrations.ensure_tenant(conn, "acme")
            record = integrations.connect(
                conn, tenant_id=tenant_id, platform="devto", name=name, settings={"users": ["ben"]}
            )
        return str(record.id)

    def request_onboarding(self, integration_id: str) -> None:
        with self.engine.begin() as conn:
            integrations.request_onboarding(conn, [UUID(integration_id)])

    def open_run(self, integration_id: str, *, onboarding: bool) -> str:
        with self.engine.begin() as conn:
            return str(runs.begin(conn, UUID(integration_id), onboarding=onboarding))

    def checked_at(self, integration_id: str, moment: datetime) -> None:
        self.execute(
            "UPDATE integrations SET onboarded_at = :at, last_check_at = :at WHERE id = :id",
            id=integration_id,
            at=moment,
        )

    def key(self, integration_id: str) -> str:
        with self.engine.begin() as conn:
            found = integrations.get(conn, UUID(integration_id))
        assert found is not None
        return found.key

    def execute(self, sql: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(sql), values)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with self.engine.begin() as conn:
            return [dict(row) for row in conn.execute(text(sql)).mappings()]
