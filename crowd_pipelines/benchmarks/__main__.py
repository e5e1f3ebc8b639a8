"""`python -m crowd_pipelines.benchmarks`: prints what onboarding communities of growing size costs."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from crowd_pipelines.benchmarks import tables
from crowd_pipelines.benchmarks.onboarding import Measurement, Pass
from crowd_pipelines.benchmarks.surroundings import environment, temporary_folder, without_installation

SIZES = "5000,20000,100000"


def main(
    *,
    sizes: Annotated[str, typer.Option(help="Comments in the simulated communities, growing.")] = SIZES,
    first_activity: Annotated[bool, typer.Option(help="Time the way from `connect` through the daemon, too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Onboard communities of growing size, each in a fresh process with a database of its own, and print what it cost.

    Times depend on the machine; the ratios and counts hardly do.
    """
    measured = [measure_apart(int(size)) for size in sizes.split(",")]
    if not as_json:
        tables.show(measured)
    waited = first_activity_apart() if first_activity else None
    if as_json:
        told = {"onboardings": [asdict(one) for one in measured], "seconds_to_first_activity": waited}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif waited is not None:
        sys.stdout.write(f"From `connect` to the first activity in the database: {waited:.1f} s\n")


def measure_apart(comments: int) -> Measurement:
    """Measure in a fresh process: memory that another measurement once needed would count for this one."""
    with temporary_folder() as folder, environment(folder) as variables:
        told = json.loads(_last_line_of("onboarding", str(comments), environment=variables))
    told |= {name: Pass(**told[name]) for name in ("onboarding", "check")}
    return Measurement(**told)


def first_activity_apart() -> float:
    """Return the seconds from `connect` to the first activity, of an installation of its own."""
    with temporary_folder() as folder:
        return float(_last_line_of("first_activity", str(folder), environment=without_installation()))


def _last_line_of(module: str, argument: str, *, environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", f"crowd_pipelines.benchmarks.{module}", argument]
    done = subprocess.run(command, env=dict(environment), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    typer.run(main)
