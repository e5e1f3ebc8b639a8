"""A Forem that answers what a test says, and a community that lives while a test looks on."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.devto.forem import Forem, forem


@pytest.fixture(name="forem")
def running_forem() -> Iterator[Forem]:
    with forem() as running:
        yield running


@pytest.fixture
def dev(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    """A sandbox of the test's own, connected and not yet read."""
    with Sandbox.start(platforms=("devto",)) as sandbox:
        yield Connected.to(sandbox, "devto", engine=engine, monkeypatch=monkeypatch)
