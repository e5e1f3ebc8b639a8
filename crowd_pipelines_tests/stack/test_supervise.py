"""What runs under a supervisor ends with whoever started it, however that one ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crowd_pipelines_tests.stack.family import Family, eventually, lives

GRACE = "15"
IMPATIENT = "0.2"

STARTS_AND_WAITS = """
import os, sys, time
from pathlib import Path
from crowd_pipelines.stack.processes import Service
service = Service("family", sys.argv[2:], log=Path(sys.argv[1]), environment=os.environ)
time.sleep(600)
"""


def supervise(*command: str, grace: str = GRACE) -> list[str]:
    return [sys.executable, "-m", "crowd_pipelines.stack.supervise", grace, *command]


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    family = Family(tmp_path)
    yield family
    for pid in family.pids():
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def end_of(supervisor: subprocess.Popen[bytes]) -> int:
    """Its exit code."""
    eventually(lambda: supervisor.poll() is not None, "the supervisor's end")
    if supervisor.stdin:
        supervisor.stdin.close()
    return supervisor.returncode


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 128 + 15)])
def test_the_exit_code_is_passed_on(script: str, code: int) -> None:
    assert end_of(start(supervise("sh", "-c", script))) == code


def test_a_command_that_is_not_there_is_named() -> None:
    done = subprocess.run(supervise("no-such-command"), capture_output=True, text=True, check=False)
    assert done.stderr == "no-such-command cannot be started: No such file or directory\n"
    assert done.returncode == 127


def test_nobody_is_left_who_holds_the_output_open() -> None:
    supervisor = subprocess.Popen(supervise("echo", "done"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.read() == b"done\n"


def test_all_end_when_the_starter_is_killed(family: Family, tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTS_AND_WAITS, str(tmp_path / "log"), *family.command()])
    assert not family.all_gone()
    starter.kill()
    starter.wait()
    eventually(family.all_gone, "the end of the command and its child")


def test_all_end_when_the_starter_closes_the_input(family: Family) -> None:
    supervisor = start(supervise(*family.command()))
    assert not family.all_gone()
    assert supervisor.stdin
    supervisor.stdin.close()
    assert end_of(supervisor) == 128 + 15
    assert family.all_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_all_end_when_the_supervisor_is_asked_to(family: Family, number: signal.Signals) -> None:
    supervisor = start(supervise(*family.command()))
    assert not family.all_gone()
    supervisor.send_signal(number)
    assert end_of(supervisor) == 128 + 15
    assert family.all_gone()


def test_all_end_when_the_supervisor_is_killed(family: Family) -> None:
    supervisor = start(supervise(*family.command()))
    assert not family.all_gone()
    supervisor.kill()
    assert end_of(supervisor) == -9
    eventually(family.all_gone, "the end of the command and its child")


def test_a_child_that_the_command_leaves_behind_ends_with_it(family: Family) -> None:
    assert end_of(start(supervise(*family.command(then="exit 4")))) == 4
    assert family.all_gone()


def test_a_command_is_asked_first(family: Family, tmp_path: Path) -> None:
    farewell = tmp_path / "farewell"
    command = family.command(trap=f"trap 'echo done > {farewell}; exit 5' TERM")
    supervisor = start(supervise(*command))
    assert not family.all_gone()
    supervisor.terminate()
    assert end_of(supervisor) == 5
    assert farewell.read_text() == "done\n"


@pytest.mark.parametrize("killed", [False, True])
def test_a_command_that_does_not_listen_is_killed(family: Family, killed: bool) -> None:
    deaf = family.command(trap="trap '' TERM", then="while :; do wait; sleep 0.1; done")
    supervisor = start(supervise(*deaf, grace=IMPATIENT))
    assert not family.all_gone()
    supervisor.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
    assert end_of(supervisor) == (-9 if killed else 128 + 9)
    eventually(family.all_gone, "the end of the command and its child")
