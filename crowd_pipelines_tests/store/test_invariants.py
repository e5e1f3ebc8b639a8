"""Every invariant: broken on purpose, it is the one that is reported. Each break is undone by rolling it back."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, Engine, text

from crowd_pipelines.model.streams import RejectedRecord, StreamResult, UpsertMembers
from crowd_pipelines.store import database, integrations, runs
from crowd_pipelines.store.invariants import EXAMPLES, INVARIANTS, broken, examine
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.store.tenant import Note, Tenant, answer, page, person, said, upsert

UNIQUE, CONSTRAINTS = "unique-rules-enforced", "constraints-enforced"


class Break(NamedTuple):
    """Statements after which an invariant does not hold, and what else is told then."""

    name: str
    statements: tuple[str, ...]
    also: tuple[str, ...] = ()


def a_break(name: str, *statements: str, also: tuple[str, ...] = ()) -> Break:
    return Break(name, statements, also)


def copied(table: str, columns: str, where: str = "TRUE") -> str:
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE {where}"


OTHERS = "INSERT INTO tenants (name) VALUES ('other')"
OTHER = "(SELECT id FROM tenants WHERE name = 'other')"
STREAM = "run_id, parent_id, root_id, name, label, metadata, key, state, due_at, processed_at"
ACTIVITY = "tenant_id, integration_id, member_id, platform, type, source_id, timestamp"
REOPEN = "UPDATE integration_runs SET processed_at = NULL, state"
LOOSE_RUNS = "ALTER TABLE integration_runs DROP CONSTRAINT ck_integration_runs_"

LATER_CHECK = (
    "INSERT INTO integration_runs (tenant_id, integration_id, onboarding, state, streams_planned_at, processed_at,"
    " created_at) SELECT tenant_id, id, FALSE, 'processed', now(), now(), now() + interval '1 s' FROM integrations"
)

BREAKS = [
    a_break(UNIQUE, "DROP INDEX uq_integration_runs_open"),
    a_break(UNIQUE, "ALTER TABLE lookups DROP CONSTRAINT pk_lookups"),
    a_break(
        UNIQUE,
        "ALTER TABLE activities DROP CONSTRAINT uq_activities_tenant_id_platform_type_source_id",
        "CREATE INDEX uq_activities_tenant_id_platform_type_source_id"
        " ON activities (tenant_id, platform, type, source_id)",
    ),
    a_break(
        UNIQUE,
        "DROP INDEX uq_integration_runs_open",
        "CREATE UNIQUE INDEX uq_integration_runs_open ON integration_runs (integration_id, state)"
        " WHERE state <> 'error'",
    ),
    a_break(
        UNIQUE,
        "ALTER TABLE activities DROP CONSTRAINT uq_activities_tenant_id_platform_type_source_id",
        "CREATE UNIQUE INDEX uq_activities_tenant_id_platform_type_source_id"
        " ON activities (tenant_id, platform, type, source_id) WHERE type = 'said'",
    ),
    a_break(CONSTRAINTS, f"{LOOSE_RUNS}ended"),
    a_break(
        CONSTRAINTS,
        "ALTER TABLE members DROP CONSTRAINT fk_members_tenant_id",
        "ALTER TABLE members ADD CONSTRAINT fk_members_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants NOT VALID",
    ),
    a_break(
        "no-duplicates",
        "ALTER TABLE integration_streams DROP CONSTRAINT uq_integration_streams_run_id_key",
        copied("integration_streams", STREAM, "parent_id IS NOT NULL"),
        also=(UNIQUE,),
    ),
    a_break(
        "no-duplicates",
        "ALTER TABLE activities DROP CONSTRAINT uq_activities_tenant_id_platform_type_source_id",
        copied("activities", ACTIVITY),
        also=(UNIQUE, "activity-counts-add-up"),
    ),
    a_break(
        "no-duplicates",
        "ALTER TABLE member_identities DROP CONSTRAINT uq_member_identities_tenant_id_platform_identity_key",
        copied("member_identities", "tenant_id, platform, source_id, username, member_id"),
        also=(UNIQUE,),
    ),
    a_break("references-lead-somewhere", "UPDATE activities SET member_id = uuidv7()", "UPDATE members SET score = 0"),
    a_break(
        "references-lead-somewhere",
        "INSERT INTO member_reach (member_id, platform, reach) VALUES (uuidv7(), 'town', 5)",
    ),
    a_break(
        "conditions-hold",
        f"{LOOSE_RUNS}state_known",
        f"{LOOSE_RUNS}ended",
        f"{REOPEN} = 'napping'",
        also=(CONSTRAINTS,),
    ),
    a_break("dead-work-is-taken-up", f"{REOPEN} = 'processing', leased_until = now() - interval '1 hour'"),
    a_break("dead-work-is-taken-up", f"{REOPEN} = 'delayed', delayed_until = now() - interval '1 hour'"),
    a_break("dead-work-is-taken-up", f"{REOPEN} = 'pending', created_at = now() - interval '1 hour'"),
    a_break("leases-expire", f"{REOPEN} = 'processing', leased_until = now() + interval '1 hour'"),
    a_break(
        "leases-expire",
        f"{REOPEN} = 'delayed', delayed_until = now()",
        "UPDATE integration_streams SET state = 'processing', processed_at = NULL, due_at = now() + interval '1 hour'"
        " WHERE parent_id IS NOT NULL",
    ),
    a_break(
        "processed-is-complete",
        "UPDATE integration_streams SET state = 'pending', processed_at = NULL, due_at = now()"
        " WHERE parent_id IS NOT NULL",
    ),
    a_break(
        "processed-is-complete",
        f"{LOOSE_RUNS}truth",
        "UPDATE integration_runs SET streams_planned_at = NULL",
        also=(CONSTRAINTS, "conditions-hold"),
    ),
    a_break(
        "processed-without-failures",
        "UPDATE integration_streams SET state = 'error', processed_at = NULL WHERE parent_id IS NOT NULL",
    ),
    a_break("status-is-true", "UPDATE integrations SET status = 'in_progress'"),
    a_break("status-is-true", "UPDATE integration_runs SET state = 'error', error = 'too bad'"),
    a_break(
        "what-a-run-left-is-read",
        "UPDATE integration_runs SET state = 'error', error = 'refused', onboarding = FALSE",
        "UPDATE integration_streams SET state = 'pending', processed_at = NULL, due_at = now()"
        " WHERE parent_id IS NOT NULL",
        LATER_CHECK,
    ),
    a_break(
        "only-onboardings-onboard",
        "UPDATE integration_runs SET state = 'error', error = 'refused'",
        "UPDATE integration_streams SET state = 'error', processed_at = NULL WHERE parent_id IS NOT NULL",
        LATER_CHECK,
        also=("what-a-run-left-is-read",),
    ),
    a_break(
        "what-is-skipped-is-gone",
        "UPDATE integration_streams SET state = 'skipped', error = 'GET /x answered 403 Forbidden.'"
        " WHERE parent_id IS NOT NULL",
    ),
    a_break(
        "what-is-owed-comes-due",
        "INSERT INTO owed_reads (tenant_id, integration_id, kind, place, label, reason, stream_name, stream_label,"
        " stream_key, whole, due_at) SELECT tenant_id, id, 'permission', 'x', 'x', 'x', 'note', 'x', 'x', TRUE,"
        " now() - interval '3 days' FROM integrations",
        "UPDATE integrations SET last_check_at = now()",
    ),
    a_break("open-runs-can-go-on", f"{REOPEN} = 'processing', leased_until = NULL"),
    a_break("waits-end", f"{REOPEN} = 'delayed', delayed_until = now() + interval '2 years'"),
    a_break("waits-end", "INSERT INTO rate_budgets (key, next_free_at) VALUES ('town:x', now() + interval '2 years')"),
    a_break("parents-are-committed", "DELETE FROM integration_streams WHERE parent_id IS NULL"),
    a_break("parents-are-committed", "UPDATE integration_streams SET root_id = id WHERE parent_id IS NOT NULL"),
    a_break("parents-are-committed", "UPDATE integration_streams SET parent_id = NULL WHERE parent_id IS NOT NULL"),
    a_break(
        "parents-are-committed",
        f"{REOPEN} = 'delayed', delayed_until = now()",
        "UPDATE integration_streams SET state = 'pending', processed_at = NULL, due_at = now() WHERE parent_id IS NULL",
    ),
    a_break(
        "one-open-run",
        "DROP INDEX uq_integration_runs_open",
        copied("integration_runs", "tenant_id, integration_id, onboarding"),
        copied("integration_runs", "tenant_id, integration_id, onboarding", "state = 'processed'"),
        also=(UNIQUE, "no-duplicates"),
    ),
    a_break("credentials-are-sealed", "UPDATE integrations SET credentials_key_id = NULL"),
    a_break("no-secrets-in-plain-text", """UPDATE integrations SET settings = '{"api_key": "abc"}'"""),
    a_break("no-secrets-in-plain-text", """UPDATE integrations SET state = '{"notices": ["Bearer abcdefghijkl"]}'"""),
    a_break("no-secrets-in-the-queue", "UPDATE integration_streams SET error = 'refused: xoxb-1234'"),
    a_break("members-have-identities", "DELETE FROM member_identities"),
    a_break(
        "erased-stay-away",
        "INSERT INTO erasure_salts (tenant_id, salt) SELECT id, 'pepper' FROM tenants",
        "INSERT INTO erasures (tenant_id, command, completed_at) SELECT id, 'erase-member', now() FROM tenants",
        "INSERT INTO erased_identities (tenant_id, platform, digest, erasure_id, id_known)"
        " SELECT tenant_id, 'town', sha256('pepper' || convert_to('town id-ada', 'UTF8')), id, TRUE FROM erasures",
    ),
    a_break("tenants-are-apart", OTHERS, f"UPDATE member_identities SET tenant_id = {OTHER}"),
    a_break("tenants-are-apart", OTHERS, f"UPDATE integration_runs SET tenant_id = {OTHER}"),
    a_break("tenants-are-apart", OTHERS, f"UPDATE activities SET tenant_id = {OTHER}"),
    a_break("tenants-are-apart", OTHERS, f"UPDATE quarantined_records SET tenant_id = {OTHER}"),
    a_break("parents-are-linked", "UPDATE activities SET parent_id = NULL"),
    a_break("links-lead-to-the-parent", "UPDATE activities SET source_parent_id = 'c' WHERE source_parent_id = 'a'"),
    a_break("activity-counts-add-up", "UPDATE integrations SET activity_count = activity_count + 1"),
    a_break("scores-add-up", "UPDATE members SET score = score + 1"),
    a_break("reach-adds-up", """UPDATE members SET reach = '{"town": 5, "total": 7}'"""),
    a_break(
        "addresses-follow-names",
        "UPDATE member_identities SET platform = 'twitter', username = 'eve_2' WHERE username = 'eve'",
        """UPDATE members SET attributes = '{"url": {"twitter": "https://x.com/eve"}}'""",
        "UPDATE members SET reach = '{}'",
    ),
    a_break("moments-are-plausible", "UPDATE activities SET timestamp = 'epoch'"),
    a_break("moments-are-plausible", "UPDATE activities SET timestamp = now() + interval '1 year'"),
    a_break("the-past-is-past", "UPDATE integrations SET last_check_at = now() + interval '2 hours'"),
    a_break("the-past-is-past", "UPDATE integration_runs SET created_at = now() + interval '2 hours'"),
]


@pytest.fixture(scope="module")
def healthy(server_url: str, template_database: str) -> Iterator[Engine]:
    """A database with an onboarded integration in it: something of everything, and nothing wrong."""
    with database_on(server_url, prefix="invariants", template=template_database) as url:
        engine = database.create(url)
        onboarded(Tenant.connect(engine))
        yield engine
        engine.dispose()


def onboarded(tenant: Tenant) -> None:
    run = tenant.planned_run(Note(name="root"))
    people = UpsertMembers(members=(person("eve", reach=5),))
    root = StreamResult(operations=(upsert(said("a"), answer("b", "a")), people), new_streams=(Note(name="leaf"),))
    leaf = StreamResult(rejected=(RejectedRecord(reason="no id", payload={}),), watermarks={"leaf": {"at": 1}})
    for result in (root, leaf):
        [claimed] = tenant.claim(run)
        tenant.commit(page(run, claimed, result))
    vault = Vault(new_key())
    with tenant.engine.begin() as conn:
        assert runs.finish(conn, run)
        integrations.set_credentials(conn, tenant.integration_id, vault.seal({"token": "x"}, tenant.integration_id))


@pytest.fixture
def conn(healthy: Engine) -> Iterator[Connection]:
    with healthy.connect() as conn:
        yield conn
        conn.rollback()


def test_what_is_healthy_breaks_nothing(conn: Connection) -> None:
    assert broken(conn) == []


@pytest.mark.parametrize("what", BREAKS, ids=lambda what: what.name)
def test_what_is_broken_is_told_and_nothing_else(what: Break, conn: Connection) -> None:
    for statement in what.statements:
        conn.execute(text(statement.replace(":", r"\:")))
    found = broken(conn)
    assert {one.invariant.name for one in found} == {what.name, *what.also}
    assert all(one.count >= len(one.examples) > 0 and all(one.examples) for one in found)


@pytest.mark.parametrize(("waited", "told"), [("1 hour", []), ("2 days", ["dead-work-is-taken-up"])])
def test_while_others_are_worked_on_due_work_may_wait_for_its_turn(
    waited: str, told: list[str], conn: Connection
) -> None:
    conn.execute(text(f"{REOPEN} = 'delayed', delayed_until = now() - interval '{waited}'"))
    conn.execute(
        text(
            "INSERT INTO integrations (tenant_id, platform, name, key) SELECT id, 'town', 'other', 'other' FROM tenants"
        )
    )
    conn.execute(
        text(
            "INSERT INTO integration_runs (tenant_id, integration_id, onboarding, state, leased_until)"
            " SELECT tenant_id, id, FALSE, 'processing', now() + interval '30 s' FROM integrations WHERE key = 'other'"
        )
    )
    assert [one.invariant.name for one in broken(conn)] == told


def test_every_invariant_was_broken() -> None:
    assert {what.name for what in BREAKS} == {invariant.name for invariant in INVARIANTS}


def test_many_are_counted_and_few_are_named(conn: Connection) -> None:
    conn.execute(text("INSERT INTO members (tenant_id) SELECT tenants.id FROM tenants, generate_series(1, 12)"))
    [found] = broken(conn)
    assert (found.invariant.name, found.count, len(found.examples)) == ("members-have-identities", 12, EXAMPLES)


def test_without_whole_tables_only_the_quick_ones_are_asked(conn: Connection) -> None:
    conn.execute(text("UPDATE members SET score = score + 1"))
    conn.execute(text("UPDATE integrations SET last_check_at = now() + interval '2 hours'"))
    assert {one.invariant.name for one in broken(conn, whole_tables=False)} == {"the-past-is-past"}
    assert conn.scalar(text("SHOW enable_indexscan")) == "on"


@pytest.mark.parametrize(("whole_tables", "scans"), [(True, "off"), (False, "on")])
def test_whole_tables_are_read_without_indexes_which_may_be_what_is_broken(
    whole_tables: bool, scans: str, conn: Connection
) -> None:
    probe = replace(INVARIANTS[0], sql="SELECT current_setting('enable_indexscan') AS what", whole_tables=whole_tables)
    told = examine(conn, probe)
    assert told is not None
    assert told.examples == (scans,)
