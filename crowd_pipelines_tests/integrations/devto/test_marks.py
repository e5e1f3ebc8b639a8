"""The watermarks of DEV: what a check may leave out, and what it may not."""

from collections.abc import Sequence
from typing import Any

import pytest

from crowd_pipelines.integrations.devto.streams import CommentsStream, ListMark
from crowd_pipelines.model.streams import Json, RetractActivities, RetractMissing
from crowd_pipelines_tests.integrations.devto.forem import ARTICLES, COMMENTS, Forem, activities, others, payload


def check_list(listed: Sequence[int], size: int, mark: ListMark) -> tuple[int, ListMark]:
    """How many pages a check asks for of a list of these articles, and the watermark it leaves."""
    page, pages, last = 0, 0, None
    while True:
        shown, pages = listed[page * size :][:size], pages + 1
        if not shown:
            return pages, ListMark(last=last)
        if not mark.may_go_on(shown[-1]):
            return pages, mark
        page, last = page + 1, shown[-1]


def articles_from(newest: int, count: int) -> list[int]:
    return list(range(newest, newest - count, -1))


COUNTS = [0, 1, 9, 10, 11, 20, 25, 30]


@pytest.mark.parametrize("count", COUNTS)
def test_an_unchanged_list_is_asked_for_as_many_pages_as_it_has(count: int) -> None:
    listed = articles_from(500, count)
    _, mark = check_list(listed, 10, ListMark())
    assert check_list(listed, 10, mark) == (max(-(-count // 10), 1), mark)


@pytest.mark.parametrize("size", [1000, 10, 7, 1])
@pytest.mark.parametrize("before", COUNTS)
@pytest.mark.parametrize("news", [0, 1, 2, 10, 11])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_check_reads_every_page_whatever_was_published_or_unpublished_and_however_large_pages_are(
    size: int, before: int, news: int, lost: int
) -> None:
    _, mark = check_list(articles_from(500, before), 10, ListMark())
    now = articles_from(500 + news, news + before)[: news + max(before - lost, 0)]
    requests, mark = check_list(now, size, mark)
    assert requests >= -(-len(now) // size)
    assert check_list(now, size, mark)[0] == max(-(-len(now) // size), 1)


def test_a_page_that_cannot_be_used_does_not_end_a_list(forem: Forem) -> None:
    result = forem.read(ARTICLES, ["surprise"])
    assert result.next_page == ARTICLES.model_copy(update={"page": 2, "previous": None})


def test_the_next_page_is_another_stream_even_when_this_ones_key_was_asked_for(forem: Forem) -> None:
    stream = ARTICLES.model_copy()
    keys = {stream.key}
    result = forem.read(stream, payload("articles"))
    assert result.next_page is not None
    assert result.next_page.key not in keys


def known(forem: Forem, **mark: Any) -> None:
    forem.known["comments:51"] = {"last_comment_at": "2024-02-05T08:00:00Z", "comments_count": 3, "stale": 0} | mark


def wants_comments(forem: Forem, *, onboarding: bool = False, **article: Any) -> bool:
    listed = payload("articles")
    listed[0] |= article
    result = forem.read(ARTICLES, listed, onboarding=onboarding)
    return any(isinstance(stream, CommentsStream) for stream in result.new_streams)


def test_comments_are_read_again_only_when_the_list_shows_a_change(forem: Forem) -> None:
    assert wants_comments(forem)
    known(forem)
    assert not wants_comments(forem)
    assert wants_comments(forem, comments_count=4)
    assert wants_comments(forem, comments_count=2)
    assert wants_comments(forem, last_comment_at="2024-02-05T08:00:01Z")
    assert wants_comments(forem, comments_count=0)


def test_an_onboarding_reads_all_comments_whatever_is_known(forem: Forem) -> None:
    known(forem)
    assert wants_comments(forem, onboarding=True)


def test_an_article_without_comments_is_not_asked_for_them(forem: Forem) -> None:
    assert not wants_comments(forem, comments_count=0)
    assert not wants_comments(forem, comments_count=0, onboarding=True)


def test_a_known_article_is_told_again_only_when_it_changed(forem: Forem) -> None:
    first = forem.read(ARTICLES, payload("articles"))
    forem.known.update(first.watermarks)
    assert activities(forem.read(ARTICLES, payload("articles"))) == []
    listed = payload("articles")
    listed[1]["title"] = "Better"
    assert [a.title for a in activities(forem.read(ARTICLES, listed))] == ["Better"]
    assert len(activities(forem.read(ARTICLES, payload("articles"), onboarding=True))) == 2


def test_a_comment_more_is_no_change_of_the_article(forem: Forem) -> None:
    forem.known.update(forem.read(ARTICLES, payload("articles")).watermarks)
    listed = payload("articles")
    listed[0] |= {"comments_count": 9, "last_comment_at": "2024-03-01T00:00:00Z"}
    assert activities(forem.read(ARTICLES, listed)) == []


NEWER = COMMENTS.model_copy(update={"comments_count": 9, "last_comment_at": "2024-02-09T00:00:00Z"})


def mark_of(watermarks: Any) -> Json:
    [mark] = watermarks.values()
    assert isinstance(mark, dict)
    return mark


def test_a_tree_older_than_the_list_is_read_again_and_retracts_only_what_it_says_outright(forem: Forem) -> None:
    result = forem.read(NEWER, payload("comments"))
    assert mark_of(result.watermarks)["stale"] == 1
    assert others(result) == [RetractActivities(type=activities(result)[0].type, source_ids=("2k02", "2k04"))]
    forem.known["comments:51"] = mark_of(result.watermarks)
    assert wants_comments(forem, comments_count=9, last_comment_at=NEWER.last_comment_at)


def test_a_tree_that_stays_older_than_the_list_is_believed_in_the_end(forem: Forem) -> None:
    result = forem.read(NEWER.model_copy(update={"stale": 1}), payload("comments"))
    assert isinstance(others(result)[0], RetractMissing)
    forem.known["comments:51"] = mark_of(result.watermarks)
    assert not wants_comments(forem, comments_count=9, last_comment_at=NEWER.last_comment_at)


def test_a_count_that_is_wrong_makes_no_tree_stale(forem: Forem) -> None:
    stream = COMMENTS.model_copy(update={"comments_count": 9, "last_comment_at": "2024-02-03T13:30:00Z"})
    assert mark_of(forem.read(stream, payload("comments")).watermarks)["stale"] == 0


def test_a_list_that_changes_again_starts_the_patience_anew(forem: Forem) -> None:
    known(forem, stale=1)
    listed = payload("articles")
    listed[0]["comments_count"] = 7
    result = forem.read(ARTICLES, listed)
    [comments] = [stream for stream in result.new_streams if isinstance(stream, CommentsStream)]
    assert comments.stale == 0
