"""Rate limits per endpoint and per user (or app), in windows that begin with the first request."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

QUARTER = 900.0
# Requests per window: for a user's token, for the app's own.
DOCUMENTED: Mapping[str, tuple[int, int]] = {
    "followers": (300, 300),
    "mentions": (300, 450),
    "search": (300, 450),
    "users": (900, 300),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of a window after a request."""

    limit: int
    remaining: int
    reset: int
    refused: bool

    @property
    def headers(self) -> dict[str, str]:
        told = {"limit": self.limit, "remaining": self.remaining, "reset": self.reset}
        return {f"x-rate-limit-{name}": str(value) for name, value in told.items()}


class Windows:
    """Counts requests. With `per_second`, every endpoint allows so many in windows of a second."""

    def __init__(self, per_second: int | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(DOCUMENTED, 1.0 if per_second else QUARTER)
        self._limits = {name: (per_second, per_second) if per_second else both for name, both in DOCUMENTED.items()}
        self._open: dict[tuple[str, str], tuple[float, int]] = {}

    def limit(self, endpoint: str, *, requests: int, seconds: float) -> None:
        """Another limit from now on, with new windows."""
        self._limits[endpoint], self._seconds[endpoint] = (requests, requests), seconds
        self._open = {key: window for key, window in self._open.items() if key[0] != endpoint}

    def spend(self, endpoint: str, who: str) -> Quota:
        now, length = self._clock(), self._seconds[endpoint]
        began, spent = self._open.get((endpoint, who), (now, 0))
        if now >= began + length:
            began, spent = now, 0
        limit = self._limits[endpoint][who == "app"]
        refused = spent >= limit
        spent += not refused
        self._open[endpoint, who] = (began, spent)
        return Quota(limit=limit, remaining=limit - spent, reset=math.ceil(began + length), refused=refused)
