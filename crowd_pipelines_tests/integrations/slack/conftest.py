"""A Slack that answers what a test says, and a workspace that lives while a test looks on."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.web_api import WebApi, web_api


@pytest.fixture(name="web_api")
def running_web_api() -> Iterator[WebApi]:
    with web_api() as running:
        yield running


@pytest.fixture
def slack(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    """A sandbox of the test's own, connected and not yet read."""
    with Sandbox.start(platforms=("slack",)) as sandbox:
        yield Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)


@pytest.fixture
def onboarded(slack: Connected) -> Connected:
    assert slack.onboard().state is RunState.PROCESSED
    slack.asked()
    return slack
