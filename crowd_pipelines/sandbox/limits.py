"""Request limits as the providers count them."""

import threading
import time
from collections.abc import Callable


class FixedWindow:
    """At most `limit` requests of one key in each window of `period` seconds of the server's clock.

    Windows begin at multiples of the period, as Rack::Attack's do, so a burst over a border passes twice the limit.
    """

    def __init__(self, limit: int, *, period: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._period = period
        self._clock = clock
        self._window = 0
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float | None:
        """Counts a request; None when it may pass, else the seconds until the window ends."""
        with self._lock:
            now = self._clock()
            window = int(now // self._period)
            if window != self._window:
                self._window, self._counts = window, {}
            self._counts[key] = self._counts.get(key, 0) + 1
            return None if self._counts[key] <= self._limit else (window + 1) * self._period - now
