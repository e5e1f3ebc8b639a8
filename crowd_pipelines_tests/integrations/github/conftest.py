"""A GitHub that answers what a test says, and a community that lives while a test looks on."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.github.hub import Hub, hub


@pytest.fixture(scope="session")
def rsa_key() -> str:
    """The private key of an app, as GitHub gives it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture(name="hub")
def running_hub() -> Iterator[Hub]:
    with hub() as running:
        yield running


@pytest.fixture
def github(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    """A sandbox of the test's own, connected and not yet read."""
    with Sandbox.start(platforms=("github",)) as sandbox:
        yield Connected.to(sandbox, "github", engine=engine, monkeypatch=monkeypatch)
