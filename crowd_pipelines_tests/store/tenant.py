"""A tenant with one integration in a real database, and the records that the store's tests write into it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Engine, text

from crowd_pipelines.model.records import Activity, ActivityType, Member
from crowd_pipelines.model.streams import Operation, Stream, StreamResult, UpsertActivities
from crowd_pipelines.store import activities, integrations, pages, runs, streams
from crowd_pipelines.store.activities import PageRecords, Written
from crowd_pipelines.store.integrations import Limit
from crowd_pipelines.store.pages import Committed, FinishedPage
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import ClaimedStream, NewStream

PLATFORM = "town"
SAID = ActivityType(name="said", score=2, is_contribution=True)
WROTE = ActivityType(name="wrote", score=5, is_contribution=True)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RECORDS = ("activities", "members", "member_identities", "organizations", "member_organizations")


class Note(Stream):
    """A stream for the queue's tests."""

    kind: str = "note"
    name: str
    page: int = 1

    @property
    def label(self) -> str:
        """What people see."""
        return f"note {self.name}"


def person(name: str = "ada", **details: Any) -> Member:
    return Member(**{"platform": PLATFORM, "username": name, "source_id": f"id-{name}", **details})


def said(source_id: str, by: Member | None = None, **details: Any) -> Activity:
    wanted = {"platform": PLATFORM, "type": SAID, "source_id": source_id, "timestamp": NOON, "member": by or person()}
    return Activity(**{**wanted, **details})


def answer(source_id: str, to: str, **details: Any) -> Activity:
    return said(source_id, **{"source_parent_id": to, "source_parent_type": "said", **details})


def upsert(*records: Activity) -> UpsertActivities:
    return UpsertActivities(activities=records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Short ways to the store's functions, each call in a transaction of its own."""

    engine: Engine
    id: UUID
    integration_id: UUID

    @classmethod
    def connect(cls, engine: Engine, *, name: str = "acme", integration: str = "Town") -> Self:
        with engine.begin() as conn:
            tenant_id = integrations.ensure_tenant(conn, name)
            record = integrations.connect(conn, tenant_id=tenant_id, platform=PLATFORM, name=integration, settings={})
        return cls(engine=engine, id=tenant_id, integration_id=record.id)

    def write(self, *operations: Operation, priority: Sequence[str] = ()) -> Written:
        page = PageRecords(integration_id=self.integration_id, platform=PLATFORM, operations=operations)
        with self.engine.begin() as conn:
            return activities.write(conn, self.id, [page], priority=priority)

    def say(self, *records: Activity) -> Written:
        return self.write(upsert(*records))

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.begin() as conn:
            return [dict(row) for row in conn.execute(text(sql), values).mappings()]

    def row(self, sql: str, **values: Any) -> dict[str, Any]:
        [row] = self.rows(sql, **values)
        return row

    def value(self, sql: str, **values: Any) -> Any:
        [value] = self.row(sql, **values).values()
        return value

    def execute(self, sql: str, **values: Any) -> int:
        with self.engine.begin() as conn:
            return conn.execute(text(sql), values).rowcount

    def activity(self, source_id: str) -> dict[str, Any]:
        return self.row("SELECT * FROM activities WHERE source_id = :id", id=source_id)

    def versions(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """Every row with the place and transaction of its version: equal only where nothing was written."""
        return {
            table: self.rows(f"SELECT xmin::text, ctid::text, t.* FROM {table} AS t ORDER BY ctid")
            for table in tables or RECORDS
        }

    def run(self, *, onboarding: bool = True, owner: str = "me") -> RunRecord:
        """A new integration run in this worker's hands."""
        with self.engine.begin() as conn:
            run_id = runs.begin(conn, self.integration_id, onboarding=onboarding)
            assert run_id is not None
            taken = runs.take(conn, run_id, owner=owner)
        assert taken is not None
        return taken

    def planned_run(self, *roots: Stream) -> RunRecord:
        run = self.run()
        with self.engine.begin() as conn:
            assert runs.plan(conn, run, roots)
        return self.read_run(run)

    def read_run(self, run: RunRecord) -> RunRecord:
        with self.engine.begin() as conn:
            found = runs.get(conn, run.id)
        assert found is not None
        return found

    def queue(self, run: RunRecord, *wanted: Stream, parent: ClaimedStream | None = None) -> int:
        with self.engine.begin() as conn:
            return streams.add(conn, [NewStream(run_id=run.id, stream=stream, parent=parent) for stream in wanted])

    def claim(self, run: RunRecord, *, owner: str = "me", limit: int = 10) -> list[ClaimedStream]:
        with self.engine.begin() as conn:
            return streams.claim(conn, [run.id], owner=owner, limit=limit)

    def commit(self, *finished: FinishedPage) -> Committed:
        with self.engine.begin() as conn:
            return pages.commit(conn, finished, priority=())


def page(run: RunRecord, claimed: ClaimedStream, result: StreamResult, limit: Limit | None = None) -> FinishedPage:
    return FinishedPage(
        run=run,
        claimed=claimed,
        stream=Note.model_validate(claimed.metadata),
        result=result,
        follow=True,
        limit=limit,
        requests=1,
        waited_seconds=0.0,
    )


def later(activity: Activity, *, hours: int) -> Activity:
    return replace(activity, timestamp=activity.timestamp + timedelta(hours=hours))
