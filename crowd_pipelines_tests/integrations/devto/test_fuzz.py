"""Whatever comes where a record belongs: it is a record or it is rejected, and its page goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crowd_pipelines.integrations.devto.streams import ProfileStream
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines.store.database import encode
from crowd_pipelines_tests.integrations.devto.forem import (
    ARTICLES,
    COMMENTS,
    SITE,
    Forem,
    activities,
    forem,
    members,
    payload,
)

MOMENTS = st.sampled_from(
    [
        "0000-00-00", "2024-02-30T10:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1969-12-31", "",
        "2024-03-31T02:30:00", -1, 0, 10**18, 1.5, "1e400", "2024-02-03T10:00:00+25:00", "10000-01-01T00:00:00Z",
    ]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["", " ", "\x00", "\ud800", "\u202e", "x" * 300, "http://[", "//", "<b>" * 50, "../..", "a/b?c#d", "İ", "None"]
)
NUMBERS = st.sampled_from([0, -1, 2**31, 2**63, 2**70, 1.5, -0.0, 1e300]) | st.integers()
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | MOMENTS | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def spoiled(good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A record with some fields gone or replaced, down to what is in its user; or no record at all."""
    fields = {name: st.just(value) | JSON for name, value in good.items()}
    if isinstance(good.get("user"), dict):
        fields["user"] = st.just(good["user"]) | JSON | spoiled(good["user"])
    return st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(fields) | JSON


ARTICLE = payload("articles")[0]
COMMENT = payload("comments")[0] | {"children": []}
TREES = st.recursive(
    spoiled(COMMENT),
    lambda answers: st.builds(
        lambda comment, children: comment | {"children": children} if isinstance(comment, dict) else comment,
        spoiled(COMMENT),
        st.lists(answers, max_size=3) | JSON,
    ),
    max_leaves=5,
)

many = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def shared() -> Iterator[Forem]:
    with forem() as running:
        yield running


def assert_usable(stream: Stream, result: StreamResult) -> None:
    """All of it fits into the queue and the database."""
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
@given(st.lists(spoiled(ARTICLE), min_size=1, max_size=3), st.booleans())
def test_an_article_is_a_record_or_rejected(shared: Forem, listed: list[Any], onboarding: bool) -> None:
    result = shared.read(ARTICLES, [*listed, ARTICLE], onboarding=onboarding)
    # Of somebody who deleted their account nothing is left to be told.
    nobodys = sum(isinstance(one, dict) and one.get("user", 0) in (None, {}) for one in listed)
    known = len(activities(result)) + len(result.rejected)
    assert len(listed) + 1 - nobodys <= known <= len(listed) + 1
    assert "51" in {activity.source_id for activity in activities(result)}
    assert_usable(ARTICLES, result)


def size(nodes: Any) -> int:
    """How many comments a tree shows, withheld ones excepted."""
    if not isinstance(nodes, list):
        return 0
    count = 0
    for node in nodes:
        record = node if isinstance(node, dict) else {}
        count += record.get("user") != {}
        count += size(record.get("children"))
    return count


@many
@given(st.lists(TREES, min_size=1, max_size=3))
def test_a_comment_is_a_record_or_rejected_or_withheld(shared: Forem, tree: list[Any]) -> None:
    result = shared.read(COMMENTS, [*tree, COMMENT])
    assert len(activities(result)) + len(result.rejected) == size(tree) + 1
    assert "2k01" in {activity.source_id for activity in activities(result)}
    assert_usable(COMMENTS, result)


@many
@given(st.fixed_dictionaries({}, optional={name: st.just(value) | JSON for name, value in payload("profile").items()}))
def test_a_profile_is_a_member_or_rejected(shared: Forem, profile: dict[str, Any]) -> None:
    stream = ProfileStream(user_id=7, site=SITE)
    result = shared.read(stream, profile)
    assert len(members(result)) + len(result.rejected) == 1
    assert_usable(stream, result)
