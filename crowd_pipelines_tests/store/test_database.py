"""What is worth waiting for, and what is not."""

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from crowd_pipelines.store.database import connection_lost, transact


def test_a_text_that_the_driver_refuses_is_told_at_once(engine: Engine) -> None:
    asked: list[str] = []

    def refused(conn: object) -> None:
        asked.append("")
        conn.execute(text("SELECT CAST(:text AS text)"), {"text": "a\x00b"})  # type: ignore[attr-defined]

    with pytest.raises(DBAPIError) as told:
        transact(engine, refused)
    assert (len(asked), connection_lost(told.value)) == (1, False)


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
