"""A whole installation that can be hurt part by part: PostgreSQL of its own, the simulated providers, and Dagster's
code server, webserver and daemon, each a process that can be killed and started again.

Which processes belong to it is told by their environment, so that orphans are found, too. Linux only.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

import psycopg
from sqlalchemy import Connection, Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.stack.processes import StackError, answers, free_port
from crowd_pipelines.store import integrations, migrations
from crowd_pipelines.store.database import create, dagster_url, transact
from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.postgres_server import PostgresServer
from crowd_pipelines.store.postgres_wheel import account_for, programs_for
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Database

T = TypeVar("T")

Key = tuple[str, str]
"""The type of an activity and its id with the provider."""

CHECKOUT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
PART = "CROWD_CHAOS_PART"
PARTS = ("code", "webserver", "daemon")
START_SECONDS = 120
LEASE_SECONDS = 9
"""Short, so that most experiments need not wait 45 s for a dead worker's leases."""

PACE = "60"
"""Requests per second and platform: an onboarding takes some seconds, so that there is a middle to hurt it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the installation; `part` is the one that it descends from."""

    pid: int
    parent: int
    part: str
    command: str

    @property
    def is_worker(self) -> bool:
        """Dagster's runs are spawned by the code server."""
        return self.part.startswith("code") and "spawn_main" in self.command


@dataclass(kw_only=True)
class Site:
    """The installation; made with `running`."""

    home: Path
    sandbox: Sandbox
    server: PostgresServer
    environment: dict[str, str]
    database: Database
    dagster: Database
    ui: DagsterUi
    ports: Mapping[str, int]
    out_of_reach: set[Key] = field(default_factory=set)
    """What the provider no longer showed when the communities were connected."""
    _started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, home: Path, *, seed: int = 11, **variables: str) -> Iterator[Self]:
        """Everything up, until the end of the block; `home` is begun afresh."""
        postgres = EmbeddedPostgres.at(home / "database")
        postgres.stop(force=True)
        shutil.rmtree((home / "database" / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
        url = postgres.start()
        try:
            migrations.upgrade(url)
            with Sandbox.start(seed=seed) as sandbox:
                site = cls._of(home, sandbox, url, dagster_url(postgres.url("dagster")), variables)
                try:
                    site.start(*PARTS)
                    yield site
                finally:
                    site._end()
        finally:
            postgres.stop(force=True)
            shutil.rmtree((home / "database" / "postgres").resolve(), ignore_errors=True)

    @classmethod
    def _of(cls, home: Path, sandbox: Sandbox, url: str, dagsters: str, variables: Mapping[str, str]) -> Self:
        ports = {"code": free_port(), "webserver": free_port()}
        folder = home / "dagster"
        folder.mkdir(parents=True)
        shutil.copyfile(CHECKOUT / "dagster.yaml", folder / "dagster.yaml")
        location = {"host": "127.0.0.1", "port": ports["code"], "location_name": "crowd_pipelines.definitions"}
        (home / "workspace.yaml").write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
        providers = {f"CROWD_{name.upper()}_API_URL": sandbox.api_url(name) for name in sandbox.platforms}
        paces = {f"CROWD_{name.upper()}_REQUESTS_PER_SECOND": PACE for name in sandbox.platforms}
        apps = {key: value for name in sandbox.platforms for key, value in sandbox.environment(name).items()}
        environment = {
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUNBUFFERED": "1",
            "DAGSTER_HOME": str(folder),
            "CROWD_HOME": str(home),
            "CROWD_DATABASE_URL": url,
            "CROWD_DAGSTER_DATABASE_URL": dagsters,
            "CROWD_ENCRYPTION_KEY": new_key(),
            "CROWD_LEASE_SECONDS": str(LEASE_SECONDS),
            **providers,
            **paces,
            **apps,
            **variables,
        }
        return cls(
            home=home,
            sandbox=sandbox,
            server=PostgresServer(home=home / "database" / "postgres", durable=True),
            environment=environment,
            database=Database(url=url),
            dagster=Database(url=dagsters.replace("+psycopg2", "")),
            ui=DagsterUi(url=f"http://127.0.0.1:{ports['webserver']}"),
            ports=ports,
        )

    # Parts.

    def start(self, *parts: str, **variables: str) -> None:
        """Start parts and wait until they answer; `daemon-2` and the like are further ones of their kind."""
        for part in parts:
            log = self.home / "logs" / f"{part}.log"
            log.parent.mkdir(exist_ok=True)
            with log.open("ab") as output:
                self._started[part] = subprocess.Popen(
                    self._command(part.partition("-")[0]),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**self.environment, PART: part, **variables},
                    cwd=self.home,
                )
            if part.startswith("code"):
                wait_for(self._code_answers, f"{part} to answer", seconds=START_SECONDS)
            if part == "webserver":
                wait_for(lambda: answers(f"{self.ui.url}/server_info"), "the webserver", seconds=START_SECONDS)

    def restart(self, *parts: str) -> None:
        """Start again what is not running."""
        for part in parts:
            if part not in self._started or self._started[part].poll() is not None:
                self.start(part)

    def stop(self, *parts: str) -> None:
        """End parts at once, with all that they started."""
        self.kill(*(process.pid for process in self.processes() if process.part in parts))

    @property
    def clock_file(self) -> Path:
        """Says how many seconds ahead the clock of the parts is that were started with `wrong_clock`."""
        return self.home / "clock"

    @property
    def wrong_clock(self) -> dict[str, str]:
        """The variables that make a part go by the file's clock."""
        folder = Path(__file__).parent / "wrong_clock"
        return {"CROWD_CHAOS_CLOCK": str(self.clock_file), "PYTHONPATH": f"{folder}:{CHECKOUT}"}

    def main(self, part: str) -> int:
        """The process that was started as this part."""
        return self._started[part].pid

    def kill(self, *pids: int, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal processes of the installation, no others; returns how many there were."""
        mine = {process.pid for process in self.processes()}
        sent = 0
        for pid in pids:
            with suppress(ProcessLookupError):
                if pid in mine:
                    os.kill(pid, number)
                    sent += 1
        for process in self._started.values():
            if process.pid in pids and number is signal.SIGKILL:
                process.wait()
        return sent

    def processes(self) -> list[Process]:
        """All that live, whoever their parent is."""
        found = (_process(int(path.name), self.home) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [process for process in found if process]

    def workers(self) -> list[Process]:
        """The processes of Dagster runs."""
        return [process for process in self.processes() if process.is_worker]

    def worker_of(self, dagster_run_id: str) -> int | None:
        """The process of a Dagster run, None before it has one."""
        sql = "SELECT event FROM event_logs WHERE run_id = %(id)s AND event LIKE '%%Started process for run (pid: %%'"
        rows = self.dagster.rows(sql, id=dagster_run_id)
        return int(rows[0]["event"].partition("Started process for run (pid: ")[2].partition(")")[0]) if rows else None

    # PostgreSQL.

    def stop_database(self, mode: str = "immediate") -> None:
        """Stop PostgreSQL as a crash would: sessions end, nothing is written any more."""
        programs = programs_for(account_for(self.server.home))
        programs.run("pg_ctl", "stop", "--pgdata", self.server.data, "--mode", mode, "--wait")

    def start_database(self) -> None:
        """Start PostgreSQL again on its data."""
        self.server.launch()

    # Integrations.

    @cached_property
    def engine(self) -> Engine:
        """Sessions of the experiments' own."""
        return create(self.database.url)

    @property
    def platforms(self) -> list[str]:
        """All of them; those that read with another one's credentials last."""
        return sorted(self.sandbox.platforms, key=lambda name: (name == "twitter_reach", name))

    def connect(self, platform: str, tenant: str, *, onboarding: bool = True) -> str:
        """The id of a new integration of the simulated community."""
        credentials, settings = self.sandbox.credentials(platform), self.sandbox.settings(platform)

        def write(conn: Connection) -> str:
            tenant_id = integrations.ensure_tenant(conn, tenant)
            made = integrations.connect(conn, tenant_id=tenant_id, platform=platform, name=platform, settings=settings)
            if credentials:
                vault = Vault(self.environment["CROWD_ENCRYPTION_KEY"])
                integrations.set_credentials(conn, made.id, vault.seal(credentials, made.id))
            if onboarding:
                integrations.request_onboarding(conn, [made.id])
            return str(made.id)

        return transact(self.engine, write)

    def forget(self, tenant: str) -> None:
        """Remove a tenant with everything of it, and what its budgets remember."""
        self.database.execute("DELETE FROM tenants WHERE name = %(name)s", name=tenant)
        self.database.execute("DELETE FROM rate_budgets")
        self.sandbox.clear_faults()

    def _command(self, kind: str) -> list[str]:
        workspace = ["-w", str(self.home / "workspace.yaml")]
        return {
            "code": [
                *(str(BIN / "dagster"), "api", "grpc", "-h", "127.0.0.1", "-p", str(self.ports["code"])),
                *("-m", "crowd_pipelines.definitions"),
            ],
            "webserver": [
                *(str(BIN / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(self.ports["webserver"])),
                *workspace,
            ],
            "daemon": [str(BIN / "dagster-daemon"), "run", *workspace],
        }[kind]

    def _code_answers(self) -> bool:
        """It listens when its code is loaded."""
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.ports["code"])) == 0

    def _end(self) -> None:
        for process in self._started.values():
            process.terminate()
        for process in self._started.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
        for left in self.processes():
            with suppress(ProcessLookupError):
                os.kill(left.pid, signal.SIGKILL)
        for process in self._started.values():
            process.wait()


def _process(pid: int, home: Path) -> Process | None:
    """A process if it is one of the installation at `home`, and was started as one of its parts."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        environment = dict(line.partition("=")[::2] for line in (part.decode(errors="replace") for part in raw))
        if environment.get("CROWD_HOME") != str(home) or PART not in environment:
            return None
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if stat[0] == "Z":
        return None
    return Process(pid=pid, parent=int(stat[1]), part=environment[PART], command=command)


def wait_for(look: Callable[[], T | None], what: str, *, seconds: float, every: float = 0.2) -> T:
    """What a look finds, as soon as it finds something; trouble with the database counts as nothing found.

    Raises StackError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        with suppress(psycopg.OperationalError):
            if found := look():
                return found
        if time.monotonic() > deadline:
            raise StackError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)
