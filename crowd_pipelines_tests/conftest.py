"""A real PostgreSQL for every test that asks for one: a template is migrated once, and each test gets a copy of it.

The embedded server is shared by all workers and all sessions of a checkout. With CROWD_TEST_DATABASE_URL (a role that
may create databases), that server is used instead.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy import make_url

from crowd_pipelines.model import clock
from crowd_pipelines.store.embedded import EmbeddedPostgres

CHECKOUT = Path(__file__).parent.parent
# What decides where and with what the tests run is ours to read; everything else would change what they test.
KEPT_VARIABLES = {"CROWD_TEST_DATABASE_URL", "CROWD_SPECS_DIR"}

# No deadlines: the machines are noisy. The suite tries the same few examples each time, `make fuzz` many new ones.
_NO_CLOCK: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("some", max_examples=50, derandomize=True, **_NO_CLOCK)
settings.register_profile("fuzz", max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000")), **_NO_CLOCK)
settings.load_profile("some")


def pytest_configure() -> None:
    """Before collection, since modules may read the environment when they are imported."""
    for name in list(os.environ):
        if name.startswith(("CROWD_", "DAGSTER_")) and name not in KEPT_VARIABLES:
            del os.environ[name]


@contextmanager
def server() -> Iterator[str]:
    """The URL of a database on the test server from which others can be created."""
    if given := os.environ.get("CROWD_TEST_DATABASE_URL"):
        yield given
        return
    (CHECKOUT / ".crowd").mkdir(mode=0o700, exist_ok=True)
    embedded = EmbeddedPostgres.at(CHECKOUT / ".crowd" / "tests", durable=False)
    embedded.start()
    try:
        yield embedded.url("postgres")
    finally:
        embedded.stop()


@pytest.fixture(autouse=True)
def _own_clock() -> Iterator[None]:
    """What one test's database said of the time is nothing to the next one's."""
    clock.forget()
    yield
    clock.forget()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The test server, for the whole session."""
    with server() as url:
        yield url


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """The name of a database with all migrations applied."""
    from crowd_pipelines.store.migrations import upgrade  # noqa: PLC0415  tests without a database need not load it

    with database_on(server_url, prefix="template") as url:
        upgrade(url)
        yield name_of(url)


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """The URL of a migrated, empty database of the test's own."""
    with database_on(server_url, prefix="test", template=template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """The URL of a database without any table, for the migrations' own tests and for Dagster's storage."""
    with database_on(server_url, prefix="empty") as url:
        yield url


@pytest.fixture
def process_environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The whole environment for a process under test: nothing of the caller's but what finds programs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "CROWD_DATABASE_URL": database_url,
    }


@contextmanager
def database_on(server_url: str, *, prefix: str, template: str = "template0") -> Iterator[str]:
    """A new database, dropped afterwards whoever is still connected."""
    name = f"crowd_{prefix}_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def name_of(url: str) -> str:
    return make_url(url).database or ""
