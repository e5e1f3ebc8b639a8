"""What is worth waiting for, and what is not."""

from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from crowd_pipelines.store import database
from crowd_pipelines.store.database import out_of_service, transact


def test_a_text_that_the_driver_refuses_is_told_at_once(engine: Engine) -> None:
    asked: list[str] = []

    def refused(conn: object) -> None:
        asked.append("")
        conn.execute(text("SELECT CAST(:text AS text)"), {"text": "a\x00b"})  # type: ignore[attr-defined]

    with pytest.raises(DBAPIError) as told:
        transact(engine, refused)
    assert (len(asked), out_of_service(told.value)) == (1, False)


def test_a_transaction_whose_client_is_silent_for_a_lease_lets_go_of_its_locks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "lease_seconds", lambda: 0.2)
    frozen = database.create(engine.url.render_as_string(hide_password=False))
    taken = text("SELECT pg_advisory_xact_lock(4)")
    with frozen.connect() as conn:
        conn.execute(taken)
        # It waits for as long as the other one holds it.
        transact(engine, lambda other: other.execute(taken))
        with pytest.raises(DBAPIError) as late:
            conn.commit()
        assert out_of_service(late.value)
        conn.invalidate()
    frozen.dispose()


def test_a_session_that_was_ended_is_replaced(engine: Engine) -> None:
    tries: list[int] = []

    def ended_once(conn: object) -> int:
        own = conn.scalar(text("SELECT pg_backend_pid()"))  # type: ignore[attr-defined]
        tries.append(own)
        if len(tries) == 1:
            url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (own,))
        return int(conn.scalar(text("SELECT 1")))  # type: ignore[attr-defined]

    assert transact(engine, ended_once) == 1
    assert len(tries) == 2


READ_ONLY = "SELECT set_config('default_transaction_read_only', 'on', false)"
FULL = "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$"


def test_a_server_that_only_reads_since_a_failover_is_asked_again_over_new_sessions(engine: Engine) -> None:
    with engine.begin() as conn:  # as if this session led to what is a standby now
        conn.execute(text(READ_ONLY))
    tries: list[int] = []

    def write(conn: Connection) -> None:
        tries.append(conn.scalar(text("SELECT pg_backend_pid()")) or 0)
        conn.execute(text("CREATE TABLE written ()"))

    transact(engine, write)
    assert len(set(tries)) == len(tries) == 2


def test_a_full_disk_is_waited_for(engine: Engine) -> None:
    tries: list[int] = []

    def full_once(conn: Connection) -> None:
        tries.append(1)
        if len(tries) == 1:
            conn.execute(text(FULL))

    transact(engine, full_once)
    assert len(tries) == 2


@pytest.mark.parametrize(("patience", "tries"), [(0, 1), (60, 3)])
def test_whoever_is_asked_again_soon_does_not_wait_for_long(engine: Engine, patience: float, tries: int) -> None:
    made: list[int] = []

    def full_twice(conn: Connection) -> None:
        made.append(1)
        if len(made) < 3:
            conn.execute(text(FULL))

    with suppress(OperationalError):
        transact(engine, full_twice, patience=patience)
    assert len(made) == tries
