"""Processes that listen, each under a supervisor, so that none is left over."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import ProxyHandler, build_opener

from crowd_pipelines import private
from crowd_pipelines.stack.supervise import GRACE_SECONDS

_DIRECT = build_opener(ProxyHandler({}))


class StackError(Exception):
    """A part of the installation did not start; the message says which, why, and where its log is."""


class Service:
    """A command under a supervisor, with its output in a log file.

    `grace` is how many seconds it may take to end when it is asked to. `folder` is where it runs, this process's own
    unless given.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(log, "ab", opener=private.opener) as output:
            self._logged_before = output.tell()
            # A session of its own: Ctrl-C in the terminal is for us to pass on, in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crowd_pipelines.stack.supervise", str(grace), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until it answers. Raises StackError when it ends before, or takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise StackError(f"{self.name} ended at its start; its log is {self.log}:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer within {seconds:.0f} s; its log is {self.log}")
            time.sleep(0.1)

    def wait(self) -> int:
        """Wait until it has ended by itself; returns its exit code, 128 + n when signal n ended it."""
        return self._process.wait()

    def stop(self) -> None:
        """End the command and all that it started."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _last_words(self) -> str:
        said = self.log.read_bytes()[self._logged_before :].decode("utf-8", "replace")
        return "\n".join(said.splitlines()[-15:])


def answers(url: str) -> bool:
    """Tell whether an address of this machine answers with success."""
    try:
        with _DIRECT.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException):
        return False


def free_port(preferred: int | None = None) -> int:
    """Return a free TCP port on the loopback interface, the preferred one if it is. Raises StackError."""
    if preferred is not None and not 1 <= preferred <= 65535:
        raise StackError(f"{preferred} is no TCP port; give one from 1 to 65535")
    for port in [preferred, 0] if preferred else [0]:
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port or 0))
            except OSError:
                continue
            return int(candidate.getsockname()[1])
    raise StackError("there is no free port on 127.0.0.1")


def inherited(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes."""
    return {**os.environ, **changes}


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command the way Ctrl-C does: by leaving every block in order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Keep others out of a state folder, made if it is not there. Raises StackError when one is in it."""
    with (private.folder(folder) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another {what} is running (it holds {lock.name}); stop that one first") from None
        yield
