"""The one table from an answer's status to what must happen."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crowd_pipelines.http.waits import refuses_for_rate


class Outcome(StrEnum):
    """What an answer means for the request."""

    OK = "ok"
    RETRY = "retry"  # tried again in place, then Retryable
    REFUSED = "refused"  # Refused: for a reason that no table names, so it comes due again
    RATE_LIMITED = "rate_limited"  # waited for in place when short, else RateLimited
    CREDENTIALS = "credentials"  # CredentialsRejected
    PERMISSION = "permission"  # NotPermitted
    GONE = "gone"  # Gone
    UNEXPECTED = "unexpected"  # UnexpectedPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer as integrations see it; header names in any case, `url` redacted, `json` None for a 304."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome, and what to tell people of it: one sentence that says what is wrong and what to do.

    `until` is when a RATE_LIMITED request may be sent again, where headers and body do not say so. `permission` names
    what is missing, where the outcome is PERMISSION.
    """

    outcome: Outcome
    reason: str = ""
    until: datetime | None = None
    permission: str = ""


Judge = Callable[[Response], Outcome | Verdict | None]
"""Tells what the status does not: Slack's errors in a 200, GraphQL's RATE_LIMITED. None leaves it to the table."""

STATUS: Mapping[int, Outcome] = {
    400: Outcome.UNEXPECTED,
    401: Outcome.CREDENTIALS,
    403: Outcome.PERMISSION,
    404: Outcome.GONE,
    410: Outcome.GONE,
    422: Outcome.UNEXPECTED,
    451: Outcome.PERMISSION,
}
"""What refusals in JSON mean where the platform has no table of its own."""

_LIMIT_WORDS = re.compile(
    r"rate.?limit|too many requests|abuse detection|slow down|throttl|request quota|temporarily blocked", re.IGNORECASE
)
"""How providers, and networks in front of them, say that it is too much, whatever the status."""


def verdict_of(
    response: Response,
    *,
    judge: Judge | None,
    overrides: Mapping[int, Outcome],
    closed: bool = False,
) -> Verdict:
    """Return what an answer means. A limit comes before everything else, then the platform's own judge and table.

    What nobody names is a failure that comes due again, never a reason to leave something out. `closed` says that the
    judge reads a table of the platform: then no status means anything by itself, and what the table names is no limit
    only because the quota happens to be used up.
    """
    status = response.status
    if status != 429 and is_limit(response):
        named = judge(response) if judge and closed and not says_limit(response) else None
        return _verdict(named or Outcome.RATE_LIMITED)
    if judge and (judged := judge(response)):
        return _verdict(judged)
    if status in overrides:
        return Verdict(outcome=overrides[status])
    if not closed and isinstance(response.json, dict) and status in STATUS:
        return Verdict(outcome=STATUS[status])
    return Verdict(outcome=_by_class(status))


def _verdict(judged: Outcome | Verdict) -> Verdict:
    return judged if isinstance(judged, Verdict) else Verdict(outcome=judged)


def is_limit(response: Response) -> bool:
    """Tell whether a refusal is about how much is asked for, and not about what."""
    return says_limit(response) or (response.status == 403 and refuses_for_rate(response.headers))


def says_limit(response: Response) -> bool:
    """Tell whether a refusal says itself that it is about how much is asked for."""
    if response.status < 400:
        return False
    if response.status == 429 or "retry-after" in {name.lower() for name in response.headers}:
        return True
    return response.status < 500 and any(_LIMIT_WORDS.search(text) for text in _texts(response.json))


def _texts(body: Any, depth: int = 0) -> Iterator[str]:
    """Yield what a refusal says: texts at the top of a body, and of the errors in it."""
    if isinstance(body, str):
        yield body[:1_000]
    elif isinstance(body, dict) and depth < 3:
        yield from (text for value in body.values() for text in _texts(value, depth + 1))
    elif isinstance(body, list) and depth < 3:
        yield from (text for value in body[:20] for text in _texts(value, depth + 1))


def _by_class(status: int) -> Outcome:
    if 200 <= status < 300 or status == 304:
        return Outcome.OK
    if status == 429:
        return Outcome.RATE_LIMITED
    # What the server could not do may work a second later; what it would not do, hardly.
    return Outcome.RETRY if status >= 500 or status in (408, 425) else Outcome.REFUSED
