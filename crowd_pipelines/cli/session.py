"""What a command works with: the installation the environment describes, its database and its platforms."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from crowd_pipelines.cli.console import CommandError
from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.integration import Integration
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.settings import Settings
from crowd_pipelines.stack.local import Installation, installation
from crowd_pipelines.store import database, integrations, migrations, runs
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's view of an installation."""

    settings: Settings
    installed: Installation
    engine: Engine
    platforms: dict[str, Integration[Any, Any, Any]]

    @property
    def vault(self) -> Vault:
        """What seals and opens credentials. Raises SettingsError or VaultError when the key is none."""
        return Vault(self.installed.encryption_key)

    def platform(self, name: str) -> Integration[Any, Any, Any]:
        """Return a platform. Raises CommandError naming those that there are."""
        if name not in self.platforms:
            raise CommandError(f"there is no platform {name!r}; there are: {', '.join(sorted(self.platforms))}")
        return self.platforms[name]

    @property
    def clients(self) -> ApiClients:
        """What makes API clients for stored integrations."""
        return ApiClients(budget=RateBudget(engine=self.engine), vault=self.vault, settings=self.settings)

    def processor(self) -> IntegrationProcessor:
        """Return a processor of this command's own."""
        return IntegrationProcessor(
            Lifecycle(clients=self.clients, settings=self.settings, registry=self.platforms, owner="command line")
        )

    def integration(self, integration_id: UUID) -> IntegrationRecord:
        """Return an integration. Raises CommandError when there is none of this id."""
        record = transact(self.engine, lambda conn: integrations.get(conn, integration_id))
        if record is None:
            raise CommandError(
                f"there is no integration {integration_id}; `crowd-pipelines integrations` lists those that there are"
            )
        return record

    def run(self, run_id: UUID) -> RunRecord:
        """Return an integration run. Raises CommandError when there is none of this id."""
        record = transact(self.engine, lambda conn: runs.get(conn, run_id))
        if record is None:
            raise CommandError(
                f"there is no integration run {run_id}; `crowd-pipelines runs` lists those that there are"
            )
        return record


@contextmanager
def session(*, migrated: bool = True) -> Iterator[Session]:
    """Yield a session with the database checked: reachable, and with the schema that this version needs."""
    settings = Settings.load()
    with installation(settings) as installed:
        engine = database.create(installed.database_url)
        try:
            database.check(engine)
            if migrated:
                _require_schema(engine, embedded=settings.database_url is None, url=installed.database_url)
            yield Session(settings=Settings.load(), installed=installed, engine=engine, platforms=registry())
        finally:
            engine.dispose()


def parse_ids(text: str) -> list[UUID]:
    """Return the ids in a list separated by commas. Raises CommandError naming what is no id."""
    found = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        try:
            found.append(UUID(part))
        except ValueError:
            raise CommandError(f"{part!r} is no id; ids look like 0193a5b2-7c1e-7d64-9c0f-2f6d0a4b8e11") from None
    if not found:
        raise CommandError("no id is given")
    return found


def _require_schema(engine: Engine, *, embedded: bool, url: Secret) -> None:
    if migrations.current(engine) == migrations.newest():
        return
    if not embedded:
        raise CommandError(
            "the database's schema is not the one that this version needs; run `crowd-pipelines db upgrade`"
        )
    migrations.upgrade(url)
