"""What GitHub's payloads mean to us."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crowd_pipelines.integrations.github import activities as records
from crowd_pipelines.integrations.github.streams import OwnerStream, StargazersStream, TimelineStream
from crowd_pipelines.model.records import Activity, ActivityType
from crowd_pipelines.model.streams import RenameChannel, RetractActivities, RetractMissing, StreamResult
from crowd_pipelines_tests.integrations.github.hub import (
    PLACE,
    REPOSITORY,
    STARS,
    Hub,
    activities,
    budget,
    comment,
    issue,
    last_page,
    members,
    of_repository,
    of_stars,
    others,
    page,
    payload,
    star,
    user,
)


@pytest.fixture
def result(hub: Hub) -> StreamResult:
    return hub.read(REPOSITORY, payload("repository"), onboarding=True)


@pytest.fixture
def found(hub: Hub, result: StreamResult) -> dict[str, Activity]:
    stars = hub.read(StargazersStream(repository="R_kgDOA", name="octo/app"), payload("stargazers"))
    return {activity.source_id: activity for activity in [*activities(result), *activities(stars)]}


def test_people_act_and_nobody_else(found: dict[str, Activity]) -> None:
    assert set(found) == {
        "R_kgDOA:1", "R_kgDOA:2", "R_fork1", "I_1", "IC_3", "CE_1", "IC_4", "IC_9", "RRE_1", "RRE_3", "RRE_4",
        "RRE_5", "PRR_2", "AE_1", "AE_2", "CE_9", "PRRC_1", "D_1", "DC_2", "DC_3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source_id", "kind", "parent", "thread"),
    [
        ("R_kgDOA:1", ("star", 2), None, "R_kgDOA"),
        ("R_fork1", ("fork", 4), None, "R_kgDOA"),
        ("I_1", ("issues-opened", 8), None, "I_1"),
        ("IC_3", ("issue-comment", 6), ("issues-opened", "I_1"), "I_1"),
        ("CE_1", ("issues-closed", 6), ("issues-opened", "I_1"), "I_1"),
        ("IC_4", ("issue-comment", 6), ("issues-opened", "I_2"), "I_2"),
        ("IC_9", ("pull_request-comment", 6), ("pull_request-opened", "PR_7"), "PR_7"),
        ("RRE_1", ("pull_request-review-requested", 2), ("pull_request-opened", "PR_7"), "PR_7"),
        ("RRE_3", ("pull_request-review-requested", 2), ("pull_request-opened", "PR_7"), "PR_7"),
        ("PRR_2", ("pull_request-reviewed", 8), ("pull_request-opened", "PR_7"), "PR_7"),
        ("AE_2", ("pull_request-assigned", 2), ("pull_request-opened", "PR_7"), "PR_7"),
        ("CE_9", ("pull_request-closed", 8), ("pull_request-opened", "PR_7"), "PR_7"),
        ("PRRC_1", ("pull_request-review-thread-comment", 6), ("pull_request-opened", "PR_7"), "PR_7"),
        ("D_1", ("discussion-started", 8), None, "D_1"),
        ("DC_2", ("discussion-comment", 6), ("discussion-comment", "DC_1"), "D_1"),
        ("DC_3", ("discussion-comment", 8), ("discussion-started", "D_1"), "D_1"),
    ],
)
def test_an_activity_has_its_type_score_parent_and_thread(
    found: dict[str, Activity], source_id: str, kind: tuple[str, int], parent: tuple[str, str] | None, thread: str
) -> None:
    activity = found[source_id]
    assert (activity.type.name, activity.type.score) == kind
    assert activity.thread == thread
    assert (activity.source_parent_type, activity.source_parent_id) == (parent or (None, None))
    assert (activity.channel, activity.channel_id) == ("https://github.com/octo/app", "R_kgDOA")


def test_scores_and_contributions_are_the_original_ones() -> None:
    worth = {kind.name: (kind.score, kind.is_contribution) for kind in records.ACTIVITY_TYPES}
    assert worth == {
        "star": (2, False), "fork": (4, False), "issues-opened": (8, True), "issues-closed": (6, True),
        "issue-comment": (6, True), "pull_request-opened": (10, True), "pull_request-closed": (8, True),
        "pull_request-merged": (6, True), "pull_request-assigned": (2, False),
        "pull_request-review-requested": (2, False), "pull_request-reviewed": (8, True),
        "pull_request-comment": (6, True), "pull_request-review-thread-comment": (6, True),
        "discussion-started": (8, True), "discussion-comment": (6, True),
    }  # fmt: skip
    assert ActivityType(name="discussion-comment", score=8, is_contribution=True) == records.ANSWER


def test_texts_are_plain_except_reviews_and_what_cannot_be_stored_is_replaced(found: dict[str, Activity]) -> None:
    assert (found["I_1"].title, found["I_1"].body) == ("It \ufffd breaks", "Look:\n<b>here</b>")
    assert (found["PRR_2"].title, found["PRR_2"].body) == (None, "**Good**")
    assert (found["CE_1"].title, found["CE_1"].body) == (None, None)
    assert (found["R_fork1"].url, found["R_kgDOA:1"].url) == (None, None)


def test_comments_have_their_own_address_and_events_that_of_what_they_happened_to(found: dict[str, Activity]) -> None:
    assert found["IC_3"].url == "https://github.com/octo/app/issues/1#issuecomment-3"
    assert found["CE_1"].url == "https://github.com/octo/app/issues/1"
    assert found["AE_2"].url == "https://github.com/octo/app/pull/7"


def test_times_are_those_of_what_was_done(found: dict[str, Activity]) -> None:
    assert found["R_kgDOA:2"].timestamp == datetime(2023, 5, 1, 10, tzinfo=UTC)
    assert found["PRR_2"].timestamp == datetime(2023, 5, 1, 10, 8, tzinfo=UTC)


def test_a_pull_request_is_told_about_where_it_began_and_nowhere_else(found: dict[str, Activity]) -> None:
    assert (found["CE_9"].attributes, found["CE_1"].attributes) == ({}, {})
    assert found["AE_2"].attributes == {"objectMember": {"sourceId": "5", "username": "zoe"}}
    assert found["AE_1"].attributes == {"objectMember": None}
    assert found["RRE_1"].attributes == {"objectMember": None, "objectTeam": {"name": "Core", "slug": "core"}}
    assert found["RRE_5"].attributes == {"objectMember": None, "objectTeam": {"name": None, "slug": None}}
    assert found["PRR_2"].attributes == {"reviewState": "approved"}
    assert found["I_1"].attributes == {"state": "closed", "labels": ["bug", "help wanted"]}


def test_discussions_carry_their_category_and_comments_whether_they_are_the_answer(found: dict[str, Activity]) -> None:
    assert found["D_1"].attributes == {
        "category": {
            "id": "DIC_1",
            "name": "Q&A",
            "slug": "q-a",
            "emoji": ":pray:",
            "description": None,
            "isAnswerable": True,
        }
    }
    assert (found["DC_3"].attributes, found["DC_2"].attributes) == ({"isAnswer": True}, {"isAnswer": False})


def test_a_member_is_who_the_profile_says(found: dict[str, Activity]) -> None:
    member = found["R_kgDOA:1"].member
    assert (member.source_id, member.username, member.display_name) == ("1", "mojo", "Mo Jo")
    assert (member.emails, member.reach) == (("mo@example.org",), 23000)
    assert member.attributes == {
        "isHireable": False,
        "url": "https://github.com/mojo",
        "bio": None,
        "location": "San Francisco",
        "avatarUrl": "https://avatars.example/u/1?v=4",
        "websiteUrl": None,
        "company": "@octo, @acme",
    }
    alice = found["R_kgDOA:2"].member
    assert (alice.display_name, alice.emails, alice.reach) == (None, (), 0)


def test_whom_something_was_done_to_is_a_member_too(result: StreamResult) -> None:
    assert {member.source_id: member.username for member in members(result)} == {"3": "bob", "5": "zoe"}


def test_what_came_whole_tells_what_is_gone(result: StreamResult) -> None:
    missing = {(o.type.name, o.thread): o.present for o in others(result) if isinstance(o, RetractMissing)}
    assert missing == {
        ("issue-comment", "I_1"): {"IC_1", "IC_2", "IC_3"},
        ("issue-comment", "I_2"): {"IC_4"},
        ("pull_request-comment", "PR_7"): {"IC_9"},
        ("pull_request-review-thread-comment", "PR_7"): {"PRRC_1", "PRRC_2"},
        ("discussion-comment", "D_1"): {"DC_2", "DC_3"},
    }
    assert RetractActivities(type=records.DISCUSSION_COMMENT, source_ids=("DC_1",)) in others(result)


def test_stars_are_known_to_be_gone_only_where_every_star_is_somebodys(hub: Hub) -> None:
    whole = hub.read(STARS, of_stars(star(1)))
    assert others(whole) == [RetractMissing(type=records.STAR, thread="R_1", present=frozenset({"R_1:1"}))]
    assert others(hub.read(STARS, of_stars(star(1), more="c", total=2))) == []
    nobody = {"starredAt": "2024-01-01T00:00:00Z", "node": None}
    assert others(hub.read(STARS, of_stars(star(1), nobody))) == []


def test_a_list_with_more_pages_tells_nothing_of_what_is_gone(hub: Hub) -> None:
    long = issue(1, comments=page(comment("IC_1"), more="c1"))
    result = hub.read(REPOSITORY, of_repository(issues=page(long)), onboarding=True)
    assert others(result) == []
    assert [stream.kind for stream in result.new_streams] == ["comments"]


def test_a_thread_with_more_pages_tells_nothing_of_what_is_gone(hub: Hub) -> None:
    threads = page({"id": "PRRT_1", "comments": page(comment("PRRC_1"), more="t1")})
    result = hub.read(REPOSITORY, of_repository(pullRequests=page(issue(1, reviewThreads=threads))))
    missing = {o.type.name for o in others(result) if isinstance(o, RetractMissing)}
    assert missing == {"pull_request-comment", "pull_request-review-requested"}


def test_a_deleted_comment_on_a_discussion_says_nothing_whoever_wrote_it(hub: Hub) -> None:
    deleted = comment("DC_1", deletedAt="2024-05-03T10:00:00Z", replies=page(comment("DC_2")))
    result = hub.read(REPOSITORY, of_repository(discussions=page(issue(1, comments=page(deleted)))))
    assert [a.source_id for a in activities(result)] == ["I_1", "DC_2"]


def test_what_is_read_backwards_goes_on_before_the_first(result: StreamResult) -> None:
    [stream] = [stream for stream in result.new_streams if stream.kind != "stargazers"]
    assert isinstance(stream, TimelineStream)
    assert (stream.id, stream.about, stream.after) == ("PR_7", "octo/app/pull/7", "Y3Vyc29yOnYyOpPPAAABhyg=")
    assert stream.newest == datetime(2023, 5, 2, 10, tzinfo=UTC)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("no id", {"id": None}),
    ("an empty id", {"id": ""}),
    ("an id of another type", {"id": {"x": 1}}),
    ("an id that is a number", {"id": 7}),
    ("a date that is none", {"createdAt": "yesterday"}),
    ("no date", {"createdAt": None}),
    ("a date to come", {"createdAt": "2999-01-01T00:00:00Z"}),
    ("an author who is a number", {"author": 5}),
    ("an author without a name", {"author": {"__typename": "User", "databaseId": 1, "login": ""}}),
]


@pytest.mark.parametrize(("what", "wrong"), BAD, ids=[what for what, _ in BAD])
def test_a_comment_that_cannot_be_used_is_kept_aside_and_the_page_goes_on(
    hub: Hub, what: str, wrong: dict[str, Any]
) -> None:
    bad, good = comment("IC_1", **wrong), comment("IC_2")
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(1, comments=page(bad, good)))))
    assert [a.source_id for a in activities(result)] == ["I_1", "IC_2"]
    assert [rejected.payload for rejected in result.rejected] == [bad]


@pytest.mark.parametrize(("what", "wrong"), BAD[4:], ids=[what for what, _ in BAD[4:]])
def test_what_is_below_an_issue_that_cannot_be_used_is_read(hub: Hub, what: str, wrong: dict[str, Any]) -> None:
    bad = issue(1, comments=page(comment("IC_1")), **wrong)
    result = hub.read(REPOSITORY, of_repository(issues=page(bad)))
    assert [a.source_id for a in activities(result)] == ["IC_1"]
    [rejected] = result.rejected
    assert rejected.payload["title"] == "Issue 1"


def test_a_field_that_a_record_can_do_without_may_be_anything(hub: Hub) -> None:
    odd: dict[str, Any] = {"title": ["x"], "bodyText": 7, "url": None, "labels": 3, "state": {"a": 1}, "extra": 1}
    author = user(1, name=3, bio=[], followers=9, isHireable="perhaps", email=None, company={"a": 1})
    [activity] = activities(hub.read(REPOSITORY, of_repository(issues=page(issue(1, author=author, **odd)))))
    assert (activity.title, activity.body) == (None, "7")
    assert activity.member.reach is None


@pytest.mark.parametrize(
    "nobody",
    [None, {}, {"__typename": "Bot", "login": "b"}, {"__typename": "Mannequin", "login": "m", "databaseId": 3},
     {"__typename": "Organization", "login": "o"}, {"__typename": "EnterpriseUserAccount", "login": "e"},
     {"__typename": "User", "login": "ghost", "databaseId": 10137}],
)  # fmt: skip
def test_nobody_gives_no_activity_and_nothing_to_keep_aside(hub: Hub, nobody: Any) -> None:
    event = {"__typename": "ClosedEvent", "id": "CE", "createdAt": "2024-01-01T00:00:00Z", "actor": nobody}
    silent = issue(1, author=nobody, comments=page(comment("IC_1", author=nobody)), timelineItems=last_page(event))
    result = hub.read(REPOSITORY, of_repository(issues=page(silent)))
    assert (activities(result), result.rejected) == ([], ())


def test_a_repository_with_another_name_renames_what_happened_there(hub: Hub) -> None:
    assert others(hub.read(REPOSITORY, of_repository())) == []
    renamed = {**PLACE, "url": "https://github.com/octo/program", "nameWithOwner": "octo/program"}
    moved = {"data": {"repository": renamed}}
    assert others(hub.read(REPOSITORY, moved)) == [
        RenameChannel(channel_id="R_1", channel="https://github.com/octo/program")
    ]
    assert others(hub.read(REPOSITORY, moved)) == []


@pytest.mark.parametrize(
    ("author", "known_as"),
    [
        ({"databaseId": 7, "avatarUrl": "https://avatars.githubusercontent.com/u/8?v=4"}, "7"),
        ({"avatarUrl": "https://avatars.githubusercontent.com/u/8?v=4"}, "8"),
        ({"databaseId": 2**70, "avatarUrl": "https://avatars.githubusercontent.com/u/8?v=4"}, "8"),
        ({"avatarUrl": "https://example.org/u/8"}, "name:octocat"),
        ({}, "name:octocat"),
    ],
    ids=["number", "picture", "impossible number", "another picture", "name"],
)
def test_somebody_is_known_by_the_number_wherever_it_stands_and_else_by_name(
    hub: Hub, author: dict[str, Any], known_as: str
) -> None:
    author = {"__typename": "User", "login": "Octocat", **author}
    [activity] = activities(hub.read(REPOSITORY, of_repository(issues=page(issue(1, author=author)))))
    assert activity.member.key == known_as


def test_an_app_without_its_kind_is_no_person(hub: Hub) -> None:
    app = {"login": "renovate", "url": "https://github.com/apps/renovate"}
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(1, author=app, comments=page(comment("IC_1"))))))
    assert [activity.source_id for activity in activities(result)] == ["IC_1"]


@pytest.mark.parametrize("kind", ["ReopenedEvent", "ReviewDismissedEvent", "SomethingNewEvent"])
def test_events_of_other_kinds_are_no_activity(hub: Hub, kind: str) -> None:
    event = {"__typename": kind, "id": "RE_1", "createdAt": "2024-05-02T10:00:00Z", "actor": user(3)}
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(1, timelineItems=last_page(event)))))
    assert [activity.source_id for activity in activities(result)] == ["I_1"]
    assert result.rejected == ()


@pytest.mark.parametrize("event", [{"id": "CE_1"}, {"__typename": None, "id": "CE_1"}, {"__typename": 7}, "odd"])
def test_an_event_that_does_not_say_of_which_kind_it_is_is_kept_aside(hub: Hub, event: Any) -> None:
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(1, timelineItems=last_page(event)))))
    assert [activity.source_id for activity in activities(result)] == ["I_1"]
    assert [(one.payload, one.reason) for one in result.rejected] == [
        (event, "event: it is not told of which kind it is")
    ]


def test_an_unusable_repository_does_not_cost_the_others_of_its_owner(hub: Hub) -> None:
    bad = {"id": "R_2", "url": None, "nameWithOwner": "octo/lost"}
    good = {"id": "R_3", "url": "https://github.com/octo/lib", "nameWithOwner": "octo/lib"}
    body = {"data": {"repositoryOwner": {"repositories": page(bad, good)}, "rateLimit": budget()}}
    result = hub.read(OwnerStream(login="octo"), body, onboarding=True)
    assert [stream.label for stream in result.new_streams] == ["repository octo/lib"]
    assert [rejected.payload for rejected in result.rejected] == [bad]
