"""Records refuse nonsense when they are made, and are storable from then on."""

from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from crowd_pipelines.model.records import Member, Organization
from crowd_pipelines.model.streams import (
    RenameChannel,
    RetractActivities,
    RetractMissing,
    Stream,
    StreamResult,
    UpdateMembers,
    UpsertMembers,
)
from crowd_pipelines.model.text import MAX_KEY
from crowd_pipelines_tests.store.tenant import SAID, person, said, upsert


class Page(Stream):
    kind: Literal["page"] = "page"
    name: str = "a"
    number: int = 1


@pytest.mark.parametrize(
    "nonsense",
    [{"source_id": ""}, {"timestamp": datetime(2024, 1, 1)}, {"source_parent_id": "1"}, {"source_parent_type": "said"}],  # noqa: DTZ001  the point
    ids=str,
)
def test_an_activity_that_makes_no_sense_is_refused(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        said(**{"source_id": "1"} | nonsense)


@pytest.mark.parametrize("nonsense", [{"username": "", "source_id": None}, {"joined_at": datetime(2024, 1, 1)}])  # noqa: DTZ001  the point
def test_a_member_that_makes_no_sense_is_refused(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Member(**{"platform": "town", "username": "ada", "source_id": "1"} | nonsense)


def test_an_empty_id_is_none() -> None:
    member = Member(platform="town", username="Ada", source_id="")
    assert (member.source_id, member.key) == (None, "name:ada")


def test_records_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        said("1").title = "new"  # type: ignore[misc]


def test_a_record_does_not_share_what_it_was_made_from() -> None:
    attributes = {"a": [1]}
    member = person(attributes=attributes)
    attributes["a"].append(2)
    assert member.attributes == {"a": [1]}


def test_texts_are_storable_from_the_start() -> None:
    activity = said("1\x00", title="\ud800", channel="c\x00", attributes={"\x00": ["\udfff"]})
    bad = "\N{REPLACEMENT CHARACTER}"
    assert (activity.source_id, activity.title, activity.channel) == (f"1{bad}", bad, f"c{bad}")
    assert activity.attributes == {bad: [bad]}


def test_emails_and_organizations_are_storable_from_the_start() -> None:
    bad = "\N{REPLACEMENT CHARACTER}"
    organization = Organization(source_id="o\x00", name="\x00", url="\ud800", image_url="i\x00")
    member = person(emails=("a\x00@example.com",), organizations=(organization,))
    assert member.emails == (f"a{bad}@example.com",)
    [stored] = member.organizations
    assert (stored.source_id, stored.name, stored.url, stored.image_url) == (f"o{bad}", bad, bad, f"i{bad}")


def test_ids_longer_than_an_index_takes_stay_themselves() -> None:
    one, other = ("x" * 600, "x" * 599 + "y")
    assert said(one).source_id == said(one).source_id != said(other).source_id
    assert len(said(one).source_id) == MAX_KEY
    assert person(source_id=one).key == person(source_id=one).source_id == said(one).source_id
    retracted = RetractActivities(type=said("1").type, source_ids=(one,))
    missing = RetractMissing(type=said("1").type, thread=one, present=frozenset({one, other}))
    assert retracted.source_ids == (said(one).source_id,)
    assert missing.thread == said("1", thread=one).thread
    assert missing.present == {said(one).source_id, said(other).source_id}


def test_a_stream_is_known_by_its_kind_and_all_its_fields() -> None:
    assert Page().key == Page(name="a").key
    assert len({Page().key, Page(name="b").key, Page(number=2).key}) == 3
    assert Page().parameters == {"name": "a", "number": 1}


def test_a_copy_of_a_stream_has_a_key_of_its_own() -> None:
    page = Page()
    assert page.key != page.model_copy(update={"number": 2}).key


def test_a_result_counts_what_is_stored() -> None:
    operations = (
        upsert(said("1"), said("2")),
        UpsertMembers(members=(person(),)),
        UpdateMembers(members=(person(),)),
        RetractMissing(type=SAID, thread="t", present=frozenset()),
    )
    assert StreamResult(operations=operations, sleep=timedelta(hours=1)).records == 4


@pytest.mark.parametrize("count", [-1, 2**63, 10**30])
def test_a_count_that_cannot_be_one_is_no_reach(count: int) -> None:
    assert Member(platform="town", username="ada", reach=count).reach is None
    assert Member(platform="town", username="ada", reach=2**63 - 1).reach == 2**63 - 1


def test_names_of_channels_are_cleaned() -> None:
    renamed = RenameChannel(channel_id="C\x001", channel="a\ud83d")
    assert "\x00" not in renamed.channel_id
    assert renamed.channel.encode()
