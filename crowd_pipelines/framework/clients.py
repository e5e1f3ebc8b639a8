"""API clients: for stored integrations with their sealed credentials and shared budgets, or on trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel, SecretStr, ValidationError

from crowd_pipelines.framework.credentials import Credentials, StoredCredentials, stored_credentials
from crowd_pipelines.framework.integration import BudgetScope, Exchange, Integration
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import AddressRefused
from crowd_pipelines.http.guard import Guard
from crowd_pipelines.http.pacing import LocalPacer, Pacer, RateLimit
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.http.transport import Headers, Limits
from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.settings import Settings
from crowd_pipelines.store.budgets import RateBudget, fingerprint
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.vault import Vault


class ConfigurationInvalid(Exception):
    """Settings or credentials of an integration cannot be used; the message names them and says what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedConnector:
    """Makes HTTP clients for one integration, all with the same patience for answers; see `Connector`."""

    base_url: str
    credentials: Credentials
    pacer_of: Callable[[str, str | SecretStr | None], Pacer]
    sleep: Callable[[float], None]
    max_connections: int
    limits: Limits = field(default_factory=Limits)
    guard: Guard = field(default_factory=Guard)

    def http(
        self,
        *,
        base_url: str | None = None,
        headers: Headers | None = None,
        secrets: Sequence[str | SecretStr] = (),
        budget: str | SecretStr | None = None,
        body_bytes: int | None = None,
        **options: Any,
    ) -> HttpClient:
        """Return a client for the platform's base URL, or for one that a user gave. Raises AddressRefused."""
        url = base_url or self.base_url
        return HttpClient(
            limits=replace(self.limits, body_bytes=body_bytes or self.limits.body_bytes),
            base_url=url,
            guard=None if url.rstrip("/") == self.base_url.rstrip("/") else self.guard,
            pacer=self.pacer_of(url, budget),
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
    return _parse(integration.credentials_type, revealed(credentials), f"the credentials of {integration.title}")


def _parse(wanted: type[BaseModel], given: Mapping[str, Any], what: str) -> BaseModel:
    # The error is raised after the handler: chained, the original would quote what was given.
    try:
        return wanted.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        text = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'all'}: {p['msg']}" for p in problems)
    known = ", ".join(wanted.model_fields) or "none"
    raise ConfigurationInvalid(redact(f"{what} cannot be used: {text} (known keys: {known})"))


def base_url(integration: Integration[Any, Any, Any], settings: Settings) -> str:
    """Return where the platform's API is: its own address, else the one of the platform that lends its credentials."""
    names = (integration.platform, integration.credentials_of)
    given = next((url for name in names if name and (url := settings.api_url(name))), None)
    return (given or integration.api_url).rstrip("/")


def guard_of(settings: Settings) -> Guard:
    """Return what keeps addresses that users give out of this network, but for what the operator allows."""
    return Guard(networks=settings.allowed_networks, ports=settings.allowed_ports)


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
        pacer_of=lambda *_: pacer,
        sleep=Slice(60).sleep,
        max_connections=1,
        guard=guard_of(settings),
    )


def connected(integration: Integration[Any, Any, Any], connector: PacedConnector) -> Any:
    """Return the API client. Raises ConfigurationInvalid or VaultError when the credentials cannot be used."""
    credentials = parse_credentials(integration, connector.credentials.read())
    try:
        return integration.connect(connector, credentials)
    except AddressRefused as refused:
        raise ConfigurationInvalid(f"{integration.title} cannot be reached: {refused}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClients:
    """Makes the API clients of stored integrations; `limits` say how long any answer may take."""

    budget: RateBudget
    vault: Vault
    settings: Settings
    limits: Limits = field(default_factory=Limits)

    def of(self, integration: Integration[Any, Any, Any], run: RunRecord, *, sleep: Callable[[float], None]) -> Any:
        """Return the client of an integration run; waiting in place goes through `sleep`.

        Raises ConfigurationInvalid, CredentialsMissing or VaultError when the stored credentials cannot be used.
        """
        credentials = self.credentials_of(integration, run.tenant_id, run.integration_id)
        limits = rate_limits(integration, self.settings)

        def pacer_of(url: str, budget: str | SecretStr | None) -> Pacer:
            counted = _counted(integration, credentials, url, budget)
            scope = fingerprint(integration.credentials_of or integration.platform, *counted)
            return self.budget.pacer(scope, limits, onboarding=run.onboarding)

        connector = PacedConnector(
            base_url=base_url(integration, self.settings),
            credentials=credentials,
            pacer_of=pacer_of,
            sleep=sleep,
            max_connections=integration.max_concurrency,
            limits=self.limits,
            guard=guard_of(self.settings),
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
    integration: Integration[Any, Any, Any], credentials: StoredCredentials, url: str, budget: str | SecretStr | None
) -> list[str]:
    """Return whom the provider counts, as parts of a budget's name."""
    if integration.budget_scope is BudgetScope.HOST:
        return [url]
    if budget is not None:
        return [url, revealed(budget)]
    if integration.app_credentials or integration.credentials_of:
        # Tokens that are renewed stay one user's.
        return [url, str(credentials.integration_id)]
    return [url, *map(str, revealed(credentials.read()).values())]
