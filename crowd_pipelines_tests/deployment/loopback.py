"""Where the containers of docker-compose.yml find their files and each other when they are processes on one machine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import yaml

from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.postgres_wheel import account_for, programs_for
from crowd_pipelines_tests.deployment.compose import ComposeService, image_environment

CHECKOUT = Path(__file__).parent.parent.parent
CONTAINER_PORTS = {"postgres": "5432", "code": "4000", "webserver": "3000", "viewer": "3000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """Stands for the containers' file systems and network: a folder, and a port on 127.0.0.1 per listening service."""

    root: Path
    ports: Mapping[str, int]

    @property
    def folder(self) -> Path:
        """The image's WORKDIR."""
        return self.root / "opt/dagster"

    def furnish(self) -> None:
        """Put there what the Dockerfile copies, and the volume; the workspace names the port that was chosen."""
        home = self.folder / "home"
        (home / "storage").mkdir(parents=True)
        (self.root / "tmp").mkdir()
        shutil.copy(CHECKOUT / "dagster.yaml", home)
        workspace = yaml.safe_load((CHECKOUT / "deploy/workspace.yaml").read_text())
        for location in workspace["load_from"]:
            server = location["grpc_server"]
            server |= {"host": "127.0.0.1", "port": self.ports[server["host"]]}
        (self.folder / "workspace.yaml").write_text(yaml.safe_dump(workspace))

    def words(self, service: str, words: Sequence[str]) -> list[str]:
        """A command as it is here."""
        replaced = {"0.0.0.0": "127.0.0.1", "/opt/dagster": str(self.folder)}
        if service in self.ports:
            inside, here = CONTAINER_PORTS[service], str(self.ports[service])
            replaced |= {f":{inside}": f":{here}"}
            words = [here if word == inside else word for word in words]
        return [_replaced(word, replaced) for word in words]

    def environment(self, service: ComposeService) -> dict[str, str]:
        """All variables of a service: the image's and those that the file gives it, as they are here."""
        places = {
            "/opt/venv/bin": str(Path(sys.executable).parent),
            "/opt/dagster": str(self.folder),
            "/tmp": str(self.root / "tmp"),
            "$PATH": os.defpath,
        }
        image = image_environment((CHECKOUT / "Dockerfile").read_text())
        database = {f"@postgres:{CONTAINER_PORTS['postgres']}/": f"@127.0.0.1:{self.ports['postgres']}/"}
        return {
            # The image's user has no home; nothing may come to need one.
            "HOME": str(self.root / "nonexistent"),
            "TMPDIR": str(self.root / "tmp"),
            **{name: _replaced(value, places) for name, value in image.items()},
            **{name: _replaced(value, database) for name, value in service.environment.items()},
        }

    def written(self) -> list[str]:
        """What was written where the containers could not write."""
        writable = [self.folder / "home/storage", self.root / "tmp"]
        furnished = [self.folder / "home/dagster.yaml", self.folder / "workspace.yaml"]
        files = [path for path in self.root.rglob("*") if not path.is_dir() and path not in furnished]
        return sorted(str(path) for path in files if not any(path.is_relative_to(place) for place in writable))


@contextmanager
def postgres(state: Path, environment: Mapping[str, str], *, port: int) -> Iterator[dict[str, str]]:
    """The embedded server made like the postgres image's: by create-databases.sh, on TCP, with passwords.

    Yields the environment in which its healthcheck finds it. A server that a killed topology left is ended before.
    """
    server = EmbeddedPostgres.at(state, durable=False)
    server.stop(force=True)
    server.start()
    home = state / "postgres"
    programs = programs_for(account_for(home))
    path = {"PATH": f"{programs.folder}:{os.defpath}"}
    data = (home / "data").resolve()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for made_by_the_embedded_one in ("crowd", "dagster"):
                connection.execute(f"DROP DATABASE {made_by_the_embedded_one}".encode())
        socket = {"PGHOST": str((home / "socket").resolve()), "PGPORT": "5432"}
        script = CHECKOUT / "deploy/postgres/create-databases.sh"
        subprocess.run([script], env={**environment, **path, **socket}, check=True, stdout=subprocess.DEVNULL)
        (data / "pg_hba.conf").write_text("local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        options = [*_options(data), "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"]
        log = home.resolve() / "postgres.log"
        programs.run("pg_ctl", "restart", "--pgdata", data, "--wait", "--log", log, "--options", shlex.join(options))
        yield {**path, "PGPORT": str(port)}
    finally:
        server.stop()


def _options(data: Path) -> list[str]:
    """What the server was started with."""
    return shlex.split((data / "postmaster.opts").read_text())[1:]


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    """In one pass: what was put in is not searched again."""
    return re.sub("|".join(map(re.escape, replacements)), lambda found: replacements[found[0]], text)
