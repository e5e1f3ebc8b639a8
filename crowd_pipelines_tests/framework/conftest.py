"""A scripted platform over a database of the test's own."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.framework import refusals
from crowd_pipelines.store import database
from crowd_pipelines_tests.framework.scripted import Script, Town
from crowd_pipelines_tests.store.tenant import Tenant


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return Tenant.connect(engine)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def town(tenant: Tenant, script: Script) -> Town:
    return Town.of(tenant, script)


@pytest.fixture(autouse=True)
def _no_second_look_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "SECOND_LOOK_SECONDS", 0)
