"""The integration processor: what is due, and starting it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.store import integrations, owed, runs
from crowd_pipelines.store.database import BRIEF_PATIENCE_SECONDS, current_time, transact
from crowd_pipelines.store.runs import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What a minute means for a platform: integrations whose check is due, or how many ticks have passed.

    `minute` is the one that it is on the database's clock.
    """

    minute: datetime
    due: tuple[UUID, ...]
    number: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Integration runs that are now this worker's, and why others are not."""

    run_ids: tuple[UUID, ...] = ()
    passed_over: tuple[str, ...] = ()

    def __add__(self, other: "Started") -> "Started":
        return Started(run_ids=self.run_ids + other.run_ids, passed_over=self.passed_over + other.passed_over)


class IntegrationProcessor:
    """Finds what is due, opens integration runs, and hands them to the lifecycle.

    Knows nothing of who launched it: a Dagster run, a command, or a test.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.lifecycle = lifecycle
        self._engine = lifecycle.engine

    def process_tick(self, platform: str) -> Tick:
        """Tell which integrations of a platform are due for a check. Changes nothing.

        Whoever asks may have a clock that is wrong: what is due is a matter of the database's.
        """
        interval = self.lifecycle.registry[platform].ticks_between_checks

        def read(conn: Connection) -> Tick:
            minute = current_time(conn).replace(second=0, microsecond=0)
            if interval < 0:
                return Tick(minute=minute, due=(), number=0, of=interval)
            due = integrations.due_for_check(conn, platform, interval=timedelta(minutes=interval), now=minute)
            oldest = integrations.oldest_check(conn, platform)
            passed = int((minute - oldest).total_seconds() // 60) + 1 if oldest else 0
            return Tick(minute=minute, due=tuple(due), number=passed, of=interval)

        return transact(self._engine, read, patience=BRIEF_PATIENCE_SECONDS)

    def process_check(
        self, integration_ids: Sequence[UUID], *, not_checked_since: datetime | None = None
    ) -> list[UUID]:
        """Open a check for every integration that has no open integration run; returns the new ones' ids."""

        def write(conn: Connection) -> list[UUID]:
            begun = [
                runs.begin(conn, id_, onboarding=False, not_checked_since=not_checked_since) for id_ in integration_ids
            ]
            return [run_id for run_id in begun if run_id is not None]

        return transact(self._engine, write)

    def start_onboarding(self, integration_id: UUID, *, requested_only: bool = False) -> UUID | None:
        """Open an onboarding; returns None when there is an open integration run, or no request where one is needed."""
        return transact(
            self._engine,
            lambda conn: runs.begin(conn, integration_id, onboarding=True, requested_only=requested_only),
        )

    def onboard(self, integration_ids: Sequence[UUID], *, requested_only: bool = False) -> Started:
        """Open onboardings and take them; an onboarding that is open already is continued instead.

        With `requested_only`, those whose request somebody else has met are passed over.
        """
        started = Started()
        for integration_id in integration_ids:
            run_id = self.start_onboarding(integration_id, requested_only=requested_only)
            if run_id:
                started += self.resume([run_id])
            else:
                started += self._onboard_later(integration_id, requested_only=requested_only)
        return started

    def check(self, integration_ids: Sequence[UUID], *, not_checked_since: datetime | None = None) -> Started:
        """Open checks and take them; integrations that are being read already are passed over.

        What no tick asks for, a person does: then everything that is owed is tried, whenever it would be due.
        """
        if not_checked_since is None:
            transact(self._engine, lambda conn: owed.expedite(conn, integration_ids))
        opened = self.process_check(integration_ids, not_checked_since=not_checked_since)
        others = len(integration_ids) - len(opened)
        reason = f"{others} integrations are being read already, or were checked since this check was asked for"
        return self.resume(opened) + (Started(passed_over=(reason,)) if others else Started())

    def resume(self, run_ids: Sequence[UUID]) -> Started:
        """Take integration runs that wait, are due, or lost their worker."""
        taken = self.lifecycle.take(run_ids)
        others = tuple(
            f"integration run {run_id} is not to be had: another worker has it, it is not due, or it is over"
            for run_id in run_ids
            if run_id not in taken
        )
        return Started(run_ids=tuple(taken), passed_over=others)

    def integration_of_partition(self, key: str) -> UUID | None:
        """Return the integration behind a partition key."""
        found = transact(self._engine, lambda conn: integrations.find(conn, key=key))
        return found[0].id if found else None

    def process(self, run_id: UUID) -> RunRecord | None:
        """Take an integration run through its whole lifecycle, as far as this slice goes.

        Returns how it stands then, None when another worker has it.
        """
        mine = self.lifecycle.take([run_id])
        lifecycle = self.lifecycle
        mine = lifecycle.get_streams(lifecycle.create_member_attributes(lifecycle.preprocess(mine)))
        lifecycle.process_streams(mine)
        lifecycle.postprocess(mine)
        return transact(self._engine, lambda conn: runs.get(conn, run_id))

    def _onboard_later(self, integration_id: UUID, *, requested_only: bool) -> Started:
        """Continue an open onboarding; let the sensor start one when an open check is over."""
        record = transact(self._engine, lambda conn: integrations.get(conn, integration_id))
        if record is None or record.disconnected_at:
            return Started(passed_over=(f"integration {integration_id} was removed",))
        open_runs = transact(
            self._engine, lambda conn: runs.find(conn, integration_ids=[integration_id], open_only=True)
        )
        if any(run.onboarding for run in open_runs):
            return self.resume([run.id for run in open_runs])
        if requested_only and not open_runs:
            return Started(
                passed_over=(f"the onboarding that integration {integration_id} asked for was begun already",)
            )
        transact(self._engine, lambda conn: integrations.request_onboarding(conn, [integration_id]))
        return Started(passed_over=(f"integration {integration_id} is being checked; it is onboarded after that",))
