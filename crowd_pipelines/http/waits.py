"""How long a provider wants us to wait, whichever way it says so.

Every answer is a moment between one second and 24 hours from `now`, or None where the provider tells nothing usable.
Sources: the "limits" sections of the providers' documentation; RFC 9110 (Retry-After).
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SHORTEST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=24)

# Providers disagree whether a number is a moment or a duration, even under one header name (GitHub's and Reddit's
# X-RateLimit-Reset). The size tells: no wait lasts 38 years, and no answer was limited until before 2008.
_EPOCH_SECONDS_FROM = 1_200_000_000
_EPOCH_MILLISECONDS_FROM = 1_000 * _EPOCH_SECONDS_FROM

_SECONDS_IN_TEXT = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s?seconds?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitHeader:
    """A header that tells when to come back; with `remaining`, only once that quota is used up.

    A refusal while quota is left has another reason (GitHub's secondary limits, X's usage cap, GitLab's limits per
    endpoint), and the window's reset says nothing about it.
    """

    name: str
    remaining: str | None = None


WAIT_HEADERS: tuple[WaitHeader, ...] = (
    WaitHeader(name="retry-after"),
    WaitHeader(name="x-ratelimit-reset-after", remaining="x-ratelimit-remaining"),
    WaitHeader(name="x-app-limit-24hour-reset", remaining="x-app-limit-24hour-remaining"),
    WaitHeader(name="x-user-limit-24hour-reset", remaining="x-user-limit-24hour-remaining"),
    WaitHeader(name="x-rate-limit-reset", remaining="x-rate-limit-remaining"),
    WaitHeader(name="x-ratelimit-reset", remaining="x-ratelimit-remaining"),
    WaitHeader(name="ratelimit-reset", remaining="ratelimit-remaining"),
    WaitHeader(name="ratelimit-resettime", remaining="ratelimit-remaining"),
)
_QUOTA_PREFIXES = ("x-rate-limit-", "x-ratelimit-", "ratelimit-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is left of a provider's window, as its headers tell."""

    remaining: int
    limit: int | None
    resets_at: datetime


def wait_until(value: object, *, now: datetime) -> datetime | None:
    """The moment meant by seconds to go, an epoch in s or ms, an HTTP date, an ISO 8601 time, or a moment itself."""
    if isinstance(value, datetime):
        return _clamped(value.timestamp() - now.timestamp(), now)
    if isinstance(value, str):
        return _from_text(value.strip(), now)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _from_number(value, now)


def from_headers(
    headers: Mapping[str, str], *, now: datetime, table: Sequence[WaitHeader] = WAIT_HEADERS
) -> datetime | None:
    """The moment the headers name: the first row of `table` that is present, applies and can be read."""
    lower = _lower(headers)
    rows = (row for row in table if row.name in lower and _applies(row, lower))
    return next((until for row in rows if (until := wait_until(lower[row.name], now=now))), None)


def from_body(payload: object, *, now: datetime) -> datetime | None:
    """The moment a JSON body names: Discord's `retry_after`, Stack Exchange's `backoff` or text, Discourse's extras."""
    return next((until for value in _body_values(payload) if (until := wait_until(value, now=now))), None)


def refused_until(
    headers: Mapping[str, str], payload: object, *, now: datetime, table: Sequence[WaitHeader] = WAIT_HEADERS
) -> datetime | None:
    """When a refused request may be repeated; Retry-After and the body know better than a window's reset."""
    retry_after = wait_until(_lower(headers).get("retry-after"), now=now)
    return retry_after or from_body(payload, now=now) or from_headers(headers, now=now, table=table)


def refuses_for_rate(headers: Mapping[str, str]) -> bool:
    """Whether the headers of a 403 say that it is about the rate and not about permission (GitHub)."""
    lower = _lower(headers)
    left = (_integer(lower.get(f"{prefix}remaining")) for prefix in _QUOTA_PREFIXES)
    return "retry-after" in lower or any(remaining is not None and remaining <= 0 for remaining in left)


def quota(headers: Mapping[str, str], *, now: datetime) -> Quota | None:
    """The quota that an answer's headers tell, when they tell both what remains and until when."""
    lower = _lower(headers)
    return next((found for prefix in _QUOTA_PREFIXES if (found := _quota(lower, prefix, now))), None)


def _quota(lower: Mapping[str, str], prefix: str, now: datetime) -> Quota | None:
    remaining = _integer(lower.get(f"{prefix}remaining"))
    after = wait_until(lower.get(f"{prefix}reset-after"), now=now)
    resets_at = after or wait_until(lower.get(f"{prefix}reset"), now=now)
    if remaining is None or resets_at is None:
        return None
    return Quota(remaining=max(remaining, 0), limit=_integer(lower.get(f"{prefix}limit")), resets_at=resets_at)


def _applies(row: WaitHeader, lower: Mapping[str, str]) -> bool:
    left = _integer(lower.get(row.remaining)) if row.remaining else None
    return left is None or left <= 0


def _body_values(payload: object) -> Iterator[object]:
    if not isinstance(payload, Mapping):
        return
    yield payload.get("retry_after")
    yield payload.get("backoff")
    extras = payload.get("extras")
    if isinstance(extras, Mapping):
        yield extras.get("wait_seconds")
    text = payload.get("error_message")
    if isinstance(text, str) and (told := _SECONDS_IN_TEXT.search(text[:1000])):
        yield told[1]


def _from_text(text: str, now: datetime) -> datetime | None:
    # A proxy may repeat the header; the copies arrive joined by commas.
    number = _number(text)
    if number is None:
        number = _number(text.partition(",")[0])
    if number is not None:
        return _from_number(number, now)
    moment = _date(text)
    return None if moment is None else _clamped(moment.timestamp() - now.timestamp(), now)


def _from_number(number: float, now: datetime) -> datetime | None:
    try:
        value = float(number)
    except OverflowError:
        return None
    if not math.isfinite(value):
        return None
    if value >= _EPOCH_MILLISECONDS_FROM:
        return _clamped(value / 1000 - now.timestamp(), now)
    if value >= _EPOCH_SECONDS_FROM:
        return _clamped(value - now.timestamp(), now)
    return _clamped(value, now)


def _clamped(seconds: float, now: datetime) -> datetime:
    shortest, longest = SHORTEST_WAIT.total_seconds(), LONGEST_WAIT.total_seconds()
    return now + timedelta(seconds=min(max(seconds, shortest), longest))


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _integer(text: str | None) -> int | None:
    """Reddit counts in decimals ("599.0")."""
    value = _number(text)
    return None if value is None else int(value)


def _date(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            # astimezone() here keeps moments at the rim of the calendar from failing later.
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
