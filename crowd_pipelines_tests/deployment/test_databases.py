"""The databases and roles of a deployment: each may do what it is for, and nothing else."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from crowd_pipelines.cli.examination import examine
from crowd_pipelines.model.health import Verdict
from crowd_pipelines.reports.community import monthly
from crowd_pipelines.reports.costs import costs
from crowd_pipelines.store import database, integrations, migrations, runs, schema
from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.migrations import NotTheOwner
from crowd_pipelines.store.postgres_wheel import account_for, programs_for
from crowd_pipelines.store.vault import new_key

CHECKOUT = Path(__file__).parent.parent.parent
ROLES = ("crowd_migrate", "crowd_ingest", "crowd_read", "dagster")
PASSWORDS = {
    "crowd_migrate": 'it\'s $odd "here"',
    "crowd_ingest": "ingests",
    "crowd_read": "reads",
    "dagster": "another",
}
OLD_VOLUME = """
CREATE ROLE crowd LOGIN PASSWORD 'old';
CREATE DATABASE crowd OWNER crowd;
REVOKE CONNECT, TEMPORARY ON DATABASE crowd FROM PUBLIC;
CREATE ROLE dagster LOGIN PASSWORD 'old';
CREATE DATABASE dagster OWNER dagster;
REVOKE CONNECT, TEMPORARY ON DATABASE dagster FROM PUBLIC;
"""
SENSITIVE = ("credential", "salt", "secret", "token", "password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A PostgreSQL as the postgres image starts one."""

    url: str
    home: Path

    def create_databases(self) -> None:
        """Run the script, as the image does or somebody later."""
        programs = programs_for(account_for(self.home)).folder
        passwords = {f"{role.upper().removeprefix('CROWD_')}": word for role, word in PASSWORDS.items()}
        environment = {f"CROWD_{role}_POSTGRES_PASSWORD": word for role, word in passwords.items()}
        subprocess.run(
            [CHECKOUT / "deploy" / "postgres" / "create-databases.sh"],
            env=environment
            | {"PATH": f"{programs}:{os.environ['PATH']}", "PGPORT": "5432"}
            | {"PGHOST": str((self.home / "socket").resolve())},
            check=True,
            capture_output=True,
        )

    def as_role(self, role: str, database: str = "crowd", *, password: str | None = None) -> str:
        """The URL with which a role logs in."""
        word = quote(PASSWORDS[role] if password is None else password, safe="")
        return self.url.replace("postgres@/postgres", f"{role}:{word}@/{database}")


@pytest.fixture(scope="module")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = tmp_path_factory.mktemp("state")
    postgres = EmbeddedPostgres.at(state, durable=False)
    postgres.start()
    server = Server(url=postgres.url("postgres"), home=state / "postgres")
    (server.home / "data" / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
    yield server
    postgres.stop()


def emptied(server: Server) -> Server:
    """One whose volume is empty."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        for database in ("crowd", "dagster"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        for role in ("crowd", *ROLES):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        connection.execute("ALTER ROLE postgres PASSWORD 'from POSTGRES_PASSWORD'")
    return server


@pytest.fixture(scope="module")
def migrated(bare_server: Server) -> Server:
    """One as a deployment has it. Tests that begin with an empty one end it, and come last in this module."""
    server = emptied(bare_server)
    server.create_databases()
    migrations.upgrade(server.as_role("crowd_migrate"))
    return server


@pytest.fixture
def empty(bare_server: Server) -> Server:
    return emptied(bare_server)


def said(url: str, *statements: str) -> str | None:
    """What the server says against it, None when nothing."""
    try:
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.Error as error:
        return str(error)
    return None


def test_the_doctor_needs_no_more_than_the_role_that_reads_and_writes(
    migrated: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_HOME", str(tmp_path))
    monkeypatch.setenv("CROWD_DATABASE_URL", migrated.as_role("crowd_ingest"))
    monkeypatch.setenv("CROWD_DAGSTER_DATABASE_URL", migrated.as_role("dagster", "dagster"))
    monkeypatch.setenv("CROWD_ENCRYPTION_KEY", new_key())
    found = {(area, one.name): one for area, one in examine(deep=True).found}
    assert [one.seen for one in found.values() if "cannot be" in one.seen] == []
    assert "of the role crowd_ingest" in found["database", "connections"].seen
    # The tests' server is careless, and Dagster has not run on it.
    careless = {("database", "durability"), ("dagster", "storage")}
    assert {key for key, one in found.items() if one.verdict is not Verdict.OK} <= careless


def test_each_role_has_its_own_database_and_no_other(migrated: Server) -> None:
    assert said(migrated.as_role("crowd_migrate"), "CREATE TABLE mine ()", "DROP TABLE mine") is None
    assert said(migrated.as_role("dagster", "dagster"), "CREATE TABLE mine ()", "DROP TABLE mine") is None
    for role, other in (("dagster", "crowd"), *((role, "dagster") for role in ROLES[:3])):
        assert "permission denied for database" in str(said(migrated.as_role(role, other)))
    for role in ROLES:
        wrong = migrated.as_role(role, "dagster" if role == "dagster" else "crowd", password="dagster" + role)
        assert "password authentication failed" in str(said(wrong))


def test_nobody_can_log_in_as_the_superuser_with_a_password(migrated: Server) -> None:
    query = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL ORDER BY 1"
    with psycopg.connect(migrated.url) as connection:
        assert connection.execute(query).fetchall() == [(role,) for role in sorted(ROLES)]


def test_no_role_is_more_than_it_seems(migrated: Server) -> None:
    query = """
    SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)
      AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolconnlimit < 1
           OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid))
    """
    with psycopg.connect(migrated.url) as connection:
        assert connection.execute(query, [list(ROLES)]).fetchall() == []


TENANT = "INSERT INTO tenants (name) VALUES ('a')"
OWNERS_WORK = (
    "CREATE TABLE mine ()",
    "CREATE SCHEMA mine",
    "CREATE TEMPORARY TABLE mine ()",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE members ADD COLUMN mine text",
    "DROP TABLE members",
    "TRUNCATE members",
    "CREATE INDEX ON members (id)",
    "CREATE TRIGGER t AFTER INSERT ON members EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DELETE FROM crowd_schema_version",
    "ALTER ROLE crowd_read CONNECTION LIMIT -1",
    "SET ROLE crowd_migrate",
    "COPY members TO '/tmp/members'",
    "COPY members FROM PROGRAM 'id'",
)


@pytest.mark.parametrize("role", ["crowd_ingest", "crowd_read"])
def test_only_the_owner_changes_the_schema(migrated: Server, role: str) -> None:
    done = [statement for statement in OWNERS_WORK if said(migrated.as_role(role), statement) is None]
    assert done == []
    with pytest.raises(NotTheOwner, match=f"the role {role} may not change the schema"):
        migrations.upgrade(migrated.as_role(role))


def test_ingest_reads_and_writes_rows_of_every_table(migrated: Server) -> None:
    url = migrated.as_role("crowd_ingest")
    assert said(url, TENANT, "UPDATE tenants SET name = 'b'", "DELETE FROM tenants", *read_all()) is None
    assert privileges(migrated, "crowd_ingest") == {
        **{table: {"SELECT", "INSERT", "UPDATE", "DELETE"} for table in schema.metadata.tables},
        migrations.VERSION_TABLE: {"SELECT"},
    }


def test_read_sees_every_table_but_what_is_sealed(migrated: Server) -> None:
    url = migrated.as_role("crowd_read")
    sealed_tables = {name.split(".")[0] for name in schema.SEALED}
    for table in schema.metadata.tables:
        refused = said(url, f"SELECT * FROM {table}")
        assert ("permission denied" in str(refused)) if table in sealed_tables else refused is None
    for table, column in (name.split(".") for name in schema.SEALED):
        assert "permission denied" in str(said(url, f"SELECT {column} FROM {table}"))
        assert "permission denied" in str(said(url, f"SELECT t FROM {table} AS t"))
        assert said(url, f"SELECT count(*) FROM {table}") is None
    assert said(url, "SELECT id, tenant_id, platform, name, status, settings FROM integrations") is None


def test_read_writes_nothing(migrated: Server) -> None:
    url = migrated.as_role("crowd_read")
    read_write = "SET default_transaction_read_only = off; COMMIT"
    for statement in (TENANT, "UPDATE tenants SET name = 'b'", "DELETE FROM tenants"):
        assert "read-only transaction" in str(said(url, statement))
        assert "permission denied for table tenants" in str(said(url, read_write, statement))


def test_reports_and_lists_need_no_more_than_read(migrated: Server) -> None:
    engine = database.create(migrated.as_role("crowd_read"))
    try:
        assert monthly(engine).empty
        assert costs(engine).empty
        with engine.connect() as connection:
            assert integrations.find(connection) == []
            assert runs.find(connection) == []
    finally:
        engine.dispose()


def test_what_sounds_secret_is_sealed() -> None:
    """Or named here, with the reason why it may be read."""
    harmless = {
        "integrations.credentials_key_id",  # which key, not the key
        "integrations.credentials_rejected_at",
        "integrations.credential_refusals",  # how often they were refused
    }
    secret = {
        f"{table.name}.{column.name}"
        for table in schema.metadata.tables.values()
        for column in table.columns
        if any(word in column.name for word in SENSITIVE)
    }
    assert secret - harmless == set(schema.SEALED)


def test_a_privilege_given_by_hand_is_gone_after_the_next_migration(migrated: Server) -> None:
    owner, read = migrated.as_role("crowd_migrate"), migrated.as_role("crowd_read")
    assert said(owner, "GRANT SELECT ON integrations TO crowd_read") is None
    assert said(read, "SELECT credentials FROM integrations") is None
    migrations.upgrade(owner)
    assert "permission denied" in str(said(read, "SELECT credentials FROM integrations"))


def test_tables_of_later_migrations_are_covered_and_others_are_left_alone(empty: Server) -> None:
    empty.create_databases()
    owner = empty.as_role("crowd_migrate")
    migrations.upgrade(owner, "0001")
    before = privileges(empty, "crowd_read")
    assert said(owner, "CREATE TABLE dagsters_own ()") is None
    migrations.upgrade(owner)
    after = privileges(empty, "crowd_read")
    assert "member_reach" in after.keys() - before.keys()
    assert "dagsters_own" not in after


def test_a_volume_of_the_version_with_one_role_is_taken_over(empty: Server) -> None:
    for statement in OLD_VOLUME.strip().split(";\n"):
        with psycopg.connect(empty.url, autocommit=True) as connection:
            connection.execute(statement.rstrip(";").encode())
    migrations.upgrade(empty.url.replace("postgres@/postgres", "crowd:old@/crowd"))
    assert said(empty.url.replace("postgres@/postgres", "crowd:old@/crowd"), TENANT) is None

    for _again in range(2):
        empty.create_databases()
    migrations.upgrade(empty.as_role("crowd_migrate"))

    with psycopg.connect(empty.as_role("crowd_ingest")) as connection:
        assert connection.execute("SELECT name FROM tenants").fetchall() == [("a",)]
    assert 'role "crowd" does not exist' in str(said(empty.url, "SET ROLE crowd"))
    assert said(empty.as_role("crowd_migrate"), "ALTER TABLE tenants ADD COLUMN later text") is None
    assert said(empty.as_role("dagster", "dagster")) is None


def test_a_database_without_these_roles_is_migrated_all_the_same(empty: Server) -> None:
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE crowd")
    migrations.upgrade(empty.url.replace("@/postgres", "@/crowd"))


def read_all() -> list[str]:
    return [f"SELECT * FROM {table}" for table in (*schema.metadata.tables, migrations.VERSION_TABLE)]


def privileges(server: Server, role: str) -> dict[str, set[Any]]:
    """What a role may do with whole tables, or parts of them, by table."""
    query = """
    SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = %(role)s
    UNION SELECT table_name, privilege_type FROM information_schema.column_privileges WHERE grantee = %(role)s
    """
    found: dict[str, set[Any]] = {}
    with psycopg.connect(server.url.replace("@/postgres", "@/crowd")) as connection:
        for table, privilege in connection.execute(query, {"role": role}):
            found.setdefault(table, set()).add(privilege)
    return found
