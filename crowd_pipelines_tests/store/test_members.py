"""Who is who: one member per person, whatever they are called and however often they are seen."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from crowd_pipelines.model.records import Member, Organization
from crowd_pipelines.model.streams import UpdateMembers, UpsertMembers
from crowd_pipelines.store import members
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.members import MemberRow, merge
from crowd_pipelines_tests.store.tenant import NOON, PLATFORM, SAID, Tenant, person, said, upsert

PLATFORMS = ("github", "devto", "slack", "unranked", "zulip")
PRIORITY = ("github", "devto", "slack")
NOBODY = MemberRow(id=UUID(int=1))

values = st.none() | st.text(max_size=3) | st.integers() | st.booleans() | st.lists(st.integers(), max_size=2)
attributes = st.dictionaries(st.sampled_from(["bio", "location", "url"]), values, max_size=3)
sightings = st.builds(
    Member,
    platform=st.sampled_from(PLATFORMS),
    username=st.just("ada"),
    display_name=st.none() | st.text(max_size=3),
    emails=st.lists(st.sampled_from(["a@x", "b@x"]), max_size=3).map(tuple),
    attributes=attributes,
    reach=st.none() | st.integers(0, 10**9),
    joined_at=st.none() | st.integers(0, 100).map(lambda days: NOON + timedelta(days=days)),
)


def merged(seen: list[Member], known: MemberRow = NOBODY) -> MemberRow:
    for member in seen:
        known = merge(known, member, PRIORITY)
    return known


@given(st.lists(sightings, max_size=6))
def test_seeing_the_last_sighting_again_changes_nothing(seen: list[Member]) -> None:
    once = merged(seen)
    assert merged(seen[-1:], once) == once


@given(st.lists(sightings, max_size=6))
def test_an_attribute_has_what_each_platform_told_last_and_a_default_by_priority(seen: list[Member]) -> None:
    told: dict[str, dict[str, Any]] = {}
    for member in seen:
        for name, value in member.attributes.items():
            told.setdefault(name, {})[member.platform] = value
    row = merged(seen)
    ranked = [*PRIORITY, *sorted(set(PLATFORMS) - set(PRIORITY))]
    for name, values_told in told.items():
        present = {platform: value for platform, value in values_told.items() if value is not None}
        expected = {**present, "default": present[min(present, key=ranked.index)]} if present else None
        assert row.attributes.get(name) == expected
    assert row.attributes.keys() <= told.keys()


@given(st.lists(sightings, max_size=6))
def test_total_reach_is_the_sum_of_the_platforms_last_known(seen: list[Member]) -> None:
    told = {member.platform: member.reach for member in seen if member.reach is not None}
    assert merged(seen).reach == ({**told, "total": sum(told.values())} if told else {})


@given(st.lists(sightings, max_size=6, unique_by=lambda member: member.platform).flatmap(
    lambda seen: st.tuples(st.just(seen), st.permutations(seen))
))  # fmt: skip
def test_the_order_in_which_platforms_are_read_does_not_matter(orders: tuple[list[Member], list[Member]]) -> None:
    one, other = (merged(order) for order in orders)
    assert (one.attributes, one.reach, one.joined_at) == (other.attributes, other.reach, other.joined_at)
    assert sorted(one.emails) == sorted(other.emails)


@given(st.lists(sightings, max_size=4), st.sampled_from(PLATFORMS))
def test_partial_knowledge_erases_nothing(seen: list[Member], platform: str) -> None:
    known = merged(seen)
    assert merged([Member(platform=platform, username="ada")], known) == replace(
        known, display_name=known.display_name or "ada"
    )


def test_what_the_person_emptied_is_emptied_and_other_platforms_stay(tenant: Tenant) -> None:
    tenant.say(said("1", by=person(attributes={"bio": "x", "url": "u"})))
    tenant.execute("""UPDATE members SET attributes = '{"bio": {"slack": "s", "town": "x", "default": "x"}}'""")
    tenant.say(said("1", by=person(attributes={"bio": None})))
    assert tenant.value("SELECT attributes FROM members") == {"bio": {"slack": "s", "default": "s"}}


def test_a_page_of_partial_knowledge_leaves_the_stored_member_alone(tenant: Tenant) -> None:
    known = person(display_name="Ada L.", attributes={"bio": "x"}, reach=3, emails=("a@x",), joined_at=NOON)
    tenant.write(UpsertMembers(members=(known,)))
    before = tenant.versions()
    tenant.write(UpsertMembers(members=(person(),)))
    assert tenant.versions() == before


def test_a_new_name_keeps_the_person(tenant: Tenant) -> None:
    tenant.say(said("1", by=person("ada")))
    tenant.say(said("2", by=person("countess", source_id="id-ada")))
    identity = tenant.row("SELECT source_id, username, identity_key FROM member_identities")
    assert identity == {"source_id": "id-ada", "username": "countess", "identity_key": "id-ada"}
    assert tenant.value("SELECT count(DISTINCT member_id) FROM activities") == 1


def test_a_name_taken_over_by_another_id_is_another_person(tenant: Tenant) -> None:
    tenant.say(said("1", by=person("ada")), said("2", by=person("ada", source_id="someone-else")))
    assert tenant.value("SELECT count(DISTINCT member_id) FROM activities") == 2


@pytest.mark.parametrize("names", [("Ada", "ADA"), ("ÜNAL", "ünal"), ("ΟΔΟΣ", "οδος"), ("İnci", "İnci"), ("ẞ", "ẞ")])
@pytest.mark.parametrize("no_id", [None, ""])
def test_without_an_id_the_name_tells_whatever_its_letters(
    tenant: Tenant, names: tuple[str, str], no_id: str | None
) -> None:
    for number, name in enumerate(names):
        tenant.say(said(str(number), by=person(name, source_id=no_id)))
        tenant.say(said(str(number), by=person(name, source_id=no_id)))
    assert tenant.value("SELECT count(*) FROM members") == tenant.value("SELECT count(*) FROM member_identities")
    assert tenant.value("SELECT count(*) FROM member_identities WHERE source_id IS NOT NULL") == 0
    if names[0].isascii():
        assert tenant.value("SELECT count(*) FROM members") == 1


def test_two_spellings_of_a_name_in_one_page_are_one_person(tenant: Tenant) -> None:
    tenant.say(said("1", by=person("Ada", source_id=None)), said("2", by=person("ada", source_id=None)))
    assert tenant.value("SELECT count(*) FROM members") == 1
    assert tenant.value("SELECT score FROM members") == 2 * SAID.score


def test_strangers_are_passed_over_by_an_update(tenant: Tenant) -> None:
    tenant.write(UpsertMembers(members=(person("ada"),)))
    tenant.write(UpdateMembers(members=(person("ada", reach=5), person("stranger", reach=9))))
    assert tenant.rows("SELECT reach FROM members") == [{"reach": {"town": 5, "total": 5}}]
    assert tenant.value("SELECT count(*) FROM member_identities") == 1


def test_a_member_joined_with_the_earliest_moment_known(tenant: Tenant) -> None:
    tenant.say(said("1"), said("2", timestamp=NOON - timedelta(days=3)))
    assert tenant.value("SELECT joined_at FROM members") == NOON - timedelta(days=3)
    tenant.write(UpsertMembers(members=(person(joined_at=NOON - timedelta(days=9)),)))
    tenant.say(said("3", timestamp=NOON + timedelta(days=3)))
    assert tenant.value("SELECT joined_at FROM members") == NOON - timedelta(days=9)


def test_the_score_counts_each_activity_once(tenant: Tenant) -> None:
    tenant.say(said("1"), said("2"))
    tenant.say(said("2", body="edited"), said("3"))
    assert tenant.value("SELECT score FROM members") == 3 * SAID.score


def test_transactions_that_add_the_same_people_at_once_give_one_member_each(tenant: Tenant) -> None:
    crowd = [person(f"p{number}") for number in range(40)]
    start = threading.Barrier(6)
    failures: list[BaseException] = []

    def read(turn: int) -> None:
        people = crowd if turn % 2 else crowd[::-1]
        records = [said(f"{member.username}/{turn}", by=member) for member in people]
        start.wait()
        try:
            transact(tenant.engine, lambda _: tenant.write(upsert(*records)))
        except BaseException as error:  # noqa: BLE001  it belongs to the test's thread
            failures.append(error)

    threads = [threading.Thread(target=read, args=(turn,)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert tenant.value("SELECT count(*) FROM member_identities") == len(crowd)
    assert tenant.value("SELECT count(*) FROM members") == len(crowd)
    assert tenant.value("SELECT count(DISTINCT member_id) FROM activities") == len(crowd)
    assert {row["score"] for row in tenant.rows("SELECT score FROM members")} == {6 * SAID.score}


def test_a_person_waits_for_the_transaction_that_is_adding_them(tenant: Tenant) -> None:
    found: list[UUID] = []

    def resolve() -> None:
        with tenant.engine.begin() as conn:
            found.append(members.resolve(conn, tenant.id, [person()])[PLATFORM, person().key].member_id)

    with tenant.engine.begin() as conn:
        mine = members.resolve(conn, tenant.id, [person()])[PLATFORM, person().key]
        members.write(conn, tenant.id, [MemberRow(id=mine.member_id)])
        waiting = threading.Thread(target=resolve)
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
    waiting.join()
    assert (mine.added, found) == (True, [mine.member_id])


def works_at(name: str = "Acme", **details: Any) -> Organization:
    return Organization(source_id="acme", name=name, **details)


def test_an_organization_is_stored_once_with_all_who_belong_to_it(engine: Engine, tenant: Tenant) -> None:
    tenant.say(said("1", by=person("ada", organizations=(works_at(),))))
    tenant.say(said("2", by=person("ben", organizations=(works_at(),))))
    assert tenant.row("SELECT name, platform FROM organizations") == {"name": "Acme", "platform": PLATFORM}
    assert tenant.value("SELECT count(*) FROM member_organizations") == 2
    Tenant.connect(engine, name="other").say(said("1", by=person("ada", organizations=(works_at(),))))
    assert tenant.value("SELECT count(*) FROM organizations") == 2


def test_an_organization_changes_its_name_but_is_not_touched_for_nothing(tenant: Tenant) -> None:
    tenant.say(said("1", by=person(organizations=(works_at(image_url="i"),))))
    before = tenant.versions()
    tenant.say(said("1", by=person(organizations=(works_at(image_url="i"),))))
    assert tenant.versions() == before
    tenant.say(said("1", by=person(organizations=(works_at("Acme & Sons", url="u"),))))
    now = tenant.row("SELECT name, url, image_url, updated_at > created_at AS touched FROM organizations")
    assert now == {"name": "Acme & Sons", "url": "u", "image_url": None, "touched": True}


def test_a_name_that_only_repeats_the_id_says_that_nobody_knows_the_name(tenant: Tenant) -> None:
    unknown = person("ada", source_id="7", username="7")
    tenant.say(said("1", unknown))
    tenant.say(said("2", person("ada", source_id="7")))
    tenant.say(said("3", unknown))
    assert tenant.value("SELECT username FROM member_identities") == "ada"


def test_the_user_name_that_stands_in_for_a_name_follows_a_rename(tenant: Tenant) -> None:
    tenant.write(upsert(said("1", by=person("ada", source_id="7"))))
    tenant.write(upsert(said("2", by=person("lovelace", source_id="7"))))
    assert tenant.value("SELECT display_name FROM members") == "lovelace"


def test_a_name_that_somebody_gave_stays_when_the_user_name_changes(tenant: Tenant) -> None:
    named = replace(person("ada", source_id="7"), display_name="Ada Lovelace")
    tenant.write(upsert(said("1", by=named)))
    tenant.write(upsert(said("2", by=person("lovelace", source_id="7"))))
    assert tenant.value("SELECT display_name FROM members") == "Ada Lovelace"


def test_a_rename_that_only_an_update_tells_is_followed_too(tenant: Tenant) -> None:
    tenant.write(upsert(said("1", by=person("ada", source_id="7"))))
    tenant.write(UpdateMembers(members=(person("lovelace", source_id="7"),)))
    assert tenant.value("SELECT display_name FROM members") == "lovelace"
