"""One sandbox for the tests that only read, and a new one for each test that changes something."""

from collections.abc import Iterator

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox


@pytest.fixture(scope="session")
def still() -> Iterator[Sandbox]:
    """Shared: nobody changes it."""
    with Sandbox.start(seed=7, size="small") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def truth(still: Sandbox) -> Truth:
    return still.truth("devto")


@pytest.fixture
def lively() -> Iterator[Sandbox]:
    """The test's own."""
    with Sandbox.start(seed=7, size="small") as sandbox:
        yield sandbox
