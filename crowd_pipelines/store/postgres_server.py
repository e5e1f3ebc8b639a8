"""One PostgreSQL server in one folder: made, launched, found and ended. Who may do so, and when, is `embedded.py`'s."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from crowd_pipelines.store.postgres_wheel import (
    MAJOR_VERSION,
    Account,
    EmbeddedPostgresError,
    Programs,
    account_for,
    programs_for,
    roots_place,
)

START_SECONDS = 60
# macOS allows 103 bytes for the path of a socket, Linux 107; the server adds this file's name.
LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.5432")
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
CARELESS_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "dynamic_shared_memory_type": "mmap",  # lies with the data, so that nothing is left when both are deleted
}
# Making a database means making 300 files: 6 ms here, 70 to 330 ms on a disk.
MEMORY = Path("/dev/shm")  # noqa: S108  what is made in it gets a name nobody can guess
MEMORY_NEEDED = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """Its folder holds `data`, `socket` and `postgres.log`; it is a link when the server's data must lie elsewhere."""

    home: Path
    durable: bool

    @property
    def data(self) -> Path:
        return self.home.resolve() / "data"

    @property
    def socket_folder(self) -> Path:
        return (self.home / "socket").resolve()

    @property
    def log(self) -> Path:
        return self.home.resolve() / "postgres.log"

    def is_running(self) -> bool:
        """Also while it is still starting, recovering or ending."""
        return _is_server_of(self.data, _noted_pid(self.data))

    def launch(self) -> None:
        """From whatever an earlier process left: nothing, half of it, or the data of a killed server."""
        if not self.durable:
            self.delete()
        account = _make_home(self.home, durable=self.durable)
        programs = programs_for(account)
        _make_data(programs, self.data, durable=self.durable)
        _make_socket_folder(self.home.resolve() / "socket", account)
        _remove_marks(self.data / "postmaster.pid", *self.socket_folder.glob(".s.PGSQL.*"))
        deadline = time.monotonic() + START_SECONDS
        while not self._starts(programs, deadline=deadline):
            time.sleep(0.1)

    def _starts(self, programs: Programs, *, deadline: float) -> bool:
        """False while processes of a killed server still hold its shared memory: they leave within moments."""
        written = self.log.stat().st_size if self.log.exists() else 0
        try:
            programs.run("pg_ctl", "start", *self._waiting(), "--log", self.log, "--options", self._options())
        except EmbeddedPostgresError as error:
            said = self.log.read_text(errors="replace")[written:].strip() if self.log.exists() else ""
            if "pre-existing shared memory block" in said and time.monotonic() < deadline:
                return False
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL does not start: {said[-2000:] or error}\n"
                f"Its log is {self.log}. Set CROWD_DATABASE_URL to use a PostgreSQL of yours instead."
            ) from error
        return True

    def _waiting(self) -> list[str | Path]:
        return ["--pgdata", self.data, "--wait", "--timeout", str(START_SECONDS)]

    def _options(self) -> str:
        settings = SETTINGS | {"unix_socket_directories": str(self.socket_folder)}
        if not self.durable:
            settings |= CARELESS_SETTINGS
        return shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """To the maintenance database of a server that is launched unless it runs.

        One that seems to run may be about to vanish, killed, or may not be ready yet, its starter having been killed.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            if not self.is_running():
                self.launch()
            try:
                return psycopg.connect(
                    host=str(self.socket_folder), port=5432, user="postgres", dbname="postgres", autocommit=True
                )
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"The embedded PostgreSQL does not answer: {error}\nIts log is {self.log}."
                    ) from error
                time.sleep(0.1)

    def end(self) -> None:
        """Cuts sessions off and keeps what they committed; a server that is not durable leaves nothing behind."""
        if self.is_running():
            programs_for(account_for(self.home)).run("pg_ctl", "stop", "--mode", "fast", *self._waiting())
        if not self.durable:
            self.delete()

    def delete(self) -> None:
        for folder in (self.socket_folder, self.home.resolve()):
            if folder.exists():
                shutil.rmtree(folder)
        if self.home.is_symlink():
            self.home.unlink()


def _noted_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _is_server_of(data: Path, pid: int | None) -> bool:
    """Numbers of processes are used again, so a living process says little: its command names the data."""
    if pid is None:
        return False
    if not Path("/proc/self").exists():  # macOS
        listing = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False)
        return str(data).encode() in listing.stdout
    try:
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _remove_marks(*paths: Path) -> None:
    """The server that left them is gone. PostgreSQL would refuse them if any process had got its number since."""
    for path in paths:
        path.unlink(missing_ok=True)


def _make_home(home: Path, *, durable: bool) -> Account:
    """A folder of the account that runs the server, which is returned."""
    account = account_for(home)
    if home.exists():
        return account
    home.unlink(missing_ok=True)  # a link whose target was deleted
    place = _place_elsewhere(account, durable=durable)
    if place is None:
        home.mkdir(mode=0o700)
        return account
    made = Path(tempfile.mkdtemp(prefix="crowd-pipelines-", dir=place))
    account.own(made)
    home.symlink_to(made)
    return account


def _place_elsewhere(account: Account, *, durable: bool) -> Path | None:
    """Memory for data nobody will miss; for root, whose folders other accounts cannot enter, a place for it."""
    if not durable and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
        return MEMORY
    return None if account.is_mine else roots_place()


def _make_data(programs: Programs, data: Path, *, durable: bool) -> None:
    """Made under another name first, so that `data` is never half a database."""
    if data.exists():
        _refuse_other_version(data)
        return
    making = data.with_name("data.making")
    if making.exists():
        shutil.rmtree(making)
    # The builtin locale sorts alike on every system, whatever libraries it has.
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    care = [] if durable else ["--no-sync"]
    programs.run("initdb", "--pgdata", making, "--username=postgres", "--auth=trust", *locale, *care)
    making.rename(data)


def _refuse_other_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != MAJOR_VERSION:
        raise EmbeddedPostgresError(
            f"The data in {data} was written by PostgreSQL {found}, and this is PostgreSQL {MAJOR_VERSION}. "
            f"Dump it with the version that wrote it and load it again, or delete {data} to begin afresh."
        )


def _make_socket_folder(folder: Path, account: Account) -> None:
    """Below the server's folder if the path is short and plain enough, else in a private temporary folder."""
    if folder.exists():
        return
    folder.unlink(missing_ok=True)  # a link to a temporary folder that was cleaned away
    if len(str(folder).encode()) <= LONGEST_SOCKET_FOLDER and re.fullmatch(r"[\w./-]+", str(folder)):
        folder.mkdir(mode=0o700)
        account.own(folder)
    else:
        made = Path(tempfile.mkdtemp(prefix="crowd-pipelines-"))
        account.own(made)
        folder.symlink_to(made)
