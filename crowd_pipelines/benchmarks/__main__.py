"""`python -m crowd_pipelines.benchmarks`: prints what onboarding communities of growing size costs."""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from crowd_pipelines.benchmarks import tables
from crowd_pipelines.benchmarks.first_activity import seconds_to_first_activity
from crowd_pipelines.benchmarks.onboarding import Measurement, Pass
from crowd_pipelines.benchmarks.surroundings import environment, temporary_folder

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
    waited = None
    if first_activity:
        with temporary_folder() as folder:
            waited = seconds_to_first_activity(folder)
    if as_json:
        told = {"onboardings": [asdict(one) for one in measured], "seconds_to_first_activity": waited}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    tables.show(measured, waited)


def measure_apart(comments: int) -> Measurement:
    """Measure in a fresh process: memory that another measurement once needed would count for this one."""
    with temporary_folder() as folder, environment(folder) as variables:
        command = [sys.executable, "-m", "crowd_pipelines.benchmarks.onboarding", str(comments)]
        done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    told |= {name: Pass(**told[name]) for name in ("onboarding", "check")}
    return Measurement(**told)


if __name__ == "__main__":
    typer.run(main)
