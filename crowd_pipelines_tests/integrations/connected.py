"""An integration that is connected to a sandbox, over a real database, and the requests it makes."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import pytest
from sqlalchemy import Connection, Engine, text

from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.transport import Limits
from crowd_pipelines.integrations import registry
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import integrations
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.invariants import broken
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.vault import Vault, new_key

FAST = "100000"

WAITS = (
    "UPDATE integration_runs SET delayed_until = now() WHERE delayed_until IS NOT NULL",
    "UPDATE integration_streams SET due_at = now() WHERE due_at IS NOT NULL",
    "UPDATE owed_reads SET due_at = now() WHERE due_at > now()",
    "DELETE FROM rate_budgets",
)
"""What has to be done to a database so that every wait is over."""

Inspection = Callable[["Connected"], Sequence[str]]


def nothing_more(_: "Connected") -> Sequence[str]:
    """Find nothing: for tests that look by themselves."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """Onboards and checks as a worker would, and tells what that brought and cost.

    `limits` are how long answers may take, `new_slice` makes the slices in which it waits. `inspection` looks at the
    database after every integration run, and finds nothing where all is well.
    """

    engine: Engine
    sandbox: Sandbox
    record: IntegrationRecord
    vault: Vault
    limits: Limits = field(default_factory=Limits)
    new_slice: Callable[[], Slice] = field(default=lambda: Slice(Settings().slice_seconds))
    inspection: Inspection = field(default=nothing_more)

    @classmethod
    def to(
        cls, sandbox: Sandbox, platform: str, *, engine: Engine, monkeypatch: pytest.MonkeyPatch, pace: str = FAST
    ) -> Self:
        monkeypatch.setenv(f"CROWD_{platform.upper()}_API_URL", sandbox.api_url(platform))
        monkeypatch.setenv(f"CROWD_{platform.upper()}_REQUESTS_PER_SECOND", pace)
        for name, value in sandbox.environment(platform).items():
            monkeypatch.setenv(name, value)
        vault, credentials = Vault(new_key()), sandbox.credentials(platform)
        with engine.begin() as conn:
            tenant_id = integrations.ensure_tenant(conn, "acme")
            record = integrations.connect(
                conn, tenant_id=tenant_id, platform=platform, name="Community", settings=sandbox.settings(platform)
            )
            if credentials:
                integrations.set_credentials(conn, record.id, vault.seal(credentials, record.id))
        return cls(engine=engine, sandbox=sandbox, record=record, vault=vault)

    def onboard(self) -> RunRecord:
        processor = self._processor()
        run_id = processor.start_onboarding(self.record.id)
        assert run_id is not None
        run = processor.process(run_id)
        assert run is not None
        self._assert_unbroken()
        return run

    def check(self) -> RunRecord:
        processor = self._processor()
        [run_id] = processor.process_check([self.record.id])
        run = processor.process(run_id)
        assert run is not None
        self._assert_unbroken()
        return run

    def resume(self, run: RunRecord) -> RunRecord:
        """What the next worker makes of it when every wait is over."""
        self.pass_time()
        return self.process(run)

    def pass_time(self) -> None:
        """Let every wait be over, also that for another try of what is owed."""
        with self.engine.begin() as conn:
            for wait in WAITS:
                conn.execute(text(wait))

    def process(self, run: RunRecord) -> RunRecord:
        """What the next worker makes of it now."""
        again = self._processor(owner="next worker").process(run.id)
        assert again is not None
        self._assert_unbroken()
        return again

    def truth(self) -> Truth:
        return self.sandbox.truth(self.record.platform)

    def change(self, what: str, **details: Any) -> dict[str, Any]:
        [touched] = self.sandbox.change(self.record.platform, [{"do": what, **details}])
        return touched

    def fault(self, kind: str, **options: Any) -> None:
        self.sandbox.fault(self.record.platform, kind, **options)

    def asked(self) -> list[str]:
        """The requests since this was asked last, as addresses below the API's, without the page size."""
        log = self.sandbox.requests(self.record.platform)
        self.sandbox.forget_requests(self.record.platform)
        assert [entry["violation"] for entry in log if entry["violation"]] == []
        return [_address(entry) for entry in log]

    def lose(self, which: str) -> None:
        """Delete activities, as if they had never been read: they are counted off, too."""
        lost = f"WITH lost AS (DELETE FROM activities WHERE {which} RETURNING integration_id, member_id, score)"
        counts = (
            "UPDATE integrations SET activity_count = activity_count"
            " - (SELECT count(*) FROM lost WHERE integration_id = integrations.id)"
        )
        scores = "score - (SELECT coalesce(sum(score), 0) FROM lost WHERE member_id = members.id)"
        with self.engine.begin() as conn:
            conn.exec_driver_sql(f"{lost}, counted AS ({counts}) UPDATE members SET score = {scores}")

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.begin() as conn:
            return [dict(row) for row in conn.execute(text(sql), values).mappings()]

    def value(self, sql: str, **values: Any) -> Any:
        [row] = self.rows(sql, **values)
        [value] = row.values()
        return value

    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Every stored record as it is in the database, timestamps included."""
        tables = ("activities", "members", "member_identities", "organizations", "member_organizations")
        return {table: self.rows(f"SELECT xmin::text, t.* FROM {table} AS t ORDER BY ctid") for table in tables}

    def _assert_unbroken(self) -> None:
        """Whatever a test does: after every integration run, the database is as a healthy one must be."""
        with self.engine.begin() as conn:
            assert [(one.invariant.name, one.examples) for one in broken(conn)] == []
        found = list(self.inspection(self))
        assert not found, "\n".join([f"{len(found)} things are wrong:", *found[:5]])

    def _processor(self, owner: str = "worker") -> IntegrationProcessor:
        settings = Settings()
        budget = RateBudget(engine=self.engine)
        clients = ApiClients(budget=budget, vault=self.vault, settings=settings, limits=self.limits)
        slice_ = self.new_slice()
        return IntegrationProcessor(
            Lifecycle(clients=clients, settings=settings, registry=registry(), owner=owner, slice_=slice_)
        )


class _Within:
    """An engine that begins nothing outside a transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._conn.begin_nested():
            yield self._conn


def within(conn: Connection) -> Any:
    """Return what looks like an engine, so that what is not committed can be looked at."""
    return _Within(conn)


def _address(entry: dict[str, Any]) -> str:
    query = {name: value for name, value in entry["query"].items() if name != "per_page"}
    path = re.sub(r"^/[^/]+/api", "", entry["path"])
    return path + (f"?{urlencode(query)}" if query else "")
