"""Upgrades (S18): workers of the version before work on this version's schema, beside this version's workers.

That is every rolling deployment between `db upgrade` and the end of the last old process.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from crowd_pipelines.store import migrations
from crowd_pipelines_tests.chaos.cell import Cell
from crowd_pipelines_tests.chaos.ground import CHECK, ONBOARDING, PLATFORMS, Ground, Reading
from crowd_pipelines_tests.chaos.kills import CoreExperiment, Disturbed, slow_down
from crowd_pipelines_tests.conftest import CHECKOUT

TURNS = 6
LASTING_SECONDS = 6.0
PACKAGE = "crowd_pipelines"

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

OLD_WORK = """
    SELECT count(*) AS took FROM integration_runs WHERE integration_id = :id AND dagster_run_id LIKE 'old %'
"""


@dataclass(frozen=True, kw_only=True)
class Mixed(CoreExperiment):
    """Old and new workers are started together, again and again, and told to end, until the reading is over."""

    scenario = "S18"
    old: Path
    revision: str

    def disturb(self, cell: Cell, reading: Reading, dice: random.Random) -> Disturbed:
        disturbed, old_turns = Disturbed(), 0
        slow_down(cell, reading, LASTING_SECONDS)
        for turn in range(TURNS):
            old = self._old_worker(cell, f"old {turn}", begins=self.mode if turn == 0 else "nothing")
            time.sleep(dice.uniform(0, 3))
            new = cell.next_worker() if turn else None
            time.sleep(dice.uniform(1, 3))
            [row] = cell.connected.rows(OLD_WORK, id=cell.connected.record.id)
            old_turns += bool(row["took"])
            old.send_signal(signal.SIGTERM)
            if new:
                new.signal(signal.SIGTERM)
                new.ended(within=60)
            if old.wait() not in (0, -signal.SIGTERM):
                disturbed.findings.append(f"a worker of the version before failed: {self._last_words(cell)}")
            disturbed.happened()
        disturbed.measures["old_workers_at_work"] = old_turns
        if not old_turns:
            disturbed.count = 0  # nothing was mixed
        return disturbed

    def _old_worker(self, cell: Cell, owner: str, *, begins: str) -> subprocess.Popen[bytes]:
        arguments = [owner, self.revision, begins, str(cell.connected.record.id)]
        with (cell.folder / "old").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, *arguments],
                env={**cell.environment, "PATH": os.defpath, "PYTHONPATH": str(self.old)},
                stdout=output,
                stderr=output,
            )

    def _last_words(self, cell: Cell) -> str:
        return (cell.folder / "old").read_text("utf-8", "replace").strip().splitlines()[-1]


@contextmanager
def version_before() -> Iterator[tuple[Path, str]]:
    """Yield a folder with the package as it was before the newest migration, and the revision that it knows."""
    newest = next((CHECKOUT / PACKAGE / "store" / "migrations" / "versions").glob(f"{migrations.newest()}_*.py"))
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest.relative_to(CHECKOUT)))
    commit = f"{added}^" if added else "HEAD"
    with TemporaryDirectory(prefix="crowd-version-before-") as folder:
        archive = subprocess.run(["git", "archive", commit, PACKAGE], cwd=CHECKOUT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder), migrations.previous()


def mixed(ground: Ground, old: Path, revision: str, times: int) -> list[CoreExperiment]:
    """Return so many experiments, the platforms in turn."""
    readings = [(platform, mode) for mode in (ONBOARDING, CHECK) for platform in PLATFORMS]
    return [
        Mixed(name=f"mixed-versions:{mode}", platform=platform, mode=mode, ground=ground, old=old, revision=revision)
        for platform, mode in (readings * times)[:times]
    ]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.strip()
