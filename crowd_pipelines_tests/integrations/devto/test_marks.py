"""The watermarks of DEV: what a check may leave out, and what it may not."""

from collections.abc import Sequence
from typing import Any

import pytest

from crowd_pipelines.integrations.devto.streams import CommentsStream, ListMark, heading_of
from crowd_pipelines_tests.integrations.devto.forem import ARTICLES, SITE, Forem, activities, payload


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
    assert result.next_page is not None
    assert result.next_page.parameters == ARTICLES.parameters | {"page": 2, "progress": {"records": 1, "whole": False}}


def test_the_next_page_is_another_stream_even_when_this_ones_key_was_asked_for(forem: Forem) -> None:
    stream = ARTICLES.model_copy()
    keys = {stream.key}
    result = forem.read(stream, payload("articles"))
    assert result.next_page is not None
    assert result.next_page.key not in keys


def known(forem: Forem, **mark: Any) -> None:
    listed = payload("articles")[0]
    heading = heading_of(listed["title"], listed["url"])
    told = {"last_comment_at": "2024-02-05T08:00:00Z", "comments_count": 3, "heading": heading}
    forem.known["comments:51"] = told | mark


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


def test_the_comments_of_an_article_are_read_again_when_it_has_another_title_or_address(forem: Forem) -> None:
    known(forem)
    assert wants_comments(forem, title="Better")
    assert wants_comments(forem, url=f"{SITE}/mara/of-gates-1f")
    assert not wants_comments(forem, description="Longer", tag_list=["gates"])


def test_comments_that_an_older_version_read_are_read_once_more(forem: Forem) -> None:
    known(forem)
    forem.known["comments:51"] = {"last_comment_at": "2024-02-05T08:00:00Z", "comments_count": 3, "stale": 0}
    assert wants_comments(forem)


def test_an_article_without_comments_is_not_asked_for_them(forem: Forem) -> None:
    nothing = {"comments_count": 0, "last_comment_at": payload("articles")[0]["published_at"]}
    assert not wants_comments(forem, **nothing)
    assert not wants_comments(forem, **nothing, onboarding=True)


def test_a_count_of_none_is_not_believed_beside_the_moment_of_a_last_comment(forem: Forem) -> None:
    assert wants_comments(forem, comments_count=0)
    known(forem, comments_count=0)
    assert not wants_comments(forem, comments_count=0)


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
