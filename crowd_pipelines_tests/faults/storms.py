"""Every way in which a provider says that it is asked too much, and how long it then has to be left alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DAY = 86_400
UNTOLD = (45, 61)
"""Seconds that are waited when nobody tells for how long."""

TOLD = (90, 121)
LONGEST = (DAY - 60, DAY + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that refuses for rate. `waits` are the least and the most seconds until the next request.

    A wait of a second is made in place, three times, before the whole integration run is put off.
    """

    name: str
    fault: Mapping[str, Any]
    waits: tuple[int, int] = TOLD
    in_place: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def requests(self) -> int:
        """How many requests it takes to learn that nothing may be asked."""
        return 4 if self.in_place else 1


def _header(value: str | None, waits: tuple[int, int] = TOLD, *, in_place: bool = False, **more: Any) -> Refusal:
    told = "no Retry-After" if value is None else f"Retry-After {value or 'empty'}"
    return Refusal(
        name=told, fault={"kind": "rate_limit", "retry_after": value, **more}, waits=waits, in_place=in_place
    )


def _other(name: str, waits: tuple[int, int] = TOLD, **fault: Any) -> Refusal:
    return Refusal(name=name, fault={"kind": "rate_limit", "seconds": 120, **fault}, waits=waits)


def _window(prefix: str, *, remaining: int, waits: tuple[int, int] = TOLD) -> Refusal:
    """A window of X's; its end says nothing while something of it is left."""
    left = {f"{prefix}-remaining": str(remaining)}
    name = f"{prefix} with {remaining} left"
    return _other(name, waits, header=f"{prefix}-reset", retry_after="epoch", headers=left)


HEADERS: Sequence[Refusal] = [
    _header("120"),
    _header("1", UNTOLD, in_place=True),
    _header("0", UNTOLD, in_place=True),
    _header("-5", UNTOLD, in_place=True),
    _header("1000000000", LONGEST),
    _header("1e300", LONGEST),
    _header("http-date", seconds=120),
    _header("epoch", seconds=120),
    _header("epoch-ms", seconds=120),
    _header("soon", UNTOLD),
    _header("", UNTOLD),
    _header("NaN", UNTOLD),
    _header(None, UNTOLD),
]

OWN: Mapping[str, Sequence[Refusal]] = {
    "discord": [
        _other("retry_after in the body", body='{"message": "You are being rate limited.", "retry_after": 120.5}'),
        _other(
            "global limit",
            body='{"message": "You are being rate limited.", "retry_after": 120.5, "global": true}',
            headers={"X-RateLimit-Global": "true"},
        ),
    ],
    "github": [
        _other(
            "primary limit as 403",
            status=403,
            header="X-RateLimit-Reset",
            retry_after="epoch",
            headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "5000"},
            body='{"message": "API rate limit exceeded for user ID 1."}',
        ),
        _other(
            "secondary limit as 403",
            UNTOLD,
            status=403,
            headers={"X-RateLimit-Remaining": "4000"},
            body='{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}',
        ),
        _other(
            "secondary limit with 200",
            UNTOLD,
            status=200,
            content_type="application/json",
            body='{"errors": [{"message": "You have exceeded a secondary rate limit."}]}',
        ),
        _other(
            "primary limit with 200",
            status=200,
            content_type="application/json",
            header="X-RateLimit-Reset",
            retry_after="epoch",
            headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "5000"},
            body='{"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded."}]}',
        ),
    ],
    "slack": [
        _other(
            "ratelimited with 200",
            status=200,
            content_type="application/json",
            retry_after="120",
            body='{"ok": false, "error": "ratelimited"}',
        ),
        _other("ratelimited with 429", retry_after="120", body='{"ok": false, "error": "ratelimited"}'),
    ],
    "twitter": [
        _window("x-rate-limit", remaining=0),
        _window("x-rate-limit", remaining=12, waits=UNTOLD),
        _window("x-user-limit-24hour", remaining=0),
        _other(
            "usage cap",
            LONGEST,
            body='{"type": "https://api.twitter.com/2/problems/usage-capped", "title": "UsageCapExceeded"}',
            content_type="application/json",
        ),
    ],
}
