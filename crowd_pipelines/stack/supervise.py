"""`python -m crowd_pipelines.stack.supervise GRACE COMMAND…`: runs a command that must not outlive whoever started it.

The command gets a process group of its own. When standard input ends (the starter stopped, even by SIGKILL) or a
signal comes, the whole group is stopped: politely first, after GRACE seconds for good. A fork of the supervisor does
the same if the supervisor itself is killed. Only what leaves the group on purpose (`setsid`) escapes.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

GRACE_SECONDS = 20.0
"""Time for a slice to end and leases to be given back."""

CANNOT_START = 127
"""The exit code of shells for a command that is not there."""

_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str], *, grace: float = GRACE_SECONDS) -> int:
    """Run `command` until it ends or is no longer wanted; returns its exit code, 128 + n when signal n ended it."""
    stop_reader = _listen_for_signals()
    _adopt_orphans()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        return CANNOT_START
    guard = _guard(process.pid, grace=grace)
    while process.poll() is None and _goes_on(stop_reader):
        pass
    _stop_group(process.pid, grace=grace, reap=lambda: _reap(process))
    code = process.wait()
    os.kill(guard, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _listen_for_signals() -> int:
    """Return where signals arrive as bytes; none of them ends this process."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def _adopt_orphans() -> None:
    """Let orphans of the command become children of this process: not every container's init reaps them (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _guard(group: int, *, grace: float) -> int:
    """Fork a process that stops the group if this one is killed; returns its id."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(reader)  # while this process lives, `writer` is open
        return child
    signal.set_wakeup_fd(-1)
    os.setsid()
    os.close(writer)
    os.read(reader, 1)
    _stop_group(group, grace=grace, reap=lambda: None)
    os._exit(0)


def _goes_on(stop_reader: int) -> bool:
    """Wait for a sign; tell whether it was only a child's."""
    ready, _, _ = select.select([sys.stdin.buffer, stop_reader], [], [])
    if stop_reader in ready:
        return set(os.read(stop_reader, 64)) <= {signal.SIGCHLD}
    return bool(os.read(sys.stdin.fileno(), 64))


def _stop_group(group: int, *, grace: float, reap: Callable[[], object]) -> None:
    deadline = time.monotonic() + grace
    _signal(group, signal.SIGTERM)
    while _signal(group, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
        reap()  # a zombie counts as alive
    _signal(group, signal.SIGKILL)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Take note of the command's end, then of its orphans'."""
    if process.poll() is not None:
        with suppress(ChildProcessError):
            while os.waitpid(-process.pid, os.WNOHANG) != (0, 0):
                pass


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; tell whether there is anyone left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], grace=float(sys.argv[1])))
