"""Integration runs: one open at a time, taken by one worker, ended only by the truth."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from crowd_pipelines.model.states import RunState, StreamState
from crowd_pipelines.store import runs, streams
from crowd_pipelines.store.runs import RunIsOpen, RunRecord
from crowd_pipelines.store.streams import Ending
from crowd_pipelines_tests.store.tenant import Note, Tenant

LATER = datetime(2099, 1, 1, tzinfo=UTC)


def begin(tenant: Tenant, **how: object) -> UUID | None:
    with tenant.engine.begin() as conn:
        return runs.begin(conn, tenant.integration_id, **{"onboarding": False, **how})  # type: ignore[arg-type]


def take(tenant: Tenant, run: RunRecord, owner: str = "other") -> RunRecord | None:
    with tenant.engine.begin() as conn:
        return runs.take(conn, run.id, owner=owner)


def delay(tenant: Tenant, run: RunRecord, until: datetime, reason: str = "because") -> None:
    with tenant.engine.begin() as conn:
        runs.delay(conn, run, until=until, reason=reason)


def finish(tenant: Tenant, run: RunRecord) -> bool:
    with tenant.engine.begin() as conn:
        return runs.finish(conn, run)


def fail(tenant: Tenant, run: RunRecord, error: str = "broken") -> None:
    with tenant.engine.begin() as conn:
        runs.fail(conn, run, error)


def end_stream(tenant: Tenant, run: RunRecord, state: StreamState, retry_after: float | None = None) -> None:
    [claimed] = tenant.claim(run, limit=1)
    with tenant.engine.begin() as conn:
        streams.end(conn, [Ending(stream=claimed, state=state, retry_after=retry_after)])


def lose_worker(tenant: Tenant) -> None:
    tenant.execute("UPDATE integration_runs SET leased_until = now() - interval '1 s'")


def waiting(tenant: Tenant) -> list[UUID]:
    with tenant.engine.begin() as conn:
        return [run.id for run in runs.waiting(conn, limit=10)]


def test_an_integration_has_one_open_run(tenant: Tenant) -> None:
    first = begin(tenant)
    assert first is not None
    assert begin(tenant, onboarding=True) is None
    with pytest.raises(IntegrityError), tenant.engine.begin() as conn:
        conn.execute(text(
            "INSERT INTO integration_runs (tenant_id, integration_id, onboarding) VALUES (:t, :i, true)"
        ), {"t": tenant.id, "i": tenant.integration_id})  # fmt: skip


def test_the_next_run_may_open_when_the_last_has_ended(tenant: Tenant) -> None:
    fail(tenant, tenant.run())
    assert begin(tenant) is not None


def test_a_check_is_not_begun_twice_for_one_tick(tenant: Tenant) -> None:
    tick = tenant.value("SELECT now()")
    run_id = begin(tenant, not_checked_since=tick)
    assert run_id is not None
    tenant.execute("UPDATE integration_runs SET state = 'error', error = 'x', processed_at = now()")
    assert begin(tenant, not_checked_since=tick) is None
    assert begin(tenant, not_checked_since=tick + timedelta(hours=1)) is not None


def test_an_onboarding_answers_the_request_for_it(tenant: Tenant) -> None:
    tenant.execute("UPDATE integrations SET onboarding_requested_at = now()")
    begin(tenant, onboarding=True)
    row = tenant.row("SELECT onboarding_requested_at, status FROM integrations")
    assert row == {"onboarding_requested_at": None, "status": "in_progress"}


def test_a_run_is_taken_by_one_worker(tenant: Tenant) -> None:
    run = tenant.run(owner="first")
    assert (run.state, run.dagster_run_id, run.attempt) == (RunState.PROCESSING, "first", 1)
    assert take(tenant, run) is None


def test_a_run_that_lost_its_worker_is_taken_over_and_the_old_worker_writes_nothing(tenant: Tenant) -> None:
    stale = tenant.run()
    lose_worker(tenant)
    assert waiting(tenant) == [stale.id]
    holder = take(tenant, stale)
    assert holder is not None
    before = tenant.versions("integration_runs", "integrations")
    fail(tenant, stale)
    delay(tenant, stale, LATER)
    assert not finish(tenant, stale)
    with tenant.engine.begin() as conn:
        runs.save_context(conn, stale, {"a": 1})
        assert not runs.plan(conn, stale, [Note(name="a")])
        assert runs.extend_leases(conn, [stale]) == set()
    assert tenant.versions("integration_runs", "integrations") == before
    assert tenant.value("SELECT count(*) FROM integration_streams") == 0


def test_a_heartbeat_keeps_a_run(tenant: Tenant) -> None:
    run = tenant.run()
    lose_worker(tenant)
    with tenant.engine.begin() as conn:
        assert runs.extend_leases(conn, [run]) == {run.id}
    assert take(tenant, run) is None
    assert waiting(tenant) == []


def test_streams_are_planned_once(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    with tenant.engine.begin() as conn:
        assert not runs.plan(conn, run, [Note(name="b")])
    assert tenant.value("SELECT count(*) FROM integration_streams") == 1


def test_a_plan_and_its_mark_are_one(tenant: Tenant) -> None:
    run = tenant.run()
    tenant.execute("ALTER TABLE integration_streams ADD CONSTRAINT never CHECK (name <> 'note')")
    with pytest.raises(IntegrityError), tenant.engine.begin() as conn:
        runs.plan(conn, run, [Note(name="a")])
    assert tenant.read_run(run).streams_planned_at is None


@pytest.mark.parametrize("hours", [(1, 5), (5, 1)])
def test_of_several_delays_the_latest_moment_counts_with_its_reason(tenant: Tenant, hours: tuple[int, int]) -> None:
    run, now = tenant.run(), datetime.now(UTC)
    for hour in hours:
        delay(tenant, run, now + timedelta(hours=hour), f"{hour} hours")
    delayed = tenant.read_run(run)
    assert (delayed.delayed_until, delayed.delay_reason) == (now + timedelta(hours=5), "5 hours")


def test_a_delayed_run_is_taken_when_its_time_has_come_and_not_before(tenant: Tenant) -> None:
    run = tenant.run()
    delay(tenant, run, datetime.now(UTC) + timedelta(hours=1))
    assert take(tenant, run) is None
    assert waiting(tenant) == []
    tenant.execute("UPDATE integration_runs SET delayed_until = now()")
    assert waiting(tenant) == [run.id]
    again = take(tenant, run)
    assert again is not None
    assert (again.state, again.delayed_until, again.delay_reason) == (RunState.PROCESSING, None, None)


def test_a_run_that_was_never_taken_is_found_after_a_while(tenant: Tenant) -> None:
    run_id = begin(tenant)
    assert waiting(tenant) == []
    tenant.execute("UPDATE integration_runs SET created_at = now() - interval '5 min'")
    assert waiting(tenant) == [run_id]


def test_many_onboardings_that_wait_do_not_hide_a_check(engine: Engine) -> None:
    def waits(name: str, *, onboarding: bool, minutes: int) -> UUID:
        tenant = Tenant.connect(engine, name=name)
        tenant.execute("UPDATE integrations SET onboarded_at = now()")
        run = tenant.run(onboarding=onboarding)
        since = f"interval '{minutes} min'"
        tenant.execute(
            f"UPDATE integration_runs SET state = 'delayed', delayed_until = now() - {since} WHERE id = :id", id=run.id
        )
        return run.id

    late, early = waits("late", onboarding=True, minutes=1), waits("early", onboarding=True, minutes=3)
    middle, check = waits("middle", onboarding=True, minutes=2), waits("check", onboarding=False, minutes=0)
    with engine.begin() as conn:
        found = [run.id for run in runs.waiting(conn, limit=2)]
    assert found == [check, early, middle]
    assert late not in found


def test_a_run_without_a_plan_never_ends_well(tenant: Tenant) -> None:
    assert not finish(tenant, tenant.run())


def test_a_planned_run_without_streams_ends_well(tenant: Tenant) -> None:
    run = tenant.planned_run()
    assert finish(tenant, run)
    assert tenant.read_run(run).state is RunState.PROCESSED
    row = tenant.row("SELECT status, onboarded_at IS NOT NULL AS onboarded FROM integrations")
    assert row == {"status": "done", "onboarded": True}


@pytest.mark.parametrize(
    ("state", "retry_after", "ends"),
    [
        (StreamState.PROCESSED, None, True), (StreamState.SKIPPED, None, True), (StreamState.ERROR, None, False),
        (StreamState.ERROR, 60, False), (StreamState.PENDING, 0, False),
    ],
)  # fmt: skip
def test_a_run_ends_well_only_when_all_its_streams_did(
    tenant: Tenant, state: StreamState, retry_after: float | None, ends: bool
) -> None:
    run = tenant.planned_run(Note(name="a"), Note(name="b"))
    end_stream(tenant, run, StreamState.PROCESSED)
    assert not finish(tenant, run)
    end_stream(tenant, run, state, retry_after)
    assert finish(tenant, run) is ends


def test_an_error_is_not_overwritten(tenant: Tenant) -> None:
    run = tenant.planned_run()
    fail(tenant, run, "first")
    fail(tenant, run, "second")
    delay(tenant, run, LATER)
    assert not finish(tenant, run)
    now = tenant.read_run(run)
    assert (now.state, now.error) == (RunState.ERROR, "first")
    assert tenant.row("SELECT status, error FROM integrations") == {"status": "error", "error": "first"}


def test_a_good_end_clears_the_integrations_error(tenant: Tenant) -> None:
    fail(tenant, tenant.run())
    run = tenant.planned_run()
    assert finish(tenant, run)
    assert tenant.row("SELECT status, error FROM integrations") == {"status": "done", "error": None}


def reopen(tenant: Tenant, run: RunRecord) -> bool:
    with tenant.engine.begin() as conn:
        return runs.reopen(conn, run.id)


def test_a_failed_run_is_reopened_with_its_failed_streams_only(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"), Note(name="b"))
    end_stream(tenant, run, StreamState.PROCESSED)
    end_stream(tenant, run, StreamState.ERROR)
    fail(tenant, run)
    assert reopen(tenant, run)
    again = take(tenant, run)
    assert again is not None
    assert (again.error, again.processed_at) == (None, None)
    assert again.streams_planned_at is not None
    assert run.streams_planned_at is not None
    assert again.streams_planned_at > run.streams_planned_at, "the time in which it has to get on begins anew"
    end_stream(tenant, again, StreamState.PROCESSED)
    assert tenant.claim(again) == []
    assert finish(tenant, again)


def test_a_run_in_a_workers_hands_is_not_reopened(tenant: Tenant) -> None:
    run = tenant.run()
    assert not reopen(tenant, run)
    lose_worker(tenant)
    assert reopen(tenant, run)


def test_a_run_is_not_reopened_beside_another_open_one(tenant: Tenant) -> None:
    old = tenant.run()
    fail(tenant, old)
    begin(tenant, onboarding=True)
    with pytest.raises(RunIsOpen, match=str(old.id)):
        reopen(tenant, old)


@pytest.mark.parametrize(
    "lie",
    ["state = 'processed', processed_at = now()", "state = 'error'", "state = 'delayed'", "processed_at = now()"],
)
def test_the_database_refuses_a_state_that_is_not_true(tenant: Tenant, lie: str) -> None:
    tenant.run()
    with pytest.raises(IntegrityError), tenant.engine.begin() as conn:
        conn.execute(text(f"UPDATE integration_runs SET {lie}"))
