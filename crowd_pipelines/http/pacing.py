"""Pace before the call, learn after it: the seam to a credential's budget."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from crowd_pipelines.http.errors import RateLimited
from crowd_pipelines.http.waits import LONGEST_WAIT
from crowd_pipelines.model import clock

LONGEST_WAIT_IN_PLACE = timedelta(seconds=30)
_FIRST_UNTOLD_WAIT = timedelta(seconds=60)

Clock = Callable[[], datetime]


utc_now = clock.now


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `requests` in `seconds`, evenly spaced, `burst` of them at once after a rest."""

    requests: int
    seconds: float
    burst: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for a limit that would let nothing through."""
        if self.requests < 1 or self.seconds <= 0 or self.burst < 1:
            raise ValueError(f"{self!r} lets nothing through: use positive numbers")

    @property
    def interval(self) -> timedelta:
        """The time from one request to the next."""
        return timedelta(seconds=self.seconds / self.requests)

    @property
    def tolerance(self) -> timedelta:
        """How far ahead of even spacing a burst may run."""
        return self.interval * (self.burst - 1)


def limit_of(bucket: str, limits: Mapping[str, RateLimit]) -> RateLimit | None:
    """Return the limit of a bucket: its own, else that of its family (`messages` for `messages/900`)."""
    return limits.get(bucket) or limits.get(bucket.partition("/")[0])


class Pacer(Protocol):
    """Decides when the next request of some buckets may be sent; shared by all who use one credential.

    A bucket may be one of a family with the same limit, named `family/subject`.
    """

    def reserve(self, *buckets: str) -> float:
        """Seconds to wait before sending now; raises RateLimited, reserving nothing, when that exceeds 30 s."""
        ...

    def close(self, bucket: str, until: datetime) -> None:
        """Let nothing of the bucket through before `until`."""
        ...

    def learn(self, bucket: str, *, remaining: int, limit: int | None, resets_at: datetime) -> None:
        """Take note of the quota that the provider's last answer told."""
        ...


class LocalPacer:
    """Budgets inside one process, for calls before an integration exists; a bucket without a limit is not paced.

    The generic cell rate algorithm: all it keeps per bucket is when the next request is due.
    """

    def __init__(self, limits: Mapping[str, RateLimit] | None = None, *, clock: Clock = utc_now) -> None:
        self._limits = dict(limits or {})
        self._clock = clock
        self._due: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def reserve(self, *buckets: str) -> float:
        """Seconds to wait before sending now; raises RateLimited, reserving nothing, when that exceeds 30 s."""
        with self._lock:
            now = self._clock()
            due = {bucket: max(self._due.get(bucket, now), now) for bucket in buckets}
            waits = {bucket: max(due[bucket] - self._spacing(bucket)[1] - now, timedelta()) for bucket in buckets}
            longest = max(buckets, key=waits.__getitem__)
            if waits[longest] > LONGEST_WAIT_IN_PLACE:
                raise _closed(longest, now + waits[longest])
            self._due |= {bucket: due[bucket] + self._spacing(bucket)[0] for bucket in buckets}
        return waits[longest].total_seconds()

    def close(self, bucket: str, until: datetime) -> None:
        """Let nothing of the bucket through before `until`, and no burst after it: one request probes first."""
        _, tolerance = self._spacing(bucket)
        with self._lock:
            self._due[bucket] = max(self._due.get(bucket, until), until + tolerance)

    def learn(
        self,
        bucket: str,
        *,
        remaining: int,
        limit: int | None,  # noqa: ARG002  part of the Protocol; the declared limit is what we pace by
        resets_at: datetime,
    ) -> None:
        """Close the bucket until its reset when nothing remains."""
        if remaining <= 0:
            self.close(bucket, resets_at)

    def _spacing(self, bucket: str) -> tuple[timedelta, timedelta]:
        limit = limit_of(bucket, self._limits)
        return (limit.interval, limit.tolerance) if limit else (timedelta(), timedelta())


class Refusals:
    """Remembers per bucket until when it was refused, and how often without being told how long."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}
        self._grown: dict[str, tuple[datetime, timedelta]] = {}
        self._lock = threading.Lock()

    def note(self, bucket: str, until: datetime) -> None:
        """Remember that the bucket was refused until this moment."""
        with self._lock:
            self._until[bucket] = max(self._until.get(bucket, until), until)

    def until(self, bucket: str) -> datetime | None:
        """The latest moment the bucket was refused until, past ones included."""
        with self._lock:
            return self._until.get(bucket)

    def growing_wait(self, bucket: str, *, now: datetime) -> datetime:
        """Until when to wait where nobody tells: 60 s, then twice as long each time, up to 24 h.

        Threads that are refused while a wait is running are part of the same storm and do not make it grow.
        """
        with self._lock:
            until, wait = self._grown.get(bucket, (now, _FIRST_UNTOLD_WAIT / 2))
            if until <= now:
                wait = min(wait * 2, LONGEST_WAIT)
                until = now + wait
                self._grown[bucket] = (until, wait)
            return until

    def forget(self, bucket: str) -> None:
        """A request succeeded: the next untold wait starts from 60 s again."""
        with self._lock:
            self._grown.pop(bucket, None)


def _closed(bucket: str, until: datetime) -> RateLimited:
    message = f'The budget "{bucket}" is used up; the next request may be sent at {until:%Y-%m-%d %H:%M:%S %Z}.'
    return RateLimited(message, until=until, scope=bucket)
