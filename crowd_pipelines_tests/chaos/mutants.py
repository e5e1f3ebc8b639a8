"""`make chaos-mutants`: take the guards away, one at a time, and see the experiments find it.

A harness that finds nothing may be blind. Each mutant is a copy of the package in which one guard is missing; the
experiments that are aimed at it must then fail.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crowd_pipelines_tests.chaos.report import NO_PROOF
from crowd_pipelines_tests.conftest import CHECKOUT, server

PACKAGES = ("crowd_pipelines", "crowd_pipelines_tests")


class MutantDoesNotApply(Exception):
    """The code that a mutant changes has changed; the message says where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A text that is in a file exactly once, and what stands there in the mutant."""

    file: str
    text: str
    instead: str

    def apply(self, root: Path) -> None:
        """Change the file below `root`. Raises MutantDoesNotApply."""
        file = root / self.file
        before = file.read_text("utf-8")
        if before.count(self.text) != 1:
            raise MutantDoesNotApply(f"{self.file} has {self.text!r} {before.count(self.text)} times, not once")
        file.write_text(before.replace(self.text, self.instead), "utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A guard that is taken away; `aimed` are the arguments of the experiments that must find that."""

    name: str
    missing: str
    changes: Sequence[Change]
    aimed: Sequence[str]


_OPEN_RUN = """\
        "uq_integration_runs_open",
        "integration_runs",
        ["integration_id"],
        unique={unique},
"""

MUTANTS = (
    Mutant(
        name="no-epoch",
        missing="the fence does not ask whose turn it is",
        changes=(
            Change(
                file="crowd_pipelines/store/sql/streams_finish.sql",
                text=" AND stream.lease_epoch = ended.lease_epoch",
                instead="",
            ),
        ),
        # Of a short onboarding on a busy machine nothing may be left to overtake: several, so that one is not.
        aimed=("--only=overtaken:onboarding", "--platform=twitter", "--platform=slack", "--platform=discord"),
    ),
    Mutant(
        name="no-unique-streams",
        missing="a stream may be queued twice in an integration run",
        changes=(
            Change(
                file="crowd_pipelines/store/sql/streams_add.sql",
                text="ON CONFLICT (run_id, key) DO NOTHING\n",
                instead="",
            ),
            Change(
                file="crowd_pipelines/store/sql/quarantine_take_up.sql",
                text="ON CONFLICT (run_id, key) DO NOTHING\n",
                instead="",
            ),
            Change(
                file="crowd_pipelines/store/migrations/versions/0001_foundation.py",
                text='        sa.UniqueConstraint("run_id", "key", name=op.f("uq_integration_streams_run_id_key")),\n',
                instead="",
            ),
        ),
        aimed=("--only=random-kills:onboarding", "--platform=devto"),
    ),
    Mutant(
        name="two-open-runs",
        missing="an integration may have two open integration runs",
        changes=(
            Change(
                file="crowd_pipelines/store/migrations/versions/0001_foundation.py",
                text=_OPEN_RUN.format(unique=True),
                instead=_OPEN_RUN.format(unique=False),
            ),
        ),
        aimed=("--only=begun-at-once:onboarding", "--platform=twitter"),
    ),
    Mutant(
        name="two-transactions",
        missing="a page's mark is committed before its records and streams",
        changes=(
            Change(
                file="crowd_pipelines/store/pages.py",
                text="    held = [page for page in pages if page.claimed.id in accepted]\n    _write",
                instead="    conn.connection.driver_connection.commit()\n"
                "    held = [page for page in pages if page.claimed.id in accepted]\n    _write",
            ),
        ),
        aimed=("--only=kill-at:page.activities_write.after:onboarding", "--platform=twitter"),
    ),
    Mutant(
        name="endless-leases",
        missing="what a dead worker held is never claimable again",
        changes=(
            Change(
                file="crowd_pipelines/store/sql/streams_claim.sql",
                text="stream.due_at <= now()\n",
                instead="stream.due_at <= now() AND stream.state <> 'processing'\n",
            ),
        ),
        aimed=("--only=kill-at:fetch.after:onboarding", "--platform=twitter"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunted:
    """What became of a mutant."""

    mutant: Mutant
    caught: bool
    told: str


def hunt(mutant: Mutant, server_url: str, *, quick: bool) -> Hunted:
    """Run the experiments against a mutant: those aimed at it, or all quick ones."""
    arguments = ["--core", "--seed=1", "--patience=20", "--parallel=2", *mutant.aimed]
    if quick:
        arguments = ["--quick", "--seed=1", "--patience=60"]
    with mutated(mutant) as copy:
        done = subprocess.run(
            [sys.executable, "-m", "crowd_pipelines_tests.chaos", *arguments],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "CROWD_TEST_DATABASE_URL": server_url},
            capture_output=True,
            text=True,
            check=False,
        )
    # Where nothing could be carried out, nothing was caught.
    lines = [line for line in done.stdout.splitlines() if "(again: " in line]
    findings = [line for line in lines if "the experiment itself failed" not in line and NO_PROOF not in line]
    return Hunted(
        mutant=mutant,
        caught=done.returncode == 1 and bool(findings),
        told=findings[0] if findings else (done.stdout + done.stderr)[-500:],
    )


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Path]:
    """A copy of the packages without the guard. Raises MutantDoesNotApply."""
    with tempfile.TemporaryDirectory(prefix="crowd-mutant-") as folder:
        root = Path(folder)
        for package in PACKAGES:
            shutil.copytree(CHECKOUT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
        for change in mutant.changes:
            change.apply(root)
        yield root


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos-mutants", description=__doc__)
    parser.add_argument("--aimed", action="store_true", help="only the experiments aimed at each mutant")
    parser.add_argument("--only", choices=[mutant.name for mutant in MUTANTS], action="append")
    chosen = parser.parse_args(arguments)
    wanted = [mutant for mutant in MUTANTS if not chosen.only or mutant.name in chosen.only]
    with server() as url, ThreadPoolExecutor(2) as pool:
        hunted = list(pool.map(lambda mutant: hunt(mutant, url, quick=not chosen.aimed), wanted))
    for one in hunted:
        print(f"{'caught ' if one.caught else 'MISSED '} {one.mutant.name}: {one.mutant.missing}\n        {one.told}")
    return 0 if all(one.caught for one in hunted) else 1


if __name__ == "__main__":
    sys.exit(main())
