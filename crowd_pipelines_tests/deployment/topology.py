"""`make topology`: the services of docker-compose.yml as processes on loopback, for machines without Docker.

Each service runs the command that the file names, with the variables that the file and the Dockerfile give it and no
others, is started when its `depends_on` allows, and is healthy when its own healthcheck says so. A simulated community
is then onboarded through them.

Different from Docker: hosts and ports are 127.0.0.1 and free ports, the image's folders are below one folder, and
PostgreSQL is the embedded one, with the roles, passwords and rights that the postgres image's would have. Not
simulated: `restart`, `read_only`, `cap_drop`, `security_opt`, the users, limits and networks. In place of `read_only`
it looks for files that were written where the containers cannot write. `init` and TINI_KILL_PROCESS_GROUP are stood for
by a supervisor that signals the whole process group of every service.
"""

import argparse
import json
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from crowd_pipelines.cli.console import print_table, tell
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.stack.processes import Service, StackError, alone, free_port, stopped_by_signals
from crowd_pipelines_tests.deployment import compose
from crowd_pipelines_tests.deployment.compose import COMPLETED, HEALTHY, ComposeError
from crowd_pipelines_tests.deployment.loopback import CHECKOUT, Loopback, postgres

COMPOSE_FILE = (CHECKOUT / "docker-compose.yml").read_text()
COMMAND = str(Path(sys.executable).with_name("crowd-pipelines"))
PATIENCE_SECONDS = 300
SANDBOX_REQUESTS_PER_SECOND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Onboarded:
    """What came of the onboarding."""

    status: str
    error: str | None
    activities: int
    members: int
    seconds: float


class Topology:
    """The services, from `with` to the end of its block; `state` is a folder of its own, begun afresh."""

    def __init__(self, state: Path, variables: Mapping[str, str], *, profiles: Sequence[str] = ()) -> None:
        self.services = compose.services(COMPOSE_FILE, variables, profiles=profiles)
        ports = {name: free_port() for name in ("postgres", "code")}
        for name, service in self.services.items():
            for published in service.published:
                ports[name] = free_port(int(published.split(":")[1]))
        self.place = Loopback(root=state / "container", ports=ports)
        self.healthy_after: dict[str, float] = {}
        self._state = state
        self._running: dict[str, Service] = {}
        self._started_at: dict[str, float] = {}
        self._database: Mapping[str, str] = {}
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Where the UI is."""
        return self.url_of("webserver")

    def url_of(self, name: str) -> str:
        """Where a service that is published is."""
        return f"http://127.0.0.1:{self.place.ports[name]}"

    def environment(self, name: str) -> dict[str, str]:
        """All variables that a service's processes get."""
        return self.place.environment(self.services[name])

    def execute(self, name: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """What `docker compose exec NAME WORDS…` would do."""
        return subprocess.run(
            self.place.words(name, words),
            env={**self.environment(name), **(self._database if name == "postgres" else {})},
            cwd=self.place.folder,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def __enter__(self) -> Self:
        shutil.rmtree(self.place.root, ignore_errors=True)
        self.place.furnish()
        with ExitStack() as stack:
            self._stack = stack
            for name, service in self.services.items():
                for other, condition in service.depends_on.items():
                    self._wait_for(other, condition)
                self._start(name)
            for name, service in self.services.items():
                if service.healthcheck:
                    self._wait_for(name, HEALTHY)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, name: str) -> None:
        service = self.services[name]
        self._started_at[name] = time.monotonic()
        if name == "postgres":
            server = postgres(self._state / "database", service.environment, port=self.place.ports[name])
            self._database = self._stack.enter_context(server)
            return
        process = Service(
            name,
            self.place.words(name, service.command),
            log=self._state / "logs" / f"{name}.log",
            environment=self.environment(name),
            folder=self.place.folder,
            grace=service.stop_grace_seconds,
        )
        self._running[name] = self._stack.enter_context(process)

    def _wait_for(self, name: str, condition: str) -> None:
        if name in self.healthy_after:
            return
        if condition == COMPLETED:
            code = self._running[name].wait()
            if code != 0:
                raise StackError(f"{name} ended with exit code {code}; its log is {self._running[name].log}")
        elif name in self._running:
            self._running[name].wait_until(lambda: self._is_healthy(name), seconds=PATIENCE_SECONDS)
        elif not self._is_healthy(name):
            raise StackError(f"{name} runs, and its healthcheck says that it does not")
        self.healthy_after[name] = time.monotonic() - self._started_at[name]

    def _is_healthy(self, name: str) -> bool:
        return self.execute(name, *self.services[name].healthcheck).returncode == 0


def fresh_secrets() -> dict[str, str]:
    """What .env.example asks for, made as it says."""
    key = subprocess.run([COMMAND, "keys", "new"], capture_output=True, text=True, check=True)
    return {
        "CROWD_ENCRYPTION_KEY": key.stdout.strip(),
        **{name: secrets.token_hex(32) for name in compose.required(COMPOSE_FILE) if name.endswith("PASSWORD")},
    }


def refusals(variables: Mapping[str, str]) -> dict[str, str | None]:
    """What docker compose would say without each of the variables it needs; None where it would start."""
    said: dict[str, str | None] = {}
    for missing in compose.required(COMPOSE_FILE):
        try:
            compose.services(COMPOSE_FILE, {name: value for name, value in variables.items() if name != missing})
            said[missing] = None
        except ComposeError as error:
            said[missing] = str(error)
    return said


def sandbox_variables(sandbox: Sandbox) -> dict[str, str]:
    """What leads the code service to the simulated providers, at the pace they allow."""
    variables = {f"CROWD_{name.upper()}_API_URL": sandbox.api_url(name) for name in sandbox.platforms}
    pace = str(SANDBOX_REQUESTS_PER_SECOND * 0.8)
    return variables | {f"CROWD_{name.upper()}_REQUESTS_PER_SECOND": pace for name in sandbox.platforms}


def onboard(topology: Topology, sandbox: Sandbox, platform: str) -> Onboarded:
    """Connect a simulated community and wait until the daemon's sensor has had it onboarded. Raises StackError."""
    began = time.monotonic()
    words = ["connect", platform, "--name", "Town", "--settings", json.dumps(sandbox.settings(platform))]
    credentials = json.dumps(sandbox.credentials(platform))
    done = topology.execute("code", "crowd-pipelines", *words, "--credentials", "-", "--json", given=credentials)
    if done.returncode != 0:
        raise StackError(f"connecting {platform} failed: {done.stderr.strip()}")
    found = _ended(topology, json.loads(done.stdout)["id"])
    return Onboarded(**found, seconds=time.monotonic() - began)


def _ended(topology: Topology, integration_id: str) -> dict[str, Any]:
    query = "SELECT status, error, activity_count, member_count FROM integrations WHERE id = %s"
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(topology.environment("code")["CROWD_DATABASE_URL"], autocommit=True) as connection:
        while time.monotonic() < deadline:
            [row] = connection.execute(query, [integration_id])
            if row[0] in {"done", "error"}:
                return dict(zip(("status", "error", "activities", "members"), row, strict=True))
            time.sleep(0.2)
    raise StackError(f"integration {integration_id} was not onboarded within {PATIENCE_SECONDS} s")


def main(arguments: Sequence[str]) -> int:
    """Run the topology, and show what it does; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make topology", description="docker-compose.yml as processes on loopback.")
    parser.add_argument("--once", action="store_true", help="end after the onboarding")
    once = parser.parse_args(arguments).once
    state = CHECKOUT / ".crowd" / "topology"
    try:
        with alone(state, "topology"), stopped_by_signals():
            return _show(state, once=once)
    except (StackError, ComposeError) as error:
        tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _show(state: Path, *, once: bool) -> int:
    variables = fresh_secrets()
    for message in refusals(variables).values():
        tell(f"refused as it should be: {message}" if message else "error: it would start without a secret")
    with Sandbox.start(requests_per_second=SANDBOX_REQUESTS_PER_SECOND) as sandbox:
        tell("Starting the services of docker-compose.yml ...")
        with Topology(state, variables | sandbox_variables(sandbox), profiles=["viewers"]) as topology:
            print_table("Services", _rows(topology), empty="there are none")
            found = {platform: onboard(topology, sandbox, platform) for platform in sandbox.platforms}
            print_table("Onboarded", [_row(name, one) for name, one in found.items()], empty="there are no platforms")
            strays = topology.place.written()
            tell(f"Written where containers cannot write: {', '.join(strays) or 'nothing'}")
            if not once:
                tell(f"Dagster is at {topology.url}, and to be looked at only at {topology.url_of('viewer')}.")
                tell("Ctrl-C stops everything.")
                signal.pause()
    return 1 if strays or any(one.error for one in found.values()) else 0


def _rows(topology: Topology) -> list[dict[str, Any]]:
    return [
        {"service": name, "command": " ".join(service.command) or "postgres", "healthy after s": after}
        for name, service in topology.services.items()
        for after in [topology.healthy_after[name]]
    ]


def _row(platform: str, one: Onboarded) -> dict[str, Any]:
    return {
        "platform": platform,
        "status": one.status,
        "activities": one.activities,
        "members": one.members,
        "seconds": one.seconds,
        "error": one.error,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
