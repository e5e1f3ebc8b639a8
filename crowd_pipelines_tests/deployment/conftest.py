"""One installation for all tests that need a running one; each test has tenants of its own in it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from crowd_pipelines_tests.canaries import Parrot, parrot
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.deployment import secrets
from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Deployment, eventually, installed

UNDER_WAY = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


@pytest.fixture(scope="package")
def provider() -> Iterator[Parrot]:
    """What the platforms besides DEV meet."""
    with parrot() as running:
        yield running


@pytest.fixture(scope="package")
def deployment(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory, provider: Parrot
) -> Iterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("installation")
    with (
        database_on(server_url, prefix="deployed", template=template_database) as ours,
        database_on(server_url, prefix="dagster") as dagsters,
        installed(
            home,
            database_url=secrets.with_password(ours),
            dagster_database_url=secrets.with_password(dagsters),
            more=secrets.environment(provider.url),
        ) as running,
    ):
        yield running


@pytest.fixture(scope="package")
def ui(deployment: Deployment) -> DagsterUi:
    return DagsterUi(url=deployment.ui)


@pytest.fixture
def tenant(deployment: Deployment, ui: DagsterUi) -> Iterator[str]:
    """A name; what the test connects under it is gone afterwards, and nothing runs any more."""
    name = f"tenant {uuid.uuid4().hex[:8]}"
    yield name
    deployment.sandbox.clear_faults()
    deployment.database.execute("UPDATE rate_budgets SET closed_until = NULL, next_free_at = now()")
    settled(ui)
    deployment.database.execute("DELETE FROM tenants WHERE name LIKE %(name)s || '%%'", name=name)
    settled(ui)


def settled(ui: DagsterUi) -> None:
    """Wait until no Dagster run is under way."""
    eventually(lambda: not ui.runs(*UNDER_WAY), "an end of all Dagster runs")
