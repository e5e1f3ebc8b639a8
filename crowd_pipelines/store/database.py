"""Connections: one engine per process, and the URL in the form each driver wants."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import psycopg
import tenacity
from psycopg.types.json import Jsonb
from sqlalchemy import URL, Connection, Engine, Executable, Row, TextClause, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from crowd_pipelines.model.text import clean_json

T = TypeVar("T")

_JSON = json.JSONEncoder(ensure_ascii=False)

STATEMENT_ROWS = 1_000

PATIENCE_SECONDS = 150
"""How long work waits for a database that went away; restarts and failovers take about that."""

_CONFLICTS = ("40001", "40P01")
"""SQLSTATEs of a lost race (serialization failure, deadlock): the transaction may simply be repeated."""

_CONFLICTING_PARENT = "fk_activities_parent_id"
"""Violated only when another transaction added the same parent at the same moment: then it has the other's id."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached; the message says which and what to check."""


def engine_url(url: str) -> URL:
    """Return `url` for psycopg 3, whatever driver it names. Raises DatabaseUnavailable when it is no URL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUnavailable(
            "CROWD_DATABASE_URL is no database URL; give postgresql://user:password@host/database"
        ) from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise DatabaseUnavailable(
            f"CROWD_DATABASE_URL names {parsed.get_backend_name()}; only postgresql:// is supported"
        )
    return parsed.set(drivername="postgresql+psycopg")


def dagster_url(url: str) -> str:
    """Return `url` as Dagster's storage needs it: a bare postgresql:// means psycopg 3 to SQLAlchemy 2.1."""
    return engine_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def create(url: str, *, pool_size: int = 10) -> Engine:
    """Return an engine whose sessions are in UTC.

    Connections are not pinged before use, which would cost a round trip each time: `transact` replaces dead ones.
    """
    return create_engine(
        engine_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_recycle=1800,
        # Errors must not show parameters: they hold people's texts and sealed credentials.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "options": "-c timezone=UTC -c jit=off",
            "application_name": "crowd_pipelines",
        },
    )


OLDEST_SERVER = 15
"""The oldest major version of PostgreSQL that we test with."""


def check(engine: Engine) -> None:
    """Raise DatabaseUnavailable when the database cannot be reached, or is too old."""
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
    except OperationalError as error:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise DatabaseUnavailable(
            f"the database {where} cannot be reached: {reason}. Check that it runs and that CROWD_DATABASE_URL is right"
        ) from None
    if version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"the database is PostgreSQL {version}; {OLDEST_SERVER} or newer is needed. Upgrade it, or unset "
            "CROWD_DATABASE_URL for an embedded one"
        )


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction: again when it lost a race, and while the database is away for a moment.

    Work must bear repetition: when a connection breaks during COMMIT, nobody knows whether it went through.
    """

    def attempt() -> T:
        with engine.begin() as connection:
            return work(connection)

    return _patiently(attempt)


def execute(engine: Engine, statement: Executable, arguments: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Run one statement in a transaction of its own, as `transact` would; returns its rows.

    Without BEGIN and COMMIT it is one round trip instead of three.
    """

    def attempt() -> Sequence[Row[Any]]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return connection.execute(statement, arguments).all()

    return _patiently(attempt)


def _patiently(attempt: Callable[[], T]) -> T:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lost_race) | tenacity.retry_if_exception(connection_lost),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=5),
        stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    )(attempt)


def lost_race(error: BaseException) -> bool:
    """Tell whether a transaction failed only because another one was in its way."""
    if not isinstance(error, DBAPIError) or not isinstance(error.orig, psycopg.Error):
        return False
    return error.orig.sqlstate in _CONFLICTS or error.orig.diag.constraint_name == _CONFLICTING_PARENT


def connection_lost(error: BaseException) -> bool:
    """Tell whether a transaction failed because the server or the connection to it went away."""
    if not isinstance(error, OperationalError | InterfaceError):
        # A value that the driver refuses, say, has no SQLSTATE either, and will not become better by waiting.
        return isinstance(error, DBAPIError) and error.connection_invalidated
    state = getattr(error.orig, "sqlstate", None)
    # 57P0x: shutdown, crash or restart; 53300: too many connections; 08xxx and none: the connection itself.
    return error.connection_invalidated or state is None or state[:2] == "08" or state in _GOING_AWAY


_GOING_AWAY = ("57P01", "57P02", "57P03", "53300")


@cache
def query(name: str) -> TextClause:
    """Return the statement in `sql/<name>.sql`."""
    return text(resources.files("crowd_pipelines.store").joinpath(f"sql/{name}.sql").read_text("utf-8"))


def portions(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield rows in as many at once as a statement should carry: a page of ten thousand must not fill the memory."""
    for start in range(0, len(rows), STATEMENT_ROWS):
        yield rows[start : start + STATEMENT_ROWS]


def encode(rows: Iterable[Mapping[str, Any]]) -> Jsonb:
    """Return rows as JSON that jsonb accepts, whatever texts a provider put into them."""
    # Row by row, because one emoji would make a text of all rows four times as large.
    return Jsonb(b"[" + b",".join(map(_encoded, rows)) + b"]", dumps=bytes)


def _encoded(row: Mapping[str, Any]) -> bytes:
    text = _JSON.encode(row)
    # Records come clean: looking at the whole is far faster than at every text in it.
    if "\\u0000" not in text:
        with suppress(UnicodeEncodeError):
            return text.encode()
    return _JSON.encode(clean_json(row)).encode()
