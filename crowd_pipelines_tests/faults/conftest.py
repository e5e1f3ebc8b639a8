"""A sandbox for each platform, what is true there, and a database of the test's own.

A cross-section of the matrix runs with all tests. `--all-faults` runs all of it, and `--fault-report FILE` adds what
came of each case to a file, from which `python -m crowd_pipelines_tests.faults FILE` makes a table.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from crowd_pipelines.http.transport import Limits
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.faults.ground import (
    LENDERS,
    Ground,
    Undisturbed,
    closing_engine,
    connected_to,
    short_paged,
    undisturbed,
)

PATIENCE = Limits(connect_seconds=5, read_seconds=3, total_seconds=6)
"""Long enough for a provider on a busy machine, short enough for those that never answer."""


Tell = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="every fault on every platform, which takes a while")
    parser.addoption("--fault-report", type=Path, help="where to add what came of each fault")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rest_of_the_matrix: runs with --all-faults only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all-faults"):
        return
    rest = [item for item in items if item.get_closest_marker("rest_of_the_matrix")]
    if rest:
        config.hook.pytest_deselected(items=rest)
        items[:] = [item for item in items if item not in set(rest)]


@pytest.fixture
def tell(platform: str, request: pytest.FixtureRequest) -> Tell:
    """Add a line to the report."""
    report = request.config.getoption("--fault-report")

    def tell(fault: str, outcome: str, **numbers: int) -> None:
        if report:
            with report.open("a") as lines:
                lines.write(json.dumps({"platform": platform, "fault": fault, "outcome": outcome, **numbers}) + "\n")

    return tell


@pytest.fixture(scope="session")
def sandbox_of() -> Iterator[Callable[[str], Sandbox]]:
    """A provider that serves short pages, so that lists have several; it lives as long as the session."""
    with ExitStack() as stack:

        @cache
        def sandbox_of(provider: str) -> Sandbox:
            return stack.enter_context(short_paged(provider))

        yield lambda platform: sandbox_of(LENDERS.get(platform, platform))


@pytest.fixture(scope="session")
def truth_of(
    sandbox_of: Callable[[str], Sandbox], server_url: str, template_database: str
) -> Callable[[str], Undisturbed]:
    @cache
    def truth_of(platform: str) -> Undisturbed:
        with pytest.MonkeyPatch.context() as patch:
            return undisturbed(sandbox_of(platform), platform, server_url, template_database, patch)

    return truth_of


@pytest.fixture
def api_url(platform: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AbstractContextManager[None]]:
    """Have the platform at another address for a while."""

    @contextmanager
    def elsewhere(url: str) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setenv(f"CROWD_{LENDERS.get(platform, platform).upper()}_API_URL", url)
            yield

    return elsewhere


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with closing_engine(database_url) as engine:
        yield engine


@pytest.fixture
def ground(
    platform: str,
    sandbox_of: Callable[[str], Sandbox],
    truth_of: Callable[[str], Undisturbed],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    sandbox, truth = sandbox_of(platform), truth_of(platform)
    sandbox.clear_faults()
    with connected_to(sandbox, platform, engine, monkeypatch, limits=PATIENCE) as connected:
        yield Ground.of(connected, truth)
    sandbox.clear_faults()
