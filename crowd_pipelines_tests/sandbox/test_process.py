"""The process: it says when it is ready, and it is never left over."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import fetch

START = [sys.executable, "-m", "crowd_pipelines.sandbox", "--seed", "3"]


def test_one_line_tells_how_to_connect() -> None:
    with subprocess.Popen(START, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        devto = ready["platforms"]["devto"]
        assert devto["api_url"] == ready["url"] + "/devto/api"
        assert devto["credentials"] == {}
        assert devto["settings"]["organizations"]
        assert fetch(ready["url"] + "/_sandbox/health").json == ready
        process.terminate()
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_a_client_waits(number: signal.Signals) -> None:
    with subprocess.Popen(START, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        sandbox = Sandbox(process, ready)
        sandbox.fault("devto", "timeout")
        waiting = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as u; u.urlopen({ready['url'] + '/devto/api'!r})"],
            stderr=subprocess.DEVNULL,
        )
        while not sandbox.requests("devto"):
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert waiting.wait(timeout=20) != 0


def test_it_ends_with_its_parent() -> None:
    parent = (
        "import os; from crowd_pipelines.sandbox.process import Sandbox;"
        "print(Sandbox.start().pid, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, check=True)
    assert _gone(int(done.stdout))


def test_it_does_not_start_for_a_parent_that_is_gone() -> None:
    done = subprocess.run([*START, "--parent-pid", "1"], stdout=subprocess.PIPE, check=True, timeout=20)
    assert done.returncode == 0


def test_it_listens_on_the_loopback_interface_only(still: Sandbox) -> None:
    assert still.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("size", ["huge", "comments=0", "comments=x"])
def test_an_unknown_size_is_refused(size: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SandboxError, match="exit code 2"):
        Sandbox.start(size=size)
    assert f"unknown size '{size}'" in capfd.readouterr().err


def test_stopping_twice_is_harmless() -> None:
    sandbox = Sandbox.start()
    sandbox.stop()
    sandbox.stop()
    assert _gone(sandbox.pid)


def test_it_evolves_by_itself() -> None:
    with Sandbox.start(evolve=0.05) as sandbox:
        before = sandbox.truth("devto")
        while (after := sandbox.truth("devto")).activities == before.activities:
            time.sleep(0.05)
        assert after.now > before.now


def test_nothing_but_the_sandbox_itself_imports_the_sandbox() -> None:
    package = Path(__file__).parents[2] / "crowd_pipelines"
    sources = [
        path
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in ("sandbox", "cli", "benchmarks")
    ]
    assert [path for path in sources if "crowd_pipelines.sandbox" in path.read_text()] == []


def test_the_sandbox_imports_nothing_of_the_rest() -> None:
    for path in (Path(__file__).parents[2] / "crowd_pipelines" / "sandbox").rglob("*.py"):
        imported = re.findall(r"(?:from|import) (crowd_pipelines[\w.]*)", path.read_text())
        assert [name for name in imported if not name.startswith("crowd_pipelines.sandbox")] == []


def _gone(pid: int) -> bool:
    """Whether the process ends within a number of looks; one that init has not buried yet has ended, too."""
    for _ in range(500):
        look = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], stdout=subprocess.PIPE, text=True, check=False)
        if look.stdout.strip() in ("", "Z", "Zs"):
            return True
        time.sleep(0.02)
    return False


def test_a_port_that_is_taken_is_named(still: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    port = int(still.url.rpartition(":")[2])
    with pytest.raises(SandboxError, match="exit code 1"):
        Sandbox.start(port=port)
    assert f"cannot listen on port {port}" in capfd.readouterr().err
