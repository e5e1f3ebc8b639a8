"""Which part of the grid is gone through: a seeded part with all tests, `--all-refusals` for the whole of it.

`REFUSAL_SEED` chooses the part. `--refusal-report FILE` adds what came of each case to a file, from which
`python -m crowd_pipelines_tests.refusals FILE` makes a table.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crowd_pipelines_tests.refusals.cases import Case, grid, some
from crowd_pipelines_tests.refusals.readings import Readings

SEED = int(os.environ.get("REFUSAL_SEED", "9"))

Report = Callable[[Case, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-refusals", action="store_true", help="the whole grid of refusals, which takes hours")
    parser.addoption("--refusal-draws", type=int, default=1, help="how many times as much as with all tests")
    parser.addoption("--refusal-report", type=Path, help="where to add what came of each refusal")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        draws = metafunc.config.getoption("--refusal-draws")
        cases = grid() if metafunc.config.getoption("--all-refusals") else some(SEED, draws=draws)
        metafunc.parametrize("case", cases, ids=str)


@pytest.fixture(scope="session")
def readings(server_url: str, template_database: str) -> Iterator[Readings]:
    with ExitStack() as stack:
        yield Readings(server_url, template_database, stack)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Add a line to the report."""
    print(f"again: REFUSAL_SEED={SEED}")
    file = request.config.getoption("--refusal-report")

    def report(case: Case, end: str) -> None:
        if file:
            line = {"platform": case.platform, "kind": case.kind, "mode": case.mode, "case": str(case), "end": end}
            with file.open("a") as lines:
                lines.write(json.dumps(line) + "\n")

    return report
