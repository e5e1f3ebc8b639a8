"""An erased person is nowhere in the database, and does not come back by being read again."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, text

from crowd_pipelines.model.records import Organization
from crowd_pipelines.model.streams import RejectedRecord, StreamResult, UpdateMembers, UpsertMembers
from crowd_pipelines.store import erasures
from crowd_pipelines.store.erasures import Identity, Person
from crowd_pipelines.store.schema import metadata
from crowd_pipelines_tests.store.tenant import PLATFORM, Note, Tenant, answer, page, person, said, upsert

CANARY = "canary"
"""In everything that is stored of the person to be erased, and in nothing else."""

GONE = person(
    CANARY,
    display_name="Canary C.",
    emails=("canary@example.com",),
    attributes={"url": "https://town.example/canary"},
    reach=5,
    organizations=(Organization(source_id="canary-org", name="Canary & Sons"),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """Erases, and looks for what is left."""

    tenant: Tenant

    def person(self, **given: Any) -> Person:
        wanted = Identity(**{"platform": PLATFORM, "source_id": f"id-{CANARY}", **given})
        with self.tenant.engine.begin() as conn:
            found = erasures.find_account(conn, self.tenant.id, wanted)
        assert len(found) <= 1
        return found[0] if found else Person(tenant_id=self.tenant.id, member_id=None, identities=(wanted,))

    def erase(self, **given: Any) -> dict[str, int]:
        row = erasures.erase(self.tenant.engine, self.person(**given), command="a test", read_by={})
        removed: dict[str, int] = row["removed"]
        return removed

    def left(self) -> dict[str, list[str]]:
        """The rows of every table that hold the canary."""
        return rows_with(self.tenant.engine, CANARY)


def rows_with(engine: Engine, word: str) -> dict[str, list[str]]:
    """The rows of every table that hold a word."""
    held = [
        f"SELECT '{name}' AS name, t::text AS row FROM {name} AS t WHERE t::text ILIKE '%' || :word || '%'"
        for name in metadata.tables
    ]
    found: defaultdict[str, list[str]] = defaultdict(list)
    with engine.begin() as conn:
        for name, row in conn.execute(text(" UNION ALL ".join(held)), {"word": word}):
            found[name].append(row)
    return dict(found)


@pytest.fixture
def eraser(tenant: Tenant) -> Eraser:
    return Eraser(tenant=tenant)


def test_a_person_goes_with_everything_and_answers_of_others_stay(tenant: Tenant, eraser: Eraser) -> None:
    mentioned = {
        "reactions": [{"name": "heart", "count": 2, "users": ["id-ben", "id-canary"]}],
        "by": {"user": "Canary"},
    }
    tenant.say(said("1", by=GONE, title="canary"), answer("2", "1", by=person("ben"), attributes=mentioned))
    assert eraser.left().keys() == {"activities", "members", "member_identities", "organizations"}
    tenant.execute("UPDATE integrations SET activity_count = 2, member_count = 2")
    removed = eraser.erase()
    assert eraser.left() == {}
    assert {name: number for name, number in removed.items() if number} == {
        "activities": 1,
        "members": 1,
        "organizations": 1,
        "mentions by others": 1,
    }
    reply = tenant.activity("2")
    assert (reply["parent_id"], reply["source_parent_id"]) == (None, "1")
    assert reply["attributes"] == {"reactions": [{"name": "heart", "count": 2, "users": ["id-ben"]}], "by": {}}
    totals = tenant.row("SELECT activity_count, member_count FROM integrations")
    assert totals == {"activity_count": 1, "member_count": 1}


def test_whoever_reads_the_person_again_leaves_them_out_and_counts_it(tenant: Tenant, eraser: Eraser) -> None:
    tenant.say(said("1", by=GONE))
    eraser.erase()
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    records = (
        said("1", by=GONE),
        said("3", by=person("new-name", source_id="id-canary")),
        answer("2", "1", by=person("ben")),
    )
    result = StreamResult(
        operations=(
            upsert(*records),
            UpsertMembers(members=(GONE, person("eve"))),
            UpdateMembers(members=(GONE, person("eve", reach=3))),
        )
    )
    tenant.commit(page(run, claimed, result))
    assert eraser.left() == {}
    assert [row["source_id"] for row in tenant.rows("SELECT source_id FROM activities")] == ["2"]
    assert {row["username"] for row in tenant.rows("SELECT username FROM member_identities")} == {"ben", "eve"}
    assert tenant.value("SELECT left_out FROM integration_streams") == 3


def test_what_others_carry_of_the_person_is_left_out_as_well(tenant: Tenant, eraser: Eraser) -> None:
    eraser.erase(username=CANARY)
    carried = {
        "reactions": [{"name": "canary", "users": ["id-canary", "id-ben"]}],
        "objectMember": {"sourceId": "id-canary", "username": "Canary"},
        "articleUrl": "https://town.example/canary/story",
        "labels": ["canary"],
    }
    tenant.say(said("1", by=person("ben"), attributes=carried))
    assert tenant.activity("1")["attributes"] == {
        # A reaction and a label are no names, whatever they are called.
        "reactions": [{"name": "canary", "users": ["id-ben"]}],
        "objectMember": {},
        "labels": ["canary"],
    }


def test_what_cannot_be_used_is_not_kept_of_the_person(tenant: Tenant, eraser: Eraser) -> None:
    eraser.erase(username=CANARY)
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    payloads = (
        {"user": {"name": "Canary"}},
        {"user": {"id": "id-canary"}},
        {"user": {"name": "ben"}},
        deep,
        {1: "x\x00"},
    )
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    rejected = tuple(RejectedRecord(reason=f"number {n}", payload=payload) for n, payload in enumerate(payloads))
    tenant.commit(page(run, claimed, StreamResult(rejected=rejected)))
    kept = tenant.rows("SELECT reason FROM quarantined_records ORDER BY reason")
    assert [row["reason"] for row in kept] == ["number 2", "number 3", "number 4"]


def test_another_who_takes_the_name_is_read(tenant: Tenant, eraser: Eraser) -> None:
    tenant.say(said("1", by=GONE))
    eraser.erase()
    tenant.say(said("2", by=person(CANARY, source_id="another")), said("3", by=person("Canary", source_id=None)))
    assert [row["source_id"] for row in tenant.rows("SELECT source_id FROM activities")] == ["2"]


def test_of_a_person_known_by_name_alone_the_name_is_refused_with_any_id(tenant: Tenant, eraser: Eraser) -> None:
    tenant.say(said("1", by=person(CANARY, source_id=None)))
    eraser.erase(source_id=None, username="CANARY")
    tenant.say(said("2", by=person("Canary", source_id="anything")), said("3", by=person("canary", source_id=None)))
    assert eraser.left() == {}
    assert tenant.value("SELECT count(*) FROM activities") == 0


def test_other_tenants_and_platforms_are_not_touched(engine: Engine, tenant: Tenant, eraser: Eraser) -> None:
    other = Tenant.connect(engine, name="other")
    tenant.say(said("1", by=GONE))
    other.say(said("1", by=GONE))
    eraser.erase()
    other.say(said("2", by=GONE))
    tenant.say(said("3", by=person(CANARY, platform="village"), platform="village"))
    assert tenant.value("SELECT count(*) FROM activities WHERE tenant_id = :id", id=other.id) == 2
    assert tenant.value("SELECT count(*) FROM activities WHERE tenant_id = :id", id=tenant.id) == 1


def test_hashes_differ_between_tenants(engine: Engine, tenant: Tenant, eraser: Eraser) -> None:
    eraser.erase()
    Eraser(tenant=Tenant.connect(engine, name="other")).erase()
    assert tenant.value("SELECT count(DISTINCT digest) FROM erased_identities") == 2


def test_what_the_queue_and_the_quarantine_hold_of_the_person_goes(tenant: Tenant, eraser: Eraser) -> None:
    run = tenant.planned_run(Note(name=CANARY), Note(name="other"))
    for claimed in tenant.claim(run):
        rejected = (
            RejectedRecord(reason=f"what {claimed.metadata['name']} said", payload={"user": claimed.metadata["name"]}),
        )
        marks = {"known": {f"id-{claimed.metadata['name']}": "x"}}
        result = StreamResult(
            operations=(upsert(said(claimed.metadata["name"], by=person(claimed.metadata["name"]))),),
            rejected=rejected,
            watermarks={f"of:{claimed.metadata['name']}": marks, "all": marks},
        )
        tenant.commit(page(run, claimed, result))
    eraser.erase()
    assert eraser.left() == {}
    assert tenant.value("SELECT count(*) FROM quarantined_records") == 1
    assert {row["label"] for row in tenant.rows("SELECT label FROM integration_streams")} == {
        "note (erased)",
        "note other",
    }
    assert {row["subject"] for row in tenant.rows("SELECT subject FROM watermarks")} == {"of:other", "all"}


def test_what_is_still_to_be_read_keeps_its_parameters(tenant: Tenant, eraser: Eraser) -> None:
    run = tenant.planned_run(Note(name=CANARY))
    eraser.erase(username=CANARY)
    [claimed] = tenant.claim(run)
    assert claimed.metadata["name"] == CANARY


def test_erasing_again_finishes_and_remembers_one_erasure(tenant: Tenant, eraser: Eraser) -> None:
    tenant.say(said("1", by=GONE))
    eraser.erase()
    eraser.erase()
    with tenant.engine.begin() as conn:
        [only] = erasures.find(conn, tenant.id)
    assert (only["tenant"], only["command"], only["hashes"]) == ("acme", "a test", 2)
    assert only["removed"]["activities"] == 1
    assert only["completed_at"] is not None


def test_who_comes_back_willingly_is_read_again(tenant: Tenant, eraser: Eraser) -> None:
    tenant.say(said("1", by=GONE))
    eraser.erase()
    with tenant.engine.begin() as conn:
        assert erasures.is_erased(conn, eraser.person())
        [lifted] = erasures.lift_account(conn, eraser.person())
        assert not erasures.is_erased(conn, eraser.person())
        assert not erasures.lift(conn, lifted)
    tenant.say(said("1", by=GONE))
    assert tenant.value("SELECT score FROM members") > 0


def test_who_came_back_by_a_restored_backup_is_found_and_erased_again(tenant: Tenant, eraser: Eraser) -> None:
    tenant.say(said("1", by=GONE), said("2", by=person("ben")), said("3", by=person("nameless", source_id=None)))
    with tenant.engine.begin() as conn:
        before = conn.execute(text("SELECT * FROM member_identities WHERE source_id = 'id-canary'")).mappings().one()
    eraser.erase()
    eraser.erase(source_id=None, username="nameless")
    with tenant.engine.begin() as conn:
        assert erasures.returned(conn) == []
        conn.execute(text("INSERT INTO members (id, tenant_id) VALUES (:member_id, :tenant_id)"), dict(before))
        restored = "INSERT INTO member_identities (tenant_id, platform, source_id, username, member_id)"
        conn.execute(
            text(f"{restored} VALUES (:tenant_id, :platform, :source_id, 'new name', :member_id)"), dict(before)
        )
        [again] = erasures.returned(conn)
    assert again.member_id == before["member_id"]
    erasures.erase(tenant.engine, again, command="a test", read_by={})
    with tenant.engine.begin() as conn:
        assert erasures.returned(conn) == []
        assert len(erasures.find(conn, tenant.id)) == 2


def test_an_interrupted_erasure_is_finished_by_the_next(
    tenant: Tenant, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "ACTIVITIES_AT_ONCE", 2)
    tenant.say(*(said(str(number), by=GONE) for number in range(7)))
    tenant.execute("UPDATE integrations SET activity_count = 7, member_count = 1")

    def stop(what: str, number: int) -> None:
        if number > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erasures.erase(tenant.engine, eraser.person(), command="a test", read_by={}, progress=stop)
    tenant.say(said("8", by=GONE))
    assert (
        tenant.value("SELECT count(*) FROM activities") == tenant.value("SELECT activity_count FROM integrations") == 3
    )
    eraser.erase()
    assert eraser.left() == {}
    assert tenant.row("SELECT activity_count, member_count FROM integrations") == {
        "activity_count": 0,
        "member_count": 0,
    }
