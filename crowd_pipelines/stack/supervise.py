"""`python -m crowd_pipelines.stack.supervise COMMAND…`: runs a command that must not outlive whoever started it.

The command gets a process group of its own. When standard input ends (the starter stopped, even by SIGKILL) or a
signal comes, the whole group is stopped: politely first, then for good.
"""

import os
import select
import signal
import subprocess
import sys
import time

GRACE_SECONDS = 20
"""Time for a slice to end and leases to be given back."""


def main(command: list[str]) -> int:
    """Run `command` until it ends or is no longer wanted; returns its exit code."""
    stop_reader, stop_writer = os.pipe()
    os.set_blocking(stop_writer, False)
    signal.set_wakeup_fd(stop_writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and _goes_on(stop_reader):
        pass
    _stop_group(process)
    return process.wait()


def _goes_on(stop_reader: int) -> bool:
    """Wait for a sign; tell whether it was only a child's."""
    ready, _, _ = select.select([sys.stdin.buffer, stop_reader], [], [])
    if stop_reader in ready:
        return set(os.read(stop_reader, 64)) <= {signal.SIGCHLD}
    return bool(os.read(sys.stdin.fileno(), 64))


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    group = process.pid
    deadline = time.monotonic() + GRACE_SECONDS
    _signal(group, signal.SIGTERM)
    while _signal(group, 0) and time.monotonic() < deadline:
        process.poll()  # reaps it: a zombie counts as alive
        time.sleep(0.05)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; tell whether there is anyone left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
