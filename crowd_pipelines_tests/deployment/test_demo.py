"""The demo, as newcomers see it: one command, every platform onboarded by the real daemon."""

import os
import subprocess
from pathlib import Path

from crowd_pipelines.integrations import registry
from crowd_pipelines_tests.deployment.installation import run_command


def test_the_demo_onboards_every_platform_and_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": str(tmp_path), "LANG": "C.UTF-8", "CROWD_HOME": str(home),
        "COLUMNS": "160",
    }  # fmt: skip
    done = run_command("demo", "--once", "--port", "0", environment=environment)
    assert done.returncode == 0, done.stderr
    for platform, integration in registry().items():
        [row] = [line for line in done.stdout.splitlines() if f"{integration.title} demo ({platform})" in line]
        assert "processed" in row
    running = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True, check=False)
    assert running.stdout == ""
