"""A database, a Dagster home and an environment of a benchmark's own, forgotten afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crowd_pipelines.store import database, migrations
from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.vault import new_key

_INSTANCE = Path(__file__).resolve().parents[2] / "dagster.yaml"

SLICE_SECONDS = 86_400
"""Longer than any benchmark: a slice that ends would split an onboarding into several Dagster runs."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield an empty folder."""
    with tempfile.TemporaryDirectory(prefix="crowd-benchmark-") as folder:
        yield Path(folder)


@contextmanager
def environment(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the whole environment for a process that works on an empty, migrated, durable PostgreSQL."""
    server = EmbeddedPostgres.at(folder)
    url = server.start()
    try:
        migrations.upgrade(url)
        yield {
            **without_installation(),
            "CROWD_DATABASE_URL": url,
            "CROWD_DAGSTER_DATABASE_URL": database.dagster_url(server.url("dagster")),
            "CROWD_ENCRYPTION_KEY": new_key(),
            "CROWD_SLICE_SECONDS": str(SLICE_SECONDS),
            "DAGSTER_HOME": str(_dagster_home(folder)),
        }
    finally:
        server.stop()


def without_installation() -> dict[str, str]:
    """Return this process's environment without what would lead to a real installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CROWD_", "DAGSTER_"))}


def _dagster_home(folder: Path) -> Path:
    home = folder / "dagster"
    home.mkdir()
    shutil.copyfile(_INSTANCE, home / "dagster.yaml")
    return home
