"""Processes that listen, each under a supervisor, so that none is left over."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_DIRECT = build_opener(ProxyHandler({}))


class StackError(Exception):
    """A part of the installation did not start; the message says which, why, and where its log is."""


class Service:
    """A command under a supervisor, with its output in a log file."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            # A session of its own: Ctrl-C in the terminal is for us to pass on, in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crowd_pipelines.stack.supervise", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
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
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-15:])


def answers(url: str) -> bool:
    """Tell whether an address of this machine answers with success."""
    try:
        with _DIRECT.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def free_port(preferred: int | None = None) -> int:
    """Return a free TCP port on the loopback interface, the preferred one if it is."""
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
