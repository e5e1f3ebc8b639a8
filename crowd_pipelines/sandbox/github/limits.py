"""The points that GitHub lets one account spend, and what it says of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crowd_pipelines.sandbox.github.exchange import iso

POINTS_PER_HOUR = 5_000
HOUR = 3_600.0


@dataclass(slots=True, kw_only=True)
class Budget:
    """The points of one account in a window that begins with its first request."""

    limit: int = POINTS_PER_HOUR
    window: float = HOUR
    clock: Callable[[], float] = time.time
    used: int = 0
    resets: float = 0.0

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    def refresh(self) -> None:
        """Begins a new window when the last one is over."""
        if self.clock() >= self.resets:
            self.used, self.resets = 0, self.clock() + self.window

    def spend(self, points: int) -> None:
        self.used = min(self.limit, self.used + points)

    def headers(self, resource: str = "graphql") -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(int(self.resets) + 1),
            "X-RateLimit-Resource": resource,
        }

    def as_json(self, *, cost: int, nodes: int) -> dict[str, Any]:
        """The field `rateLimit`."""
        return {
            "limit": self.limit,
            "cost": cost,
            "remaining": self.remaining,
            "used": self.used,
            "resetAt": iso(int(self.resets) + 1),
            "nodeCount": nodes,
        }


@dataclass(slots=True, kw_only=True)
class Pace:
    """At most `points` within any `window` of seconds, of one account: the secondary limit. None is no limit."""

    points: int | None = None
    window: float = 60.0
    clock: Callable[[], float] = time.time
    spent: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def wait(self, account: str, points: int) -> float | None:
        """Counts what passes; the seconds to wait for what does not."""
        if self.points is None:
            return None
        now = self.clock()
        recent = [(at, cost) for at, cost in self.spent.get(account, []) if at > now - self.window]
        if sum(cost for _, cost in recent) + points > self.points:
            return recent[0][0] + self.window - now if recent else self.window
        self.spent[account] = [*recent, (now, points)]
        return None
