"""The one table from an answer's status to what must happen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crowd_pipelines.http.waits import refuses_for_rate


class Outcome(StrEnum):
    """What an answer means for the request."""

    OK = "ok"
    RETRY = "retry"  # tried again in place, then Retryable
    RATE_LIMITED = "rate_limited"  # waited for in place when short, else RateLimited
    CREDENTIALS = "credentials"  # CredentialsRejected
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

    `until` is when a RATE_LIMITED request may be sent again, where headers and body do not say so.
    """

    outcome: Outcome
    reason: str = ""
    until: datetime | None = None


Judge = Callable[[Response], Outcome | Verdict | None]
"""Tells what the status does not: Slack's errors in a 200, GraphQL's RATE_LIMITED. None leaves it to the table."""

STATUS: Mapping[int, Outcome] = {
    304: Outcome.OK,
    400: Outcome.UNEXPECTED,
    401: Outcome.CREDENTIALS,
    403: Outcome.GONE,
    404: Outcome.GONE,
    408: Outcome.RETRY,
    410: Outcome.GONE,
    422: Outcome.UNEXPECTED,
    425: Outcome.RETRY,
    429: Outcome.RATE_LIMITED,
    451: Outcome.GONE,
}


def verdict_of(response: Response, *, judge: Judge | None, overrides: Mapping[int, Outcome]) -> Verdict:
    """The provider's judge knows best, then the headers of a 403, then the provider's table, then ours."""
    status = response.status
    if judge and (judged := judge(response)):
        return judged if isinstance(judged, Verdict) else Verdict(outcome=judged)
    if status == 403 and refuses_for_rate(response.headers):
        return Verdict(outcome=Outcome.RATE_LIMITED)
    return Verdict(outcome=overrides.get(status) or STATUS.get(status) or _by_class(status))


def _by_class(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.OK
    return Outcome.RETRY if 500 <= status < 600 else Outcome.UNEXPECTED
