import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crowd_pipelines.stack.processes import Service, StackError, answers, free_port
from crowd_pipelines_tests.stack.family import Family

ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath)}


def service(home: Path, *command: str, folder: Path | None = None, grace: float = 15) -> Service:
    log = home / "logs" / "bakery.log"
    return Service("Bakery", command, log=log, environment=ENVIRONMENT, folder=folder, grace=grace)


def never() -> bool:
    return False


def test_a_service_runs_until_its_block_is_left(tmp_path: Path) -> None:
    family = Family(tmp_path)
    with service(tmp_path, *family.command()) as running:
        running.wait_until(lambda: len(family.pids()) == 2, seconds=60)
        assert running.running
    assert not running.running
    assert family.all_gone()


@pytest.mark.parametrize(("grace", "said"), [(0.1, ""), (15, "goodbye\n")])
def test_a_service_has_as_long_to_end_as_it_is_given(tmp_path: Path, grace: float, said: str) -> None:
    family = Family(tmp_path)
    command = family.command(trap="trap 'sleep 1; echo goodbye; exit' TERM")
    with service(tmp_path, *command, grace=grace) as running:
        family.pids()
    assert running.log.read_text() == said


def test_a_service_gets_the_environment_that_is_given_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_ENCRYPTION_KEY", "secret")
    running = service(
        tmp_path, sys.executable, "-c", "import os; print(sorted(os.environ), os.getcwd())", folder=Path("/")
    )
    assert running.wait() == 0
    said = running.log.read_text()
    assert "'PATH'" in said
    assert "CROWD_ENCRYPTION_KEY" not in said
    assert said.endswith(" /\n")
    running.stop()


def test_a_service_that_ends_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    earlier = service(tmp_path, "sh", "-c", "echo of an earlier start; exit 1")
    earlier.wait()
    earlier.stop()
    script = "for n in $(seq 20); do echo line $n; done; echo no flour >&2; exit 1"
    with service(tmp_path, "sh", "-c", script) as running, pytest.raises(StackError) as told:
        running.wait_until(never, seconds=60)
    first, *words = str(told.value).splitlines()
    assert first == f"Bakery ended at its start; its log is {running.log}:"
    assert words == [*(f"line {n}" for n in range(7, 21)), "no flour"]


def test_words_of_an_earlier_start_are_not_told_again(tmp_path: Path) -> None:
    for said in ("earlier", "now"):
        with service(tmp_path, "sh", "-c", f"echo {said}; exit 1") as running, pytest.raises(StackError) as told:
            running.wait_until(never, seconds=60)
    assert str(told.value).splitlines()[1:] == ["now"]
    assert running.log.read_text() == "earlier\nnow\n"


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with service(tmp_path, "no-such-command") as running, pytest.raises(StackError) as told:
        running.wait_until(never, seconds=60)
    assert "Bakery ended at its start" in str(told.value)
    assert "no-such-command cannot be started: No such file or directory" in str(told.value)


def test_a_service_that_does_not_answer_is_told_and_stopped(tmp_path: Path) -> None:
    family = Family(tmp_path)
    with service(tmp_path, *family.command()) as running:
        family.pids()
        with pytest.raises(StackError, match=r"Bakery did not answer within 0 s; its log is .*bakery\.log"):
            running.wait_until(never, seconds=0.2)
    assert family.all_gone()


@contextmanager
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_free_port_is_one_that_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_the_preferred_port_is_taken_if_it_is_free() -> None:
    with listener() as server:
        preferred = int(server.getsockname()[1])
        assert free_port(preferred) != preferred
    assert free_port(preferred) == preferred


@pytest.mark.parametrize("number", [-1, 0, 65536, 70000])
def test_a_number_that_is_no_port_is_refused(number: int) -> None:
    with pytest.raises(StackError, match=f"{number} is no TCP port; give one from 1 to 65535"):
        free_port(number)


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n", False),
        (b"not HTTP at all\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_success_counts_as_an_answer(answer: bytes, good: bool) -> None:
    with listener() as server:
        thread = threading.Thread(target=_answer_once, args=(server, answer))
        thread.start()
        assert answers(f"http://127.0.0.1:{server.getsockname()[1]}/") is good
        thread.join()


def test_where_nobody_listens_nobody_answers() -> None:
    assert not answers(f"http://127.0.0.1:{free_port()}/")


def _answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
