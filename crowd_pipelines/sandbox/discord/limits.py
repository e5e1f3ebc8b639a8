"""Discord's limits: a window for the bot, one for each kind of route and what it is about, and one for refusals."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from crowd_pipelines.sandbox.discord.refusals import too_many, window_headers
from crowd_pipelines.sandbox.messages import Response, text_response

GENEROUS = 10_000
OVERALL = "global"
INVALID = "invalid"


@dataclass(slots=True)
class Window:
    """What was used of a window, and when it ends."""

    used: int = 0
    ends: float = 0.0


class Limits:
    """Counts requests. What no window was set for is as good as unlimited, so that tests need not wait."""

    def __init__(self, requests_per_second: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limits: dict[str, tuple[int, float]] = {INVALID: (10_000, 600.0)}
        self._windows: dict[str, Window] = {}
        if requests_per_second:
            self.set(OVERALL, requests_per_second, 1.0)
            for route in ("messages", "threads", "guild", "members"):
                self.set(route, max(5, requests_per_second // 4), 1.0)

    def set(self, route: str, requests: int, seconds: float) -> None:
        self._limits[route] = (requests, seconds)
        self._windows.clear()

    def ban(self) -> Response | None:
        """What the network in front of Discord answers an address that was refused too often."""
        window = self._windows.get(INVALID, Window())
        left = window.ends - self._clock()
        if left <= 0 or window.used < self._limits[INVALID][0]:
            return None
        page = "<!DOCTYPE html><title>Access denied</title><h1>Error 1015: You are being rate limited</h1>"
        return text_response(page, status=429, headers={"Retry-After": str(max(1, round(left)))})

    def note_refusal(self) -> None:
        """One more that counts towards a ban."""
        self._over(INVALID, INVALID)

    def count(self, route: str, subject: str) -> tuple[Response | None, dict[str, str]]:
        """Counts a request: the refusal, if it is one too many, and what every answer tells of the route's window."""
        if wait := self._over(OVERALL, OVERALL):
            return too_many(wait, scope="global", headers={}), {}
        key = f"{route}/{subject}"
        wait = self._over(route, key)
        limit, _ = self._limits.get(route, (GENEROUS, 1.0))
        window = self._windows[key]
        bucket = hashlib.sha256(route.encode()).hexdigest()[:32]
        left = window.ends - self._clock()
        headers = window_headers(limit, max(0, limit - window.used), max(left, 0.0), bucket)
        return (too_many(wait, scope="user", headers=headers) if wait else None), headers

    def _over(self, route: str, key: str) -> float:
        """Seconds until the window opens again, 0 when the request may pass."""
        limit, seconds = self._limits.get(route, (GENEROUS, 1.0))
        now, window = self._clock(), self._windows.setdefault(key, Window())
        if window.ends <= now:
            window.used, window.ends = 0, now + seconds
        if window.used >= limit:
            return window.ends - now
        window.used += 1
        return 0.0
