"""A command with a child of its own, and a look at who of them still lives."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

LOOKS = 600
"""So many looks, a twentieth of a second apart, before something that never comes is given up."""

SLEEPER = "sleep 600"


def eventually(seen: Callable[[], bool], what: str) -> None:
    for _ in range(LOOKS):
        if seen():
            return
        time.sleep(0.05)
    raise AssertionError(f"never seen: {what}")


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to take note of its end does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip().rstrip("+") not in {"", "Z", "Zs"}


class Family:
    """A shell that notes its own process id and that of a child it leaves sleeping."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "pids"

    def command(self, *, trap: str = "", then: str = "wait") -> list[str]:
        notes = self._notes
        return ["sh", "-c", f"{trap}\n{SLEEPER} &\necho $$ $! > {notes}.new\nmv {notes}.new {notes}\n{then}"]

    def pids(self) -> list[int]:
        """Of the command and its child, once both run."""
        eventually(self._notes.exists, "the command's notes")
        return [int(pid) for pid in self._notes.read_text().split()]

    def all_gone(self) -> bool:
        return not any(lives(pid) for pid in self.pids())
