"""Which later changes are seen, line by line of the how-to page."""

from collections.abc import Callable
from typing import Any

import pytest

from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.streams import ReviewsStream
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import RetractActivities, RetractMissing, StreamResult
from crowd_pipelines_tests.integrations.github.howto import table_below
from crowd_pipelines_tests.integrations.github.hub import (
    PLACE,
    REPOSITORY,
    STARS,
    Hub,
    activities,
    comment,
    issue,
    last_page,
    of_repository,
    of_stars,
    others,
    page,
    shown,
    star,
    user,
)

BEFORE, AFTER = "2024-05-03T10:00:00Z", "2024-05-04T10:00:00Z"
Line = Callable[[Hub], None]
LINES: dict[tuple[str, str], Line] = {}


def line(kind: str, change: str) -> Callable[[Line], Line]:
    def note(check: Line) -> Line:
        LINES[kind, change] = check
        return check

    return note


def found(result: StreamResult) -> dict[str, Activity]:
    return {activity.source_id: activity for activity in activities(result)}


def missing(result: StreamResult, kind: str) -> list[frozenset[str]]:
    """What whole lists of this type hold."""
    return [o.present for o in others(result) if isinstance(o, RetractMissing) and o.type.name == kind]


def gone(result: StreamResult) -> set[str]:
    return {id_ for o in others(result) if isinstance(o, RetractActivities) for id_ in o.source_ids}


def checked(hub: Hub, connection: str, before: Any, after: Any) -> StreamResult:
    """What a check makes of something that was read as it was before."""
    hub.read(REPOSITORY, of_repository(**{connection: page(before)}), onboarding=True)
    return hub.read(REPOSITORY, of_repository(**{connection: page(after)}))


def pull(number: int, updated: str, **details: Any) -> dict[str, Any]:
    return issue(number, updated, id=f"PR_{number}", **{"reviewThreads": page(), **details})


def discussion(number: int, updated: str, **details: Any) -> dict[str, Any]:
    return issue(number, updated, id=f"D_{number}", **details)


def said(name: str, **details: Any) -> dict[str, Any]:
    return comment(name, replies=page(), **details)


def event(kind: str, name: str, **details: Any) -> dict[str, Any]:
    return {"__typename": kind, "id": name, "createdAt": BEFORE, "actor": user(3), **details}


def review(name: str, state: str, body: str = "") -> dict[str, Any]:
    about = {"id": name, "state": state, "body": body, "submittedAt": BEFORE, "author": user(4)}
    return {"__typename": "PullRequestReview", **about}


@line("star", "it is taken back")
def a_star_is_taken_back(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(stargazerCount=2), onboarding=True)
    hub.read(STARS, of_stars(star(1), star(2)), onboarding=True)
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=1)).new_streams
    assert missing(hub.read(stream, of_stars(star(2))), "star") == [frozenset({"R_1:2"})]
    many = hub.read(stream, of_stars(*map(star, range(1, 101)), more="c", total=150))
    assert missing(many, "star") == []


@line("star", "it is taken back and given again")
def a_star_is_given_again(hub: Hub) -> None:
    hub.read(STARS, of_stars(star(1, BEFORE), star(2)), onboarding=True)
    hub.read(STARS, of_stars(star(2)))
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=2)).new_streams
    again = hub.read(stream, of_stars(star(1, AFTER), star(2)))
    assert found(again)["R_1:1"].timestamp.isoformat() == "2024-05-04T10:00:00+00:00"


@line("star", "one is taken back while another is given, so that the count is the same")
def a_star_is_taken_back_while_another_is_given(hub: Hub) -> None:
    hub.read(STARS, of_stars(star(1), star(2)), onboarding=True)
    assert hub.read(REPOSITORY, of_repository(stargazerCount=2)).new_streams == ()
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=2, updatedAt=AFTER)).new_streams
    swapped = hub.read(stream, of_stars(star(3, BEFORE), star(2)))
    assert found(swapped).keys() == {"R_1:3"}
    assert missing(swapped, "star") == [frozenset({"R_1:2", "R_1:3"})]
    hub.known["stars:R_1"] = {**hub.known["stars:R_1"], "read_at": BEFORE}
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=2, updatedAt=AFTER)).new_streams
    assert stream.kind == "stargazers"


@line("fork", "it is deleted")
def a_fork_is_deleted(hub: Hub) -> None:
    fork = {"id": "F_1", "createdAt": BEFORE, "owner": user(1)}
    hub.read(REPOSITORY, of_repository(forks=page(fork)), onboarding=True)
    for onboarding in (False, True):
        assert others(hub.read(REPOSITORY, of_repository(), onboarding=onboarding)) == []


@line("issues-opened", "title, text, labels or state change")
def an_issue_changes(hub: Hub) -> None:
    labels = {"nodes": [{"name": "bug"}]}
    after = issue(1, AFTER, title="Better", bodyText="words", state="CLOSED", labels=labels)
    opened = found(checked(hub, "issues", issue(1, BEFORE), after))["I_1"]
    assert (opened.title, opened.body) == ("Better", "words")
    assert opened.attributes == {"state": "closed", "labels": ["bug"]}


def transferred(origin: str, **details: Any) -> dict[str, Any]:
    moved = event("TransferredEvent", "TRE_1", fromRepository={"id": origin})
    return issue(9, AFTER, timelineItems=last_page(moved), comments=page(comment("IC_9")), **details)


@line("issues-opened", "it is transferred to a repository that is read")
def an_issue_is_transferred(hub: Hub) -> None:
    before = issue(1, BEFORE, comments=page(comment("IC_1")))
    hub.read(REPOSITORY, of_repository(issues=page(before, issue(2, BEFORE, author=user(7)))), onboarding=True)
    target = {**PLACE, "id": "R_2", "nameWithOwner": "octo/other"}
    there = of_repository(issues=page(transferred("R_1")))
    there["data"]["repository"] |= target
    result = hub.read(REPOSITORY, there)
    assert found(result).keys() == {"I_9", "IC_9"}
    assert gone(result) == {"I_1"}
    below = [(o.type, o.present) for o in others(result) if isinstance(o, RetractMissing) and o.thread == "I_1"]
    assert below == [(records.ISSUE_COMMENT, frozenset()), (records.ISSUE_CLOSED, frozenset())]


@line("issues-opened", "it is made a discussion")
def an_issue_is_made_a_discussion(hub: Hub) -> None:
    before = issue(1, BEFORE, comments=page(comment("IC_1")))
    hub.read(REPOSITORY, of_repository(issues=page(before)), onboarding=True)
    made = event("ConvertedToDiscussionEvent", "CTDE_1", discussion={"id": "D_1"})
    after = issue(1, AFTER, timelineItems=last_page(made), comments=page(comment("IC_1")))
    talk = discussion(1, AFTER, comments=page(said("DC_1")))
    result = hub.read(REPOSITORY, of_repository(issues=page(after), discussions=page(talk)))
    assert found(result).keys() == {"D_1", "DC_1"}
    assert gone(result) == {"I_1"}
    assert shown(hub.read(REPOSITORY, of_repository(issues=page(after), discussions=page(talk)))) == ["D_1"]


@line("issues-opened", "it is deleted")
def an_issue_is_deleted(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(issues=page(issue(1, BEFORE))), onboarding=True)
    assert others(hub.read(REPOSITORY, of_repository(), onboarding=True)) == []


def reopened(hub: Hub, connection: str, opened: Callable[..., dict[str, Any]], kind: str) -> None:
    closing = event("ClosedEvent", "CE_1")
    before = opened(1, BEFORE, state="CLOSED", timelineItems=last_page(closing))
    after = opened(1, AFTER, state="OPEN", timelineItems=last_page(closing))
    result = checked(hub, connection, before, after)
    [closed] = [activity for activity in activities(result) if activity.type.name == kind]
    [began] = [activity for activity in activities(result) if activity.title]
    assert (closed.attributes, began.attributes["state"]) == ({}, "open")
    assert missing(result, kind) == []


@line("issues-closed", "the issue is reopened")
def an_issue_is_reopened(hub: Hub) -> None:
    reopened(hub, "issues", issue, "issues-closed")


@line("pull_request-closed", "the pull request is reopened")
def a_pull_request_is_reopened(hub: Hub) -> None:
    reopened(hub, "pullRequests", pull, "pull_request-closed")


def edited(hub: Hub, connection: str, before: Any, after: Any, name: str) -> None:
    assert found(checked(hub, connection, before, after))[name].body == "Better"


@line("issue-comment", "it is edited")
def an_issue_comment_is_edited(hub: Hub) -> None:
    before = issue(1, BEFORE, comments=page(comment("IC_1")))
    edited(hub, "issues", before, issue(1, AFTER, comments=page(comment("IC_1", bodyText="Better"))), "IC_1")


@line("pull_request-comment", "it is edited")
def a_pull_request_comment_is_edited(hub: Hub) -> None:
    before = pull(1, BEFORE, comments=page(comment("IC_1")))
    edited(hub, "pullRequests", before, pull(1, AFTER, comments=page(comment("IC_1", bodyText="Better"))), "IC_1")


def deleted(hub: Hub, connection: str, opened: Callable[..., dict[str, Any]], kind: str) -> None:
    before = opened(1, BEFORE, comments=page(comment("IC_1"), comment("IC_2")))
    result = checked(hub, connection, before, opened(1, AFTER, comments=page(comment("IC_2"))))
    assert missing(result, kind) == [frozenset({"IC_2"})]
    long = opened(1, AFTER, comments=page(comment("IC_2"), more="c", total=60), updatedAt="2024-05-05T10:00:00Z")
    assert missing(hub.read(REPOSITORY, of_repository(**{connection: page(long)})), kind) == []


@line("issue-comment", "it is deleted")
def an_issue_comment_is_deleted(hub: Hub) -> None:
    deleted(hub, "issues", issue, "issue-comment")


@line("pull_request-comment", "it is deleted")
def a_pull_request_comment_is_deleted(hub: Hub) -> None:
    deleted(hub, "pullRequests", pull, "pull_request-comment")


@line("pull_request-opened", "title, text, labels, state or size change")
def a_pull_request_changes(hub: Hub) -> None:
    after = pull(1, AFTER, title="Better", state="MERGED", additions=7)
    opened = found(checked(hub, "pullRequests", pull(1, BEFORE), after))["PR_1"]
    assert (opened.title, opened.attributes["state"], opened.attributes["additions"]) == ("Better", "merged", 7)


@line("pull_request-merged", "a merge cannot be undone")
def a_merge_stays(hub: Hub) -> None:
    merged = pull(1, BEFORE, timelineItems=last_page(event("MergedEvent", "ME_1")))
    again = checked(hub, "pullRequests", merged, {**merged, "updatedAt": AFTER})
    assert found(again)["ME_1"].attributes == {}


@line("pull_request-assigned", "the assignment is taken back")
def an_assignment_is_taken_back(hub: Hub) -> None:
    assigned = event("AssignedEvent", "AE_1", assignee=user(5))
    after = last_page(assigned, event("UnassignedEvent", "UNAE_1", assignee=user(5)))
    before = pull(1, BEFORE, timelineItems=last_page(assigned))
    result = checked(hub, "pullRequests", before, pull(1, AFTER, timelineItems=after))
    assert "AE_1" in found(result)
    assert missing(result, "pull_request-assigned") == []


@line("pull_request-review-requested", "the token sees more or less of a team than before")
def more_is_seen_of_a_team(hub: Hub) -> None:
    hidden = event("ReviewRequestedEvent", "RRE_1", requestedReviewer=None)
    team = {"__typename": "Team", "teamName": "Core", "slug": "core"}
    before = pull(1, BEFORE, timelineItems=last_page(hidden))
    after = pull(1, AFTER, timelineItems=last_page({**hidden, "requestedReviewer": team}))
    result = checked(hub, "pullRequests", before, after)
    assert found(result)["RRE_1"].attributes["objectTeam"] == {"name": "Core", "slug": "core"}
    # What former versions stored for each member has other ids.
    assert missing(result, "pull_request-review-requested") == [frozenset({"RRE_1"})]


def many_events(updated: str, *last: Any) -> dict[str, Any]:
    """A pull request with more events than come along with it."""
    return pull(1, updated, timelineItems=last_page(*last, more="k1"))


@line("pull_request-reviewed", "it is edited")
def a_review_is_edited(hub: Hub) -> None:
    before = pull(1, BEFORE, timelineItems=last_page(review("PRR_1", "COMMENTED")))
    after = pull(1, AFTER, timelineItems=last_page(review("PRR_1", "COMMENTED", "Better")))
    edited(hub, "pullRequests", before, after, "PRR_1")
    hub.known["timeline:PR_1"] = {"at": BEFORE}
    old = event("ClosedEvent", "CE_1", createdAt="2024-01-01T10:00:00Z")
    later = many_events("2024-05-05T10:00:00Z", old, event("ClosedEvent", "CE_9"))
    [reviews] = hub.read(REPOSITORY, of_repository(pullRequests=page(later))).new_streams
    assert isinstance(reviews, ReviewsStream)
    item = {"__typename": "PullRequest", "id": "PR_1", "repository": PLACE}
    listed = {"data": {"node": {**item, "reviews": page(review("PRR_1", "COMMENTED", "Best"))}}}
    assert found(hub.read(reviews, listed))["PRR_1"].body == "Best"


@line("pull_request-reviewed", "it is dismissed")
def a_review_is_dismissed(hub: Hub) -> None:
    dismissal = event("ReviewDismissedEvent", "RDE_1", review=review("PRR_1", "DISMISSED"), dismissalMessage="Old.")
    result = checked(hub, "pullRequests", pull(1, BEFORE), many_events(AFTER, dismissal))
    assert found(result)["PRR_1"].attributes == {"reviewState": "dismissed"}
    assert result.uncollected == {"message of a dismissed review": 1}


def with_thread(updated: str, *comments: Any, **details: Any) -> dict[str, Any]:
    return pull(1, updated, reviewThreads=page({"id": "PRRT_1", "comments": page(*comments, **details)}))


@line("pull_request-review-thread-comment", "it is edited")
def a_comment_at_a_line_is_edited(hub: Hub) -> None:
    after = with_thread(AFTER, comment("PRRC_1", bodyText="Better"))
    edited(hub, "pullRequests", with_thread(BEFORE, comment("PRRC_1")), after, "PRRC_1")


@line("pull_request-review-thread-comment", "it is deleted")
def a_comment_at_a_line_is_deleted(hub: Hub) -> None:
    before = with_thread(BEFORE, comment("PRRC_1"), comment("PRRC_2"))
    kind = "pull_request-review-thread-comment"
    result = checked(hub, "pullRequests", before, with_thread(AFTER, comment("PRRC_2")))
    assert missing(result, kind) == [frozenset({"PRRC_2"})]
    long = with_thread("2024-05-05T10:00:00Z", comment("PRRC_2"), more="c", total=30)
    assert missing(hub.read(REPOSITORY, of_repository(pullRequests=page(long))), kind) == []


@line("discussion-started", "title, text or category change")
def a_discussion_changes(hub: Hub) -> None:
    after = discussion(1, AFTER, title="Better", category={"id": "DIC_2", "name": "Ideas"})
    began = found(checked(hub, "discussions", discussion(1, BEFORE), after))["D_1"]
    assert (began.title, began.attributes["category"]["name"]) == ("Better", "Ideas")


@line("discussion-started", "it is deleted or transferred")
def a_discussion_is_deleted(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(discussions=page(discussion(1, BEFORE))), onboarding=True)
    assert others(hub.read(REPOSITORY, of_repository(), onboarding=True)) == []


@line("discussion-comment", "it is edited")
def a_comment_on_a_discussion_is_edited(hub: Hub) -> None:
    before = discussion(1, BEFORE, comments=page(said("DC_1")))
    edited(hub, "discussions", before, discussion(1, AFTER, comments=page(said("DC_1", bodyText="Better"))), "DC_1")


@line("discussion-comment", "it is or is no more the accepted answer")
def a_comment_becomes_the_answer(hub: Hub) -> None:
    before = discussion(1, BEFORE, comments=page(said("DC_1", isAnswer=False), said("DC_2", isAnswer=True)))
    after = discussion(1, AFTER, comments=page(said("DC_1", isAnswer=True), said("DC_2", isAnswer=False)))
    result = found(checked(hub, "discussions", before, after))
    assert (result["DC_1"].type.score, result["DC_2"].type.score) == (8, 6)


@line("discussion-comment", "it is deleted")
def a_comment_on_a_discussion_is_deleted(hub: Hub) -> None:
    before = discussion(1, BEFORE, comments=page(said("DC_1"), said("DC_2")))
    result = checked(hub, "discussions", before, discussion(1, AFTER, comments=page(said("DC_2"))))
    assert missing(result, "discussion-comment") == [frozenset({"DC_2"})]
    placeholder = comment("DC_2", deletedAt=AFTER, replies=page(comment("DC_3")))
    long = discussion(1, "2024-05-05T10:00:00Z", comments=page(placeholder, more="c", total=60))
    result = hub.read(REPOSITORY, of_repository(discussions=page(long)))
    assert (gone(result), missing(result, "discussion-comment")) == ({"DC_2"}, [])


def documented() -> list[tuple[str, str]]:
    return [(kind.strip("`"), change) for kind, change, _ in table_below("Later changes that are seen")]


def test_every_line_of_the_page_is_held_and_every_type_has_one() -> None:
    assert sorted(documented()) == sorted(LINES)
    assert {kind for kind, _ in LINES} == {kind.name for kind in records.ACTIVITY_TYPES}


@pytest.mark.parametrize("of", LINES, ids=" ".join)
def test_a_later_change_is_seen_as_the_page_says(hub: Hub, of: tuple[str, str]) -> None:
    LINES[of](hub)
