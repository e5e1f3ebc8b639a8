"""Whatever comes where a record belongs: it is a record, passed over or rejected, and its page goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crowd_pipelines.integrations.discord.streams import ArchiveStream, GuildStream
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines.store.database import encode
from crowd_pipelines_tests.integrations.discord.guild import (
    MEMBERS,
    MESSAGES,
    POST,
    Guild,
    activities,
    guild,
    members,
    payload,
)

SNOWFLAKES = st.sampled_from(
    ["0", "1", "900", "1103640000000000009", "9" * 19, "9" * 25, "3" * 19, "-5", "1e5", "٣", 7, 2**63]
)
TEXTS = st.sampled_from(["", "\x00", "\ud800", "x" * 300, "<@1>", "<t:99999999999999:R>", "0000-00-00", "9999-12-31"])
NUMBERS = st.sampled_from([0, 7, 11, 12, 18, 19, 21, -1, 2**31, 2**70, 1.5, 1e300]) | st.integers()
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | SNOWFLAKES | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def spoiled(good: Any) -> st.SearchStrategy[Any]:
    """A value with some parts gone or replaced, however deep; or another value altogether."""
    if isinstance(good, dict):
        fields = {name: st.just(value) | spoiled(value) for name, value in good.items()}
        return st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(fields) | JSON
    if isinstance(good, list) and good:
        return st.lists(spoiled(good[0]), max_size=2) | JSON
    return st.just(good) | JSON


REPLY, START, *_ = payload("channel")
MEMBER = payload("members")[0]
THREADS = payload("archive")["threads"]
CHANNEL = {
    "id": "900",
    "type": 0,
    "name": "general",
    "last_message_id": "1000",
    "permission_overwrites": [{"id": "100", "type": 0, "allow": "0", "deny": "1024"}],
}
GOOD = {**REPLY, "id": "1103660000000000001"}

many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def shared() -> Iterator[Guild]:
    with guild() as running:
        yield running


def assert_usable(stream: Stream, result: StreamResult) -> None:
    """All of it fits into the queue and the database, and the next page is another one."""
    for found in (*result.new_streams, *([result.next_page] if result.next_page else [])):
        assert encode([found.parameters])
        assert found.key != stream.key
    for activity in activities(result):
        assert activity.timestamp.year > 1989
        assert encode([{"texts": [activity.source_id, activity.body, activity.title], **activity.attributes}])
        assert encode([activity.member.attributes])
    assert encode([dict(result.watermarks)])
    assert all(record.reason for record in result.rejected)


@many
@given(
    st.lists(spoiled(REPLY) | spoiled(START), min_size=1, max_size=3), st.booleans(), st.sampled_from([MESSAGES, POST])
)
def test_a_message_is_a_record_or_not_and_costs_no_other(
    shared: Guild, listed: list[Any], onboarding: bool, stream: Any
) -> None:
    result = shared.read(stream, [*listed, GOOD], onboarding=onboarding)
    assert len(activities(result)) + len(result.rejected) <= len(listed) + 1
    assert GOOD["id"] in {activity.source_id for activity in activities(result)}
    assert_usable(stream, result)


@many
@given(st.lists(spoiled(MEMBER), min_size=1, max_size=3))
def test_a_member_is_one_or_not_and_costs_no_other(shared: Guild, listed: list[Any]) -> None:
    result = shared.read(MEMBERS, [*listed, MEMBER])
    assert len(activities(result)) + len(members(result)) + len(result.rejected) <= len(listed) + 1
    assert MEMBER["user"]["id"] in {activity.member.source_id for activity in activities(result)}
    assert_usable(MEMBERS, result)


@many
@given(st.lists(spoiled(THREADS[0]), min_size=1, max_size=3), st.booleans())
def test_an_archived_thread_is_followed_or_not_and_costs_no_other(shared: Guild, listed: list[Any], more: bool) -> None:
    archive = ArchiveStream(channel_id="950", channel="help", posts=True)
    result = shared.read(archive, {"threads": [*listed, THREADS[1]], "has_more": more}, onboarding=True)
    assert THREADS[1]["id"] in {one.place.id for one in result.new_streams}  # type: ignore[attr-defined]
    assert_usable(archive, result)


ABOUT_THE_BOT = st.fixed_dictionaries(dict.fromkeys(("application", "guild", "membership"), st.just({}) | JSON))


@many
@given(st.lists(spoiled(CHANNEL), max_size=3), st.lists(spoiled(THREADS[0]), max_size=2), ABOUT_THE_BOT)
def test_a_look_at_a_guild_of_any_shape_finds_what_is_there(
    shared: Guild, channels: list[Any], threads: list[Any], told: dict[str, Any]
) -> None:
    good = {"id": "901", "type": 0, "name": "other", "last_message_id": "5"}
    result = shared.look([*channels, good], threads, onboarding=True, **told)
    assert "901" in {one.place.id for one in result.new_streams if one.kind == "messages"}  # type: ignore[attr-defined]
    assert_usable(GuildStream(), result)
