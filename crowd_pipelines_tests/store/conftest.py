"""A database and a tenant of the test's own."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.store import database
from crowd_pipelines_tests.store.tenant import Tenant


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return Tenant.connect(engine)
