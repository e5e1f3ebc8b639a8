"""The reach of members: its history, and whose is due to be looked at."""

from datetime import timedelta

from crowd_pipelines.model.records import KnownMember
from crowd_pipelines.model.streams import UpdateMembers, UpsertMembers
from crowd_pipelines.store import reach
from crowd_pipelines_tests.store.tenant import PLATFORM, Tenant, person

DAY = timedelta(days=1)


def see(tenant: Tenant, **reaches: int) -> None:
    tenant.write(UpsertMembers(members=tuple(person(name, reach=value) for name, value in reaches.items())))


def history(tenant: Tenant) -> list[tuple[int, bool]]:
    """Every value, and whether it was seen only in one moment."""
    rows = tenant.rows("SELECT reach, first_seen_at = last_seen_at AS once FROM member_reach ORDER BY first_seen_at")
    return [(row["reach"], row["once"]) for row in rows]


def age(tenant: Tenant, hours: float) -> None:
    tenant.execute(
        "UPDATE member_reach SET first_seen_at = first_seen_at - make_interval(secs => :s),"
        " last_seen_at = last_seen_at - make_interval(secs => :s)",
        s=hours * 3600,
    )


def known(
    tenant: Tenant, *, after: str | None = None, limit: int = 10, unseen_for: timedelta = DAY
) -> list[KnownMember]:
    with tenant.engine.begin() as conn:
        return reach.known_members(conn, tenant.id, PLATFORM, after=after, limit=limit, unseen_for=unseen_for)


def test_each_value_is_kept_with_the_time_it_was_seen(tenant: Tenant) -> None:
    see(tenant, ada=10)
    age(tenant, 5)
    see(tenant, ada=12)
    age(tenant, 5)
    see(tenant, ada=10)
    assert history(tenant) == [(10, True), (12, True), (10, True)]
    assert tenant.value("SELECT reach->>'town' FROM members") == "10"


def test_a_value_that_stays_is_one_row_that_grows_longer(tenant: Tenant) -> None:
    see(tenant, ada=10)
    age(tenant, 5)
    see(tenant, ada=10)
    assert history(tenant) == [(10, False)]


def test_seen_again_within_the_hour_nothing_is_written(tenant: Tenant) -> None:
    see(tenant, ada=10)
    before = tenant.versions("member_reach", "members")
    see(tenant, ada=10)
    assert tenant.versions("member_reach", "members") == before


def test_nobody_tells_of_those_without_a_reach(tenant: Tenant) -> None:
    tenant.write(UpsertMembers(members=(person("ada"),)))
    assert history(tenant) == []


def test_updates_are_remembered_too_of_known_members_only(tenant: Tenant) -> None:
    tenant.write(UpsertMembers(members=(person("ada"),)))
    tenant.write(UpdateMembers(members=(person("ada", reach=7), person("eve", reach=8))))
    assert history(tenant) == [(7, True)]


def test_known_members_come_in_the_order_of_their_ids_page_by_page(tenant: Tenant) -> None:
    tenant.write(UpsertMembers(members=tuple(person(name) for name in ("cleo", "ada", "bob"))))
    first = known(tenant, limit=2)
    assert [member.source_id for member in first] == ["id-ada", "id-bob"]
    assert [member.source_id for member in known(tenant, after="id-bob", limit=2)] == ["id-cleo"]
    assert first[0] == KnownMember(source_id="id-ada", username="ada", reach=None, reach_seen_at=None)


def test_known_members_are_those_whose_reach_was_not_seen_lately(tenant: Tenant) -> None:
    see(tenant, ada=10)
    age(tenant, 30)
    see(tenant, bob=11)
    [ada] = known(tenant)
    assert (ada.source_id, ada.reach) == ("id-ada", 10)
    assert ada.reach_seen_at is not None
    assert known(tenant, unseen_for=timedelta(days=2)) == []


def test_members_without_an_id_and_strangers_are_not_among_them(tenant: Tenant) -> None:
    tenant.write(UpsertMembers(members=(person("ada", source_id=None), person("bob", platform="city"))))
    Tenant.connect(tenant.engine, name="stranger").write(UpsertMembers(members=(person("eve"),)))
    assert known(tenant) == []


def test_the_history_goes_with_the_member(tenant: Tenant) -> None:
    see(tenant, ada=10)
    tenant.execute("DELETE FROM members")
    assert history(tenant) == []
