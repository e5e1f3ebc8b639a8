"""Credentials that the provider refuses: they end the integration run, and show nowhere."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel
from sqlalchemy import Engine

from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.logs import redact_logs
from crowd_pipelines.integrations import registry
from crowd_pipelines.integrations.devto.integration import DevtoIntegration
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.canaries import MANNERS, canary, parrot
from crowd_pipelines_tests.canaries import shown as shows
from crowd_pipelines_tests.integrations.connected import Connected


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *pem).decode()


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "devto": ("devto", {"api_key": canary("key")}),
    "discord": ("discord", {"token": canary("bot")}),
    "github, a token": ("github", {"token": canary("token")}),
    "github, tokens": ("github", {"tokens": [canary("first"), canary("second")]}),
    "github, an app": ("github", {"app_id": "1", "installation_id": "1", "private_key": private_key()}),
    "slack": ("slack", {"token": canary("app")}),
    "twitter": ("twitter", {"access_token": canary("access"), "refresh_token": canary("refresh")}),
    "twitter, without renewal": ("twitter", {"access_token": canary("access")}),
}


def secrets(credentials: dict[str, Any]) -> list[str]:
    """What must not show: every text of a credential, of a key each line."""
    texts = [text for value in credentials.values() for text in (value if isinstance(value, list) else [value])]
    return [line for text in texts for line in text.splitlines() if len(line) > 8 and "PRIVATE KEY" not in line]


def everything(connected: Connected) -> str:
    """Every row of every table, as text."""
    tables = connected.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    each = " UNION ALL ".join(f"SELECT t::text AS row FROM {table['name']} AS t" for table in tables)
    return "\n".join(str(row["row"]) for row in connected.rows(each))


def test_every_platform_with_credentials_of_its_own_is_tried() -> None:
    wanted = {name for name, platform in registry().items() if not platform.credentials_of}
    assert {platform for platform, _ in REFUSED.values()} == wanted


def test_a_platform_whose_credentials_would_show_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Open(BaseModel):
        api_key: str

    monkeypatch.setattr(DevtoIntegration, "credentials_type", Open)
    with pytest.raises(TypeError, match="credentials of platform 'devto' would show api_key"):
        registry()


@pytest.mark.parametrize("case", REFUSED)
def test_refused_credentials_end_the_run_with_a_sentence_and_show_nowhere(
    case: str,
    engine: Engine,
    quiet_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    platform, credentials = REFUSED[case]
    caplog.set_level(logging.DEBUG)
    connected = Connected.to(quiet_sandbox, platform, engine=engine, monkeypatch=monkeypatch)
    with engine.begin() as conn:
        sealed = connected.vault.seal(credentials, connected.record.id)
        integrations.set_credentials(conn, connected.record.id, sealed)
    quiet_sandbox.forget_requests(platform)
    run = connected.onboard()
    assert run.state is RunState.ERROR
    # A token that can be renewed is refused, and then its renewal.
    most = len(credentials.get("tokens", ())) or (2 if "refresh_token" in credentials else 1)
    assert len(quiet_sandbox.requests(platform)) == most
    told = connected.value("SELECT error FROM integrations WHERE id = :id", id=connected.record.id)
    assert "Connect the integration again with credentials that work." in told
    assert connected.value("SELECT credentials_rejected_at IS NOT NULL FROM integrations")
    shown = everything(connected) + caplog.text + json.dumps(quiet_sandbox.requests(platform))
    assert shows(secrets(credentials), shown) == []


@pytest.fixture
def _redacted() -> Iterator[None]:
    factory, hooks = logging.getLogRecordFactory(), (sys.excepthook, threading.excepthook)
    redact_logs()
    yield
    logging.setLogRecordFactory(factory)
    sys.excepthook, threading.excepthook = hooks


@pytest.mark.usefixtures("_redacted")
@pytest.mark.parametrize("case", ["devto", "discord", "github, a token", "github, an app", "slack", "twitter"])
def test_what_a_provider_repeats_of_a_request_shows_nowhere(
    case: str,
    engine: Engine,
    quiet_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The provider answers with all it was sent: headers, address, form; as error, record, link, page or grant."""
    platform, credentials = REFUSED[case]
    caplog.set_level(logging.DEBUG)
    app = {"CLIENT_ID": canary("id"), "CLIENT_SECRET": canary("secret"), "TOKEN": canary("installation")}
    with parrot() as provider:
        connected = Connected.to(quiet_sandbox, platform, engine=engine, monkeypatch=monkeypatch)
        monkeypatch.setenv(f"CROWD_{platform.upper()}_API_URL", provider.url)
        for name, value in app.items():
            monkeypatch.setenv(f"CROWD_{platform.upper()}_{name}", value)
        monkeypatch.setattr(Slice, "sleep", lambda *_: None)
        held = [*secrets(credentials), app["CLIENT_SECRET"], app["TOKEN"]]
        with engine.begin() as conn:
            integrations.set_credentials(
                conn, connected.record.id, connected.vault.seal(credentials, connected.record.id)
            )
        for name, manner in MANNERS.items():
            provider.manner = manner
            connected.onboard()
            assert shows(held, everything(connected)) == [], name
            connected.rows("UPDATE integrations SET credentials_rejected_at = NULL RETURNING id")
            connected.rows("DELETE FROM integration_runs RETURNING id")
            connected.rows("DELETE FROM rate_budgets RETURNING key")
        assert len(provider.seen) >= len(MANNERS)
        sent = str([(seen.headers, seen.body) for seen in provider.seen])
        told = caplog.text + repr([record.__dict__ for record in caplog.records])
    # Had nothing been sent, nothing could have been repeated.
    assert case == "github, an app" or shows(held, sent)
    assert shows(held, told) == []
