"""A tenant that reads an account on X, and the reach of whom it knows from there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.integrations.connected import FAST, Connected


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The two integrations of one tenant over one database."""

    x: Connected
    reach: Connected

    def looked_up(self) -> list[list[str]]:
        """The ids of every lookup since this was asked last; none of the requests may have been wrong."""
        log = self.x.sandbox.requests("twitter")
        self.x.sandbox.forget_requests("twitter")
        assert [entry["violation"] for entry in log if entry["violation"]] == []
        return [entry["query"]["ids"].split(",") for entry in log if entry["path"].endswith("/users")]

    def long_ago(self, hours: int = 48) -> None:
        """Everything seen so far was seen that long ago."""
        with self.x.engine.begin() as conn:
            for column in ("first_seen_at", "last_seen_at"):
                conn.exec_driver_sql(f"UPDATE member_reach SET {column} = {column} - interval '{hours} h'")

    def reaches(self) -> dict[str, int | None]:
        rows = self.x.rows(
            "SELECT i.source_id, (m.reach->>'twitter')::int AS reach FROM members AS m"
            " JOIN member_identities AS i ON i.member_id = m.id"
        )
        return {row["source_id"]: row["reach"] for row in rows}


@pytest.fixture
def both(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Connected, the account read, the reach not yet."""
    with Sandbox.start(platforms=("twitter",)) as sandbox:
        x = Connected.to(sandbox, "twitter", engine=engine, monkeypatch=monkeypatch)
        monkeypatch.setenv("CROWD_TWITTER_REACH_REQUESTS_PER_SECOND", FAST)
        with engine.begin() as conn:
            record = integrations.connect(
                conn, tenant_id=x.record.tenant_id, platform="twitter_reach", name="Reach", settings={}
            )
        assert x.onboard().state is RunState.PROCESSED
        sandbox.forget_requests()
        yield Both(x=x, reach=replace(x, record=record))
