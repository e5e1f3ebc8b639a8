"""Trees of comments that show less than the site says there is, and what they prove."""

from typing import Any

import pytest

from crowd_pipelines.integrations.devto.activities import COMMENT
from crowd_pipelines.integrations.devto.integration import DevtoIntegration
from crowd_pipelines.integrations.devto.streams import CommentsStream
from crowd_pipelines.model.streams import Json, RetractActivities, RetractMissing, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.devto.forem import (
    COMMENTS,
    NOT_FOUND,
    Forem,
    activities,
    others,
    payload,
)
from crowd_pipelines_tests.integrations.devto.test_marks import wants_comments

LATER = "2024-02-09T00:00:00Z"
NEWEST = "2024-02-03T13:30:00Z"
"""When the youngest of the five comments was written."""

OUTRIGHT = [RetractActivities(type=COMMENT, source_ids=("2k02", "2k04"))]
WHOLE = [RetractMissing(type=COMMENT, thread="51", present=frozenset({"2k01", "2k03", "2k05"}))]


def counted(count: int | None, last: str | None = LATER) -> CommentsStream:
    """The comments of an article of which the list says so much."""
    return COMMENTS.model_copy(update={"comments_count": count, "last_comment_at": last})


def agrees(forem: Forem, stream: CommentsStream) -> None:
    """The article itself says what its list said."""
    article = payload("articles")[0]
    told = {"comments_count": stream.comments_count, "last_comment_at": stream.last_comment_at}
    forem.server.plays("/articles/51", answer(payload=article | told))


def read(forem: Forem, stream: CommentsStream, tree: Any) -> StreamResult:
    """What comes of a tree, when what was noted of it is noted."""
    agrees(forem, stream)
    result = forem.read(stream, tree)
    forem.known.update(result.watermarks)
    return result


def mark_of(forem: Forem) -> Json:
    return forem.known["comments:51"]


def test_a_tree_that_shows_all_that_is_counted_retracts_what_it_lacks(forem: Forem) -> None:
    for count in (5, None):
        result = read(forem, counted(count), payload("comments"))
        assert (others(result), result.unread) == (WHOLE, 0)
    assert [seen.path for seen in forem.server.seen if "/articles" in seen.path] == []


def test_a_tree_older_than_the_list_is_told_and_read_again_and_retracts_only_what_it_says_outright(
    forem: Forem,
) -> None:
    result = read(forem, counted(7), payload("comments"))
    assert (others(result), result.unread, mark_of(forem)["stale"]) == (OUTRIGHT, 2, 1)
    assert len(activities(result)) == 3
    assert wants_comments(forem, comments_count=7, last_comment_at=LATER)


def test_a_tree_that_stays_older_than_the_list_is_taken_for_all_in_the_end_but_proves_no_absence(forem: Forem) -> None:
    results = [read(forem, counted(7), payload("comments")) for _ in range(3)]
    assert [result.unread for result in results] == [2, 0, 0]
    # The count is two too high. From then on, what the tree lacks beyond that is gone.
    assert [others(result) for result in results] == [OUTRIGHT, OUTRIGHT, WHOLE]
    assert mark_of(forem)["drift"] == 2


def test_a_comment_more_that_is_counted_and_not_shown_begins_anew(forem: Forem) -> None:
    for _ in range(3):
        read(forem, counted(7), payload("comments"))
    result = read(forem, counted(8, "2024-02-10T00:00:00Z"), payload("comments"))
    assert (others(result), result.unread, mark_of(forem)["stale"]) == (OUTRIGHT, 1, 1)


@pytest.mark.parametrize("last", [NEWEST, LATER])
def test_a_tree_that_still_shows_what_was_deleted_is_read_again(forem: Forem, last: str) -> None:
    read(forem, counted(5, last), payload("comments"))
    result = read(forem, counted(4, last), payload("comments"))
    assert (others(result), result.unread, mark_of(forem)["stale"]) == (OUTRIGHT, 0, 1)
    assert wants_comments(forem, comments_count=4, last_comment_at=last)
    now = payload("comments")[:1]
    now[0]["children"] *= 2
    now[0]["children"][1] = {**now[0]["children"][1], "id_code": "2k09"}
    assert isinstance(others(read(forem, counted(4, last), now))[0], RetractMissing)


def test_a_count_that_stays_too_low_is_wrong_by_itself(forem: Forem) -> None:
    results = [read(forem, counted(4), payload("comments")) for _ in range(3)]
    assert [others(result) for result in results] == [OUTRIGHT, WHOLE, WHOLE]
    assert (mark_of(forem)["drift"], mark_of(forem)["stale"]) == (-1, 0)


def test_what_came_since_the_list_was_read_is_no_contradiction(forem: Forem) -> None:
    result = read(forem, counted(4, "2024-02-03T13:00:00Z"), payload("comments"))
    assert (others(result), result.unread, mark_of(forem)["drift"]) == (WHOLE, 0, 0)


def test_a_count_that_is_too_high_beside_the_newest_comment_is_wrong_by_itself(forem: Forem) -> None:
    first, then = (read(forem, counted(7, NEWEST), payload("comments")) for _ in range(2))
    assert (others(first), first.unread) == (OUTRIGHT, 0)
    assert (others(then), then.unread) == (WHOLE, 0)
    assert [seen.path for seen in forem.server.seen if "/articles" in seen.path] == []


@pytest.mark.parametrize("last", [LATER, NEWEST, None])
@pytest.mark.parametrize(("count", "tree"), [(5, []), (1, []), (5500, []), (11, payload("comments"))])
def test_an_empty_tree_and_one_much_shorter_than_its_count_are_never_believed(
    forem: Forem, count: int, tree: list[Any], last: str | None
) -> None:
    for _ in range(4):
        result = read(forem, counted(count, last), tree)
        assert result.unread == count - 5 * bool(tree)
        assert not any(isinstance(operation, RetractMissing) for operation in result.operations)
    assert mark_of(forem)["drift"] == 0


def test_an_empty_tree_beside_a_count_of_none_is_a_deletion(forem: Forem) -> None:
    assert others(read(forem, counted(0), [])) == [RetractMissing(type=COMMENT, thread="51", present=frozenset())]


def test_what_a_list_said_long_ago_is_no_contradiction(forem: Forem) -> None:
    """A stream that is owed carries what its list said when it was queued; since then comments were deleted."""
    now = payload("articles")[0] | {"comments_count": 5, "last_comment_at": NEWEST}
    forem.server.plays("/articles/51", answer(payload=now))
    result = forem.read(counted(500), payload("comments"))
    assert (others(result), result.unread) == (WHOLE, 0)
    assert result.watermarks["comments:51"]["comments_count"] == 5


@pytest.mark.parametrize("now", [answer(404, NOT_FOUND), answer(payload={"id": 51})], ids=["gone", "unusable"])
def test_where_the_article_says_nothing_the_list_is_held_against_the_tree(forem: Forem, now: Any) -> None:
    forem.server.plays("/articles/51", now)
    assert forem.read(counted(500), payload("comments")).unread == 495


def without_children(tree: list[Any], value: Any) -> None:
    tree[0]["children"] = value


def with_null(tree: list[Any], _: Any) -> None:
    tree[0]["children"].append(None)


@pytest.mark.parametrize(
    ("hide", "value"), [(without_children, None), (without_children, "text"), (without_children, {}), (with_null, None)]
)
def test_what_a_tree_hides_is_told_and_nothing_that_is_missing_is_retracted(
    forem: Forem, hide: Any, value: Any
) -> None:
    tree = payload("comments")
    hide(tree, value)
    result = read(forem, counted(0), tree)
    assert result.unread == 1
    assert not any(isinstance(operation, RetractMissing) for operation in result.operations)
    assert result.rejected == ()


def test_answers_that_are_not_even_null_are_told(forem: Forem) -> None:
    tree = payload("comments")
    del tree[0]["children"]
    assert read(forem, counted(0), tree).unread == 1


def test_a_hidden_comment_that_is_shown_again_is_stored_again(forem: Forem) -> None:
    tree = payload("comments")
    hidden = read(forem, counted(5), tree)
    tree[1] |= {"user": tree[0]["user"], "body_html": "<p>there again</p>"}
    shown = read(forem, counted(5, "2024-02-10T00:00:00Z"), tree)
    assert "2k04" not in {a.source_id for a in activities(hidden)}
    found = {a.source_id: a for a in activities(shown)}
    assert found["2k04"].body == "<p>there again</p>"
    assert found["2k05"].source_parent_id == "2k04"


def test_a_moment_that_cannot_be_makes_no_tree_look_young(forem: Forem) -> None:
    tree = payload("comments")
    tree[1]["created_at"] = "9999-12-31T23:59:59Z"
    assert read(forem, counted(7), tree).unread == 2


def test_what_an_older_version_queued_can_still_be_read(forem: Forem) -> None:
    old = {"article_id": 51, "title": "x", "url": COMMENTS.url, "last_comment_at": None, "comments_count": 5}
    stream = DevtoIntegration().load_stream("comments", {**old, "stale": 1})
    assert DevtoIntegration().place_of(stream) is None  # type: ignore[arg-type]
    assert len(activities(forem.read(stream, payload("comments")))) == 3
