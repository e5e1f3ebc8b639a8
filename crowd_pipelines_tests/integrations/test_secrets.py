"""Credentials that the provider refuses: they end the integration run, and show nowhere."""

import json
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Engine

from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.integrations.connected import Connected


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *pem).decode()


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "devto": ("devto", {"api_key": "canary-one"}),
    "discord": ("discord", {"token": "canary-one"}),
    "github, a token": ("github", {"token": "canary-one"}),
    "github, tokens": ("github", {"tokens": ["canary-one", "canary-two"]}),
    "github, an app": ("github", {"app_id": "1", "installation_id": "1", "private_key": private_key()}),
    "slack": ("slack", {"token": "xoxb-canary-one"}),
    "twitter": ("twitter", {"access_token": "canary-one", "refresh_token": "canary-two"}),
    "twitter, without renewal": ("twitter", {"access_token": "canary-one"}),
}


def secrets(credentials: dict[str, Any]) -> list[str]:
    """What must not show: every text of a credential, of a key each line."""
    texts = [text for value in credentials.values() for text in (value if isinstance(value, list) else [value])]
    return [line for text in texts for line in text.splitlines() if len(line) > 8 and "PRIVATE KEY" not in line]


def everything(connected: Connected) -> str:
    tables = connected.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    return "\n".join(str(connected.rows(f"SELECT t::text AS row FROM {table['name']} AS t")) for table in tables)


def test_every_platform_with_credentials_of_its_own_is_tried() -> None:
    wanted = {name for name, platform in registry().items() if not platform.credentials_of}
    assert {platform for platform, _ in REFUSED.values()} == wanted


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
    assert [secret for secret in secrets(credentials) if secret in shown] == []
