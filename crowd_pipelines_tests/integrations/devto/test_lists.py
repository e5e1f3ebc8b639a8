"""Lists of articles that contradict themselves, and articles that are not on them any more."""

from typing import Any

import pytest

from crowd_pipelines.integrations.devto.activities import ARTICLE as PUBLISHED
from crowd_pipelines.integrations.devto.activities import COMMENT
from crowd_pipelines.integrations.devto.streams import ArticlesStream, ArticleStream, CommentsStream
from crowd_pipelines.model.streams import RetractActivities, RetractMissing, ShowActivities, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.devto.forem import (
    ARTICLE,
    ARTICLES,
    NOT_FOUND,
    Forem,
    activities,
    others,
    payload,
)

EMPTY = answer(payload=[])
NOBODY = answer(404, NOT_FOUND)
SECOND = ARTICLES.model_copy(update={"page": 2, "previous": 50, "articles": (51, 50)})


def known(forem: Forem, *articles: int, last: int | None = 50) -> None:
    """These were on the list when it was read last."""
    forem.known[ARTICLES.subject] = {"last": last, "articles": list(articles)}


def asked_for_by_themselves(result: StreamResult) -> list[int]:
    return [stream.article_id for stream in result.new_streams if isinstance(stream, ArticleStream)]


def list_mark(result: StreamResult) -> Any:
    return result.watermarks.get(ARTICLES.subject)


def retracts(result: StreamResult) -> bool:
    return any(isinstance(operation, RetractMissing | RetractActivities) for operation in result.operations)


def test_a_list_that_ends_notes_what_it_showed(forem: Forem) -> None:
    first = forem.read(ARTICLES, payload("articles"))
    assert isinstance(first.next_page, ArticlesStream)
    assert list_mark(first) is None
    last = forem.read(first.next_page, [])
    assert (last.next_page, list_mark(last)) == (None, {"last": 50, "articles": (51, 50)})


def test_an_article_that_is_not_on_its_list_any_more_is_asked_for_by_itself(forem: Forem) -> None:
    known(forem, 51, 50, 49)
    result = forem.read(ARTICLES, payload("articles"))
    assert (result.next_page, result.incomplete) == (None, None)
    assert asked_for_by_themselves(result) == [49]
    assert not retracts(result)
    assert list_mark(result)["articles"] == (51, 50)


@pytest.mark.parametrize("odd", [None, "surprise", {"id": 49}])
def test_a_list_on_which_something_cannot_be_used_proves_no_absence(forem: Forem, odd: Any) -> None:
    known(forem, 51, 50, 49)
    result = forem.read(ARTICLES, [odd, *payload("articles")])
    assert asked_for_by_themselves(result) == []
    assert list_mark(result)["articles"] == (51, 50, 49)
    assert (result.unread, len(result.rejected)) == ((1, 0) if odd is None else (0, 1))


def test_an_article_that_came_as_null_is_told_and_kept_nowhere(forem: Forem) -> None:
    result = forem.read(ARTICLES, [*payload("articles"), None])
    assert (result.unread, result.rejected, len(activities(result))) == (1, (), 2)
    assert result.next_page is not None


def test_a_page_that_repeats_what_was_shown_neither_ends_the_list_nor_goes_on(forem: Forem) -> None:
    known(forem, 51, 50, 49, last=1)
    result = forem.read(SECOND, payload("articles"), onboarding=True)
    assert result.incomplete is not None
    assert "and no other" in result.incomplete
    assert result.next_page is None
    assert not retracts(result)


def test_a_page_that_begins_with_what_was_shown_is_one_that_moved_on(forem: Forem) -> None:
    stream = SECOND.model_copy(update={"articles": (52, 51), "previous": 51})
    result = forem.read(stream, payload("articles"), onboarding=True)
    assert result.incomplete is None
    assert isinstance(result.next_page, ArticlesStream)
    assert result.next_page.articles == (52, 51, 50)


def test_an_empty_page_before_one_that_is_not_does_not_end_the_list(forem: Forem) -> None:
    forem.server.plays("/articles", EMPTY, answer(payload=payload("articles")))
    result = forem.process(SECOND)
    assert result.incomplete == "page 2 of the list is empty, but the page after it is not"
    assert list_mark(result) is None


def test_an_empty_list_beside_a_page_of_one_article_is_none(forem: Forem) -> None:
    forem.server.plays("/articles", EMPTY, answer(payload=payload("articles")[:1]))
    result = forem.process(ARTICLES)
    assert result.incomplete == "the list is empty, but a page of one article is not"


def test_an_empty_list_is_not_believed_while_what_it_showed_is_published(forem: Forem) -> None:
    known(forem, 51, 50)
    forem.server.plays("/users/by_username", answer(payload={"username": "mara"}))
    forem.server.plays("/articles/51", answer(payload=payload("articles")[0]))
    result = forem.read(ARTICLES, [])
    assert result.incomplete == "the list does not show 2 of 2 known articles, which are published"
    assert (list_mark(result), retracts(result)) == (None, False)


def test_an_empty_list_of_what_is_not_published_any_more_is_true(forem: Forem) -> None:
    known(forem, 51, 50)
    forem.server.plays("/users/by_username", answer(payload={"username": "mara"}))
    forem.server.plays("/articles/51", NOBODY)
    result = forem.read(ARTICLES, [])
    assert result.incomplete is None
    assert asked_for_by_themselves(result) == [51, 50]


def test_a_list_is_not_wrong_for_what_belongs_to_others_now(forem: Forem) -> None:
    known(forem, 9, 8, 7, 51)
    moved = payload("articles")[1] | {"id": 9, "user": {"user_id": 8, "username": "other"}}
    forem.server.plays("/articles/9", answer(payload=moved))
    result = forem.read(ARTICLES, payload("articles"))
    assert (result.incomplete, asked_for_by_themselves(result)) == (None, [9, 8, 7])


def test_an_article_that_is_not_published_is_retracted_with_its_comments_and_forgotten(forem: Forem) -> None:
    result = forem.read(ARTICLE, NOT_FOUND, status=404)
    assert others(result) == [
        RetractActivities(type=PUBLISHED, source_ids=("51",)),
        RetractMissing(type=COMMENT, thread="51", present=frozenset()),
    ]
    # So that both are read as new when it is published again.
    assert result.watermarks == {"article:51": {}, "comments:51": {}}


def test_an_article_that_is_only_on_no_list_is_stored_with_what_was_said_of_it(forem: Forem) -> None:
    listed, single = payload("articles")[0], payload("articles")[0]
    single |= {"tag_list": "gates, wood", "tags": ["gates", "wood"], "body_markdown": "text"}
    result = forem.read(ARTICLE, single)
    forem.known.update(result.watermarks)
    [article] = activities(result)
    assert article.attributes == {"tags": ["gates", "wood"]}
    assert [s.article_id for s in result.new_streams if isinstance(s, CommentsStream)] == [51]
    assert not retracts(result)
    # A list and the article itself say the same, each in its form.
    assert activities(forem.read(ARTICLES, [listed])) == []


def test_what_a_list_shows_is_not_retracted_also_when_it_looks_unchanged(forem: Forem) -> None:
    forem.known.update(forem.read(ARTICLES, payload("articles")).watermarks)
    result = forem.read(ARTICLES, payload("articles"))
    [shown] = others(result)
    assert isinstance(shown, ShowActivities)
    assert [article.source_id for article in shown.activities] == ["51", "50"]
    assert activities(result) == []


def test_a_list_of_several_pages_is_read_twice_by_an_onboarding(forem: Forem) -> None:
    """What is unpublished between two pages moves the next article to the page that was read already."""
    third = SECOND.model_copy(update={"page": 3})
    result = forem.read(third, [], onboarding=True)
    again = ARTICLES.model_copy(update={"round": 2})
    assert result.next_page == again
    assert again.key != ARTICLES.key
    assert forem.read(third.model_copy(update={"round": 2}), [], onboarding=True).next_page is None
    assert forem.read(third, []).next_page is None
    assert forem.read(SECOND, [], onboarding=True).next_page is None


def test_the_same_article_on_two_lists_is_one_with_one_tree(forem: Forem) -> None:
    barn = ARTICLES.model_copy(update={"owner": "organization", "username": "barn-works"})
    forem.server.plays("/organizations/barn-works/articles", answer(payload=payload("articles")))
    ours = forem.process(barn)
    theirs = forem.read(ARTICLES, payload("articles"))
    assert [a.key for a in activities(ours)] == [a.key for a in activities(theirs)]
    assert [s.key for s in ours.new_streams] == [s.key for s in theirs.new_streams]
