"""How far things have been read, and what a check therefore asks for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd_pipelines.integrations.github.findings import Page
from crowd_pipelines.integrations.github.marks import OVERLAP, Entry, Mark
from crowd_pipelines.integrations.github.streams import (
    CommentsStream,
    DiscussionCommentsStream,
    IssuesStream,
    OwnerStream,
    RepliesStream,
    RepositoryStream,
    ThreadCommentsStream,
    ThreadsStream,
    TimelineStream,
)
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines_tests.integrations.github.hub import (
    PLACE,
    REPOSITORY,
    Hub,
    activities,
    comment,
    issue,
    last_page,
    of_repository,
    page,
    user,
)
from crowd_pipelines_tests.poison import UNRELATED

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def at(seconds: int) -> str:
    return (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(name: str, seconds: int = 0, stamp: str = "") -> Entry:
    return Entry(id=name, at=NOON + timedelta(seconds=seconds), stamp=stamp)


def keys(*streams: Stream | None) -> set[str]:
    return {stream.key for stream in streams if stream}


def seen(result: StreamResult) -> list[str]:
    return [activity.source_id for activity in activities(result)]


def test_a_mark_knows_what_it_has_seen_within_the_overlap_and_everything_before() -> None:
    mark = Mark().with_entries([entry("a"), entry("b", -60), entry("c", -200)], now=LATER)
    assert mark == Mark(at=NOON, stamps=(("a", ""), ("b", "")))
    assert not mark.is_news(entry("a"))
    assert not mark.is_news(entry("c", -200))
    assert mark.is_news(entry("d"))
    assert mark.is_news(entry("e", -90))
    assert mark.is_news(entry("b", -60, stamp="changed"))
    assert mark.is_news(entry("f", 1))


def test_a_mark_set_within_the_overlap_trusts_nothing_in_it() -> None:
    mark = Mark().with_entries([entry("a"), entry("c", -200)], now=NOON + OVERLAP)
    assert mark.is_news(entry("a"))
    assert not mark.is_news(entry("c", -200))


def test_a_mark_without_entries_is_none() -> None:
    assert Mark().with_entries([], now=LATER) == Mark()
    assert Mark().is_news(entry("a"))


def test_a_mark_grows_over_pages_and_keeps_what_is_near_its_newest() -> None:
    first = Mark().with_entries([entry("a")], now=LATER)
    assert first.with_entries([entry("b", -100), entry("c", -500)], now=LATER) == Mark(
        at=NOON, stamps=(("a", ""), ("b", ""))
    )


def test_a_check_reads_what_changed_and_nothing_else(hub: Hub) -> None:
    old, new = issue(1, at(0)), issue(2, at(0))
    hub.read(REPOSITORY, of_repository(issues=page(old, new)), onboarding=True)
    assert seen(hub.read(REPOSITORY, of_repository(issues=page(old, new)))) == []
    changed = issue(1, at(500), comments=page(comment("IC_1")))
    assert seen(hub.read(REPOSITORY, of_repository(issues=page(changed, new)))) == ["I_1", "IC_1"]
    assert seen(hub.read(REPOSITORY, of_repository(issues=page(changed, new)))) == []


@pytest.mark.parametrize(
    "change",
    [{"state": "CLOSED"}, {"comments": page(comment("IC_1"))}, {"reviewThreads": page(total=1)}],
    ids=["state", "comments", "threads"],
)
def test_a_change_within_the_same_second_is_seen(hub: Hub, change: dict[str, Any]) -> None:
    kind = "pullRequests" if "reviewThreads" in change else "issues"
    hub.read(REPOSITORY, of_repository(**{kind: page(issue(1, at(0), reviewThreads=page()))}), onboarding=True)
    again = issue(1, at(0), **{"reviewThreads": page(), **change})
    assert "I_1" in seen(hub.read(REPOSITORY, of_repository(**{kind: page(again)})))


def test_another_issue_of_the_same_second_is_seen(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(issues=page(issue(1, at(0)))), onboarding=True)
    assert seen(hub.read(REPOSITORY, of_repository(issues=page(issue(2, at(0)), issue(1, at(0)))))) == ["I_2"]


def test_an_onboarding_reads_everything_again(hub: Hub) -> None:
    for _ in range(2):
        assert seen(hub.read(REPOSITORY, of_repository(issues=page(issue(1, at(0)))), onboarding=True)) == ["I_1"]


def further(result: StreamResult) -> IssuesStream:
    [stream] = [*result.new_streams, *([result.next_page] if result.next_page else [])]
    assert isinstance(stream, IssuesStream)
    return stream


def list_page(*nodes: Any, more: str | None = None) -> dict[str, Any]:
    return {"data": {"node": {**PLACE, "issues": page(*nodes, more=more)}}}


def test_a_check_goes_on_while_all_is_news_and_moves_the_mark_at_the_end(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(issues=page(issue(1, at(0)))), onboarding=True)
    before = hub.known["issues:R_1"]
    first = further(hub.read(REPOSITORY, of_repository(issues=page(issue(5, at(9000)), more="c1"))))
    second = further(hub.read(first, list_page(issue(4, at(8000)), more="c2")))
    assert (first.after, second.after) == ("c1", "c2")
    assert hub.known["issues:R_1"] == before
    last = hub.read(second, list_page(issue(3, at(7000)), issue(1, at(0)), issue(0, at(-9000)), more="c3"))
    assert seen(last) == ["I_3"]
    assert last.next_page is None
    assert Mark.model_validate(hub.known["issues:R_1"]).at == NOON + timedelta(seconds=9000)


def test_the_mark_moves_although_the_last_page_has_no_news(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(issues=page(issue(1, at(0)))), onboarding=True)
    stream = further(hub.read(REPOSITORY, of_repository(issues=page(issue(2, at(9000)), more="c1"))))
    assert seen(hub.read(stream, list_page(issue(1, at(0)), more="c2"))) == []
    assert Mark.model_validate(hub.known["issues:R_1"]).at == NOON + timedelta(seconds=9000)


def test_a_check_stops_where_nothing_is_news_even_if_everything_has_one_time(hub: Hub) -> None:
    crowd = [issue(number, at(0)) for number in range(3)]
    hub.read(REPOSITORY, of_repository(issues=page(*crowd)), onboarding=True)
    assert hub.read(REPOSITORY, of_repository(issues=page(*crowd, more="c1"))).new_streams == ()


def test_an_onboarding_goes_on_to_the_end_whatever_is_known(hub: Hub) -> None:
    crowd = of_repository(issues=page(issue(1, at(0)), issue(0, at(-9000)), more="c1"))
    hub.read(REPOSITORY, of_repository(issues=page(issue(1, at(0)))), onboarding=True)
    stream = further(hub.read(REPOSITORY, crowd, onboarding=True))
    assert seen(hub.read(stream, list_page(issue(-1, at(-99000))), onboarding=True)) == ["I_-1"]


def long_issue(*comments: Any) -> dict[str, Any]:
    return of_repository(issues=page(issue(1, comments[0]["updatedAt"], comments=page(*comments, more="k1"))))


def below(*comments: Any, more: str | None = None) -> dict[str, Any]:
    item = {"__typename": "Issue", "id": "I_1", "url": "https://github.com/octo/app/issues/1", "repository": PLACE}
    return {"data": {"node": {**item, "comments": page(*comments, more=more)}}}


def test_further_comments_are_read_once_and_later_down_to_what_is_known(hub: Hub) -> None:
    [stream] = hub.read(REPOSITORY, long_issue(comment("IC_9", at(900))), onboarding=True).new_streams
    assert isinstance(stream, CommentsStream)
    assert (stream.id, stream.about, stream.after) == ("I_1", "octo/app/issues/1", "k1")
    assert (stream.repository, stream.newest) == ("octo/app", NOON + timedelta(seconds=900))
    result = hub.read(stream, below(comment("IC_8", at(800)), more="k2"), onboarding=True)
    assert isinstance(result.next_page, CommentsStream)
    assert "comments:I_1" not in hub.known
    hub.read(result.next_page, below(comment("IC_1", at(0))), onboarding=True)
    assert hub.known["comments:I_1"] == {"at": at(900)}

    news = [comment(f"IC_{n}", at(n)) for n in (3000, 2000)]
    [stream] = hub.read(REPOSITORY, long_issue(*news)).new_streams
    result = hub.read(stream, below(comment("IC_1000", at(1000)), comment("IC_1", at(0)), more="k3"))
    assert (seen(result), result.next_page) == (["IC_1000", "IC_1"], None)
    assert hub.known["comments:I_1"] == {"at": at(3000)}

    result = hub.read(REPOSITORY, long_issue(comment("IC_4000", at(4000)), comment("IC_7", at(700))))
    assert result.new_streams == ()
    assert hub.known["comments:I_1"] == {"at": at(4000)}


def test_an_onboarding_reads_further_comments_whatever_is_known(hub: Hub) -> None:
    hub.known["comments:I_1"] = {"at": at(900)}
    crowd = long_issue(comment("IC_9", at(900)), comment("IC_1", at(-9000)))
    [stream] = hub.read(REPOSITORY, crowd, onboarding=True).new_streams
    assert hub.read(stream, below(comment("IC_0", at(-99000)), more="k2"), onboarding=True).next_page is not None


def test_a_conversation_that_was_never_read_is_read_whole_by_a_check(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(issues=page(issue(2, at(0)))), onboarding=True)
    moved_here = long_issue(comment("IC_9", at(900)), comment("IC_1", at(-99999)))
    assert [stream.kind for stream in hub.read(REPOSITORY, moved_here).new_streams] == ["comments"]


def test_earlier_events_are_read_down_to_what_is_known(hub: Hub) -> None:
    def closed(name: str, seconds: int) -> dict[str, Any]:
        return {"__typename": "ClosedEvent", "id": name, "createdAt": at(seconds), "actor": user(3)}

    def with_events(*events: Any) -> dict[str, Any]:
        return of_repository(
            issues=page(issue(1, events[-1]["createdAt"], timelineItems=last_page(*events, more="k1")))
        )

    def earlier(*events: Any) -> dict[str, Any]:
        item = {"__typename": "Issue", "id": "I_1", "repository": PLACE}
        return {"data": {"node": {**item, "timelineItems": last_page(*events)}}}

    [stream] = hub.read(REPOSITORY, with_events(closed("CE_2", 900)), onboarding=True).new_streams
    assert isinstance(stream, TimelineStream)
    assert seen(hub.read(stream, earlier(closed("CE_1", 0)), onboarding=True)) == ["CE_1"]
    assert hub.asked()[-1]["after"] == "k1"
    assert hub.known["timeline:I_1"] == {"at": at(900)}
    assert hub.read(REPOSITORY, with_events(closed("CE_2", 500), closed("CE_3", 2000))).new_streams == ()


def test_threads_and_their_comments_go_on_by_their_own_ids(hub: Hub) -> None:
    thread = {"id": "PRRT_1", "comments": page(comment("PRRC_1"), more="t1")}
    pull = issue(1, at(0), id="PR_1", reviewThreads=page(thread, more="r1"))
    result = hub.read(REPOSITORY, of_repository(pullRequests=page(pull)))
    about = "octo/app/issues/1"
    assert keys(*result.new_streams) == keys(
        ThreadCommentsStream(id="PRRT_1", about=about, after="t1"),
        ThreadsStream(id="PR_1", about=about, after="r1"),
    )
    item = {"id": "PR_1", "url": "https://github.com/octo/app/issues/1", "repository": PLACE}
    answer = {"data": {"node": {"__typename": "PullRequestReviewThread", "pullRequest": item,
                                "comments": page(comment("PRRC_2"), more="t2")}}}  # fmt: skip
    result = hub.read(ThreadCommentsStream(id="PRRT_1", about=about, after="t1"), answer)
    assert [(a.source_parent_id, a.thread) for a in activities(result)] == [("PR_1", "PR_1")]
    assert keys(result.next_page) == keys(ThreadCommentsStream(id="PRRT_1", about=about, after="t2"))
    answer = {"data": {"node": {"__typename": "PullRequest", **item, "reviewThreads": page(thread, more="r2")}}}
    result = hub.read(ThreadsStream(id="PR_1", about=about, after="r1"), answer)
    assert keys(result.next_page) == keys(ThreadsStream(id="PR_1", about=about, after="r2"))
    assert [stream.kind for stream in result.new_streams] == ["thread_comments"]


def test_comments_on_discussions_and_replies_go_on_by_their_own_ids(hub: Hub) -> None:
    said = comment("DC_1", replies=page(comment("DC_2"), more="a1"))
    discussion = {"id": "D_1", "createdAt": at(0), "updatedAt": at(0), "url": "https://github.com/octo/app/d/1",
                  "author": user(1), "comments": page(said, more="d1")}  # fmt: skip
    result = hub.read(REPOSITORY, of_repository(discussions=page(discussion)))
    assert keys(*result.new_streams) == keys(
        RepliesStream(id="DC_1", about="octo/app/d/1", after="a1"),
        DiscussionCommentsStream(id="D_1", about="octo/app/d/1", after="d1"),
    )
    place = {"id": "D_1", "url": "https://github.com/octo/app/d/1", "repository": PLACE}
    answer = {"data": {"node": {"__typename": "DiscussionComment", "id": "DC_1", "discussion": place,
                                "replies": page(comment("DC_3"), more="a2")}}}  # fmt: skip
    result = hub.read(RepliesStream(id="DC_1", about="x", after="a1"), answer)
    assert [(a.source_parent_type, a.source_parent_id) for a in activities(result)] == [("discussion-comment", "DC_1")]
    assert isinstance(result.next_page, RepliesStream)
    assert (result.next_page.id, result.next_page.after) == ("DC_1", "a2")


OWNER = OwnerStream(login="octo")


def heads(**connections: Any) -> dict[str, Any]:
    empty = {"stargazerCount": 0, "forks": page(), "issues": page(), "pullRequests": page(), "discussions": page()}
    return {**PLACE, **empty, **connections}


def of_owner(*repositories: Any, more: str | None = None) -> dict[str, Any]:
    return {"data": {"repositoryOwner": {"id": "O", "login": "octo", "repositories": page(*repositories, more=more)}}}


def test_an_onboarding_reads_every_repository_of_an_owner(hub: Hub) -> None:
    other = {**PLACE, "id": "R_2", "nameWithOwner": "octo/other"}
    named = heads()
    result = hub.read(OWNER, of_owner(named, other, more="c1"), onboarding=True)
    # octo/app is named in the settings and read on its own.
    assert result.new_streams == (RepositoryStream(owner="octo", name="other"),)
    assert keys(result.next_page) == keys(OwnerStream(login="octo", after="c1"))


def head(**connections: Any) -> dict[str, Any]:
    return heads(**{"nameWithOwner": "octo/other", "url": "https://github.com/octo/other", **connections})


def test_a_check_reads_the_repositories_in_which_something_happened(hub: Hub) -> None:
    first = issue(1, at(0))
    hub.read(REPOSITORY, of_repository(issues=page(first)), onboarding=True)
    assert hub.read(OWNER, of_owner(head(issues=page(first)))).new_streams == ()
    for news in (
        {"issues": page(issue(2, at(500)))},
        {"issues": page(issue(1, at(0), state="CLOSED"))},
        {"issues": page(first), "discussions": page(issue(3, at(-900000)))},
        {"issues": page(first), "forks": page({"id": "F", "createdAt": at(0)})},
        {"issues": page(first), "pullRequests": None},
    ):
        assert [stream.kind for stream in hub.read(OWNER, of_owner(head(**news))).new_streams] == ["repository"], news
    stars = hub.read(OWNER, of_owner(head(issues=page(first), stargazerCount=3))).new_streams
    assert [stream.kind for stream in stars] == ["stargazers"]


def test_what_the_credentials_may_not_see_is_no_news(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(), onboarding=True)
    hub.owed["repository:octo/other"] = frozenset({"discussions"})
    assert hub.read(OWNER, of_owner(head(discussions=None))).new_streams == ()


def test_a_repository_in_which_nothing_happened_is_renamed_all_the_same(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(), onboarding=True)
    [rename, *_] = hub.read(OWNER, of_owner(head())).operations
    assert rename.channel == "https://github.com/octo/other"  # type: ignore[union-attr]


NAMES = ("hasNextPage", "hasPreviousPage", "endCursor", "startCursor")


@given(
    info=UNRELATED | st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, UNRELATED)),
    nodes=UNRELATED | st.lists(UNRELATED, max_size=3),
)
def test_a_list_leads_on_or_ends_or_neither_can_be_told(info: Any, nodes: Any) -> None:
    told = Page.of({"pageInfo": info, "nodes": nodes})
    assert told.more is None or (isinstance(told.more, str) and told.more)
    # What is taken for the end lets go of everything that it does not show.
    assert not told.told().ends or (told.more is None and isinstance(info, dict))
    assert told.listed is isinstance(nodes, list)
    assert list(told.nodes) == (nodes if isinstance(nodes, list) else [])
