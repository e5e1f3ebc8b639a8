import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.postgres_wheel import account_for, programs_for

CHECKOUT = Path(__file__).parent.parent.parent
PASSWORDS = {"CROWD_POSTGRES_PASSWORD": 'it\'s $odd "here"', "CROWD_DAGSTER_POSTGRES_PASSWORD": "another"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL of a new server, as the postgres image starts one, after create-databases.sh has run on it."""
    postgres = EmbeddedPostgres.at(tmp_path / "state", durable=False)
    postgres.start()
    url = postgres.url("postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        for made_by_the_embedded_one in ("crowd", "dagster"):
            connection.execute(f"DROP DATABASE {made_by_the_embedded_one}".encode())
        connection.execute("ALTER ROLE postgres PASSWORD 'from POSTGRES_PASSWORD'")
    home = tmp_path / "state" / "postgres"
    path = f"{programs_for(account_for(home)).folder}:{os.environ['PATH']}"
    subprocess.run(
        [CHECKOUT / "deploy" / "postgres" / "create-databases.sh"],
        env=PASSWORDS | {"PATH": path, "PGHOST": str((home / "socket").resolve()), "PGPORT": "5432"},
        check=True,
        capture_output=True,
    )
    with psycopg.connect(url, autocommit=True) as connection:
        (home / "data" / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    postgres.stop()


def login(url: str, *, role: str, database: str, password: str) -> str | None:
    """What the server says against it, None when nothing."""
    try:
        with psycopg.connect(url, user=role, dbname=database, password=password) as connection:
            connection.execute("CREATE TABLE mine ()")
    except psycopg.Error as error:
        return str(error)
    return None


def test_each_role_has_its_own_database_and_no_other(server: str) -> None:
    crowd, dagster = PASSWORDS["CROWD_POSTGRES_PASSWORD"], PASSWORDS["CROWD_DAGSTER_POSTGRES_PASSWORD"]

    assert login(server, role="crowd", database="crowd", password=crowd) is None
    assert login(server, role="dagster", database="dagster", password=dagster) is None
    assert "permission denied" in str(login(server, role="dagster", database="crowd", password=dagster))
    assert "permission denied" in str(login(server, role="crowd", database="dagster", password=crowd))
    assert "password authentication failed" in str(login(server, role="dagster", database="dagster", password=crowd))


def test_nobody_can_log_in_as_the_superuser_with_a_password(server: str) -> None:
    roles = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL ORDER BY 1"
    with psycopg.connect(server) as connection:
        assert connection.execute(roles).fetchall() == [("crowd",), ("dagster",)]
