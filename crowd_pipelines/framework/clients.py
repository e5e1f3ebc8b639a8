"""API clients: for stored integrations with their sealed credentials and shared budgets, or on trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from crowd_pipelines.framework.credentials import Credentials, StoredCredentials, stored_credentials
from crowd_pipelines.framework.integration import BudgetScope, Exchange, Integration
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.pacing import LocalPacer, Pacer, RateLimit
from crowd_pipelines.settings import Settings
from crowd_pipelines.store.budgets import RateBudget, fingerprint
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.vault import Vault


class ConfigurationInvalid(Exception):
    """Settings or credentials of an integration cannot be used; the message names them and says what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedConnector:
    """Makes HTTP clients for one integration; see `Connector`."""

    base_url: str
    credentials: Credentials
    pacer_of: Callable[[str | None], Pacer]
    sleep: Callable[[float], None]
    max_connections: int

    def http(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        budget: str | None = None,
        **options: Any,
    ) -> HttpClient:
        """Return a client for the platform's base URL."""
        return HttpClient(
            base_url=self.base_url,
            pacer=self.pacer_of(budget),
            headers=headers,
            secrets=secrets,
            max_connections=self.max_connections,
            sleep=self.sleep,
            **options,
        )

    def renew(self, exchange: Exchange) -> Mapping[str, Any]:
        """Change the credentials while nobody else can."""
        return self.credentials.renew(exchange)


def parse_settings(integration: Integration[Any, Any, Any], settings: Mapping[str, Any]) -> BaseModel:
    """Return typed settings. Raises ConfigurationInvalid naming every key that cannot be used."""
    return _parse(integration.settings_type, settings, f"the settings of {integration.title}")


def parse_credentials(integration: Integration[Any, Any, Any], credentials: Mapping[str, Any]) -> BaseModel:
    """Return typed credentials. Raises ConfigurationInvalid naming keys, never values."""
    return _parse(integration.credentials_type, credentials, f"the credentials of {integration.title}")


def _parse(wanted: type[BaseModel], given: Mapping[str, Any], what: str) -> BaseModel:
    try:
        return wanted.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        text = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'all'}: {p['msg']}" for p in problems)
        known = ", ".join(wanted.model_fields) or "none"
        raise ConfigurationInvalid(f"{what} cannot be used: {text} (known keys: {known})") from None


def base_url(integration: Integration[Any, Any, Any], settings: Settings) -> str:
    """Return where the platform's API is: its own address, else the one of the platform that lends its credentials."""
    names = (integration.platform, integration.credentials_of)
    given = next((url for name in names if name and (url := settings.api_url(name))), None)
    return (given or integration.api_url).rstrip("/")


def rate_limits(integration: Integration[Any, Any, Any], settings: Settings) -> Mapping[str, RateLimit]:
    """Return the platform's rate limits, at the pace the environment sets if it does."""
    pace = settings.requests_per_second(integration.platform)
    if pace is None:
        return integration.rate_limits
    return {
        bucket: RateLimit(requests=1, seconds=1 / pace, burst=max(declared.burst, int(pace)))
        for bucket, declared in integration.rate_limits.items()
    }


def trial_connector(
    integration: Integration[Any, Any, Any], settings: Settings, credentials: Credentials
) -> PacedConnector:
    """Return a connector for an integration that is not stored yet."""
    pacer = LocalPacer(rate_limits(integration, settings))
    return PacedConnector(
        base_url=base_url(integration, settings),
        credentials=credentials,
        pacer_of=lambda _: pacer,
        sleep=Slice(60).sleep,
        max_connections=1,
    )


def connected(integration: Integration[Any, Any, Any], connector: PacedConnector) -> Any:
    """Return the API client. Raises ConfigurationInvalid or VaultError when the credentials cannot be used."""
    return integration.connect(connector, parse_credentials(integration, connector.credentials.read()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClients:
    """Makes the API clients of stored integrations."""

    budget: RateBudget
    vault: Vault
    settings: Settings

    def of(self, integration: Integration[Any, Any, Any], run: RunRecord, *, sleep: Callable[[float], None]) -> Any:
        """Return the client of an integration run; waiting in place goes through `sleep`.

        Raises ConfigurationInvalid, CredentialsMissing or VaultError when the stored credentials cannot be used.
        """
        credentials = self.credentials_of(integration, run.tenant_id, run.integration_id)
        url, limits = base_url(integration, self.settings), rate_limits(integration, self.settings)

        def pacer_of(budget: str | None) -> Pacer:
            counted = _counted(integration, credentials, url, budget)
            scope = fingerprint(integration.credentials_of or integration.platform, *counted)
            return self.budget.pacer(scope, limits, onboarding=run.onboarding)

        connector = PacedConnector(
            base_url=url,
            credentials=credentials,
            pacer_of=pacer_of,
            sleep=sleep,
            max_connections=integration.max_concurrency,
        )
        return connected(integration, connector)

    def credentials_of(
        self, integration: Integration[Any, Any, Any], tenant_id: UUID, integration_id: UUID
    ) -> StoredCredentials:
        """Return where an integration's credentials are. Raises CredentialsMissing when nobody lends them."""
        return stored_credentials(
            integration,
            tenant_id=tenant_id,
            integration_id=integration_id,
            engine=self.budget.engine,
            vault=self.vault,
            settings=self.settings,
        )


def _counted(
    integration: Integration[Any, Any, Any], credentials: StoredCredentials, url: str, budget: str | None
) -> list[str]:
    """Return whom the provider counts, as parts of a budget's name."""
    if integration.budget_scope is BudgetScope.HOST:
        return [url]
    if budget is not None:
        return [url, budget]
    if integration.app_credentials or integration.credentials_of:
        # Tokens that are renewed stay one user's.
        return [url, str(credentials.integration_id)]
    return [url, *map(str, credentials.read().values())]
