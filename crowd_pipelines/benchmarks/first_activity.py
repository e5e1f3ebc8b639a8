"""`python -m crowd_pipelines.benchmarks.first_activity FOLDER`: from `connect` to the first activity in the database.

The real daemon, webserver and code location do it, with the instance we ship, and DEV's own rate limit. Prints seconds.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from sqlalchemy import Engine, text

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.settings import Settings
from crowd_pipelines.stack.local import dagster, installation, migrate
from crowd_pipelines.store import database

PATIENCE_SECONDS = 120
PROVIDERS_PACE = 3
"""DEV's own: requests per second."""

_COMMAND = "import sys; from crowd_pipelines.cli import main; sys.exit(main())"
_DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
_DIRECT = build_opener(ProxyHandler({}))


class TooLate(Exception):
    """Nothing arrived within the time that anyone would wait."""


def seconds_to_first_activity(folder: Path) -> float:
    """Run an installation in an empty folder; returns the seconds from the start of the command to the first row.

    The environment must not lead to another installation.
    """
    with Sandbox.start(size="small", platforms=["devto"], requests_per_second=PROVIDERS_PACE) as sandbox:
        os.environ |= {"CROWD_HOME": str(folder), "CROWD_DEVTO_API_URL": sandbox.api_url("devto")}
        with installation(Settings.load()) as installed:
            migrate(installed)
            with dagster(installed) as url:
                _wait_for_daemon(url)
                return _connect_and_wait(database.create(installed.database_url), sandbox)


def _connect_and_wait(engine: Engine, sandbox: Sandbox) -> float:
    began = time.monotonic()
    command = [sys.executable, "-c", _COMMAND, "connect", "devto", "--name", "DEV"]
    command += ["--settings", json.dumps(sandbox.settings("devto"))]
    subprocess.run(command, check=True, capture_output=True)
    while not _anything_stored(engine):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise TooLate(f"no activity arrived within {PATIENCE_SECONDS} s of `connect`")
        time.sleep(0.05)
    return time.monotonic() - began


def _anything_stored(engine: Engine) -> bool:
    with engine.connect() as conn:
        return bool(conn.execute(text("SELECT EXISTS (SELECT FROM activities)")).scalar_one())


def _wait_for_daemon(url: str) -> None:
    """Wait until the installation is what it is when people connect a place: running."""
    began = time.monotonic()
    while not _daemon_is_healthy(url):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise TooLate(f"Dagster's daemon was not healthy within {PATIENCE_SECONDS} s")
        time.sleep(0.2)


def _daemon_is_healthy(url: str) -> bool:
    body = json.dumps({"query": _DAEMONS}).encode()
    request = Request(f"{url}/graphql", data=body, headers={"Content-Type": "application/json"})  # noqa: S310  our own
    with _DIRECT.open(request, timeout=30) as response:
        statuses = json.load(response)["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    return all(status["healthy"] for status in statuses if status["required"])


if __name__ == "__main__":
    print(seconds_to_first_activity(Path(sys.argv[1])))
