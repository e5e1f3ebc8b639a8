"""A database, a simulated provider, and the environment of the commands; no Dagster is running."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store.vault import new_key
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.deployment.installation import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where commands are typed."""

    database: Database
    sandbox: Sandbox
    environment: dict[str, str]


@pytest.fixture(scope="package")
def desk(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = str(tmp_path_factory.mktemp("desk"))
    with (
        database_on(server_url, prefix="commands", template=template_database) as url,
        Sandbox.start(seed=11) as sandbox,
    ):
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            "LANG": "C.UTF-8",
            "CROWD_HOME": home,
            "CROWD_DATABASE_URL": url,
            "CROWD_ENCRYPTION_KEY": new_key(),
            "CROWD_DEVTO_API_URL": sandbox.api_url("devto"),
            "CROWD_DEVTO_REQUESTS_PER_SECOND": "200",
        }
        yield Desk(database=Database(url=url), sandbox=sandbox, environment=environment)
