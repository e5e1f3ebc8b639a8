"""`make chaos`: hurt it in every way we know, and look whether anything was lost. Exit code 1: something was found."""

import argparse
import os
import random
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from crowd_pipelines.store.migrations import upgrade
from crowd_pipelines_tests.chaos import deployed
from crowd_pipelines_tests.chaos.campaign import FULL, QUICK, Sizes, campaign
from crowd_pipelines_tests.chaos.cell import PATIENCE_SECONDS
from crowd_pipelines_tests.chaos.disturbance import SHORT_LEASE_SECONDS, CoreExperiment
from crowd_pipelines_tests.chaos.experiment import Experiment, Outcome
from crowd_pipelines_tests.chaos.ground import MODES, PLATFORMS, Ground, ground
from crowd_pipelines_tests.chaos.kills_at import KillAt
from crowd_pipelines_tests.chaos.report import HEAD, Campaign, findings, markdown, never_fired, summary, table
from crowd_pipelines_tests.conftest import database_on, name_of, server

PARALLEL = 10
"""Experiments wait more than they work."""


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    # What this process asks `runs.waiting` is asked with the lease of most cells.
    os.environ["CROWD_LEASE_SECONDS"] = str(SHORT_LEASE_SECONDS)
    # An end on the way cleans up, too: databases, providers and workers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    with _ground(chosen.patience) as stands:
        planned = _planned(stands, chosen)
        if not planned:
            print("no experiment is called so; --list names them", file=sys.stderr)
            return 2
        if chosen.list:
            print("\n".join(sorted({one.name for one, _ in planned})))
            return 0
        with suppress(KeyboardInterrupt):  # what was done until then is told
            for outcome in _carried_out(planned, parallel=chosen.parallel):
                outcomes.append(outcome)
                if not outcome.passed:
                    print("\n".join(findings([outcome])), flush=True)
                _tell(outcomes, len(planned), began)
        fired = Counter(stands.fired)
    over = Campaign(
        command=f"make chaos ARGS={shlex.quote(shlex.join(arguments or sys.argv[1:]))}",
        seconds=time.monotonic() - began,
        outcomes=outcomes,
        fired=fired,
        wanted=[one.point for one, _ in planned if isinstance(one, KillAt)],
    )
    print(table(HEAD, summary(outcomes)))
    print("\n".join([*findings(over.failed), *map(never_fired, over.never_fired)]) or "nothing was found")
    if chosen.report:
        chosen.report.write_text(markdown(over), "utf-8")
    return 0 if over.passed and len(outcomes) == len(planned) else 1


def _planned(stands: Ground, chosen: argparse.Namespace) -> list[tuple[Experiment, int]]:
    """Return the experiments that are asked for, each with its seed."""
    found: list[Experiment] = []
    if not chosen.deployed:
        found += campaign(stands, _sizes(chosen))
    if chosen.deployed or not (chosen.core or chosen.quick):
        found += deployed.experiments()
    found = [one for one in found if not chosen.only or chosen.only in one.name]
    if chosen.only and chosen.seed is not None:
        once = {(one.name, getattr(one, "platform", None)): one for one in found}
        return [(one, chosen.seed) for one in once.values()]
    first = random.SystemRandom().randrange(10**6) if chosen.seed is None else chosen.seed
    return [(one, first + number) for number, one in enumerate(found)]


def _sizes(chosen: argparse.Namespace) -> Sizes:
    sizes = QUICK if chosen.quick else FULL
    if chosen.platform:
        sizes = replace(sizes, platforms=tuple(chosen.platform))
    if named := [mode for mode in MODES if chosen.only and chosen.only.endswith(f":{mode}")]:
        sizes = replace(sizes, modes=named)
    return sizes.scaled(chosen.kills / sizes.random_kills) if chosen.kills else sizes


def _carried_out(planned: Sequence[tuple[Experiment, int]], *, parallel: int) -> Iterator[Outcome]:
    """Carry out those on the core side by side, those on the one deployment one after the other."""
    with ThreadPoolExecutor(parallel) as pool, ThreadPoolExecutor(1) as alone:
        pending = [
            (pool if isinstance(one, CoreExperiment) else alone).submit(_carry_out, one, seed) for one, seed in planned
        ]
        try:
            yield from (future.result() for future in as_completed(pending))
        finally:
            for executor in (pool, alone):
                executor.shutdown(wait=False, cancel_futures=True)


def _carry_out(experiment: Experiment, seed: int) -> Outcome:
    try:
        return experiment.run(seed)
    except Exception as error:  # noqa: BLE001  whatever it was, it is a finding, and the others go on
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = str(error).partition("\n")[0]
        return Outcome(
            scenario=experiment.scenario,
            name=experiment.name,
            platform=getattr(experiment, "platform", ""),
            seed=seed,
            disturbances=0,
            findings=(f"the experiment itself failed: {type(error).__name__}: {what} ({frame.name})",),
        )


def _tell(outcomes: Sequence[Outcome], planned: int, began: float) -> None:
    """Say how far it is: again and again in one line on a terminal, now and then elsewhere."""
    lively = sys.stdout.isatty()
    if lively or len(outcomes) % 25 == 0 or len(outcomes) == planned:
        kills = round(sum(outcome.measures.get("kills", 0) for outcome in outcomes))
        failed = sum(not outcome.passed for outcome in outcomes)
        passed = timedelta(seconds=round(time.monotonic() - began))
        line = f"{len(outcomes)} of {planned} experiments, {kills} kills, {failed} failed, {passed}"
        print(f"\r{line}  " if lively and len(outcomes) < planned else line, end="" if lively else "\n", flush=True)


@contextmanager
def _ground(patience: float) -> Iterator[Ground]:
    with (
        server() as url,
        tempfile.TemporaryDirectory(prefix="crowd-chaos-") as folder,
        database_on(url, prefix="template") as template,
    ):
        upgrade(template)
        with ground(url, name_of(template), Path(folder), patience=patience) as stands:
            yield stands


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part of it, as continuous integration runs it")
    parser.add_argument("--deployed", action="store_true", help="only the experiments of a whole Dagster deployment")
    parser.add_argument("--core", action="store_true", help="only the experiments of the core")
    parser.add_argument("--kills", type=int, metavar="N", help="random kills, the other experiments in proportion")
    parser.add_argument("--only", metavar="NAME", help="experiments whose name contains this")
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="repeatable; default all")
    parser.add_argument("--seed", type=int, help="the first seed; with --only, only this one")
    parser.add_argument("--parallel", type=int, default=PARALLEL, metavar="N", help="experiments at a time")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, metavar="SECONDS", help="until a reading counts as stuck"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="writes a report in Markdown")
    parser.add_argument("--list", action="store_true", help="names the experiments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
