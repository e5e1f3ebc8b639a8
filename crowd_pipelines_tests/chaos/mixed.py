"""Upgrades (S18): workers of the version before work on this version's schema, beside this version's workers.

That is every rolling deployment between `db upgrade` and the end of the last old process.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from crowd_pipelines.store import migrations
from crowd_pipelines_tests.chaos.cell import Cell
from crowd_pipelines_tests.chaos.disturbance import CoreExperiment, Disturbed, slow_down
from crowd_pipelines_tests.chaos.ground import Ground, Reading
from crowd_pipelines_tests.conftest import CHECKOUT

TURNS = 3
LASTING_SECONDS = 5.0
GRACE_SECONDS = 60
PACKAGE = "crowd_pipelines"

_laying_out = threading.Lock()

# Nothing but what the version before had, too.
PROGRAM = """
import os, signal, sys
from datetime import datetime
from uuid import UUID
from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.integrations import registry
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database, migrations, runs
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.vault import Vault

owner, newest, begins, integration_id = sys.argv[1:]
assert migrations.newest() == newest, "this is not the version before"
settings = Settings.load()
engine = database.create(settings.require_database_url())
clients = ApiClients(
    budget=RateBudget(engine=engine), vault=Vault(settings.require_encryption_key()), settings=settings
)
lifecycle = Lifecycle(clients=clients, settings=settings, registry=registry(), owner=owner)
signal.signal(signal.SIGTERM, lambda *_: lifecycle.slice.stop())
processor = IntegrationProcessor(lifecycle)
with engine.begin() as conn:
    waiting = [run.id for run in runs.waiting(conn, limit=10)]
try:
    if waiting:
        started = processor.resume(waiting)
    elif begins == "onboarding":
        started = processor.onboard([UUID(integration_id)], requested_only=True)
    elif begins == "check":
        started = processor.check([UUID(integration_id)])
    else:
        sys.exit()
    mine = lifecycle.create_member_attributes(lifecycle.preprocess(started.run_ids))
    mine = lifecycle.get_streams(mine)
    lifecycle.process_streams(mine)
    lifecycle.postprocess(mine)
finally:
    lifecycle.hand_over(canceled=False)
"""

TAKEN = """
    SELECT count(*) AS taken FROM integration_runs WHERE integration_id = :id AND dagster_run_id = :owner
"""


@dataclass(frozen=True, kw_only=True)
class Mixed(CoreExperiment):
    """Old and new workers take turns; how often an old one had the integration run is what counts."""

    scenario = "S18"

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random, disturbed: Disturbed) -> None:
        slow_down(cell, reading, LASTING_SECONDS)
        for turn in range(TURNS):
            old = self._old_worker(cell, f"old {turn}", begins="nothing" if turn else self.mode)
            if self._took(cell, old, f"old {turn}"):
                disturbed.happened()
                time.sleep(dice.uniform(0.2, 1))
            old.send_signal(signal.SIGTERM)
            if old.wait() not in (0, -signal.SIGTERM):
                disturbed.findings.append(f"a worker of the version before failed: {self._last_words(cell)}")
            if new := cell.next_worker():
                new.ended(within=dice.uniform(0.2, 1))
                new.signal(signal.SIGTERM)
                new.ended(within=GRACE_SECONDS)

    def _took(self, cell: Cell, old: subprocess.Popen[bytes], owner: str) -> bool:
        """Wait until an old worker has taken the integration run, or ended without."""
        while old.poll() is None:
            [row] = cell.connected.rows(TAKEN, id=cell.connected.record.id, owner=owner)
            if row["taken"]:
                return True
            time.sleep(0.1)
        return False

    def _old_worker(self, cell: Cell, owner: str, *, begins: str) -> subprocess.Popen[bytes]:
        arguments = [owner, migrations.previous(), begins, str(cell.connected.record.id)]
        with (cell.folder / "old").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, *arguments],
                env={
                    **cell.environment,
                    "PATH": os.defpath,
                    "PYTHONPATH": str(version_before(self.ground.folder / "before")),
                },
                stdout=output,
                stderr=output,
            )

    def _last_words(self, cell: Cell) -> str:
        return (cell.folder / "old").read_text("utf-8", "replace").strip().splitlines()[-1]


def mixed(ground: Ground, readings: Iterable[tuple[str, str]]) -> Iterator[Mixed]:
    """Return an experiment for each of these readings."""
    for platform, mode in readings:
        yield Mixed(name=f"mixed-versions:{mode}", platform=platform, mode=mode, ground=ground)


def version_before(folder: Path) -> Path:
    """Return a folder with the package as it was before the newest migration; that takes a Git checkout's history."""
    with _laying_out:
        if not folder.exists():
            versions = CHECKOUT / PACKAGE / "store" / "migrations" / "versions"
            newest = next(versions.glob(f"{migrations.newest()}_*.py")).relative_to(CHECKOUT)
            added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest)).decode().strip()
            archive = _git("archive", f"{added}^" if added else "HEAD", PACKAGE)
            folder.mkdir()
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True).stdout
