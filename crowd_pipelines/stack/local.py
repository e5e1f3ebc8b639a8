"""The installation of a state folder (`.crowd`): its database, its key, its Dagster home, and its processes."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crowd_pipelines import private
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.settings import Settings
from crowd_pipelines.stack.keyfile import KeyFile
from crowd_pipelines.stack.processes import Service, StackError, answers, free_port, inherited
from crowd_pipelines.store import database, migrations
from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.vault import Vault

WEBSERVER_SECONDS = 90
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where everything of an installation is: as the environment says, else in the state folder."""

    settings: Settings
    database_url: Secret
    dagster_database_url: Secret
    server: EmbeddedPostgres | None = None

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.settings.home.absolute()

    @property
    def keyfile(self) -> KeyFile | None:
        """Where the key is that an embedded database has for itself; None where the environment gives one."""
        own = self.settings.database_url is None and self.settings.encryption_key is None
        return KeyFile(self.home / "encryption.key") if own else None

    @property
    def encryption_key(self) -> Secret:
        """The key that seals credentials. An embedded database's is made at first use.

        Raises SettingsError when it is not set, VaultError when it is no key.
        """
        key = self.keyfile.read() if self.keyfile else self.settings.require_encryption_key()
        Vault(key)  # whoever gets it may be a process that could only fail later, and less clearly
        return key

    def dagster_environment(self) -> dict[str, str]:
        """Return the variables that Dagster's processes need to find the installation."""
        return {
            "CROWD_DATABASE_URL": self.database_url.get_secret_value(),
            "CROWD_DAGSTER_DATABASE_URL": self.dagster_database_url.get_secret_value(),
            "CROWD_ENCRYPTION_KEY": self.encryption_key.get_secret_value(),
            "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(_dagster_home(self.home)),
        }


@contextmanager
def installation(settings: Settings) -> Iterator[Installation]:
    """Yield the installation that the environment describes.

    Without CROWD_DATABASE_URL there is an embedded PostgreSQL, which runs as long as someone uses it.
    """
    if settings.database_url is not None:
        url = settings.require_database_url()
        own = settings.dagster_database_url
        # Dagster's tables have names of their own, so one database can hold both.
        dagster_url = Secret(database.dagster_url(own or url))
        yield Installation(settings=settings, database_url=url, dagster_database_url=dagster_url)
        return
    home = private.folder(settings.home.absolute())
    server = EmbeddedPostgres.at(home)
    try:
        url = Secret(server.start())
        dagster_url = Secret(database.dagster_url(server.url("dagster")))
        yield Installation(settings=settings, database_url=url, dagster_database_url=dagster_url, server=server)
    finally:
        server.stop()


@contextmanager
def dagster(installed: Installation, *, port: int | None = None) -> Iterator[str]:
    """Run webserver, daemon and code location; yields the address of the UI."""
    private.close_all(private.folder(installed.home))
    chosen = free_port(port or 3000)
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(chosen)]
    command += ["-m", "crowd_pipelines.definitions"]
    url = f"http://127.0.0.1:{chosen}"
    environment = inherited(**installed.dagster_environment())
    log = installed.home / "logs" / "dagster.log"
    with Service("Dagster", command, log=log, environment=environment) as service:
        service.wait_until(lambda: answers(f"{url}/server_info"), seconds=WEBSERVER_SECONDS)
        yield url


def migrate(installed: Installation) -> None:
    """Bring the database's schema up to date."""
    migrations.upgrade(installed.database_url)


def _dagster_home(home: Path) -> Path:
    """Return a Dagster home with the instance's settings in it."""
    folder = private.folder(home / "dagster")
    for candidate in (Path.cwd() / "dagster.yaml", _CHECKOUT / "dagster.yaml"):
        if candidate.exists():
            shutil.copyfile(candidate, folder / "dagster.yaml")
            return folder
    raise StackError(
        "dagster.yaml is neither here nor beside the package; run this in a checkout, or set DAGSTER_HOME to a folder "
        "that holds one"
    )
