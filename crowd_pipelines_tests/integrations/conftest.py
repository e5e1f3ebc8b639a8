"""A database of the test's own, and one sandbox for the tests that change nothing in it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import database


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def quiet_sandbox() -> Iterator[Sandbox]:
    """Shared: tests may order faults, and clear them, but change nothing."""
    with Sandbox.start() as sandbox:
        yield sandbox
