"""The migrations and `schema.py` say the same."""

import threading
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from crowd_pipelines.store import database, migrations
from crowd_pipelines.store.schema import metadata

CATALOG = {
    "columns": """
        SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default, is_generated,
               generation_expression
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
    """,
    "constraints": """
        SELECT conrelid::regclass::text AS on_table, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
    """,
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
}


def catalog(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the database knows of our tables, constraints with their conditions."""
    engine = database.create(url)
    with engine.connect() as conn:
        found = {what: [tuple(row) for row in conn.execute(text(sql))] for what, sql in CATALOG.items()}
    engine.dispose()
    return {
        what: [row for row in rows if not str(row[0]).startswith(migrations.VERSION_TABLE)]
        for what, rows in found.items()
    }


def test_migrating_down_removes_everything_and_up_again_gives_the_same(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    before = catalog(empty_database_url)
    migrations.downgrade(empty_database_url, "base")
    assert catalog(empty_database_url) == {"columns": [], "constraints": [], "indexes": []}
    migrations.upgrade(empty_database_url)
    assert before["columns"]
    assert catalog(empty_database_url) == before


def test_the_migrations_make_what_the_schema_declares(database_url: str, empty_database_url: str) -> None:
    engine = database.create(empty_database_url)
    metadata.create_all(engine)
    engine.dispose()
    assert catalog(database_url) == catalog(empty_database_url)


def test_alembic_finds_nothing_left_to_migrate(database_url: str) -> None:
    engine = database.create(database_url)

    def differences(conn: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True, "version_table": migrations.VERSION_TABLE}
        return list(compare_metadata(MigrationContext.configure(conn, opts=options), metadata))

    with engine.connect() as conn:
        assert differences(conn) == []
        conn.execute(text("ALTER TABLE members DROP COLUMN reach"))
        assert differences(conn) != []
    assert migrations.current(engine) == migrations.newest()
    engine.dispose()


def test_callers_that_migrate_at_once_take_turns(empty_database_url: str) -> None:
    failures: list[BaseException] = []

    def upgrade() -> None:
        try:
            migrations.upgrade(empty_database_url)
        except BaseException as error:  # noqa: BLE001  it belongs to the test's thread
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    engine = database.create(empty_database_url)
    assert migrations.current(engine) == migrations.newest()
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://somewhere/crowd", "no url", "sqlite://"])
def test_only_postgresql_is_migrated(url: str) -> None:
    with pytest.raises(database.DatabaseUnavailable, match="CROWD_DATABASE_URL"):
        migrations.upgrade(url)
