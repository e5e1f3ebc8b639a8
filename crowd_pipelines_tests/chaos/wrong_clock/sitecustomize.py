"""Gives a Python process another time than this machine's, as a file says: so many seconds ahead, or behind.

Python imports this by itself where its folder is on the path. The file may change at any moment: the clock jumps. What
counts seconds (`time.monotonic`) is left alone, as it is by a real clock that is set.
"""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import time_machine

_real_time = time.time
_SERVES = "grpc" in sys.orig_argv
"""gRPC's server in Python falls silent when Python's clock alone is ahead: so that of a code server only goes back."""


def _ahead(file: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        told = float(file.read_text())
        return min(told, 0.0) if _SERVES else told
    return 0.0


def _follow(file: Path) -> None:
    ahead = _ahead(file)
    traveller = time_machine.travel(_real_time() + ahead, tick=True).start()
    while True:
        time.sleep(0.2)
        told = _ahead(file)
        if told != ahead:
            traveller.shift(told - ahead)
            ahead = told


if "CROWD_CHAOS_CLOCK" in os.environ:
    threading.Thread(target=_follow, args=(Path(os.environ["CROWD_CHAOS_CLOCK"]),), daemon=True).start()
