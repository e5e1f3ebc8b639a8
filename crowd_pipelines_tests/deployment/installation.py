"""An installation as people run it: `crowd-pipelines up` in processes of its own, with a simulated provider."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.stack.processes import Service, answers, free_port
from crowd_pipelines.store.database import dagster_url
from crowd_pipelines.store.vault import new_key

T = TypeVar("T")
Row = dict[str, Any]

COMMAND = str(Path(sys.executable).with_name("crowd-pipelines"))
LOOKS = 4800
"""So many looks, a twentieth of a second apart, before something that does not come is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database, looked into and changed from outside."""

    url: str

    def rows(self, sql: str, **values: Any) -> list[Row]:
        with psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def row(self, sql: str, **values: Any) -> Row:
        [row] = self.rows(sql, **values)
        return row

    def value(self, sql: str, **values: Any) -> Any:
        [value] = self.row(sql, **values).values()
        return value

    def execute(self, sql: str, **values: Any) -> int:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode(), values).rowcount

    def tables_with(self, text: str) -> list[str]:
        """The tables that show a text anywhere."""
        tables = self.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
        sql = "SELECT EXISTS (SELECT FROM {0} AS t WHERE position(%(text)s IN t::text) > 0)"
        return [table["name"] for table in tables if self.value(sql.format(table["name"]), text=text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running installation: the UI's address, the environment of its commands, and its two databases."""

    ui: str
    environment: Mapping[str, str]
    sandbox: Sandbox
    database: Database
    dagster: Database

    @property
    def home(self) -> Path:
        return Path(self.environment["CROWD_HOME"])

    @property
    def dagster_environment(self) -> Mapping[str, str]:
        """For further Dagster processes of this installation."""
        return {
            **self.environment,
            "CROWD_DAGSTER_DATABASE_URL": dagster_url(self.dagster.url),
            "DAGSTER_HOME": str(self.home / "dagster"),
        }

    def command(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, environment=self.environment, given=given)

    def connect(
        self,
        tenant: str,
        *,
        name: str = "Town",
        onboarding: bool = True,
        credentials: Mapping[str, str] | None = None,
    ) -> str:
        """The id of a new integration that reads all of the simulated community."""
        done = self.command(
            *("connect", "devto", "--tenant", tenant, "--name", name, "--json"),
            *(() if onboarding else ("--no-onboarding",)),
            *("--settings", json.dumps(self.sandbox.settings("devto")), "--credentials", "-"),
            given=json.dumps(dict(credentials or {})),
        )
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["id"])


def run_command(*arguments: str, environment: Mapping[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
    """A command of ours in a process of its own."""
    return subprocess.run(
        [COMMAND, *arguments], env=dict(environment), input=given, capture_output=True, text=True, check=False
    )


@contextmanager
def installed(
    home: Path, *, database_url: str, dagster_database_url: str, pace: int = 200, more: Mapping[str, str] | None = None
) -> Iterator[Deployment]:
    """A simulated provider (so many requests a second), and what `crowd-pipelines up` runs: webserver, daemon, code.

    `more` is what the environment says besides.
    """
    with Sandbox.start(seed=11) as sandbox:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "CROWD_HOME": str(home),
            "CROWD_DATABASE_URL": database_url,
            "CROWD_DAGSTER_DATABASE_URL": dagster_database_url,
            "CROWD_ENCRYPTION_KEY": new_key(),
            "CROWD_DEVTO_API_URL": sandbox.api_url("devto"),
            "CROWD_DEVTO_REQUESTS_PER_SECOND": str(pace),
            **(more or {}),
        }
        log = home / "logs" / "up.log"
        home.chmod(0o755)  # as people make folders; `up` closes it
        ui = f"http://127.0.0.1:{free_port()}"
        up = [COMMAND, "up", "--port", ui.rpartition(":")[2]]
        with Service("crowd-pipelines up", up, log=log, environment=environment) as service:
            service.wait_until(lambda: answers(f"{ui}/server_info"), seconds=120)
            yield Deployment(
                ui=ui,
                environment=environment,
                sandbox=sandbox,
                database=Database(url=database_url),
                dagster=Database(url=dagster_database_url),
            )


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What a look finds, as soon as it finds something."""
    for _ in range(LOOKS):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never seen: {what}")


def ancestors(pid: int) -> list[int]:
    """The parent of a process, its parent, and so on; none when there is no such process."""
    found = []
    while pid > 1:
        look = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if not re.fullmatch(r"\s*\d+\s*", look.stdout):
            break
        pid = int(look.stdout)
        found.append(pid)
    return found
