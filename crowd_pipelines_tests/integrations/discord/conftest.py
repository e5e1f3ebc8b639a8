"""A guild that lives while a test looks on, and a Discord that answers what a test says."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.http.scripted_server import scripted_server
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.discord.guild import Guild, guild
from crowd_pipelines_tests.integrations.discord.refusing import Refusing


@pytest.fixture(name="guild")
def running_guild() -> Iterator[Guild]:
    with guild() as running:
        yield running


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    """The API's client, and a server that answers as it is told."""
    with scripted_server() as server:
        yield Refusing(server)


@pytest.fixture
def discord(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    """A sandbox of the test's own, connected and not yet read."""
    with Sandbox.start(platforms=("discord",)) as sandbox:
        yield Connected.to(sandbox, "discord", engine=engine, monkeypatch=monkeypatch)
