"""Experiments on the database of a whole installation: away, cutting sessions off, all taken, full, read-only.

Both databases, the community's and Dagster's, are on the server that is hurt.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from crowd_pipelines.store.postgres_wheel import account_for, roots_place
from crowd_pipelines_tests.chaos.deployed_experiment import Deployed
from crowd_pipelines_tests.chaos.deployed_truth import failed_streams
from crowd_pipelines_tests.chaos.experiment import Experiment


class Outage(Deployed):
    """Trouble of the database is nobody's fault: it costs no stream a try, and work goes on by itself."""

    scenario = "S3"
    seconds: float

    def look(self, tenant: str) -> list[str]:
        harmed = failed_streams(self.site, tenant)
        return [*super().look(tenant), *(f"the outage cost a try: {one}" for one in harmed)]


class Stopped(Outage):
    """PostgreSQL ends as in a crash, and starts again on its data after a while."""

    def __init__(self, seconds: float, *, phases: tuple[str, ...] = ("onboarding", "check")) -> None:
        self.seconds = seconds
        self.phases = phases
        self.name = f"PostgreSQL stopped for {seconds:.0f} s"

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=5)
        self.site.stop_database("immediate")
        time.sleep(self.seconds)
        self.site.start_database()
        return 1


class SessionsEnded(Outage):
    """Random sessions are cut off, again and again."""

    name = "database sessions terminated at random"
    times = 25

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=1)
        ended = 0
        for _ in range(self.times):
            sessions = self.site.database.rows(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " ORDER BY pid"
            )
            if sessions:
                chosen = self.dice.choice(sessions)["pid"]
                ended += bool(self.site.database.value("SELECT pg_terminate_backend(%(pid)s)", pid=chosen))
            time.sleep(self.dice.uniform(0.05, 0.5))
        return ended


class NoConnections(Outage):
    """Somebody else takes every connection that comes free, for some seconds."""

    name = "database connections exhausted"
    seconds = 20

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=5)
        refused, deadline = 0, time.monotonic() + self.seconds
        with ExitStack() as held:
            held.enter_context(self._fewer_sessions())
            while time.monotonic() < deadline:
                try:
                    held.enter_context(psycopg.connect(self.site.dagster.url))
                except psycopg.OperationalError:
                    refused += 1
                    time.sleep(0.2)
        return refused

    @contextmanager
    def _fewer_sessions(self) -> Iterator[None]:
        """Idle sessions give their place up, so that the rest is really fought for."""
        self.site.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND state = 'idle' AND pid <> pg_backend_pid()"
        )
        yield


class ReadOnly(Outage):
    """A failover: all sessions end, new ones lead to a server that only reads, and then to one that writes.

    Whatever changes the server's role ends its sessions or makes them writable: here they end.
    """

    name = "read-only failover"
    seconds = 25

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=5)
        ended = self._become("SET default_transaction_read_only = on")
        time.sleep(self.seconds)
        return ended + self._become("RESET default_transaction_read_only")

    def _become(self, role: str) -> int:
        """Change the server's role; returns how many sessions that cost."""
        for database in ("crowd", "dagster"):
            self._execute(f"ALTER DATABASE {database} {role}")
        return self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    def _execute(self, sql: str) -> int:
        with psycopg.connect(self.site.dagster.url, dbname="postgres", autocommit=True) as connection:
            return connection.execute(sql.encode()).rowcount


class DiskFull(Outage):
    """The community's tables lie on a small disk of their own, which somebody else fills for some seconds.

    Mounting one takes root; without, this says that it was not run.
    """

    name = "disk full"
    seconds = 20
    megabytes = 256

    def disturb(self, tenant: str) -> int:
        with self._small_disk() as place:
            self.random_moment(tenant, longest=3)
            filler = place / "filler"
            self._fill(filler)
            before = self._refused()
            deadline = time.monotonic() + self.seconds
            while time.monotonic() < deadline:
                self._fill(filler)
                time.sleep(0.2)
            filler.unlink()
            refused = self._refused() - before
            # The tables stay there until nobody is at work any more.
            self._at_rest_quietly(tenant)
        return refused

    def _at_rest_quietly(self, tenant: str) -> None:
        deadline = time.monotonic() + 240
        while self.at_work(tenant) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _refused(self) -> int:
        """How often the server said so, as its log tells."""
        return self.site.server.log.read_text(errors="replace").count("No space left on device")

    def _fill(self, filler: Path) -> None:
        with suppress(OSError), filler.open("ab", buffering=0) as output:
            while True:
                output.write(b"\0" * 8192)

    @contextmanager
    def _small_disk(self) -> Iterator[Path]:
        if os.getuid() != 0:
            raise NotRun("only root may mount a small disk")
        account = account_for(self.site.server.home)
        place = Path(tempfile.mkdtemp(prefix="crowd-pipelines-small-", dir=roots_place()))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "tmpfs", str(place)]
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
        if made.returncode:
            place.rmdir()
            raise NotRun(f"no small disk can be mounted here: {made.stderr.strip()}")
        space = place / "space"
        space.mkdir(mode=0o700)
        account.own(place)
        account.own(space)
        try:
            self.site.database.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            self._move("small")
            yield place
        finally:
            try:
                self._move("pg_default")
                self.site.database.execute("DROP TABLESPACE small")
            finally:
                subprocess.run(["umount", "--lazy", str(place)], check=False)
                place.rmdir()

    def _move(self, tablespace: str) -> None:
        self.site.database.execute(
            f"ALTER TABLE ALL IN TABLESPACE {self._other(tablespace)} SET TABLESPACE {tablespace}"
        )
        self.site.database.execute(
            f"ALTER INDEX ALL IN TABLESPACE {self._other(tablespace)} SET TABLESPACE {tablespace}"
        )

    def _other(self, tablespace: str) -> str:
        return "pg_default" if tablespace == "small" else "small"


class NotRun(Exception):
    """The experiment is impossible on this machine; the message says why."""


def experiments() -> list[Experiment]:
    """All experiments on an installation's database."""
    return [
        Stopped(2),
        Stopped(25),
        Stopped(120, phases=("onboarding",)),
        SessionsEnded(),
        NoConnections(),
        ReadOnly(),
        DiskFull(),
    ]
