"""The retention job on a real Dagster instance: what is old goes, what anyone may still need stays."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from sqlalchemy import Engine, make_url

from crowd_pipelines.defs import retention as defs_retention
from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines.model.streams import RejectedRecord
from crowd_pipelines.store import database, quarantine, retention, runs, watermarks
from crowd_pipelines.store.quarantine import Quarantined
from crowd_pipelines_tests.store.tenant import Note, Tenant, said

DAGSTER_TABLES = ("runs", "run_tags", "event_logs")
OURS = ("integration_runs", "integration_streams", "lookups", "rate_budgets")
KEPT = ("activities", "members", "member_identities", "watermarks", "quarantined_records", "integrations")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return Tenant.connect(engine, name="acme")


@pytest.fixture
def storage(empty_database_url: str) -> str:
    """The URL of the database of Dagster's instance."""
    return empty_database_url


@pytest.fixture
def instance(storage: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    url = make_url(storage).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    settings = {"storage": {"postgres": {"postgres_url": url}}, "telemetry": {"enabled": False}}
    with dg.instance_for_test(overrides=settings, temp_dir=str(tmp_path)) as instance:
        yield instance


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    print("a line for the log of the run")
    context.log_event(dg.AssetMaterialization("town"))


@dg.job(tags={"crowd/platform": "town"}, executor_def=dg.in_process_executor)
def work_job() -> None:
    work()


def run_once(instance: dg.DagsterInstance) -> str:
    return work_job.execute_in_process(instance=instance).run_id


def prune(instance: dg.DagsterInstance, database_url: str) -> dict[str, Any]:
    """The metadata that the job shows."""
    done = defs_retention.retention_job.execute_in_process(
        instance=instance, resources={"database": DatabaseResource(url=database_url)}
    )
    assert done.success
    [output] = [event for event in done.all_node_events if event.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def age(storage: str, *, days: float, run_id: str | None = None) -> None:
    """Makes one Dagster run, or all, so much older."""
    with psycopg.connect(storage) as connection:
        for table, column in (("runs", "create_timestamp"), ("runs", "update_timestamp"), ("event_logs", "timestamp")):
            connection.execute(
                f"UPDATE {table} SET {column} = {column} - make_interval(secs => %(days)s * 86400)"
                " WHERE COALESCE(run_id = %(run)s, true)".encode(),
                {"days": days, "run": run_id},
            )


def sizes(url: str, *tables: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        found = {table: connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() for table in tables}
    return {table: row[0] for table, row in found.items() if row}


def logs(instance: dg.DagsterInstance) -> set[str]:
    """The ids of the Dagster runs that something in the storage folder is left of."""
    return {path.name for path in Path(instance.storage_directory()).iterdir()}


def ended_run(tenant: Tenant, *, days_ago: float, streams: int = 1) -> runs.RunRecord:
    run = tenant.planned_run(*(Note(name=str(number)) for number in range(streams)))
    tenant.execute("UPDATE integration_streams SET state = 'processed', processed_at = now(), due_at = NULL")
    with tenant.engine.begin() as conn:
        assert runs.finish(conn, run)
    tenant.execute(
        "UPDATE integration_runs SET processed_at = now() - make_interval(secs => :s) WHERE id = :id",
        s=days_ago * 86400,
        id=run.id,
    )
    return run


def left(tenant: Tenant) -> set[Any]:
    return {row["id"] for row in tenant.rows("SELECT id FROM integration_runs")}


# --- our tables ---


def test_integration_runs_that_ended_long_ago_go_with_their_streams(tenant: Tenant) -> None:
    ended_run(tenant, days_ago=7.01, streams=3)
    recent = ended_run(tenant, days_ago=6.99, streams=2)

    assert retention.prune(tenant.engine, days=7)["integration_runs"] == 1
    assert left(tenant) == {recent.id}
    assert tenant.value("SELECT count(*) FROM integration_streams") == 2


@pytest.mark.parametrize("state", ["pending", "processing", "delayed"])
def test_an_open_integration_run_stays_however_old(tenant: Tenant, state: str) -> None:
    run = tenant.planned_run(Note(name="a"))
    tenant.execute(
        "UPDATE integration_runs SET state = :state, delayed_until = now() - interval '90 days',"
        " created_at = now() - interval '90 days', updated_at = now() - interval '90 days'",
        state=state,
    )

    assert retention.prune(tenant.engine, days=7)["integration_runs"] == 0
    assert left(tenant) == {run.id}
    assert tenant.value("SELECT count(*) FROM integration_streams") == 1


def test_what_was_read_stays(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    tenant.say(said("1"), said("2"))
    rejected = RejectedRecord(reason="no id", payload={"text": "?"})
    source = Quarantined(tenant_id=tenant.id, integration_id=tenant.integration_id, stream=claimed, record=rejected)
    with tenant.engine.begin() as conn:
        quarantine.add(conn, [source])
        watermarks.write(conn, {(tenant.integration_id, "a"): {"at": "2024"}})
        runs.fail(conn, run, "broken")
    tenant.planned_run()
    tenant.execute("UPDATE integration_runs SET processed_at = now() - interval '90 days' WHERE state = 'error'")
    before = tenant.versions(*KEPT)

    assert retention.prune(tenant.engine, days=7)["integration_runs"] == 1
    assert tenant.versions(*KEPT) == before
    assert all(before.values())


def test_what_the_last_run_left_unread_stays_for_the_next_one(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="a"))
    with tenant.engine.begin() as conn:
        runs.fail(conn, run, "the credentials are refused")
    tenant.execute("UPDATE integration_runs SET processed_at = now() - interval '90 days'")
    assert retention.prune(tenant.engine, days=7)["integration_runs"] == 0
    assert left(tenant) == {run.id}


def test_lookups_and_budgets_out_of_use_go_and_others_stay(tenant: Tenant) -> None:
    with tenant.engine.begin() as conn:
        watermarks.remember_lookups(conn, [(tenant.id, "town", key) for key in ("old", "new")])
    tenant.execute("UPDATE lookups SET looked_up_at = now() - interval '31 days' WHERE key = 'old'")
    tenant.execute("UPDATE lookups SET looked_up_at = now() - interval '29 days' WHERE key = 'new'")
    tenant.execute(
        "INSERT INTO rate_budgets (key, next_free_at, updated_at) VALUES"
        " ('old', now(), now() - interval '31 days'), ('new', now(), now() - interval '29 days')"
    )

    assert retention.prune(tenant.engine, days=7) == {"integration_runs": 0, "lookups": 1, "rate_budgets": 1}
    assert tenant.rows("SELECT key FROM lookups") == tenant.rows("SELECT key FROM rate_budgets") == [{"key": "new"}]


def test_more_than_a_batch_goes_batch_by_batch(tenant: Tenant) -> None:
    count = 2 * retention.RUNS_AT_ONCE + 1
    add_runs(tenant, count=count, days_ago=8)
    tenant.execute("CREATE TABLE deleted (transaction xid8)")
    tenant.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO deleted VALUES (pg_current_xact_id()); RETURN OLD; END $$"
    )
    tenant.execute("CREATE TRIGGER note BEFORE DELETE ON integration_runs FOR EACH ROW EXECUTE FUNCTION note()")

    assert retention.prune(tenant.engine, days=7)["integration_runs"] == count
    batches = Counter(row["transaction"] for row in tenant.rows("SELECT transaction::text FROM deleted"))
    assert sorted(batches.values()) == [1, retention.RUNS_AT_ONCE, retention.RUNS_AT_ONCE]


def test_a_run_that_someone_is_reopening_is_left_to_them(tenant: Tenant) -> None:
    add_runs(tenant, count=1, days_ago=8)
    reopened = ended_run(tenant, days_ago=8)
    never_wait = "ALTER DATABASE %I SET lock_timeout = ''1s''"
    tenant.execute(f"DO $$ BEGIN EXECUTE format('{never_wait}', current_database()); END $$")
    tenant.engine.dispose()
    with tenant.engine.begin() as conn:
        assert runs.reopen(conn, reopened.id)
        assert retention.prune(tenant.engine, days=7)["integration_runs"] == 1
    assert left(tenant) == {reopened.id}


# --- Dagster's tables ---


def test_old_dagster_runs_go_with_their_events_and_logs_and_recent_ones_stay(
    instance: dg.DagsterInstance, storage: str, database_url: str
) -> None:
    old, recent = run_once(instance), run_once(instance)
    assert logs(instance) == {old, recent}
    age(storage, days=7.01, run_id=old)
    age(storage, days=6.99, run_id=recent)

    assert prune(instance, database_url)["dagster_runs"] == 1
    assert not instance.has_run(old)
    assert not instance.all_logs(old)
    assert instance.has_run(recent)
    assert len(instance.all_logs(recent)) > 5
    assert old not in logs(instance)
    assert recent in logs(instance)
    with psycopg.connect(storage) as connection:
        for table in DAGSTER_TABLES:
            rows = connection.execute(f"SELECT count(*) FROM {table} WHERE run_id = %s".encode(), [old])
            assert rows.fetchone() == (0,), table


def test_more_dagster_runs_than_are_read_at_once_go(
    instance: dg.DagsterInstance, storage: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defs_retention, "_AT_ONCE", 2)
    for _ in range(5):
        instance.create_run_for_job(work_job, status=dg.DagsterRunStatus.SUCCESS)
    age(storage, days=8)

    assert prune(instance, database_url)["dagster_runs"] == 5


def test_an_unfinished_dagster_run_stays_however_old(
    instance: dg.DagsterInstance, storage: str, database_url: str
) -> None:
    unfinished = {status.value for status in dg.DagsterRunStatus} - {"SUCCESS", "FAILURE", "CANCELED"}
    ids = {status: instance.create_run_for_job(work_job).run_id for status in unfinished}
    with psycopg.connect(storage) as connection:
        connection.cursor().executemany("UPDATE runs SET status = %s WHERE run_id = %s", list(ids.items()))
    age(storage, days=90)

    assert prune(instance, database_url)["dagster_runs"] == 0
    with psycopg.connect(storage) as connection:
        left = connection.execute("SELECT status, run_id FROM runs WHERE pipeline_name = 'work_job'").fetchall()
    assert dict(left) == ids


def test_a_run_that_began_long_ago_and_ended_lately_stays(
    instance: dg.DagsterInstance, storage: str, database_url: str
) -> None:
    run_id = run_once(instance)
    with psycopg.connect(storage) as connection:
        connection.execute("UPDATE runs SET create_timestamp = create_timestamp - interval '90 days'")

    assert prune(instance, database_url)["dagster_runs"] == 0
    assert instance.has_run(run_id)


def test_growth_stops_when_the_retention_has_passed(
    instance: dg.DagsterInstance, storage: str, tenant: Tenant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_RETENTION_DAYS", "2")
    sizes_by_day = []
    for _ in range(6):
        age(storage, days=1)
        age_ours(tenant, days=1)
        run_once(instance)
        add_runs(tenant, count=120, days_ago=0)
        prune(instance, database_url)
        sizes_by_day.append(
            sizes(storage, *DAGSTER_TABLES) | sizes(database_url, *OURS) | {"logs": len(logs(instance))}
        )

    assert sizes_by_day[0]["event_logs"] < sizes_by_day[1]["event_logs"], "nothing grew"
    assert sizes_by_day[2:] == [sizes_by_day[2]] * 4
    assert sizes_by_day[2]["integration_runs"] == 2 * 120


def add_runs(tenant: Tenant, *, count: int, days_ago: float) -> None:
    tenant.execute(
        """
        WITH run AS (
            INSERT INTO integration_runs
                (tenant_id, integration_id, onboarding, state, streams_planned_at, processed_at)
            SELECT tenant_id, id, false, 'processed', now(), now() - make_interval(secs => :seconds)
            FROM integrations, generate_series(1, :count)
            RETURNING id
        )
        INSERT INTO integration_streams (run_id, root_id, name, label, key, state, processed_at, due_at)
        SELECT id, id, 'note', 'note', 'note', 'processed', now(), NULL FROM run
        """,
        count=count,
        seconds=days_ago * 86400 + 60,
    )


def age_ours(tenant: Tenant, *, days: float) -> None:
    tenant.execute(
        "UPDATE integration_runs SET processed_at = processed_at - make_interval(secs => :s)", s=days * 86400
    )
