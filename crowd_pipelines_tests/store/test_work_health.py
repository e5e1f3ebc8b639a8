"""What `doctor` says of the work and of the server: a healthy one is fine, and each trouble is told as itself."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from crowd_pipelines.model.health import Finding, Verdict
from crowd_pipelines.store import database, server_health, work_health
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.store.tenant import Note, Tenant

OPEN = "UPDATE integration_runs SET processed_at = NULL, error = NULL, state"
RECORD = (
    "INSERT INTO quarantined_records (tenant_id, integration_id, stream_name, reason, digest, created_at)"
    " SELECT tenant_id, id, 'note', 'no id, token=abcdefgh12345678', 'x', now() - {age} FROM integrations"
)

TROUBLES: dict[str, tuple[Verdict, tuple[str, ...]]] = {
    "credentials-accepted": (Verdict.ERROR, ("UPDATE integrations SET credentials_rejected_at = now()",)),
    "integrations": (Verdict.WARNING, ("UPDATE integrations SET status = 'error', error = 'the town is closed'",)),
    "onboardings-begin": (
        Verdict.ERROR,
        (
            "UPDATE integrations SET onboarding_requested_at = now() - interval '1 hour'",
            "UPDATE integration_runs SET state = 'error', processed_at = now()",
        ),
    ),
    "disconnections-end": (Verdict.WARNING, ("UPDATE integrations SET disconnected_at = now() - interval '2 days'",)),
    "runs-end": (Verdict.WARNING, ("UPDATE integration_runs SET created_at = now() - interval '20 days'",)),
    "runs-get-on": (
        Verdict.WARNING,
        ("UPDATE integration_runs SET attempt = 6, created_at = now() - interval '3 days'",),
    ),
    "workers-survive": (Verdict.WARNING, ("UPDATE integration_streams SET crashes = 2",)),
    "nothing-given-up": (
        Verdict.WARNING,
        (
            "UPDATE integration_runs SET state = 'error', processed_at = now()",
            "UPDATE integration_streams SET crashes = 3, state = 'error', due_at = NULL",
        ),
    ),
    "budgets": (
        Verdict.WARNING,
        (
            (
                "INSERT INTO rate_budgets (key, next_free_at, closed_until)"
                " VALUES ('town:x', now(), now() + interval '20 hours')"
            ),
        ),
    ),
    "quarantine": (Verdict.WARNING, (RECORD.format(age="interval '1 hour'"),)),
    "retention": (
        Verdict.WARNING,
        ("UPDATE integration_runs SET state = 'error', processed_at = now() - interval '30 days'",),
    ),
    "erasures": (
        Verdict.ERROR,
        (
            (
                "INSERT INTO erasures (tenant_id, command, erased_at)"
                " SELECT id, 'erase-member', now() - interval '1 day' FROM tenants"
            ),
        ),
    ),
}


@pytest.fixture(scope="module")
def working(server_url: str, template_database: str) -> Iterator[Engine]:
    """A database with an integration that is being onboarded."""
    with database_on(server_url, prefix="health", template=template_database) as url:
        engine = database.create(url)
        Tenant.connect(engine).planned_run(Note(name="root"))
        yield engine
        engine.dispose()


@pytest.fixture
def conn(working: Engine) -> Iterator[Connection]:
    with working.connect() as conn:
        yield conn
        conn.rollback()


def of_the_work(conn: Connection) -> list[Finding]:
    checks = (
        *(work_health.integrations, work_health.runs, work_health.budgets, work_health.quarantine),
        *(work_health.erasures, lambda conn: work_health.retention(conn, days=7)),
    )
    return [finding for check in checks for finding in check(conn)]


def test_work_that_goes_on_is_fine(conn: Connection) -> None:
    found = of_the_work(conn)
    assert {finding.verdict for finding in found} == {Verdict.OK}
    assert TROUBLES.keys() <= {finding.name for finding in found}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_is_told_and_nothing_else(name: str, conn: Connection) -> None:
    verdict, statements = TROUBLES[name]
    for statement in statements:
        conn.execute(text(statement))
    [told] = [finding for finding in of_the_work(conn) if finding.verdict is not Verdict.OK]
    assert (told.name, told.verdict) == (name, verdict)
    assert told.remedy
    assert "abcdefgh12345678" not in told.seen


def test_old_records_in_quarantine_are_counted_without_alarm(conn: Connection) -> None:
    conn.execute(text(RECORD.format(age="interval '3 days'")))
    [told] = work_health.quarantine(conn)
    assert (told.verdict, told.seen) == (Verdict.OK, "1 records are in quarantine, none of the last day")


def test_what_runs_wait_for_is_told(conn: Connection) -> None:
    conn.execute(
        text(f"{OPEN} = 'delayed', delayed_until = '2026-03-04 05:06', delay_reason = 'the budget is used up'")
    )
    told = next(iter(work_health.runs(conn)))
    assert told.seen == (
        "0 integration runs are worked on, 1 wait (1 until 03-04 05:06 at the latest: the budget is used up)"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE members DROP COLUMN reach", "add column members reach"),
        ("ALTER TABLE members ALTER COLUMN score TYPE numeric", "modify type members score"),
        ("DROP INDEX ix_activities_thread", "add index ix_activities_thread"),
        ("DROP TABLE lookups", "add table lookups"),
        ("ALTER TABLE lookups ADD COLUMN mine text", "remove column lookups mine"),
    ],
)
def test_tables_that_were_changed_by_hand_are_told(change: str, told: str, conn: Connection) -> None:
    conn.execute(text(change))
    [_, schema] = server_health.schema(conn)
    assert schema.verdict is Verdict.ERROR
    assert told in schema.seen


def test_what_others_add_to_the_database_is_theirs(conn: Connection) -> None:
    conn.execute(text("CREATE TABLE runs (id int)"))
    conn.execute(text("CREATE INDEX mine ON members (score)"))
    assert {finding.verdict for finding in server_health.schema(conn)} == {Verdict.OK}


def test_the_server_is_examined(conn: Connection) -> None:
    checks = (server_health.clock, server_health.connections, server_health.sizes, server_health.horizon)
    found = [finding for check in checks for finding in check(conn)]
    assert {finding.verdict for finding in found} == {Verdict.OK}


def test_a_server_that_may_lose_what_it_reported_is_told(conn: Connection) -> None:
    by_name = {finding.name: finding for finding in server_health.settings(conn)}
    careless = conn.scalar(text("SHOW fsync")) == "off"
    assert (by_name["durability"].verdict is Verdict.ERROR) is careless
    conn.execute(text("SET LOCAL default_transaction_read_only = on"))
    by_name = {finding.name: finding for finding in server_health.settings(conn)}
    assert by_name["writable"].verdict is Verdict.ERROR


def test_a_clock_that_is_off_is_told(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    later = "SELECT clock_timestamp() + interval '{} seconds'"
    for seconds, verdict in ((1, Verdict.OK), (20, Verdict.WARNING), (600, Verdict.ERROR)):
        monkeypatch.setattr(server_health, "current_time", lambda conn, by=seconds: conn.scalar(text(later.format(by))))
        [told] = server_health.clock(conn)
        assert told.verdict is verdict
