"""One page is one transaction: everything of it, or nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import RejectedRecord, StreamResult, UpsertMembers
from crowd_pipelines.store.integrations import Limit
from crowd_pipelines_tests.store.tenant import Note, Tenant, page, person, said, upsert

WHOLE = StreamResult(
    operations=(upsert(said("1")), UpsertMembers(members=(person("ben"),))),
    new_streams=(Note(name="child"),),
    next_page=Note(name="a", page=2),
    watermarks={"subject": {"at": 5}},
    rejected=(RejectedRecord(reason="no id", payload={"x": 1}),),
)
TOUCHED = ("activities", "members", "watermarks", "quarantined_records")


def counts(tenant: Tenant) -> dict[str, int]:
    return {table: tenant.value(f"SELECT count(*) FROM {table}") for table in TOUCHED}


def test_a_page_is_committed_whole(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    tenant.commit(page(run, claimed, WHOLE))
    assert counts(tenant) == {"activities": 1, "members": 2, "watermarks": 1, "quarantined_records": 1}
    ended = tenant.row("SELECT * FROM integration_streams WHERE id = :id", id=claimed.id)
    assert (ended["state"], ended["activities"], ended["members"], ended["quarantined"]) == ("processed", 1, 1, 1)
    assert {stream.label for stream in tenant.claim(run)} == {"note child", "note a"}
    totals = tenant.row("SELECT activity_count, member_count FROM integrations")
    assert totals == {"activity_count": 1, "member_count": 2}


def test_a_page_that_cannot_be_written_leaves_nothing(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    tenant.execute("ALTER TABLE watermarks ADD CONSTRAINT never CHECK (subject <> 'subject')")
    with pytest.raises(DBAPIError):
        tenant.commit(page(run, claimed, WHOLE))
    assert set(counts(tenant).values()) == {0}
    assert tenant.value("SELECT count(*) FROM integration_streams") == 1
    assert tenant.value("SELECT state FROM integration_streams") == "processing"


def test_a_next_page_that_is_not_wanted_is_not_queued(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    finished = page(run, claimed, WHOLE)
    tenant.commit(type(finished)(**{**{n: getattr(finished, n) for n in finished.__slots__}, "follow": False}))
    assert [stream.label for stream in tenant.claim(run)] == ["note child"]


def test_a_skipped_page_keeps_the_reason(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    tenant.commit(page(run, claimed, StreamResult(skipped="404: gone")))
    assert tenant.row("SELECT state, error FROM integration_streams") == {"state": "skipped", "error": "404: gone"}


@pytest.mark.parametrize("pause", [{"sleep": timedelta(minutes=7)}, {"resume_at": datetime(2099, 1, 1, tzinfo=UTC)}])
def test_a_pause_commits_the_page_and_delays_the_rest(tenant: Tenant, pause: dict[str, object]) -> None:
    run = tenant.planned_run(Note(name="a"), Note(name="b"))
    claimed, _ = tenant.claim(run)
    committed = tenant.commit(page(run, claimed, StreamResult(operations=(upsert(said("1")),), **pause)))  # type: ignore[arg-type]
    assert committed.delayed_runs == {run.id}
    assert counts(tenant)["activities"] == 1
    delayed = tenant.row("SELECT state, delayed_until - updated_at AS pause, delayed_until FROM integration_runs")
    assert delayed["state"] == "delayed"
    assert delayed["pause"] == pause.get("sleep", delayed["pause"])
    assert delayed["delayed_until"] == pause.get("resume_at", delayed["delayed_until"])


def test_pages_of_several_tenants_share_a_transaction(tenant: Tenant) -> None:
    other = Tenant.connect(tenant.engine, name="other")
    finished = []
    for whose in (tenant, other):
        run = whose.planned_run(Note(name="a"))
        [claimed] = whose.claim(run)
        finished.append(page(run, claimed, WHOLE))
    tenant.commit(*finished)
    owners = {row["tenant_id"] for row in tenant.rows("SELECT tenant_id FROM activities")}
    assert owners == {tenant.id, other.id}


def test_the_global_limit_counts_records_and_delays_until_its_window_ends(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"), Note(name="b"))
    one, other = tenant.claim(run)
    limit = Limit(records=3, window=timedelta(hours=1))
    first = StreamResult(operations=(upsert(said("1"), said("2")),))
    assert tenant.commit(page(run, one, first, limit)).delayed_runs == frozenset()
    assert tenant.commit(page(run, other, first, limit)).delayed_runs == {run.id}
    row = tenant.row(
        "SELECT r.delayed_until = i.limit_last_reset_at + interval '1 h' AS at_the_end, i.limit_count"
        " FROM integration_runs AS r JOIN integrations AS i ON i.id = r.integration_id"
    )
    assert row == {"at_the_end": True, "limit_count": 4}


def test_pages_in_a_circle_are_stored_and_end_in_an_error(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    for number, onward in enumerate([2, 3, 2], start=1):
        [claimed] = tenant.claim(run)
        result = StreamResult(operations=(upsert(said(str(number))),), next_page=Note(name="a", page=onward))
        tenant.commit(page(run, claimed, result))
    assert tenant.claim(run) == []
    assert tenant.value("SELECT count(*) FROM activities") == 3
    [*_, last] = tenant.rows("SELECT state, error, due_at, retries FROM integration_streams ORDER BY id")
    assert (last["state"], last["due_at"], last["retries"]) == (StreamState.ERROR, None, 1)
    assert "leads back to a page that was read already" in last["error"]


def test_a_page_that_somebody_else_led_to_is_no_circle(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"), Note(name="a", page=2))
    first, _ = tenant.claim(run)
    tenant.commit(page(run, first, StreamResult(next_page=Note(name="a", page=2))))
    assert tenant.value("SELECT state FROM integration_streams WHERE id = :id", id=first.id) == StreamState.PROCESSED
