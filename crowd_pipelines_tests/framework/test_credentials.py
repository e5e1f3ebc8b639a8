"""Credentials that change, are lent, or belong to the installation; with a real database behind them."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from crowd_pipelines.framework.clients import ConfigurationInvalid, parse_credentials
from crowd_pipelines.framework.credentials import CredentialsMissing, GivenCredentials, StoredCredentials
from crowd_pipelines.model.secrets import Secret, hidden, revealed
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store import integrations
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.framework.scripted import Script, Town
from crowd_pipelines_tests.store.tenant import Tenant

FIRST = {"access": "a1", "refresh": "r1"}
APP = {"client_id": Secret("the app")}


@pytest.fixture
def vault() -> Vault:
    return Vault(new_key())


def store(tenant: Tenant, vault: Vault, credentials: Mapping[str, Any], integration_id: UUID | None = None) -> None:
    wanted = integration_id or tenant.integration_id
    with tenant.engine.begin() as conn:
        integrations.set_credentials(conn, wanted, vault.seal(credentials, wanted))


@pytest.fixture
def stored(tenant: Tenant, vault: Vault) -> StoredCredentials:
    store(tenant, vault, FIRST)
    return StoredCredentials(
        engine=tenant.engine, vault=vault, integration_id=tenant.integration_id, from_environment=APP
    )


def next_pair(known: Mapping[str, Any]) -> Mapping[str, Any]:
    number = int(revealed(known["refresh"])[1:]) + 1
    return {"access": f"a{number}", "refresh": f"r{number}"}


def test_renewed_credentials_are_stored_before_they_are_returned(stored: StoredCredentials) -> None:
    seen: list[Mapping[str, Any]] = []

    def exchange(known: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append(known)
        return next_pair(known)

    renewed = stored.renew(exchange)
    assert [revealed(known) for known in seen] == [{**FIRST, **revealed(APP)}]
    assert renewed == {**hidden({"access": "a2", "refresh": "r2"}), **APP} == stored.read()


def test_the_installations_own_credentials_are_not_stored(stored: StoredCredentials, vault: Vault) -> None:
    stored.renew(next_pair)
    with stored.engine.begin() as conn:
        kept = integrations.credentials(conn, stored.integration_id, vault)
    assert revealed(kept) == {"access": "a2", "refresh": "r2"}


def test_stored_credentials_stand_above_those_of_the_environment(stored: StoredCredentials) -> None:
    stored.renew(lambda _: {"client_id": "its own"})
    assert revealed(stored.read()["client_id"]) == "its own"


def test_nothing_is_written_when_nothing_needs_renewal(stored: StoredCredentials, tenant: Tenant) -> None:
    before = tenant.versions("integrations")
    assert stored.renew(lambda _: None) == {**hidden(FIRST), **APP}
    assert tenant.versions("integrations") == before


def test_one_at_a_time_and_whoever_waited_sees_the_new_ones(stored: StoredCredentials) -> None:
    used: list[str] = []

    def exchange(known: Mapping[str, Any]) -> Mapping[str, Any]:
        time.sleep(0.1)
        used.append(revealed(known["refresh"]))
        return next_pair(known)

    threads = [threading.Thread(target=stored.renew, args=(exchange,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert used == ["r1", "r2", "r3"]
    assert revealed(stored.read()["refresh"]) == "r4"


def test_an_exchange_that_fails_leaves_the_old_ones(stored: StoredCredentials) -> None:
    def refused(known: Mapping[str, Any]) -> Mapping[str, Any]:
        raise LookupError("refused")

    with pytest.raises(LookupError):
        stored.renew(refused)
    assert stored.read() == {**hidden(FIRST), **APP}


def test_new_credentials_survive_a_connection_that_breaks_before_they_are_stored(
    stored: StoredCredentials, tenant: Tenant
) -> None:
    calls = []

    def exchange(known: Mapping[str, Any]) -> Mapping[str, Any]:
        calls.append(known)
        with tenant.engine.connect() as conn:
            conn.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        return next_pair(known)

    assert revealed(stored.renew(exchange)["refresh"]) == "r2"
    assert revealed(stored.read()["refresh"]) == "r2"
    assert len(calls) == 1


def test_a_database_that_goes_away_before_the_exchange_is_an_error(
    stored: StoredCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(integrations, "credentials", gone)
    with pytest.raises(OperationalError):
        stored.renew(next_pair)


def test_on_trial_the_given_ones_are_renewed_in_memory() -> None:
    trial = GivenCredentials(given=dict(FIRST), from_environment=APP)
    assert trial.renew(next_pair) == {**hidden({"access": "a2", "refresh": "r2"}), **APP}
    assert revealed(trial.given) == {"access": "a2", "refresh": "r2"}
    assert trial.renew(lambda _: None) == trial.read()


class AnyCredentials(BaseModel):
    model_config = ConfigDict(extra="allow")


class Credentialed:
    """What a platform was given at `connect`."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}


def borrower(tenant: Tenant, script: Script, seen: Credentialed, **declared: Any) -> Town:
    def connect(self: Any, connector: Any, credentials: AnyCredentials) -> Script:
        script.connector = connector
        seen.given = credentials.model_dump()
        return script

    return Town.of(tenant, script, connect=connect, credentials_type=AnyCredentials, **declared)


def other_integration(tenant: Tenant, platform: str) -> UUID:
    with tenant.engine.begin() as conn:
        return integrations.connect(conn, tenant_id=tenant.id, platform=platform, name="Lender", settings={}).id


def test_a_platform_reads_with_the_credentials_of_another(tenant: Tenant, script: Script) -> None:
    seen = Credentialed()
    town = borrower(tenant, script, seen, credentials_of="city", app_credentials=("client_id",))
    store(tenant, town.vault, {"token": "of the city"}, other_integration(tenant, "city"))
    assert town.onboard().state is RunState.PROCESSED
    assert seen.given == {"token": "of the city"}


def test_what_is_borrowed_is_renewed_where_it_lives(tenant: Tenant, script: Script) -> None:
    town = borrower(tenant, script, Credentialed(), credentials_of="city")
    lender = other_integration(tenant, "city")
    store(tenant, town.vault, FIRST, lender)
    town.onboard()
    assert script.connector is not None
    script.connector.renew(next_pair)
    with tenant.engine.begin() as conn:
        assert revealed(integrations.credentials(conn, lender, town.vault)["refresh"]) == "r2"


@pytest.mark.parametrize("spoilt", [None, "UPDATE integrations SET credentials_rejected_at = now()"])
def test_without_a_lender_the_integration_run_says_whom_to_connect(
    tenant: Tenant, script: Script, spoilt: str | None
) -> None:
    town = borrower(tenant, script, Credentialed(), credentials_of="city")
    if spoilt:
        store(tenant, town.vault, FIRST, other_integration(tenant, "city"))
        tenant.execute(spoilt)
    town.processor().process(town.open())
    told = tenant.value("SELECT error FROM integration_runs")
    assert "connect it first: crowd-pipelines connect city" in told
    assert script.asked == []


def test_another_tenants_credentials_are_not_lent(tenant: Tenant, script: Script) -> None:
    town = borrower(tenant, script, Credentialed(), credentials_of="city")
    stranger = Tenant.connect(tenant.engine, name="stranger")
    store(stranger, town.vault, FIRST, other_integration(stranger, "city"))
    with pytest.raises(CredentialsMissing):
        town.processor().lifecycle._clients.credentials_of(town.integration, tenant.id, tenant.integration_id)


def test_the_environment_gives_what_belongs_to_the_installation(
    tenant: Tenant, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Credentialed()
    town = borrower(tenant, script, seen, app_credentials=("client_id", "client_secret"))
    monkeypatch.setenv("CROWD_TOWN_CLIENT_ID", "the app")
    monkeypatch.setenv("CROWD_TOWN_CLIENT_SECRET", "")
    monkeypatch.setenv("CROWD_TOWN_TOKEN", "not asked for")
    town.onboard()
    assert seen.given == {"client_id": "the app"}


def scope_of(town: Town, tenant: Tenant) -> set[str]:
    town.onboard()
    assert town.script.connector is not None
    town.script.connector.http(budget=None)._pacer.reserve("default")
    return {row["key"] for row in tenant.rows("SELECT key FROM rate_budgets WHERE key NOT LIKE '%onboarding'")}


def test_the_budget_follows_whoever_the_provider_counts(tenant: Tenant, script: Script) -> None:
    town = Town.of(tenant, script)
    town.onboard()
    assert script.connector is not None
    for budget in ("token one", "token two", "token one"):
        script.connector.http(budget=budget)._pacer.reserve("default")
    keys = tenant.rows("SELECT key FROM rate_budgets WHERE key NOT LIKE '%onboarding'")
    assert len(keys) == 2
    assert not any("token" in row["key"] for row in keys)


def test_a_budget_outlives_the_tokens_that_are_renewed(tenant: Tenant, script: Script) -> None:
    town = borrower(tenant, script, Credentialed(), app_credentials=("client_id",))
    store(tenant, town.vault, FIRST)
    before = scope_of(town, tenant)
    assert script.connector is not None
    script.connector.renew(next_pair)
    assert scope_of(town, tenant) == before


def test_each_credential_has_a_budget_of_its_own(tenant: Tenant, script: Script) -> None:
    town = borrower(tenant, script, Credentialed())
    seen = []
    for token in ("one", "other", "one"):
        store(tenant, town.vault, {"token": token})
        seen.append(scope_of(town, tenant))
    assert seen[0] < seen[1] == seen[2]


class Refusing(BaseModel):
    token: Secret
    number: int = 0


def test_credentials_that_cannot_be_used_are_in_no_error_and_in_no_cause_of_one(tenant: Tenant, script: Script) -> None:
    town = Town.of(tenant, script, credentials_type=Refusing)
    with pytest.raises(ConfigurationInvalid) as refused:
        parse_credentials(town.integration, hidden({"token": "canary-1", "number": "canary-2"}))
    assert "number: Input should be a valid integer" in str(refused.value)
    assert "canary" not in repr(refused.value)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)


def test_credentials_on_trial_and_stored_ones_do_not_show(stored: StoredCredentials) -> None:
    trial = GivenCredentials(given={"token": "canary-1"}, from_environment={"client_secret": Secret("canary-2")})
    assert "canary" not in f"{trial!r} {trial.read()} {trial.renew(lambda _: {'token': 'canary-3'})} {trial!r}"
    # The token is two characters, which names made of random digits may well hold.
    named = (str(stored.integration_id), str(stored.engine.url.database), repr(stored.vault))
    shown = f"{stored!r} {stored.read()}"
    for name in named:
        shown = shown.replace(name, "")
    assert "a1" not in shown


def test_twenty_that_find_the_token_ended_renew_it_once(stored: StoredCredentials) -> None:
    """As an integration does: whoever sees another token than its own, uses that one."""
    used: list[str] = []

    def exchange(known: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if revealed(known["refresh"]) != "r1":
            return None
        used.append("r1")
        return next_pair(known)

    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: stored.renew(exchange), range(20)))
    assert used == ["r1"]
    assert {revealed(one["access"]) for one in got} == {"a2"}
