"""An erasure wins against a page that is being committed, whatever the moment; nothing of the person comes after it."""

import os
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.streams import Operation, StreamResult, UpdateMembers, UpsertMembers
from crowd_pipelines.store import erasures, pages
from crowd_pipelines.store.database import transact
from crowd_pipelines_tests.interleaving import Interleaving, Interrupted, interrupted
from crowd_pipelines_tests.store.tenant import Note, Tenant, answer, page, person, said, upsert
from crowd_pipelines_tests.store.test_erasures import CANARY, GONE, Eraser

RENAMED = person(CANARY + " renamed", source_id=GONE.source_id)
SAYS: tuple[Operation, ...] = (
    upsert(said("1", by=GONE), said("2", by=GONE), answer("3", "2", by=person("ben"))),
    UpsertMembers(members=(GONE,)),
)
SITUATIONS: dict[str, tuple[bool, tuple[Operation, ...]]] = {
    "a known person": (True, SAYS),
    "a stranger": (False, SAYS),
    "a new name": (True, (upsert(said("2", by=RENAMED)), UpdateMembers(members=(RENAMED,)))),
    "only told of": (False, (UpsertMembers(members=(GONE,)),)),
    "in a reaction": (True, (upsert(said("4", by=person("ben"), attributes={"users": [GONE.source_id]})),)),
}
THOROUGH = bool(os.environ.get("EVERY_INTERLEAVING"))
WANTED = list(SITUATIONS) if THOROUGH else ["a known person", "a stranger"]


def committer(tenant: Tenant, operations: tuple[Operation, ...]) -> Callable[[], None]:
    """What a worker does with a page that it has fetched."""
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    finished = page(run, claimed, StreamResult(operations=operations))
    return lambda: transact(tenant.engine, lambda conn: pages.commit(conn, [finished], priority=()) and None)


def tenants(engine: Engine, situation: str, *, step: int = 1) -> Iterator[tuple[int, Tenant, Callable[[], None]]]:
    """A tenant for each moment, with a page that is to be committed."""
    known, operations = SITUATIONS[situation]
    for at in count(1, step):
        tenant = Tenant.connect(engine, name=f"tenant {at}")
        if known:
            tenant.say(said("1", by=GONE), answer("5", "1", by=person("ben")))
        yield at, tenant, committer(tenant, operations)


def everything_is_whole(tenant: Tenant, at: int) -> None:
    assert Eraser(tenant=tenant).left() == {}, f"at step {at}"
    lost = "SELECT count(*) FROM members WHERE id NOT IN (SELECT member_id FROM member_identities)"
    assert tenant.value(lost) == 0
    assert {row["state"] for row in tenant.rows("SELECT state FROM integration_streams")} == {"processed"}


@pytest.mark.parametrize("situation", WANTED)
def test_an_erasure_at_any_moment_of_a_commit_wins(engine: Engine, situation: str) -> None:
    waited = 0
    for at, tenant, commit in tenants(engine, situation):
        meanwhile = Interleaving(engine=engine, other=Eraser(tenant=tenant).erase, at=at)
        meanwhile.run(commit)
        waited += meanwhile.waited
        if not meanwhile.happened:
            break
        everything_is_whole(tenant, at)
    assert at > 8
    assert waited


@pytest.mark.parametrize("situation", WANTED)
def test_a_commit_at_any_moment_of_an_erasure_brings_nothing_back(engine: Engine, situation: str) -> None:
    for at, tenant, commit in tenants(engine, situation):
        meanwhile = Interleaving(engine=engine, other=commit, at=at)
        meanwhile.run(Eraser(tenant=tenant).erase)
        if not meanwhile.happened:
            break
        everything_is_whole(tenant, at)
    assert at > 20


def test_an_erasure_that_ends_at_any_moment_is_finished_by_the_next(engine: Engine) -> None:
    for at, tenant, commit in tenants(engine, "a known person", step=1 if THOROUGH else 5):
        commit()
        tenant.execute(
            "UPDATE integrations SET activity_count = 4, member_count = 2 WHERE tenant_id = :id", id=tenant.id
        )
        eraser = Eraser(tenant=tenant)
        try:
            with interrupted(engine, at=at):
                eraser.erase()
        except Interrupted:
            eraser.erase()
        else:
            break
        everything_is_whole(tenant, at)
        counted = "SELECT activity_count, member_count FROM integrations WHERE tenant_id = :id"
        assert tenant.row(counted, id=tenant.id) == {"activity_count": 2, "member_count": 1}, f"at step {at}"
        assert tenant.value("SELECT count(*) FROM erasures WHERE tenant_id = :id", id=tenant.id) == 1
    assert at > 20


def test_a_commit_does_not_wait_for_the_erasure_of_a_long_history(engine: Engine, tenant: Tenant) -> None:
    """Only the moment in which the hashes come takes a turn; what is long after it does not."""
    tenant.say(*(said(str(number), by=GONE) for number in range(5)))
    commit = committer(tenant, (upsert(said("x", by=person("ben"))),))
    seen = []

    def stored(what: str, number: int) -> None:
        if what == "activities" and not seen:
            commit()
            seen.append(number)

    erasures.erase(engine, Eraser(tenant=tenant).person(), command="a test", read_by={}, progress=stored)
    assert seen
    assert tenant.value("SELECT count(*) FROM activities") == 1
