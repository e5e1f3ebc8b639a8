"""DEV integrations in a database of the test's own, and the resources that lead to it."""

from collections.abc import Iterator

import dagster as dg
import pytest

from crowd_pipelines.defs.resources import (
    ApiClientsResource,
    DatabaseResource,
    LifecycleResource,
    RateBudgetResource,
)
from crowd_pipelines.store import database
from crowd_pipelines.store.vault import new_key
from crowd_pipelines_tests.defs.connected import Connected


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def connected(database_url: str) -> Iterator[Connected]:
    engine = database.create(database_url)
    yield Connected(engine=engine)
    engine.dispose()


@pytest.fixture
def lifecycle(database_url: str) -> LifecycleResource:
    budget = RateBudgetResource(database=DatabaseResource(url=database_url))
    return LifecycleResource(api_clients=ApiClientsResource(rate_budget=budget, encryption_key=new_key()))
