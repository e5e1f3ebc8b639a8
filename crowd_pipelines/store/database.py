"""Connections: one engine per process, and the URL in the form each driver wants."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import psycopg
import tenacity
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from sqlalchemy import URL, Connection, Engine, Executable, Row, TextClause, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from crowd_pipelines import failpoints
from crowd_pipelines.model import clock
from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.model.text import clean_json
from crowd_pipelines.store.leases import lease_seconds

T = TypeVar("T")

_JSON = json.JSONEncoder(ensure_ascii=False)

STATEMENT_ROWS = 1_000

PATIENCE_SECONDS = 150
"""How long work waits for a database that went away; restarts and failovers take about that."""

BRIEF_PATIENCE_SECONDS = 20
"""How long somebody waits who is asked again soon anyway: a sensor or a schedule, which Dagster gives 60 s, and whose
threads in the code server others need."""

_CONFLICTS = ("40001", "40P01")
"""SQLSTATEs of a lost race (serialization failure, deadlock): the transaction may simply be repeated."""

_READ_ONLY = "25006"

_OUT_OF_SERVICE = ("25P03", "57P01", "57P02", "57P03", "53100", "53300", "53400", _READ_ONLY)
"""SQLSTATEs of a server that ended a transaction whose client was silent; of one that shuts down, crashed or starts; of
a full disk, too many connections or another limit reached; of one that has become a standby."""

_CONFLICTING_PARENT = "fk_activities_parent_id"
"""Violated only when another transaction added the same parent at the same moment: then it has the other's id."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached; the message says which and what to check."""


def engine_url(url: str | SecretStr) -> URL:
    """Return `url` for psycopg 3, whatever driver it names. Raises DatabaseUnavailable when it is no URL."""
    try:
        parsed = make_url(revealed(url))
    except ArgumentError:
        raise DatabaseUnavailable(
            "CROWD_DATABASE_URL is no database URL; give postgresql://user:password@host/database"
        ) from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise DatabaseUnavailable(
            f"CROWD_DATABASE_URL names {parsed.get_backend_name()}; only postgresql:// is supported"
        )
    return parsed.set(drivername="postgresql+psycopg")


def dagster_url(url: str | SecretStr) -> str:
    """Return `url` as Dagster's storage needs it: a bare postgresql:// means psycopg 3 to SQLAlchemy 2.1."""
    return engine_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def create(url: str | SecretStr, *, pool_size: int = 10) -> Engine:
    """Return an engine whose sessions are in UTC.

    Connections are not pinged before use, which would cost a round trip each time: `transact` replaces dead ones.
    A transaction whose client is silent for a lease is ended by the server: a frozen worker must not go on holding the
    locks on what its successor has to write.
    """
    silence = f"-c idle_in_transaction_session_timeout={round(lease_seconds() * 1000)}"
    engine = create_engine(
        engine_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_recycle=1800,
        # Errors must not show parameters: they hold people's texts and sealed credentials.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "options": f"-c timezone=UTC -c jit=off {silence}",
            "application_name": "crowd_pipelines",
        },
    )
    failpoints.arm(engine)
    return engine


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


def current_time(conn: Connection) -> datetime:
    """Return what time it is, by the clock that counts; in UTC."""
    moment: datetime = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def follow_clock(engine: Engine) -> None:
    """Let this process go by the database's clock from now on; see `model.clock`."""

    def ask(conn: Connection) -> None:
        asked_at = time.monotonic()
        clock.set_by(current_time(conn), asked_at=asked_at)

    transact(engine, ask)


def transact(engine: Engine, work: Callable[[Connection], T], *, patience: float = PATIENCE_SECONDS) -> T:
    """Run `work` in one transaction: again when it lost a race, and for `patience` s while the database is away.

    Work must bear repetition: when a connection breaks during COMMIT, nobody knows whether it went through.
    """

    def attempt() -> T:
        with engine.begin() as connection:
            result = work(connection)
        failpoints.committed()
        return result

    return _patiently(engine, attempt, patience=patience)


def execute(engine: Engine, statement: Executable, arguments: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Run one statement in a transaction of its own, as `transact` would; returns its rows.

    Without BEGIN and COMMIT it is one round trip instead of three.
    """

    def attempt() -> Sequence[Row[Any]]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return connection.execute(statement, arguments).all()

    return _patiently(engine, attempt)


def _patiently(engine: Engine, attempt: Callable[[], T], *, patience: float = PATIENCE_SECONDS) -> T:
    def renew_sessions(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None and _sqlstate(error) == _READ_ONLY:
            # These lead to a server that another one has replaced: an address asked anew leads to that one.
            engine.dispose()

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lost_race) | tenacity.retry_if_exception(out_of_service),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=5),
        stop=tenacity.stop_after_delay(patience),
        before_sleep=renew_sessions,
        reraise=True,
    )(attempt)


def lost_race(error: BaseException) -> bool:
    """Tell whether a transaction failed only because another one was in its way."""
    if not isinstance(error, DBAPIError) or not isinstance(error.orig, psycopg.Error):
        return False
    return error.orig.sqlstate in _CONFLICTS or error.orig.diag.constraint_name == _CONFLICTING_PARENT


def out_of_service(error: BaseException) -> bool:
    """Tell whether a transaction failed because the server cannot serve for now, whatever it was asked for.

    It went away or the connection to it did, it has no connection or no disk space left, or it only reads since a
    failover. That passes, and says nothing about what was to be written.
    """
    if not isinstance(error, DBAPIError):
        return False
    state = _sqlstate(error)
    if error.connection_invalidated or state in _OUT_OF_SERVICE or (state or "")[:2] == "08":
        return True
    # A value that the driver refuses has no SQLSTATE either, and will not become better by waiting.
    return state is None and isinstance(error, OperationalError | InterfaceError)


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


@cache
def query(name: str) -> TextClause:
    """Return the statement in `sql/<name>.sql`."""
    statement = text(resources.files("crowd_pipelines.store").joinpath(f"sql/{name}.sql").read_text("utf-8"))
    return statement.execution_options(query=name)


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
