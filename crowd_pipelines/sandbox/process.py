"""Starts and stops a sandbox in a process of its own. Standard library only."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Self

from crowd_pipelines.sandbox.client import Record, SandboxClient, SandboxError


class Sandbox(SandboxClient):
    """A sandbox in a process of its own. Use `with Sandbox.start(...) as sandbox:`; it ends with this process, too."""

    def __init__(self, process: subprocess.Popen[str], ready: Record) -> None:
        super().__init__(ready["url"])
        self._process = process
        self.platforms: dict[str, Record] = ready["platforms"]

    @classmethod
    def start(
        cls,
        *,
        seed: int = 7,
        size: str = "small",
        platforms: Sequence[str] = (),
        requests_per_second: int | None = None,
        page_size_max: int | None = None,
        until: datetime | None = None,
        evolve: float | None = None,
        port: int = 0,
    ) -> Self:
        """Starts the process and waits until it answers; raises SandboxError when it does not come up."""
        wanted = {
            "--seed": seed,
            "--size": size,
            "--port": port,
            "--parent-pid": os.getpid(),
            "--requests-per-second": requests_per_second,
            "--page-size-max": page_size_max,
            "--until": until.isoformat() if until else None,
            "--evolve": evolve,
        }
        command = [sys.executable, "-m", "crowd_pipelines.sandbox"]
        command += [f"{name}={value}" for name, value in wanted.items() if value is not None]
        return cls._started(command + [f"--platform={name}" for name in platforms])

    @classmethod
    def _started(cls, command: Sequence[str]) -> Self:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        with process.stdout or nullcontext(io.StringIO()) as output:
            line = output.readline()
        if not line:
            raise SandboxError(f"the sandbox ended at start with exit code {process.wait()}; see its messages above")
        return cls(process, json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ends the process; harmless when it has ended already."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def api_url(self, platform: str) -> str:
        return str(self.platforms[platform]["api_url"])

    def settings(self, platform: str) -> Record:
        return dict(self.platforms[platform]["settings"])

    def credentials(self, platform: str) -> Record:
        """Asked anew, since where tokens serve once those of the start may be used up."""
        return dict(self._call("GET", "health", {})["platforms"][platform]["credentials"])

    def environment(self, platform: str) -> dict[str, str]:
        return dict(self.platforms[platform]["environment"])
