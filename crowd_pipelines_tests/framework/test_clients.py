"""Whose word an address is decides where its client may go, and it cannot be decided otherwise by mistake."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import BaseModel

from crowd_pipelines.framework.clients import PacedConnector, guard_of
from crowd_pipelines.framework.credentials import GivenCredentials
from crowd_pipelines.framework.integration import BudgetScope, Connector
from crowd_pipelines.http import AddressRefused, Guard, LocalPacer
from crowd_pipelines.model.states import RunState
from crowd_pipelines.settings import Settings, SettingsError
from crowd_pipelines_tests.framework.scripted import Script, Town, TownCredentials, TownIntegration
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, scripted_server
from crowd_pipelines_tests.store.tenant import Tenant


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with scripted_server() as running:
        running.plays("/a", answer(payload={}))
        running.plays("/api/a", answer(payload={}))
        yield running


@pytest.fixture
def connector(server: ScriptedServer) -> PacedConnector:
    """Of a platform that the operator has put at the test's server."""
    return PacedConnector(
        base_url=f"{server.url}/api",
        credentials=GivenCredentials(given={}, from_environment={}),
        pacer_of=lambda *_: LocalPacer(),
        sleep=lambda _: None,
        max_connections=1,
    )


def test_the_operators_address_is_trusted_also_where_a_user_gives_it(
    connector: PacedConnector, server: ScriptedServer
) -> None:
    for http in (connector.http(), connector.http(base_url=f"{server.url}/api/")):
        assert http.get("/a").status == 200


@pytest.mark.parametrize("path", ["", "/other", "/api/../a", "/api?x", "//api"])
def test_any_other_address_from_a_user_is_guarded(connector: PacedConnector, server: ScriptedServer, path: str) -> None:
    port = server.server_address[1]
    with pytest.raises(AddressRefused, match=f"port {port}"):
        connector.http(base_url=f"{server.url}{path}")
    http = replace(connector, guard=Guard(ports=(port,))).http(base_url=f"{server.url}{path}")
    with pytest.raises(AddressRefused, match="loopback"):
        http.get("/a")
    assert server.seen == []


def test_a_platform_cannot_switch_the_guard_off(connector: PacedConnector) -> None:
    with pytest.raises(TypeError, match="guard"):
        connector.http(base_url="https://forum.example", guard=None)


def test_the_operator_opens_networks_and_ports(
    connector: PacedConnector, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_ALLOWED_NETWORKS", '["127.0.0.0/8", "fd12::/16"]')
    monkeypatch.setenv("CROWD_ALLOWED_PORTS", f"[{server.server_address[1]}]")
    http = replace(connector, guard=guard_of(Settings.load())).http(base_url=server.url)
    assert http.get("/a").status == 200


def test_a_network_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWD_ALLOWED_NETWORKS", '["10.0.0.1/8"]')
    with pytest.raises(SettingsError, match="CROWD_ALLOWED_NETWORKS"):
        Settings.load()


class ForumKey(BaseModel):
    """Credentials that say where they are good."""

    url: str = "http://metadata.google.internal/"


def forum(integration: TownIntegration, connector: Connector, credentials: ForumKey) -> Script:
    connector.http(base_url=credentials.url)
    return TownIntegration.connect(integration, connector, TownCredentials())


def test_an_address_that_is_refused_ends_the_integration_run_with_its_reason(tenant: Tenant, script: Script) -> None:
    run = Town.of(tenant, script, credentials_type=ForumKey, connect=forum).onboard()
    assert run.state is RunState.ERROR
    assert run.error == (
        "Town cannot be reached: metadata.google.internal is not asked: machines of a cloud ask there for their own "
        "credentials."
    )
    assert script.asked == []


@pytest.mark.parametrize("scope", BudgetScope)
def test_each_host_has_a_budget_of_its_own(scope: BudgetScope, tenant: Tenant, script: Script) -> None:
    Town.of(tenant, script, budget_scope=scope).onboard()
    assert isinstance(script.connector, PacedConnector)
    scopes = [script.connector.pacer_of(f"https://{host}.example", None).__dict__["_scope"] for host in ("a", "b", "a")]
    assert (len(set(scopes)), scopes[0]) == (2, scopes[2])
