"""Rate budgets shared by all processes: one row per credential (or host) and bucket, on the database's clock."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, func
from sqlalchemy.dialects.postgresql import insert

from crowd_pipelines.http.errors import RateLimited
from crowd_pipelines.http.pacing import LONGEST_WAIT_IN_PLACE, RateLimit, limit_of
from crowd_pipelines.store.database import execute, query, transact
from crowd_pipelines.store.schema import rate_budgets as table


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBudget:
    """The rate budgets of an installation. Onboardings leave the part `check_reserve` of each to checks."""

    engine: Engine
    check_reserve: float = 0.2

    def pacer(self, scope: str, limits: Mapping[str, RateLimit], *, onboarding: bool) -> "PostgresPacer":
        """Return the pacer of whoever shares `scope`."""
        return PostgresPacer(self.engine, scope, limits, left_to_checks=self.check_reserve if onboarding else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A row of the budgets from which a slot is taken; times in seconds, `reserve` is the part left alone."""

    key: str
    interval: float
    tolerance: float
    reserve: float


class PostgresPacer:
    """The `Pacer` of whoever shares `scope`: a credential's fingerprint, or a host where the provider counts so.

    An onboarding takes each slot from its own lane, which has the budget less what is left to checks, and from the
    whole.
    """

    def __init__(self, engine: Engine, scope: str, limits: Mapping[str, RateLimit], *, left_to_checks: float) -> None:
        self._engine = engine
        self._scope = scope
        self._limits = dict(limits)
        self._left_to_checks = left_to_checks

    def reserve(self, *buckets: str) -> float:
        """Return the seconds to wait before sending. Raises RateLimited when that is more than 30 s."""
        lanes = [lane for bucket in buckets for lane in self._lanes(bucket)]
        asked = {
            "keys": [lane.key for lane in lanes],
            "reserves": [lane.reserve for lane in lanes],
            "tolerances": [lane.tolerance for lane in lanes],
        }
        spacing = {"intervals": [lane.interval for lane in lanes], "longest": LONGEST_WAIT_IN_PLACE.total_seconds()}
        slots = execute(self._engine, query("budgets_reserve"), {**asked, **spacing})
        if slots:
            return float(slots[0][0])
        [(until,)] = execute(self._engine, query("budgets_opens_at"), asked)
        named = " or ".join(map(repr, buckets))
        raise RateLimited(f"the budget {named} is used up until {until:%H:%M:%S} UTC", until=until, scope=buckets[0])

    def close(self, bucket: str, until: datetime) -> None:
        """Let nothing of the bucket through before `until`, whoever asks."""
        _, tolerance = self._spacing(bucket)
        new = insert(table).values(
            key=self._key(bucket), next_free_at=until + timedelta(seconds=tolerance), closed_until=until
        )
        changes = {
            "next_free_at": func.greatest(table.c.next_free_at, new.excluded.next_free_at),
            "closed_until": func.greatest(table.c.closed_until, new.excluded.closed_until),
            "updated_at": func.now(),
        }
        transact(
            self._engine,
            lambda conn: conn.execute(new.on_conflict_do_update(index_elements=["key"], set_=changes)),
        )

    def learn(self, bucket: str, *, remaining: int, limit: int | None, resets_at: datetime) -> None:
        """Take note of what the provider says is left, and close the bucket when that is nothing.

        While more than half is left, nobody has to know.
        """
        if limit is not None and remaining * 2 > limit:
            return
        told = {"remaining": remaining, "capacity": limit, "resets_at": resets_at}
        new = insert(table).values(key=self._key(bucket), next_free_at=func.now(), **told)
        transact(
            self._engine,
            lambda conn: conn.execute(
                new.on_conflict_do_update(index_elements=["key"], set_={**told, "updated_at": func.now()})
            ),
        )
        if remaining <= 0:
            self.close(bucket, resets_at)

    def _lanes(self, bucket: str) -> list[_Lane]:
        """Return the whole budget, and an onboarding's part of it."""
        interval, tolerance = self._spacing(bucket)
        key, left = self._key(bucket), self._left_to_checks
        whole = _Lane(key=key, interval=interval, tolerance=tolerance, reserve=left)
        if not left:
            return [whole]
        return [whole, replace(whole, key=f"{key}#onboarding", interval=interval / (1 - left), reserve=0.0)]

    def _spacing(self, bucket: str) -> tuple[float, float]:
        limit = limit_of(bucket, self._limits)
        return (limit.interval.total_seconds(), limit.tolerance.total_seconds()) if limit else (0.0, 0.0)

    def _key(self, bucket: str) -> str:
        return f"{self._scope}:{bucket}"


def fingerprint(platform: str, *parts: str) -> str:
    """Return a budget scope that tells credentials apart without showing them."""
    digest = hashlib.sha256("\x00".join(parts).encode()).hexdigest()
    return f"{platform}:{digest[:16]}"
