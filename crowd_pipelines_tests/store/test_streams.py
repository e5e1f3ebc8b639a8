"""The queue: leases, the fence, and what vanishes at insert."""

import threading
from datetime import timedelta
from typing import ClassVar

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import StreamResult
from crowd_pipelines.store import streams, watermarks
from crowd_pipelines.store.leases import lease_seconds
from crowd_pipelines.store.streams import MAX_CRASHES, MAX_LABEL, ClaimedStream, Ending
from crowd_pipelines_tests.store.tenant import PLATFORM, Note, Tenant, page, said, upsert

DONE = StreamState.PROCESSED


class Lookup(Note):
    fresh_for: ClassVar[timedelta | None] = timedelta(days=1)


def notes(*names: str) -> list[Note]:
    return [Note(name=name) for name in names]


def names(claimed: list[ClaimedStream]) -> list[str]:
    return [stream.metadata["name"] for stream in claimed]


def end(tenant: Tenant, claimed: ClaimedStream, **how: object) -> bool:
    ending = Ending(**{"stream": claimed, "state": DONE, **how})  # type: ignore[arg-type]
    with tenant.engine.begin() as conn:
        return claimed.id in streams.end(conn, [ending])


def lose_worker(tenant: Tenant) -> None:
    tenant.execute("UPDATE integration_streams SET due_at = now() - interval '1 s' WHERE state = 'processing'")


def test_a_stream_comes_back_as_it_was_queued(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a", page=3))
    [claimed] = tenant.claim(run)
    assert (claimed.name, claimed.metadata, claimed.label) == ("note", {"name": "a", "page": 3}, "note a")
    assert (claimed.root_id, claimed.run_id) == (claimed.id, run.id)


def test_a_label_is_cut_and_what_it_tells_of_is_not(tenant: Tenant) -> None:
    name = "x" * 1_000
    [claimed] = tenant.claim(tenant.planned_run(Note(name=name)))
    assert (len(claimed.label), claimed.metadata["name"]) == (MAX_LABEL, name)


def test_a_claim_is_a_lease_of_its_owner_on_the_databases_clock(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    [claimed] = tenant.claim(run, owner="w1")
    row = tenant.row("SELECT *, due_at - updated_at AS lease FROM integration_streams")
    assert (row["state"], row["lease_owner"], row["lease_epoch"]) == ("processing", "w1", claimed.lease_epoch)
    assert row["lease"] == timedelta(seconds=lease_seconds())


def test_what_one_worker_claimed_no_other_gets(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a", "b", "c"))
    first, second = tenant.claim(run, limit=2), tenant.claim(run, owner="other")
    assert (len(first), len(second)) == (2, 1)
    assert tenant.claim(run) == []


def test_a_row_that_another_is_claiming_at_this_moment_is_passed_over(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a", "b"))
    with tenant.engine.begin() as conn:
        mine = streams.claim(conn, [run.id], owner="me", limit=1)
        theirs: list[list[ClaimedStream]] = []
        other = threading.Thread(target=lambda: theirs.append(tenant.claim(run, owner="other")))
        other.start()
        other.join(timeout=5)
        assert not other.is_alive()
    assert {*names(mine), *names(theirs[0])} == {"a", "b"}


def test_only_streams_of_the_wanted_runs_whose_time_has_come_are_claimed(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("now", "later"))
    tenant.execute("UPDATE integration_streams SET due_at = now() + interval '1 h' WHERE metadata->>'name' = 'later'")
    elsewhere = Tenant.connect(tenant.engine, name="other")
    elsewhere.planned_run(*notes("theirs"))
    assert names(tenant.claim(run)) == ["now"]


def test_an_expired_lease_is_claimable_and_counts_as_a_crash(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    [first] = tenant.claim(run)
    lose_worker(tenant)
    [second] = tenant.claim(run, owner="other")
    assert (first.crashes, second.crashes) == (0, 1)
    assert second.lease_epoch > first.lease_epoch


def test_every_lost_worker_counts_up_to_the_last(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    for crashes in range(MAX_CRASHES + 1):
        [claimed] = tenant.claim(run)
        assert claimed.crashes == crashes
        lose_worker(tenant)


def test_an_extended_lease_is_not_claimable(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a", "b"))
    held = {stream.metadata["name"]: stream for stream in tenant.claim(run, owner="w1")}
    lose_worker(tenant)
    with tenant.engine.begin() as conn:
        streams.extend_leases(conn, [held["a"]], owner="w1")
        streams.extend_leases(conn, [held["b"]], owner="someone else")
    assert names(tenant.claim(run)) == ["b"]


def test_a_stale_worker_cannot_end_its_stream(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    [stale] = tenant.claim(run)
    lose_worker(tenant)
    [holder] = tenant.claim(run, owner="other")
    before = tenant.versions("integration_streams")
    assert not end(tenant, stale)
    assert tenant.versions("integration_streams") == before
    assert end(tenant, holder)


def test_a_stream_that_ended_cannot_be_ended_again(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    [claimed] = tenant.claim(run)
    assert end(tenant, claimed)
    assert not end(tenant, claimed, state=StreamState.ERROR)


def test_a_stale_workers_page_leaves_no_trace_while_the_others_of_its_group_are_stored(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("kept", "stale"))
    kept, stale = tenant.claim(run)
    tenant.execute("UPDATE integration_streams SET lease_epoch = lease_epoch + 1 WHERE id = :id", id=stale.id)
    results = [
        StreamResult(
            operations=(upsert(said(name)),),
            new_streams=(Note(name=f"child of {name}"),),
            watermarks={name: {"at": 1}},
        )
        for name in ("kept", "stale")
    ]
    committed = tenant.commit(page(run, kept, results[0]), page(run, stale, results[1]))
    assert committed.accepted == {kept.id}
    assert [row["source_id"] for row in tenant.rows("SELECT source_id FROM activities")] == ["kept"]
    assert [row["subject"] for row in tenant.rows("SELECT subject FROM watermarks")] == ["kept"]
    assert names(tenant.claim(run)) == ["child of kept"]


def test_an_ending_counts_what_the_stream_cost_and_brought_over_all_attempts(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    [claimed] = tenant.claim(run)
    end(tenant, claimed, state=StreamState.ERROR, retry_after=0, failed=1, error="no", requests=2, waited_seconds=0.5)
    [claimed] = tenant.claim(run)
    assert claimed.retries == 1
    end(tenant, claimed, requests=1, activities=4, members=3, quarantined=2)
    with tenant.engine.begin() as conn:
        [lineage] = streams.lineages(conn, [run.id])
    told = (lineage.requests, lineage.waited_seconds, lineage.activities, lineage.members, lineage.quarantined)
    assert told == (3, 0.5, 4, 3, 2)
    assert tenant.value("SELECT error FROM integration_streams") is None


def test_a_failed_stream_waits_for_its_retry_and_the_last_failure_is_for_good(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    [claimed] = tenant.claim(run)
    end(tenant, claimed, state=StreamState.ERROR, retry_after=60, failed=1, error="no")
    assert tenant.claim(run) == []
    tenant.execute("UPDATE integration_streams SET due_at = now()")
    [claimed] = tenant.claim(run)
    end(tenant, claimed, state=StreamState.ERROR, failed=1, error="still no")
    assert tenant.value("SELECT due_at FROM integration_streams") is None
    with tenant.engine.begin() as conn:
        assert streams.failures(conn, run.id) == [("note a", "still no")]


def test_released_streams_are_claimable_at_once_and_unharmed(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a"))
    with tenant.engine.begin() as conn:
        streams.release(conn, streams.claim(conn, [run.id], owner="me", limit=1))
    [again] = tenant.claim(run, owner="other")
    assert (again.retries, again.crashes) == (0, 0)


def test_the_same_stream_twice_in_a_run_is_one_and_a_cursor_loop_ends(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a", "a"))
    [claimed] = tenant.claim(run)
    assert tenant.queue(run, *notes("a", "b", "b"), parent=claimed) == 1
    [child] = tenant.claim(run)
    assert tenant.queue(run, *notes("a"), parent=child) == 0


def test_another_run_may_have_the_same_stream(tenant: Tenant) -> None:
    other = Tenant.connect(tenant.engine, name="other")
    tenant.planned_run(*notes("a"))
    other.planned_run(*notes("a"))
    assert tenant.value("SELECT count(*) FROM integration_streams") == 2


def test_children_belong_to_the_root_of_their_parent(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a", "b"))
    roots = {stream.metadata["name"]: stream for stream in tenant.claim(run)}
    tenant.queue(run, *notes("a1"), parent=roots["a"])
    [child] = tenant.claim(run)
    tenant.queue(run, *notes("a2"), parent=child)
    [grandchild] = tenant.claim(run)
    assert (child.root_id, grandchild.root_id) == (roots["a"].id, roots["a"].id)
    with tenant.engine.begin() as conn:
        lineages = {lineage.label: lineage.streams for lineage in streams.lineages(conn, [run.id])}
    assert lineages == {"note a": 3, "note b": 1}


def test_streams_are_claimed_in_the_order_in_which_they_were_queued(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("c", "a", "b"))
    assert [row["n"] for row in tenant.rows("SELECT metadata->>'name' AS n FROM integration_streams ORDER BY id")] == [
        "c", "a", "b",
    ]  # fmt: skip
    assert set(names(tenant.claim(run))) == {"a", "b", "c"}


def test_a_lookup_is_not_queued_while_the_tenants_last_one_is_fresh(tenant: Tenant) -> None:
    lookup = Lookup(name="ada")
    run = tenant.planned_run(*notes("root"))
    with tenant.engine.begin() as conn:
        watermarks.remember_lookups(conn, [(tenant.id, PLATFORM, lookup.key)])
    assert tenant.queue(run, lookup, Lookup(name="ben")) == 1
    tenant.execute("UPDATE lookups SET looked_up_at = now() - interval '25 h'")
    assert tenant.queue(run, lookup) == 1


def test_a_lookup_of_another_tenant_or_platform_says_nothing(tenant: Tenant) -> None:
    other, lookup = Tenant.connect(tenant.engine, name="other"), Lookup(name="ada")
    run = tenant.planned_run(*notes("root"))
    with tenant.engine.begin() as conn:
        watermarks.remember_lookups(conn, [(other.id, PLATFORM, lookup.key), (tenant.id, "village", lookup.key)])
    assert tenant.queue(run, lookup) == 1


def test_a_stream_without_a_time_to_live_is_queued_whatever_was_looked_up(tenant: Tenant) -> None:
    [note] = notes("ada")
    run = tenant.planned_run(*notes("root"))
    with tenant.engine.begin() as conn:
        watermarks.remember_lookups(conn, [(tenant.id, PLATFORM, note.key)])
    assert tenant.queue(run, note) == 1


def test_lineages_have_work_while_a_stream_is_due_or_under_way(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("a", "b"))
    one, other = tenant.claim(run)

    def has_work() -> bool:
        with tenant.engine.begin() as conn:
            return streams.has_work(conn, [one.root_id])

    assert has_work()
    end(tenant, one, state=StreamState.ERROR, retry_after=60, failed=1)
    assert not has_work()
    tenant.queue(run, *notes("child"), parent=other)
    assert not has_work()
    tenant.queue(run, *notes("own child"), parent=one)
    assert has_work()


def test_revived_streams_get_fresh_attempts_and_finished_ones_stay(tenant: Tenant) -> None:
    run = tenant.planned_run(*notes("done", "failed", "waiting"))
    claimed = {stream.metadata["name"]: stream for stream in tenant.claim(run)}
    end(tenant, claimed["done"])
    end(tenant, claimed["failed"], state=StreamState.ERROR, failed=1)
    end(tenant, claimed["waiting"], state=StreamState.ERROR, failed=1, retry_after=600)
    with tenant.engine.begin() as conn:
        assert streams.revive(conn, run.id) == 2
    again = tenant.claim(run)
    assert set(names(again)) == {"failed", "waiting"}
    assert {stream.retries for stream in again} == {0}


@pytest.mark.parametrize(
    "lie",
    ["state = 'processed'", "state = 'pending', due_at = NULL", "state = 'asleep'", "processed_at = now()"],
)
def test_the_database_refuses_a_state_that_is_not_true(tenant: Tenant, lie: str) -> None:
    tenant.planned_run(*notes("a"))
    with pytest.raises(IntegrityError), tenant.engine.begin() as conn:
        conn.execute(text(f"UPDATE integration_streams SET {lie}"))
