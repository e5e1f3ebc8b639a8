"""A connected integration on which faults strike, and what must hold of it whatever they do."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pytest
from sqlalchemy import Engine, text

from crowd_pipelines.framework.slices import Slice, SliceOver
from crowd_pipelines.http.transport import Limits
from crowd_pipelines.model.states import OwedKind, RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import database, integrations, invariants, runs
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.faults import places
from crowd_pipelines_tests.honesty import silent_losses
from crowd_pipelines_tests.integrations.connected import FAST, Connected

LENDERS: Mapping[str, str] = {"twitter_reach": "twitter"}
"""Platforms that read members of another, with whose credentials."""

MOST_ATTEMPTS = 6
"""How often a stream is tried before it is given up."""

# An observed moment is that of the reading; everything else comes from the provider and is the same each time.
_ACTIVITIES = """
    SELECT a.type, a.source_id, i.source_id AS author, a.source_parent_type, a.source_parent_id,
           p.type AS parent_type, p.source_id AS parent, a.thread, a.timestamp_source,
           CASE WHEN a.timestamp_source = 'provider' THEN a.timestamp END AS timestamp,
           a.title, a.body, a.url, a.channel, a.channel_id, a.attributes, a.score, a.is_contribution,
           a.retracted_at IS NULL AS live
    FROM activities AS a
    JOIN member_identities AS i ON i.member_id = a.member_id
    LEFT JOIN activities AS p ON p.id = a.parent_id
    WHERE a.platform = :platform
"""
_MEMBERS = """
    SELECT i.identity_key, i.source_id, i.username, m.display_name, m.emails, m.attributes, m.reach, m.score,
           (SELECT array_agg(o.source_id ORDER BY o.source_id) FROM member_organizations AS mo
            JOIN organizations AS o ON o.id = mo.organization_id WHERE mo.member_id = m.id) AS organizations
    FROM member_identities AS i JOIN members AS m ON m.id = i.member_id
"""

# Short pages, which nobody is told of; and X's windows, which last longer than a test, are out of the way.
_OPTIONS: Mapping[str, Mapping[str, int]] = {
    "slack": {"page_size_max": 40},
    "twitter": {"page_size_max": 60, "requests_per_second": 100_000},
}
_OWED = "SELECT * FROM owed_reads WHERE integration_id = :id ORDER BY id"

Records = dict[tuple[str, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """What an onboarding leaves in which nothing goes wrong: records, and what is hidden from these credentials."""

    records: Records = field(repr=False)
    hidden: frozenset[tuple[str, str]] = frozenset()


class Hasty(Slice):
    """A slice in which nobody waits."""

    def sleep(self, seconds: float) -> None:
        """Go on at once. Raises SliceOver when the slice was asked to end."""
        if self.stopping:
            raise SliceOver


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A platform's sandbox, read into a database of the test's own."""

    connected: Connected
    places: places.Places
    undisturbed: Undisturbed

    @classmethod
    def of(cls, connected: Connected, undisturbed: Undisturbed) -> Self:
        told = connected.sandbox.truth(provider_of(connected.record.platform))
        # Whatever strikes: after no integration run may anything be missing that is not told.
        honest = replace(connected, inspection=lambda read: silent_losses(read, told))
        return cls(connected=honest, places=places.OF[connected.record.platform](told), undisturbed=undisturbed)

    def patient(self) -> Self:
        """The same, but waits are waited for."""
        return replace(self, connected=replace(self.connected, new_slice=lambda: Slice(600)))

    def stored(self) -> Records:
        return stored_records(self.connected)

    def work_off(self, run: RunRecord) -> tuple[RunRecord, int]:
        """Take an integration run up again, each time its wait is over, until it has ended; and how often."""
        run, times = self.wear_out(run)
        assert run.state is not RunState.DELAYED, f"the integration run never ends: {run.delay_reason}"
        return run, times

    def wear_out(self, run: RunRecord, *, most: int = 2 * MOST_ATTEMPTS) -> tuple[RunRecord, int]:
        """Do the same for at most so many times: what is not the streams' fault is waited for."""
        times = 0
        while run.state is RunState.DELAYED and times < most:
            run, times = self.connected.resume(run), times + 1
        return run, times

    def too_early(self, run: RunRecord) -> RunRecord:
        """What another worker makes of it while the provider's limits last."""
        with self.connected.engine.begin() as conn:
            conn.execute(text("UPDATE integration_runs SET delayed_until = now() WHERE id = :id"), {"id": run.id})
        return self.connected.process(run)

    def continue_run(self, run: RunRecord) -> RunRecord:
        """What `crowd-pipelines continue-run` does, and the worker after it."""
        with self.connected.engine.begin() as conn:
            assert runs.reopen(conn, run.id)
        return self.connected.resume(run)

    def streams(self, run: RunRecord) -> list[dict[str, Any]]:
        return self.connected.rows("SELECT * FROM integration_streams WHERE run_id = :run ORDER BY id", run=run.id)

    def owed(self) -> list[dict[str, Any]]:
        """What the integration owes beyond what is hidden anyway."""
        debts = self.connected.rows(_OWED, id=self.connected.record.id)
        return [debt for debt in debts if (debt["place"], debt["permission"]) not in self.undisturbed.hidden]

    def integration(self) -> dict[str, Any]:
        """How the integration stands."""
        stands = "SELECT status, error, onboarded_at IS NOT NULL AS onboarded FROM integrations WHERE id = :id"
        [row] = self.connected.rows(stands, id=self.connected.record.id)
        return row

    def met(self) -> int:
        """How many requests a fault has taken."""
        return sum(fault["fired"] for fault in self.connected.sandbox.faults())

    def lift(self) -> None:
        """End all faults, of which every one must have struck."""
        idle = [fault["fault"] for fault in self.connected.sandbox.clear_faults() if not fault["fired"]]
        assert idle == []

    def assert_nothing_is_half_written(self) -> None:
        """Whatever is stored is there in truth, and all of it fits together."""
        assert self.stored().keys() - self.undisturbed.records.keys() == set(), "made up"
        with self.connected.engine.begin() as conn:
            assert invariants.broken(conn) == []

    def assert_whole(self) -> None:
        """All is read and nothing is owed, and the integration is known to be so."""
        assert self.owed() == []
        assert self.integration() == {"status": "done", "error": None, "onboarded": True}
        self.assert_database_is_the_truth()

    def assert_database_is_the_truth(self) -> None:
        stored, truth = self.stored(), self.undisturbed.records
        assert truth.keys() - stored.keys() == set(), "lost"
        assert stored.keys() - truth.keys() == set(), "made up"
        assert [key for key in stored if stored[key] != truth[key]] == []
        self.assert_nothing_is_half_written()


def short_paged(provider: str) -> Sandbox:
    """Start a provider that serves short pages, so that lists have several."""
    options = _OPTIONS.get(provider, {})
    return Sandbox.start(
        platforms=(provider,),
        page_size_max=options.get("page_size_max"),
        requests_per_second=options.get("requests_per_second"),
    )


@contextmanager
def connected_to(
    sandbox: Sandbox,
    platform: str,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    *,
    limits: Limits | None = None,
    hasty: bool = True,
) -> Iterator[Connected]:
    """Connect, with the platform's lender onboarded where it has one."""
    provider = provider_of(platform)
    one = Connected.to(sandbox, provider, engine=engine, monkeypatch=monkeypatch)
    one = replace(one, limits=limits or Limits())
    if hasty:
        one = replace(one, new_slice=lambda: Hasty(600))
    if provider != platform:
        one = _borrower(one, platform, monkeypatch)
    sandbox.forget_requests()
    yield one


def _borrower(lender: Connected, platform: str, monkeypatch: pytest.MonkeyPatch) -> Connected:
    assert lender.onboard().state is RunState.PROCESSED
    monkeypatch.setenv(f"CROWD_{platform.upper()}_REQUESTS_PER_SECOND", FAST)
    with lender.engine.begin() as conn:
        record = integrations.connect(
            conn, tenant_id=lender.record.tenant_id, platform=platform, name="Borrower", settings={}
        )
    return replace(lender, record=record)


def undisturbed(
    sandbox: Sandbox, platform: str, server_url: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> Undisturbed:
    """What an onboarding leaves while nothing goes wrong, which must be the sandbox's truth."""
    with (
        database_on(server_url, prefix="truth", template=template) as url,
        closing_engine(url) as engine,
        connected_to(sandbox, platform, engine, monkeypatch) as connected,
    ):
        run = connected.onboard()
        assert run.state is RunState.PROCESSED, run.error or run.delay_reason
        told, stored = sandbox.truth(provider_of(platform)), stored_records(connected)
        live = {key for key, row in stored.items() if json.loads(row).get("live")}
        assert live == {("activity", a["type"], a["source_id"]) for a in told.activities}
        assert silent_losses(connected, told) == []
        debts = connected.rows(_OWED, id=connected.record.id)
    assert {debt["kind"] for debt in debts} <= {OwedKind.PERMISSION}
    return Undisturbed(records=stored, hidden=frozenset((debt["place"], debt["permission"]) for debt in debts))


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    """An engine for as long as it is needed."""
    engine = database.create(url)
    try:
        yield engine
    finally:
        engine.dispose()


def stored_records(connected: Connected) -> Records:
    """Everything that is stored, by what it is, in a form that can be compared."""
    activities = connected.rows(_ACTIVITIES, platform=provider_of(connected.record.platform))
    return {
        **{("activity", row["type"], row["source_id"]): _text(row) for row in activities},
        **{("member", row["identity_key"]): _text(row) for row in connected.rows(_MEMBERS)},
    }


def _text(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, default=str)


def provider_of(platform: str) -> str:
    return LENDERS.get(platform, platform)
