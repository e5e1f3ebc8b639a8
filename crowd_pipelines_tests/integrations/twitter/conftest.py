"""An account on X that lives while a test looks on."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.twitter.scripted import ScriptedX, scripted_x


@pytest.fixture
def x(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    """A sandbox of the test's own, connected and not yet read."""
    with Sandbox.start(platforms=("twitter",)) as sandbox:
        yield Connected.to(sandbox, "twitter", engine=engine, monkeypatch=monkeypatch)


@pytest.fixture
def onboarded(x: Connected) -> Connected:
    assert x.onboard().state is RunState.PROCESSED
    x.sandbox.forget_requests()
    return x


@pytest.fixture
def scripted() -> Iterator[ScriptedX]:
    with scripted_x() as running:
        yield running
