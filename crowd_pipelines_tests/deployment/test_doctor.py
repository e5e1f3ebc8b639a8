"""`doctor` over a running installation: Dagster and all."""

import json
from pathlib import Path
from typing import Any

from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Deployment, eventually


def test_a_running_installation_is_healthy_but_for_the_tests_server(deployment: Deployment, ui: DagsterUi) -> None:
    eventually(lambda: all(ui.daemons().values()), "health")
    done = deployment.command("doctor", "--deep", "--json")
    report: dict[str, Any] = json.loads(done.stdout)
    of_dagster = {finding["name"] for finding in report["findings"] if finding["area"] == "dagster"}
    assert of_dagster >= {"storage", "daemon", "one-daemon", "automation-on", "ticks", "dagster.yaml", "code-location"}
    page = (Path(__file__).parents[2] / "docs/how-to/check-health.md").read_text()
    assert {name for name in of_dagster if f"`{name}`" not in page} == set()
    wrong = [finding for finding in report["findings"] if finding["verdict"] == "error"]
    # The tests' own server need not survive a crash of its machine.
    assert [finding for finding in wrong if finding["name"] != "durability"] == []
    assert done.returncode == (1 if wrong else 0)
    assert deployment.environment["CROWD_ENCRYPTION_KEY"] not in done.stdout + done.stderr
