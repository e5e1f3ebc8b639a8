"""Activities are written a page at a time, and reading the same page again changes nothing."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.records import Activity, ActivityType, Organization, TimestampSource
from crowd_pipelines.model.streams import RenameChannel, RetractActivities, RetractMissing, UpsertMembers
from crowd_pipelines.store import activities
from crowd_pipelines_tests.store.tenant import NOON, SAID, WROTE, Tenant, answer, later, person, said, upsert


def full(source_id: str = "1") -> Activity:
    works_at = Organization(source_id="acme", name="Acme", url="https://acme.example", image_url=None)
    by = person(emails=("ada@town.example",), attributes={"bio": "x"}, reach=7, organizations=(works_at,))
    about = {"title": "t", "body": "b", "url": "u", "channel": "c", "thread": "th", "attributes": {"a": [1, None]}}
    return answer(source_id, "0", by=by, **about)


def test_every_field_is_stored(tenant: Tenant) -> None:
    tenant.say(full())
    row = tenant.activity("1")
    assert (row["title"], row["body"], row["url"], row["channel"], row["thread"]) == ("t", "b", "u", "c", "th")
    assert (row["attributes"], row["score"]) == ({"a": [1, None]}, 2)
    assert (row["platform"], row["type"], row["timestamp"], row["is_contribution"]) == ("town", "said", NOON, True)
    assert (row["tenant_id"], row["integration_id"]) == (tenant.id, tenant.integration_id)


def test_the_same_page_again_writes_no_row_at_all(tenant: Tenant) -> None:
    first = tenant.write(upsert(full(), said("0")), UpsertMembers(members=(person("ben"),)))
    before = tenant.versions()
    again = tenant.write(upsert(full(), said("0")), UpsertMembers(members=(person("ben"),)))
    assert tenant.versions() == before
    assert (first.activities.total(), first.members.total()) == (2, 2)
    assert (again.activities.total(), again.members.total()) == (0, 0)


def test_the_same_activity_twice_in_a_page_is_one_and_counts_once(tenant: Tenant) -> None:
    written = tenant.say(said("1", body="early"), said("1", body="late"))
    assert tenant.activity("1")["body"] == "late"
    assert written.activities.total() == 1
    assert tenant.value("SELECT score FROM members") == SAID.score


def test_a_change_is_written_and_moves_updated_at_only(tenant: Tenant) -> None:
    tenant.say(said("1", body="before"), said("2"))
    before = {row["source_id"]: row for row in tenant.rows("SELECT * FROM activities")}
    tenant.say(said("1", body="after"), said("2"))
    now = {row["source_id"]: row for row in tenant.rows("SELECT * FROM activities")}
    assert now["2"] == before["2"]
    changed = {name for name, value in now["1"].items() if value != before["1"][name]}
    assert changed == {"body", "updated_at"}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "new"}, {"body": None}, {"url": "new"}, {"channel": "new"}, {"thread": "new"}, {"type": WROTE},
        {"attributes": {"a": [None, 1]}}, {"timestamp": NOON + timedelta(seconds=1)}, {"member": person("ben")},
        {"source_parent_id": "other"}, {"source_parent_type": "wrote"},
    ],
)  # fmt: skip
def test_a_change_of_any_field_is_noticed(tenant: Tenant, change: dict[str, Any]) -> None:
    tenant.say(full())
    before = tenant.versions("activities")
    tenant.say(replace(full(), **change))
    assert tenant.versions("activities") != before


def test_tenants_do_not_share_activities_or_people(engine: Engine, tenant: Tenant) -> None:
    other = Tenant.connect(engine, name="other")
    tenant.say(said("1", body="mine"), answer("2", "1"))
    other.say(said("1", body="theirs"))
    other.say(answer("3", "2"))
    assert {row["body"] for row in tenant.rows("SELECT body FROM activities WHERE source_id = '1'")} == {
        "mine",
        "theirs",
    }
    assert other.activity("3")["parent_id"] is None
    assert tenant.value("SELECT count(*) FROM members") == 2


@pytest.mark.parametrize("order", [["1", "2"], ["2", "1"]])
def test_a_parent_may_come_before_or_after_its_child(tenant: Tenant, order: list[str]) -> None:
    records = {"1": said("1"), "2": answer("2", "1")}
    for source_id in order:
        tenant.say(records[source_id])
    assert tenant.activity("2")["parent_id"] == tenant.activity("1")["id"]
    assert tenant.activity("1")["parent_id"] is None


def test_a_chain_in_one_page_is_tied_whatever_its_order(tenant: Tenant) -> None:
    tenant.say(answer("3", "2"), said("1"), answer("2", "1"))
    assert tenant.activity("3")["parent_id"] == tenant.activity("2")["id"]
    assert tenant.activity("2")["parent_id"] == tenant.activity("1")["id"]


def test_a_parent_is_told_by_its_type_as_well_as_by_its_id(tenant: Tenant) -> None:
    tenant.say(said("1"), said("1", type=WROTE), answer("2", "1", source_parent_type="wrote"))
    wrote = tenant.value("SELECT id FROM activities WHERE type = 'wrote'")
    assert tenant.activity("2")["parent_id"] == wrote


@pytest.mark.parametrize("moved", [{"source_parent_id": "9"}, {"source_parent_type": "wrote"}])
def test_a_child_that_moves_leaves_its_old_parent(tenant: Tenant, moved: dict[str, Any]) -> None:
    tenant.say(said("1"), answer("2", "1"))
    tenant.say(answer("2", "1", **moved))
    assert tenant.activity("2")["parent_id"] is None
    tenant.say(said("9"), said("1", type=WROTE))
    assert tenant.activity("2")["parent_id"] is not None


def test_children_and_parents_committed_at_the_same_moment_are_tied_in_the_end(tenant: Tenant) -> None:
    began = tenant.value("SELECT now()")
    written = threading.Barrier(2)

    def say(record: Activity) -> None:
        page = activities.PageRecords(
            integration_id=tenant.integration_id, platform="town", operations=(upsert(record),)
        )
        with tenant.engine.begin() as conn:
            activities.write(conn, tenant.id, [page], priority=())
            written.wait()

    threads = [
        threading.Thread(target=say, args=(record,)) for record in (said("1"), answer("2", "1", by=person("ben")))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tenant.activity("2")["parent_id"] is None
    with tenant.engine.begin() as conn:
        activities.link_late(conn, tenant.id, "town", since=began)
    assert tenant.activity("2")["parent_id"] == tenant.activity("1")["id"]


def test_what_is_retracted_keeps_that_it_happened_and_loses_what_it_said(tenant: Tenant) -> None:
    tenant.say(said("1", title="t", body="b"), said("2", body="b"))
    tenant.write(RetractActivities(type=SAID, source_ids=("1", "unknown")))
    gone = tenant.activity("1")
    assert (gone["title"], gone["body"], gone["timestamp"]) == (None, None, NOON)
    assert gone["retracted_at"] is not None
    assert tenant.activity("2")["retracted_at"] is None


def test_retracting_again_changes_nothing(tenant: Tenant) -> None:
    tenant.say(said("1", thread="th", body="b"))
    retract = RetractActivities(type=SAID, source_ids=("1",))
    missing = RetractMissing(type=SAID, thread="th", present=frozenset())
    tenant.write(retract)
    before = tenant.versions()
    tenant.write(retract, missing)
    assert tenant.versions() == before


def test_what_reappears_is_whole_again(tenant: Tenant) -> None:
    tenant.say(said("1", body="b"))
    tenant.write(RetractActivities(type=SAID, source_ids=("1",)))
    tenant.say(said("1", body="b"))
    assert (tenant.activity("1")["retracted_at"], tenant.activity("1")["body"]) == (None, "b")
    assert tenant.value("SELECT score FROM members") == SAID.score


def test_a_whole_conversation_retracts_what_it_no_longer_holds(tenant: Tenant) -> None:
    theirs: dict[str, Any] = {"thread": "th", "body": "b"}
    tenant.say(said("1", **theirs), said("2", **theirs), said("3", type=WROTE, **theirs), said("4", thread="other"))
    tenant.write(RetractMissing(type=SAID, thread="th", present=frozenset({"1"})))
    gone = tenant.rows("SELECT source_id FROM activities WHERE retracted_at IS NOT NULL")
    assert [row["source_id"] for row in gone] == ["2"]


def test_a_page_that_retracts_and_tells_the_same_activity_keeps_it(tenant: Tenant) -> None:
    tenant.say(said("1", thread="th"))
    tenant.write(upsert(said("1", thread="th")), RetractMissing(type=SAID, thread="th", present=frozenset()))
    assert tenant.activity("1")["retracted_at"] is None


def test_a_moment_that_was_only_observed_stays_the_first(tenant: Tenant) -> None:
    seen = said("1", timestamp_source=TimestampSource.OBSERVED)
    tenant.say(seen)
    before = tenant.versions("activities")
    tenant.say(later(seen, hours=1))
    assert tenant.versions("activities") == before


def test_an_observed_moment_stays_when_something_else_changes(tenant: Tenant) -> None:
    seen = said("1", timestamp_source=TimestampSource.OBSERVED, body="before")
    tenant.say(seen)
    tenant.say(replace(later(seen, hours=1), body="after"))
    assert (tenant.activity("1")["timestamp"], tenant.activity("1")["body"]) == (NOON, "after")


def test_the_providers_moment_replaces_an_observed_one_and_is_not_replaced_by_one(tenant: Tenant) -> None:
    seen = said("1", timestamp_source=TimestampSource.OBSERVED)
    told = later(said("1"), hours=-1)
    tenant.say(seen)
    tenant.say(told)
    tenant.say(replace(later(seen, hours=5), body="new"))
    row = tenant.activity("1")
    assert (row["timestamp"], row["timestamp_source"]) == (told.timestamp, "provider")


def test_texts_that_postgresql_cannot_store_are_stored_without_what_it_cannot(tenant: Tenant) -> None:
    tenant.say(said("1\x00", body="a\x00b", title="\ud83d", attributes={"k\x00": ["v\udc00"]}))
    row = tenant.row("SELECT * FROM activities")
    bad = "\N{REPLACEMENT CHARACTER}"
    assert (row["source_id"], row["body"], row["title"]) == (f"1{bad}", f"a{bad}b", bad)
    assert row["attributes"] == {f"k{bad}": [f"v{bad}"]}


def test_totals_tell_what_was_new_per_integration(engine: Engine, tenant: Tenant) -> None:
    second = Tenant.connect(engine, integration="Second")
    tenant.say(said("1"))
    written = second.say(said("1"), said("2", by=person("ben")))
    assert written.activities == {second.integration_id: 1}
    assert written.members == {second.integration_id: 1}
    assert tenant.activity("1")["integration_id"] == tenant.integration_id


def test_a_channel_that_is_renamed_is_so_everywhere_in_its_integration(tenant: Tenant) -> None:
    here = {"channel": "general", "channel_id": "C1"}
    tenant.say(said("1", **here), said("2", **here), said("3", channel="general", channel_id="C2"))
    neighbour = Tenant.connect(tenant.engine, name="other")
    neighbour.say(said("1", **here))
    tenant.write(RenameChannel(channel_id="C1", channel="lounge"))
    channels = {
        row["source_id"]: row["channel"]
        for row in tenant.rows("SELECT source_id, channel FROM activities WHERE tenant_id = :id", id=tenant.id)
    }
    assert channels == {"1": "lounge", "2": "lounge", "3": "general"}
    assert neighbour.value("SELECT channel FROM activities WHERE tenant_id = :id", id=neighbour.id) == "general"
    before = tenant.versions("activities")
    tenant.write(RenameChannel(channel_id="C1", channel="lounge"))
    assert tenant.versions("activities") == before


def test_a_type_that_scores_higher_later_counts_as_much_for_its_member(tenant: Tenant) -> None:
    tenant.say(said("1"), said("2"))
    accepted = ActivityType(name=SAID.name, score=SAID.score + 3, is_contribution=True)
    for _ in range(2):
        assert tenant.say(said("1", type=accepted)).activities == {}
    assert tenant.activity("1")["score"] == SAID.score + 3
    assert tenant.value("SELECT score FROM members") == 2 * SAID.score + 3
    tenant.say(said("1"))
    assert tenant.value("SELECT score FROM members") == 2 * SAID.score


def test_an_activity_that_turns_out_to_be_another_s_counts_for_them(tenant: Tenant) -> None:
    tenant.say(said("a", person("ada")), said("b", person("ada")))
    tenant.say(said("a", person("eve")))
    scores = "SELECT display_name, score, joined_at FROM members ORDER BY display_name"
    assert tenant.rows(scores) == [
        {"display_name": "ada", "score": 2, "joined_at": NOON},
        {"display_name": "eve", "score": 2, "joined_at": NOON},
    ]
    again = tenant.versions()
    tenant.say(said("a", person("eve")))
    assert tenant.versions() == again
