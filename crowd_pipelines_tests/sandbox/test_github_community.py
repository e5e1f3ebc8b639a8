"""What the API gives, read to the end by somebody who knows nothing else, is the truth; the nasty cases are in it."""

from collections import Counter
from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.github import Reader, data, expected


@pytest.fixture(scope="module")
def told(still: Sandbox) -> Truth:
    return still.truth("github")


def assert_true(sandbox: Sandbox, *, size: int = 100) -> None:
    truth = sandbox.truth("github")
    seen = Reader(sandbox, size=size).everything(sandbox.settings("github"))
    assert seen.activities == expected(truth.activities)
    assert seen.members == {member["source_id"]: member["username"] for member in truth.members}


@pytest.mark.parametrize("size", [7, 100])
def test_pages_of_any_size_give_everything_once(still: Sandbox, size: int) -> None:
    still.forget_requests("github")
    assert_true(still, size=size)
    log = still.requests("github")
    assert {entry["violation"] for entry in log} == {None}


def test_a_larger_community_is_true_as_well() -> None:
    with Sandbox.start(size="records=1500", seed=3, platforms=["github"]) as sandbox:
        assert_true(sandbox)


@pytest.mark.parametrize(
    ("size", "least", "most"), [("small", 900, 2_000), ("medium", 4_000, 7_000), ("large", 18_000, 22_000)]
)
def test_the_sizes(size: str, least: int, most: int) -> None:
    with Sandbox.start(size=size, platforms=["github"]) as sandbox:
        assert least <= len(sandbox.truth("github").activities) <= most


def test_the_same_seed_makes_the_same_community(told: Truth) -> None:
    with Sandbox.start(platforms=["github"]) as sandbox:
        assert sandbox.truth("github") == told
    with Sandbox.start(platforms=["github"], seed=8) as sandbox:
        assert sandbox.truth("github").activities != told.activities


def test_every_type_of_activity_occurs_once_each(told: Truth) -> None:
    assert {one["type"] for one in told.activities} == {
        "discussion-comment",
        "discussion-started",
        "fork",
        "issue-comment",
        "issues-closed",
        "issues-opened",
        "pull_request-assigned",
        "pull_request-closed",
        "pull_request-comment",
        "pull_request-merged",
        "pull_request-opened",
        "pull_request-review-requested",
        "pull_request-review-thread-comment",
        "pull_request-reviewed",
        "star",
    }
    assert max(Counter((one["type"], one["source_id"]) for one in told.activities).values()) == 1


def of_thread(truth: Truth, thread: str) -> list[dict[str, Any]]:
    return [one for one in truth.activities if one["thread"] == thread]


def test_long_conversations_have_more_than_a_page_of_everything(still: Sandbox, told: Truth) -> None:
    text = """query($issue: ID!, $pull: ID!, $threads: ID!, $thread: ID!, $discussion: ID!, $replies: ID!) {
      a: node(id: $issue) { ... on Issue { comments { totalCount } } }
      b: node(id: $pull) { ... on PullRequest {
        comments { totalCount } timelineItems(itemTypes: [ASSIGNED_EVENT]) { totalCount } } }
      c: node(id: $threads) { ... on PullRequest { comments: reviewThreads { totalCount } } }
      d: node(id: $thread) { ... on PullRequestReviewThread { comments { totalCount } } }
      e: node(id: $discussion) { ... on Discussion { comments { totalCount } } }
      f: node(id: $replies) { ... on DiscussionComment { comments: replies { totalCount } } } }"""
    names = ("long_issue", "long_pull_request", "many_threads", "long_thread", "long_discussion", "long_replies")
    variables = dict(zip(("issue", "pull", "threads", "thread", "discussion", "replies"), names, strict=True))
    counted = data(still, text, **{name: told.cases[case] for name, case in variables.items()})
    totals = [part["comments"]["totalCount"] for part in counted.values()]
    assert min(totals) > 100
    assert totals[0] > 200
    assert counted["b"]["timelineItems"]["totalCount"] > 100


def test_what_people_said_under_bots_and_ghosts_is_kept(told: Truth) -> None:
    for case in ("by_bot", "by_ghost"):
        for thread in told.cases[case]:
            below = of_thread(told, thread)
            assert below
            assert thread not in {one["source_id"] for one in below}
            assert all(one["source_parent_id"] for one in below)


def test_what_is_no_person_is_null_or_of_another_type(still: Sandbox, told: Truth) -> None:
    text = """query($ids: [ID!]!) { nodes(ids: $ids) {
      ... on ReviewRequestedEvent { asked: requestedReviewer { __typename ... on User { login } } }
      ... on AssignedEvent { asked: assignee { __typename ... on User { login } } } } }"""
    nodes = data(still, text, ids=told.cases["odd_subjects"])["nodes"]
    assert [one["asked"] and one["asked"]["__typename"] for one in nodes] == [
        "Bot",
        "Mannequin",
        None,
        "Bot",
        "Mannequin",
        "Organization",
        None,
    ]
    assert {tuple(one["asked"]) for one in nodes if one["asked"]} == {("__typename",)}
    asked = {one["source_id"]: one["attributes"] for one in told.activities}
    assert [asked[event] for event in told.cases["odd_subjects"]] == [{"objectMember": None}] * 7


def test_a_team_is_asked_once_whoever_belongs_to_it(told: Truth) -> None:
    asked = {one["source_id"]: one["attributes"] for one in told.activities}
    for case in ("team_asked", "empty_team_asked"):
        assert asked[told.cases[case]] == {"objectMember": None}


def test_a_pending_review_has_no_time_and_is_no_activity(still: Sandbox, told: Truth) -> None:
    text = "query($id: ID!) { node(id: $id) { ... on PullRequestReview { state submittedAt } } }"
    assert data(still, text, id=told.cases["pending_review"])["node"] == {"state": "PENDING", "submittedAt": None}
    ids = {one["source_id"] for one in told.activities}
    assert told.cases["pending_review"] not in ids
    assert told.cases["pending_comment"] not in ids
    assert told.cases["dismissed_review"] in ids


def test_a_merge_is_told_twice(told: Truth) -> None:
    merged = {(one["thread"], one["timestamp"]) for one in told.activities if one["type"] == "pull_request-merged"}
    closed = {(one["thread"], one["timestamp"]) for one in told.activities if one["type"] == "pull_request-closed"}
    assert merged
    assert merged <= closed


def test_odd_texts_come_as_they_are(still: Sandbox, told: Truth) -> None:
    pull, issue = told.cases["nul_title"]
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on PullRequest { title } ... on Issue { title bodyText } } }"
    assert data(still, text, ids=[pull, issue])["nodes"] == [
        {"title": "Fix \x00 in title"},
        {"title": "\x00", "bodyText": "nul \x00 in body"},
    ]
    bodies = {one["source_id"]: one["body"] for one in told.activities}
    assert bodies[told.cases["empty_body"]] == ""
    assert [len(bodies[node]) for node in told.cases["longest_body"]][1] == 65_536
    assert bodies[told.cases["lone_surrogate"]] == "half \ud83d of an emoji"


def test_a_deleted_comment_says_nothing_but_its_replies_do(still: Sandbox, told: Truth) -> None:
    deleted, reply = told.cases["deleted_with_replies"]
    text = """query($id: ID!) { node(id: $id) { ... on DiscussionComment {
      deletedAt body author { login } replies(first: 1) { nodes { id } } } } }"""
    node = data(still, text, id=deleted)["node"]
    assert node.pop("deletedAt")
    assert node == {"body": "", "author": None, "replies": {"nodes": [{"id": reply}]}}
    ids = {one["source_id"]: one["source_parent_id"] for one in told.activities}
    assert deleted not in ids
    assert ids[reply] == deleted


def test_stars_of_nobody_and_two_at_once(still: Sandbox, told: Truth) -> None:
    [coverage] = [one for one in told.coverage.values() if one["stargazers"] > 20]
    text = """query($id: ID!) { node(id: $id) { ... on Repository { stargazers(last: 10) {
      edges { starredAt node { login } } } } } }"""
    edges = data(still, text, id=coverage["id"])["node"]["stargazers"]["edges"]
    assert [edge for edge in edges if edge["node"] is None]
    user = str(told.cases["starred_two_at_once"])
    stars = [one for one in told.activities if one["type"] == "star" and one["member"] == user]
    assert len({one["channel_id"] for one in stars}) == 2
    assert len({one["timestamp"] for one in stars}) == 1


def test_two_owners_have_a_repository_of_one_name(told: Truth) -> None:
    assert {"cedar-labs/tools", "willow-and-oak/tools"} <= set(told.coverage)


def test_a_repository_may_be_empty(still: Sandbox, told: Truth) -> None:
    empty = told.cases["empty_repository"]
    assert empty in {one["id"] for one in told.coverage.values()}
    assert empty not in {one["channel_id"] for one in told.activities}
    text = "query($id: ID!) { node(id: $id) { ... on Repository { hasDiscussionsEnabled stargazers { totalCount } } } }"
    node = data(still, text, id=empty)["node"]
    assert node == {"hasDiscussionsEnabled": False, "stargazers": {"totalCount": 0}}


def test_an_organization_forks_without_an_activity(told: Truth) -> None:
    assert told.cases["organization_fork"] not in {one["source_id"] for one in told.activities}


def test_more_labels_than_ten(told: Truth) -> None:
    labels = {one["source_id"]: one["attributes"].get("labels") for one in told.activities}
    assert [len(labels[item]) for item in told.cases["many_labels"]] == [14, 14]


def test_there_are_members_without_name_or_address(told: Truth) -> None:
    assert {member["display_name"] for member in told.members} >= {None, ""}
    assert None in {member["email"] for member in told.members}
    assert any(member["email"] for member in told.members)
