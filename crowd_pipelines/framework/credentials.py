"""Credentials where they live: whose they are, reading them, and renewing them so that no new ones are ever lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from crowd_pipelines import failpoints
from crowd_pipelines.framework.integration import Exchange, Integration
from crowd_pipelines.model.secrets import Secret, hidden
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import integrations
from crowd_pipelines.store.database import out_of_service, transact
from crowd_pipelines.store.vault import Vault

EXCHANGE_SECONDS = 120
"""Twice what an answer may take: so long the lock on credentials is held while the provider is asked for new ones."""


class CredentialsMissing(Exception):
    """No credentials are there to be used; the message says whose are missing and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCredentials:
    """The sealed credentials of one integration over those that the environment gives to the whole installation."""

    engine: Engine
    vault: Vault
    integration_id: UUID
    from_environment: Mapping[str, Secret]

    def read(self) -> dict[str, Any]:
        """Return the credentials as they are now; every text in them is a `Secret`."""
        stored = transact(self.engine, lambda conn: integrations.credentials(conn, self.integration_id, self.vault))
        return {**self.from_environment, **stored}

    def renew(self, exchange: Exchange) -> Mapping[str, Any]:
        """Change credentials while nobody else can; they are stored before anybody uses them. See `Connector.renew`."""
        renewed: dict[str, Any] = {}
        try:
            with self.engine.begin() as conn:
                patience = f"{EXCHANGE_SECONDS}s"
                conn.execute(select(func.set_config("idle_in_transaction_session_timeout", patience, True)))
                stored = integrations.credentials(conn, self.integration_id, self.vault, lock=True)
                failpoints.reach("renew.exchange.before")
                changes = exchange({**self.from_environment, **stored})
                failpoints.reach("renew.exchange.after")
                if changes is None:
                    return {**self.from_environment, **stored}
                renewed = {**stored, **hidden(changes)}
                self._store(conn, renewed)
            failpoints.committed()
        except DBAPIError as error:
            if not renewed or not out_of_service(error):
                raise
            # The provider has forgotten the old ones already.
            transact(self.engine, lambda conn: self._store(conn, renewed))
        return {**self.from_environment, **renewed}

    @failpoints.step("renew")
    def _store(self, conn: Connection, renewed: Mapping[str, Any]) -> None:
        integrations.renew_credentials(conn, self.integration_id, self.vault.seal(renewed, self.integration_id))


@dataclass(slots=True, kw_only=True)
class GivenCredentials:
    """Credentials on trial, before an integration exists; `given` is what to store, also after they were renewed."""

    given: dict[str, Any]
    from_environment: Mapping[str, Secret] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = hidden(self.given)

    def read(self) -> dict[str, Any]:
        """Return the credentials as they are now; every text in them is a `Secret`."""
        return {**self.from_environment, **self.given}

    def renew(self, exchange: Exchange) -> Mapping[str, Any]:
        """Change the credentials; nobody else knows them yet."""
        self.given |= hidden(exchange(self.read()) or {})
        return self.read()


Credentials = StoredCredentials | GivenCredentials


def stored_credentials(
    integration: Integration[Any, Any, Any],
    *,
    tenant_id: UUID,
    integration_id: UUID,
    engine: Engine,
    vault: Vault,
    settings: Settings,
) -> StoredCredentials:
    """Return where an integration's credentials are: its own, or those of the one that lends them.

    Raises CredentialsMissing when nobody lends them.
    """
    owner = integration_id
    if integration.credentials_of:
        owner = _lender(engine, tenant_id, integration)
    return StoredCredentials(
        engine=engine, vault=vault, integration_id=owner, from_environment=app_credentials(integration, settings)
    )


def app_credentials(integration: Integration[Any, Any, Any], settings: Settings) -> Mapping[str, Secret]:
    """Return what the environment gives to every integration of this platform."""
    return settings.app_credentials(integration.credentials_of or integration.platform, integration.app_credentials)


def _lender(engine: Engine, tenant_id: UUID, integration: Integration[Any, Any, Any]) -> UUID:
    platform = integration.credentials_of or integration.platform
    lender = transact(engine, lambda conn: integrations.lender(conn, tenant_id, platform))
    if lender is None:
        raise CredentialsMissing(
            f"{integration.title} uses the credentials of this tenant's {platform} integration, and there is none with "
            f"credentials that work; connect it first: crowd-pipelines connect {platform} --help"
        )
    return lender
