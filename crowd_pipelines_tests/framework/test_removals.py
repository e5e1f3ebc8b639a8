"""What is removed while it is being read leaves nothing behind, and nothing comes after; the worker ends quietly."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from crowd_pipelines.http.errors import CredentialsRejected, RateLimited, UnexpectedPayload
from crowd_pipelines.model.streams import RejectedRecord
from crowd_pipelines.store import integrations, removals, runs
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.schema import metadata
from crowd_pipelines_tests.framework.scripted import PageStream, Script, Town, found, pages
from crowd_pipelines_tests.interleaving import Interleaving, Interrupted, interrupted
from crowd_pipelines_tests.store.tenant import NOON, PLATFORM, Note, Tenant, answer, person, said

THOROUGH = bool(os.environ.get("EVERY_INTERLEAVING"))
STEP = 1 if THOROUGH else 9
"""The distance of the moments that are tried."""

KEPT = {"tenants", "integrations", "activities", "members", "member_identities", "member_attribute_settings"}
"""What disconnecting leaves: what was brought, and where from."""


def script(ending: Exception | None) -> Script:
    """Three roots, a second page, a record that cannot be used, and an ending that goes wrong."""
    return Script(
        roots=pages("a", "b", "c"),
        preprocessed={"known": "x"},
        steps={
            "a/1": found(said("1"), answer("2", "1", by=person("ben")), to_page=PageStream(name="a", number=2)),
            "a/2": found(said("3"), watermarks={"a": {"at": 3}}),
            "b/1": found(said("4"), rejected=(RejectedRecord(reason="no id", payload={"x": 1}),)),
            "c/1": ending or found(said("5")),
        },
    )


ENDINGS: dict[str, Exception | None] = {
    "well": None,
    "in a wait": RateLimited("slowly", until=NOON.replace(year=2100), scope="all"),
    "refused": CredentialsRejected("not you"),
    "with evidence": UnexpectedPayload("nonsense", evidence='{"x": 1}'),
}


def delete_integration(tenant: Tenant) -> None:
    tenant.execute("DELETE FROM integrations WHERE id = :id", id=tenant.integration_id)


def delete_tenant(tenant: Tenant) -> None:
    tenant.execute("DELETE FROM tenants WHERE id = :id", id=tenant.id)


def by_command(tenant: Tenant, removal: Callable[[Engine, integrations.IntegrationRecord], None]) -> None:
    record = transact(tenant.engine, lambda conn: integrations.get(conn, tenant.integration_id))
    assert record is not None
    removal(tenant.engine, record)


REMOVALS: dict[str, Callable[[Tenant], None]] = {
    "DELETE FROM integrations": delete_integration,
    "DELETE FROM tenants": delete_tenant,
    "disconnect": partial(by_command, removal=removals.disconnect),
    "disconnect --delete-data": partial(by_command, removal=removals.remove),
    "delete-tenant": lambda tenant: removals.remove_tenant(tenant.engine, tenant.id),
}


def rows_of(tenant: Tenant) -> dict[str, int]:
    """How many rows of each table belong to the tenant, budgets apart."""
    streams = "run_id IN (SELECT id FROM integration_runs WHERE tenant_id = :id)"
    conditions = {
        "integration_streams": streams,
        "watermarks": "integration_id IN (SELECT id FROM integrations WHERE tenant_id = :id)",
        "tenants": "id = :id",
        "member_reach": "member_id IN (SELECT id FROM members WHERE tenant_id = :id)",
        "member_organizations": "member_id IN (SELECT id FROM members WHERE tenant_id = :id)",
    }
    counted = {
        name: tenant.value(f"SELECT count(*) FROM {name} WHERE {conditions.get(name, 'tenant_id = :id')}", id=tenant.id)
        for name in metadata.tables
        if name != "rate_budgets"
    }
    return {name: number for name, number in counted.items() if number}


def left_after(removal: str, tenant: Tenant) -> None:
    left = rows_of(tenant)
    match removal:
        case "DELETE FROM tenants" | "delete-tenant":
            assert left == {}
        case "DELETE FROM integrations":
            # Members belong to the tenant; whoever deletes with SQL says what is to go.
            assert left.keys() <= {"tenants", "members", "member_identities", "member_attribute_settings"}
        case "disconnect --delete-data":
            assert left.keys() <= {"tenants", "member_attribute_settings"}
        case _:
            assert left.keys() <= KEPT
            assert tenant.value("SELECT count(*) FROM integrations WHERE disconnected_at IS NULL AND tenant_id = :id",
                                id=tenant.id) == 0  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS if THOROUGH else ["well", "with evidence"])
@pytest.mark.parametrize("removal", REMOVALS)
def test_nothing_is_left_and_nothing_comes_after(
    engine: Engine, removal: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = 1 + (list(REMOVALS).index(removal) + 2 * list(ENDINGS).index(ending)) % STEP
    for at in count(first, STEP):
        tenant = Tenant.connect(engine, name=f"tenant {at}")
        town = Town.of(tenant, script(ENDINGS[ending]), max_concurrency=1)
        meanwhile = Interleaving(engine=engine, other=partial(REMOVALS[removal], tenant), at=at)
        processor = town.processor()
        meanwhile.run(partial(onboard, town, processor))
        if not meanwhile.happened:
            break
        left_after(removal, tenant)
        assert processor.process_tick(town.integration.platform).due == ()
        assert [entry.message for entry in caplog.records if entry.exc_info] == [], f"at step {at}"
    assert at > 45


def test_a_disconnected_place_is_read_only_when_it_is_connected_again(tenant: Tenant) -> None:
    town = Town.of(tenant, script(None))
    town.onboard()
    before = rows_of(tenant)
    by_command(tenant, removals.disconnect)
    processor, wanted = town.processor(), tenant.integration_id
    assert processor.start_onboarding(wanted) is None
    assert processor.process_check([wanted]) == []
    assert processor.onboard([wanted]).passed_over == (f"integration {wanted} was removed",)
    tenant.execute("UPDATE integrations SET onboarding_requested_at = now()")
    assert transact(tenant.engine, lambda conn: integrations.requested_onboardings(conn, limit=9)) == []
    transact(
        tenant.engine,
        lambda conn: integrations.connect(conn, tenant_id=tenant.id, platform=PLATFORM, name="Town", settings={}),
    )
    town.onboard()
    assert rows_of(tenant) == before
    assert tenant.value("SELECT activity_count FROM integrations") == before["activities"]


@pytest.mark.parametrize("removal", list(REMOVALS)[2:])
def test_a_removal_that_ends_at_any_moment_is_finished_by_the_next(engine: Engine, removal: str) -> None:
    for at in count(1, 1 if THOROUGH else 8):
        tenant = Tenant.connect(engine, name=f"tenant {at}")
        Town.of(tenant, script(None)).onboard()
        try:
            with interrupted(engine, at=at):
                REMOVALS[removal](tenant)
        except Interrupted:
            if rows_of(tenant).get("integrations"):
                REMOVALS[removal](tenant)
        else:
            break
        left_after(removal, tenant)
    assert at > 8


def test_members_whom_something_else_tells_of_stay(tenant: Tenant) -> None:
    tenant.say(said("1", by=person("here")), said("2", by=person("everywhere")))
    elsewhere = Tenant.connect(tenant.engine, integration="Village")
    tenant.execute("UPDATE integrations SET platform = 'village' WHERE id = :id", id=elsewhere.integration_id)
    elsewhere.say(said("3", by=person("everywhere")))
    by_command(tenant, removals.remove)
    assert [row["username"] for row in tenant.rows("SELECT username FROM member_identities")] == ["everywhere"]


def test_while_another_place_of_the_platform_is_read_all_members_stay(tenant: Tenant) -> None:
    tenant.say(said("1", by=person("here")))
    Tenant.connect(tenant.engine, integration="Other town")
    by_command(tenant, removals.remove)
    assert tenant.value("SELECT count(*) FROM activities") == 0
    assert [row["username"] for row in tenant.rows("SELECT username FROM member_identities")] == ["here"]


def test_what_a_worker_writes_while_a_deletion_is_not_committed_comes_to_nothing(engine: Engine) -> None:
    """It waits, and then finds nothing to write to: no error, nobody in anybody's way."""
    for number, write in enumerate(WRITES):
        tenant = Tenant.connect(engine, name=f"tenant {number}")
        run = None if write is begin else tenant.planned_run(Note(name="a"))
        # Between the statement and the commit.
        meanwhile = Interleaving(engine=engine, other=partial(write, tenant, run), at=2)
        meanwhile.run(partial(delete_integration, tenant))
        assert meanwhile.waited, write
        left_after("DELETE FROM integrations", tenant)


def begin(tenant: Tenant, _: Any) -> None:
    wanted = partial(runs.begin, integration_id=tenant.integration_id, onboarding=True)
    assert transact(tenant.engine, wanted) is None


def finish(tenant: Tenant, run: RunRecord) -> None:
    assert not transact(tenant.engine, lambda conn: runs.finish(conn, run))


def fail(tenant: Tenant, run: RunRecord) -> None:
    assert not transact(tenant.engine, lambda conn: runs.fail(conn, run, "a reason"))


WRITES: tuple[Callable[..., None], ...] = (begin, finish, fail)


def onboard(town: Town, processor: Any) -> None:
    run_id: UUID | None = processor.start_onboarding(town.tenant.integration_id)
    if run_id is not None:
        processor.process(run_id)
