"""API clients: for stored integrations with their sealed credentials and shared budgets, or on trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from crowd_pipelines.framework.integration import BudgetScope, Integration
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.pacing import LocalPacer, Pacer, RateLimit
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import integrations
from crowd_pipelines.store.budgets import RateBudget, fingerprint
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.vault import Vault


class ConfigurationInvalid(Exception):
    """Settings or credentials of an integration cannot be used; the message names them and says what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedConnector:
    """Makes HTTP clients for one integration; see `Connector`."""

    base_url: str
    pacer: Pacer
    sleep: Callable[[float], None]
    max_connections: int

    def http(
        self, *, headers: Mapping[str, str] | None = None, secrets: Sequence[str] = (), **options: Any
    ) -> HttpClient:
        """Return a client for the platform's base URL."""
        return HttpClient(
            base_url=self.base_url,
            pacer=self.pacer,
            headers=headers,
            secrets=secrets,
            max_connections=self.max_connections,
            sleep=self.sleep,
            **options,
        )


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
    """Return where the platform's API is."""
    return (settings.api_url(integration.platform) or integration.api_url).rstrip("/")


def rate_limits(integration: Integration[Any, Any, Any], settings: Settings) -> Mapping[str, RateLimit]:
    """Return the platform's rate limits, at the pace the environment sets if it does."""
    pace = settings.requests_per_second(integration.platform)
    if pace is None:
        return integration.rate_limits
    return {
        bucket: RateLimit(requests=1, seconds=1 / pace, burst=max(declared.burst, int(pace)))
        for bucket, declared in integration.rate_limits.items()
    }


def trial_connector(integration: Integration[Any, Any, Any], settings: Settings) -> PacedConnector:
    """Return a connector for an integration that is not stored yet."""
    return PacedConnector(
        base_url=base_url(integration, settings),
        pacer=LocalPacer(rate_limits(integration, settings)),
        sleep=Slice(60).sleep,
        max_connections=1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClients:
    """Makes the API clients of stored integrations."""

    budget: RateBudget
    vault: Vault
    settings: Settings

    def of(self, integration: Integration[Any, Any, Any], run: RunRecord, *, sleep: Callable[[float], None]) -> Any:
        """Return the client of an integration run; waiting in place goes through `sleep`.

        Raises ConfigurationInvalid or VaultError when the stored credentials cannot be used.
        """
        engine = self.budget.engine
        secret = transact(engine, lambda conn: integrations.credentials(conn, run.integration_id, self.vault))
        credentials = parse_credentials(integration, secret)
        url = base_url(integration, self.settings)
        counted = [url] if integration.budget_scope is BudgetScope.HOST else [url, *map(str, secret.values())]
        scope = fingerprint(integration.platform, *counted)
        limits = rate_limits(integration, self.settings)
        connector = PacedConnector(
            base_url=url,
            pacer=self.budget.pacer(scope, limits, onboarding=run.onboarding),
            sleep=sleep,
            max_connections=integration.max_concurrency,
        )
        return integration.connect(connector, credentials)
