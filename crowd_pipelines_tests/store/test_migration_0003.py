"""The migration of erasures, while others use the tables."""

import threading

import psycopg
from sqlalchemy import make_url

from crowd_pipelines.store import database, migrations

BOUNDED = "-c statement_timeout=60s"
"""So that a worker who is kept waiting fails, sixty times later than it should."""


def test_it_waits_for_a_reader_without_keeping_others_waiting(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url, "0002")
    url = make_url(empty_database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True, options=BOUNDED) as worker:
        # A long report, say, or a backup.
        reader.execute("SELECT count(*) FROM integration_streams")
        migration = threading.Thread(target=migrations.upgrade, args=(empty_database_url,))
        migration.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        while worker.execute(waiting).fetchone() == (0,):
            pass
        # The migration gives up after a second, and lets those pass who came after it.
        worker.execute("UPDATE integration_streams SET updated_at = now()")
        assert migration.is_alive()
        reader.rollback()
        migration.join()
    engine = database.create(empty_database_url)
    assert migrations.current(engine) == migrations.newest()
    engine.dispose()
