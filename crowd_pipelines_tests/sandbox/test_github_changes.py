"""Changes show where GitHub shows them, and the truth follows."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import SandboxError, Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.github import data, errors, named
from crowd_pipelines_tests.sandbox.test_github_community import assert_true

COMPILER = "cedar-labs/compiler"


@pytest.fixture
def before(lively: Sandbox) -> Truth:
    return lively.truth("github")


def do(sandbox: Sandbox, what: str, **details: Any) -> dict[str, Any]:
    [touched] = sandbox.change("github", [{"do": what, **details}])
    return touched


def by_id(truth: Truth) -> dict[str, dict[str, Any]]:
    return {one["source_id"]: one for one in truth.activities}


def gone(truth: Truth) -> dict[str, dict[str, Any]]:
    return {one["source_id"]: one for one in truth.vanished}


def moment(sandbox: Sandbox, node: str) -> str:
    text = """query($id: ID!) { node(id: $id) {
      ... on Issue { updatedAt } ... on PullRequest { updatedAt } ... on Discussion { updatedAt } } }"""
    return str(data(sandbox, text, id=node)["node"]["updatedAt"])


def newest(sandbox: Sandbox, connection: str) -> str:
    """The id of what changed last."""
    text = f"""query($owner: String!, $name: String!) {{ repository(owner: $owner, name: $name) {{
      {connection}(first: 1, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{ nodes {{ id }} }} }} }}"""
    return str(data(sandbox, text, **named(COMPILER))["repository"][connection]["nodes"][0]["id"])


@pytest.mark.parametrize(
    ("case", "connection", "change"),
    [
        ("long_issue", "issues", {"do": "comment", "on": "long_issue"}),
        ("long_issue", "issues", {"do": "close", "item": "long_issue"}),
        ("long_issue", "issues", {"do": "label", "item": "long_issue"}),
        ("long_issue", "issues", {"do": "edit", "node": "long_issue", "title": "Better"}),
        ("long_pull_request", "pullRequests", {"do": "comment", "on": "long_pull_request"}),
        ("long_pull_request", "pullRequests", {"do": "review", "pull_request": "long_pull_request"}),
        ("long_pull_request", "pullRequests", {"do": "merge", "item": "long_pull_request"}),
        ("long_pull_request", "pullRequests", {"do": "request_review", "item": "long_pull_request"}),
        ("many_threads", "pullRequests", {"do": "comment", "on": "long_thread"}),
        ("long_discussion", "discussions", {"do": "comment", "on": "long_discussion"}),
        ("long_discussion", "discussions", {"do": "comment", "on": "long_replies"}),
        ("long_discussion", "discussions", {"do": "edit", "node": "long_replies", "body": "Better"}),
        ("long_discussion", "discussions", {"do": "mark_answer", "comment": "long_replies"}),
    ],
)
def test_what_happens_to_something_old_brings_it_to_the_front(
    lively: Sandbox, before: Truth, case: str, connection: str, change: dict[str, Any]
) -> None:
    told = {key: before.cases.get(value, value) if key != "do" else value for key, value in change.items()}
    assert newest(lively, connection) != before.cases[case]
    assert do(lively, **{"what": told.pop("do"), **told})["noticeable"]
    assert newest(lively, connection) == before.cases[case]
    assert moment(lively, before.cases[case]) == lively.truth("github").now


def test_a_late_reply_is_below_what_it_replies_to(lively: Sandbox, before: Truth) -> None:
    [reply] = do(lively, "comment", on=before.cases["long_replies"], body="late **reply**")["ids"]
    told = by_id(lively.truth("github"))[reply]
    assert told["source_parent_id"] == before.cases["long_replies"]
    assert told["body"] == "late reply"
    [beside] = do(lively, "comment", on=reply)["ids"]
    assert by_id(lively.truth("github"))[beside]["source_parent_id"] == before.cases["long_replies"]


def test_an_answer_at_a_line_of_code_is_a_review_as_well(lively: Sandbox, before: Truth) -> None:
    [comment] = do(lively, "comment", on=before.cases["long_thread"])["ids"]
    after = lively.truth("github")
    news = [one for one in after.activities if one["source_id"] not in by_id(before)]
    assert sorted(one["type"] for one in news) == ["pull_request-review-thread-comment", "pull_request-reviewed"]
    assert comment in by_id(after)


def test_a_silent_edit_shows_nowhere_until_something_else_happens(lively: Sandbox, before: Truth) -> None:
    node = before.cases["script"]
    item = by_id(before)[node]["thread"]
    was = moment(lively, item)
    assert not do(lively, "edit", node=node, body="other", silent=True)["noticeable"]
    assert moment(lively, item) == was
    told = by_id(lively.truth("github"))[node]
    assert (told["body"], told["outdated"]) == ("other", {"body": [by_id(before)[node]["body"]]})
    do(lively, "comment", on=item)
    assert by_id(lively.truth("github"))[node]["outdated"] == {}


def test_a_deleted_comment_goes_without_a_sign(lively: Sandbox, before: Truth) -> None:
    node = before.cases["script"]
    item = by_id(before)[node]["thread"]
    was = moment(lively, item)
    assert not do(lively, "delete", node=node)["noticeable"]
    assert moment(lively, item) == was
    assert errors(lively, "query($id: ID!) { node(id: $id) { id } }", id=node)[0]["type"] == "NOT_FOUND"
    after = lively.truth("github")
    assert node not in by_id(after)
    assert (gone(after)[node]["why"], gone(after)[node]["signalled"]) == ("deleted", False)
    do(lively, "comment", on=item)
    assert gone(lively.truth("github"))[node]["signalled"]


def test_a_deleted_comment_with_replies_keeps_its_place(lively: Sandbox, before: Truth) -> None:
    node = before.cases["long_replies"]
    do(lively, "delete", node=node)
    after = lively.truth("github")
    assert node not in by_id(after)
    assert sum(one["source_parent_id"] == node for one in after.activities) == 105
    assert_true(lively)


def test_a_deleted_issue_takes_all_along(lively: Sandbox, before: Truth) -> None:
    node = before.cases["long_issue"]
    do(lively, "delete", node=node)
    lost = {one["source_id"] for one in before.activities if one["thread"] == node}
    after = lively.truth("github")
    assert len(lost) > 200
    assert lost == set(gone(after))
    assert not lost & set(by_id(after))
    assert_true(lively)


def test_a_star_goes_and_comes_again(lively: Sandbox, before: Truth) -> None:
    [star] = do(lively, "unstar", repository=COMPILER, user=before.cases["starred_two_at_once"])["users"]
    after = lively.truth("github")
    [lost] = after.vanished
    assert lost["source_id"].endswith(f":{star}")
    do(lively, "star", repository=COMPILER, user=star)
    after = lively.truth("github")
    assert after.vanished == []
    assert by_id(after)[lost["source_id"]]["timestamp"] == after.now


def test_more_news_than_a_page(lively: Sandbox, before: Truth) -> None:
    changes = [
        {"do": "star", "repository": COMPILER, "times": 120},
        {"do": "open_issue", "repository": COMPILER, "times": 110, "after": 0},
    ]
    assert len(lively.change("github", changes)) == 230
    after = lively.truth("github")
    assert len(after.activities) - len(before.activities) >= 230
    assert len({one["timestamp"] for one in after.activities if one["type"] == "issues-opened"}) < 60
    assert_true(lively)


def test_a_renamed_user_is_the_same_one(lively: Sandbox, before: Truth) -> None:
    user = before.members[0]
    do(lively, "rename_user", user=int(user["source_id"]), login="Somebody-Else")
    members = {one["source_id"]: one for one in lively.truth("github").members}
    assert members[user["source_id"]]["username"] == "Somebody-Else"
    assert members[user["source_id"]]["formerly"] == [user["username"]]
    assert errors(lively, "query($login: String!) { user(login: $login) { id } }", login=user["username"])
    assert_true(lively)


def test_a_deleted_user_becomes_a_ghost(lively: Sandbox, before: Truth) -> None:
    wrote = [one for one in before.activities if one["type"] == "issue-comment"]
    user = wrote[0]["member"]
    theirs = {one["source_id"] for one in before.activities if one["member"] == user}
    do(lively, "delete_user", user=int(user))
    after = lively.truth("github")
    assert user not in {one["source_id"] for one in after.members}
    assert theirs == set(gone(after))
    assert {one["why"] for one in after.vanished} == {"user_deleted"}
    text = "query($id: ID!) { node(id: $id) { ... on IssueComment { author { login } bodyText } } }"
    assert data(lively, text, id=wrote[0]["source_id"])["node"] == {"author": None, "bodyText": wrote[0]["body"]}
    assert_true(lively)


def test_an_issue_that_is_transferred_is_another_one_with_all_that_is_below_it(lively: Sandbox, before: Truth) -> None:
    node = before.cases["often_closed"]
    source = by_id(before)[node]
    [moved] = do(lively, "transfer_issue", item=node, repository="cedar-labs/empty")["ids"]
    after = lively.truth("github")
    told = by_id(after)[moved]
    assert (told["title"], told["timestamp"], told["member"]) == (
        source["title"],
        source["timestamp"],
        source["member"],
    )
    below = [one for one in before.activities if one["thread"] == node]
    assert {one["source_id"] for one in below} <= gone(after).keys()
    assert len([one for one in after.activities if one["thread"] == moved]) == len(below)
    text = """query($id: ID!) { node(id: $id) { ... on Issue { timelineItems(last: 1) { nodes {
      ... on TransferredEvent { fromRepository { nameWithOwner } } } } } } }"""
    [event] = data(lively, text, id=moved)["node"]["timelineItems"]["nodes"]
    assert event == {"fromRepository": {"nameWithOwner": COMPILER}}
    assert_true(lively)


@pytest.mark.parametrize("stays", [True, False])
def test_an_issue_may_become_a_discussion(lively: Sandbox, before: Truth, stays: bool) -> None:
    node = before.cases["often_closed"]
    [made] = do(lively, "convert_issue", item=node, stays=stays)["ids"]
    after = lively.truth("github")
    assert by_id(after)[made]["timestamp"] == by_id(before)[node]["timestamp"]
    assert node in gone(after)
    text = """query($id: ID!) { node(id: $id) { ... on Issue { timelineItems(last: 1) { nodes {
      ... on ConvertedToDiscussionEvent { discussion { id } } } } } } }"""
    if stays:
        assert data(lively, text, id=node)["node"]["timelineItems"]["nodes"] == [{"discussion": {"id": made}}]
    else:
        assert errors(lively, text, id=node)


def test_a_dismissed_review_says_so_and_its_pull_request_tells(lively: Sandbox, before: Truth) -> None:
    review = next(one for one in before.activities if one["type"] == "pull_request-reviewed")
    do(lively, "dismiss_review", review=review["source_id"])
    assert by_id(lively.truth("github"))[review["source_id"]]["attributes"] == {"reviewState": "dismissed"}
    text = """query($id: ID!) { node(id: $id) { ... on PullRequest { timelineItems(last: 1) { nodes {
      ... on ReviewDismissedEvent { review { id state } } } } } } }"""
    [event] = data(lively, text, id=review["thread"])["node"]["timelineItems"]["nodes"]
    assert event == {"review": {"id": review["source_id"], "state": "DISMISSED"}}
    assert_true(lively)


def test_a_renamed_repository_answers_to_both_names(lively: Sandbox, before: Truth) -> None:
    do(lively, "rename_repository", repository=COMPILER, name="translator")
    text = "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { nameWithOwner id } }"
    found = [data(lively, text, **named(f"cedar-labs/{name}"))["repository"] for name in ("compiler", "translator")]
    assert found[0] == found[1]
    assert found[0]["nameWithOwner"] == "cedar-labs/translator"
    strictly = text.replace("name: $name)", "name: $name, followRenames: false)")
    assert errors(lively, strictly, **named(COMPILER))[0]["type"] == "NOT_FOUND"
    told = next(one for one in lively.truth("github").activities if one["channel_id"] == found[0]["id"] and one["url"])
    assert told["channel"] == "https://github.com/cedar-labs/translator"
    assert told["outdated"]["channel"] == ["https://github.com/cedar-labs/compiler"]
    assert told["outdated"]["url"] == [told["url"].replace("translator", "compiler")]
    do(lively, "new_repository", owner="cedar-labs", name="compiler")
    assert data(lively, text, **named(COMPILER))["repository"]["id"] != found[0]["id"]
    assert_true(lively)


def test_a_repository_that_is_told_by_name_is_read_wherever_it_goes(lively: Sandbox, before: Truth) -> None:
    do(lively, "transfer_repository", repository="willow-and-oak/tools", owner="larch-tools")
    after = lively.truth("github")
    assert "larch-tools/tools" in after.coverage
    assert len(after.activities) == len(before.activities)
    do(lively, "transfer_repository", repository="cedar-labs/tools", owner="willow-and-oak")
    after = lively.truth("github")
    assert "willow-and-oak/tools" not in after.coverage, "it left the organization that is read"
    assert {one["why"] for one in after.vanished} == {"transferred"}


@pytest.mark.parametrize("what", ["delete_repository", "make_private"])
def test_a_repository_that_goes_is_not_found(lively: Sandbox, before: Truth, what: str) -> None:
    do(lively, what, repository=COMPILER)
    text = "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }"
    assert errors(lively, text, **named(COMPILER))[0]["type"] == "NOT_FOUND"
    for node in (before.coverage[COMPILER]["id"], before.cases["long_issue"], before.cases["long_thread"]):
        assert errors(lively, "query($id: ID!) { node(id: $id) { id } }", id=node)[0]["type"] == "NOT_FOUND"
    after = lively.truth("github")
    lost = {one["source_id"] for one in before.activities if one["channel"].endswith(COMPILER)}
    assert lost == set(gone(after))
    assert_true(lively)
    do(lively, "make_public", repository=COMPILER)
    assert lively.truth("github").vanished == []


def test_a_new_repository_of_the_organization_is_read(lively: Sandbox, before: Truth) -> None:
    do(lively, "new_repository")
    after = lively.truth("github")
    [new] = set(after.coverage) - set(before.coverage)
    news = [one for one in after.activities if one["channel"].endswith(new)]
    assert sorted(one["type"] for one in news) == [
        "discussion-started",
        "issue-comment",
        "issues-opened",
        "pull_request-opened",
        "star",
    ]
    assert_true(lively)


@pytest.mark.parametrize(("what", "field"), [("issues", "hasIssuesEnabled"), ("discussions", "hasDiscussionsEnabled")])
def test_issues_and_discussions_can_be_switched_off(lively: Sandbox, before: Truth, what: str, field: str) -> None:
    do(lively, "disable", repository=COMPILER, feature=what)
    text = f"""query($owner: String!, $name: String!) {{ repository(owner: $owner, name: $name) {{
      {field} {what} {{ totalCount }} }} }}"""
    told = data(lively, text, **named(COMPILER))["repository"]
    assert told == {field: False, what: {"totalCount": 0}}
    after = lively.truth("github")
    assert len(after.vanished) > 50
    assert_true(lively)
    do(lively, "enable", repository=COMPILER, feature=what)
    assert lively.truth("github").vanished == []


def test_a_week_leaves_nothing_unsaid(lively: Sandbox, before: Truth) -> None:
    lively.change("github", [{"do": "week"}, {"do": "week", "seed": 1}])
    after = lively.truth("github")
    assert (before.now[:10], after.now[:10]) == ("2026-03-02", "2026-03-16")
    assert_true(lively)
    readable, was = ({(one["type"], one["source_id"]) for one in told.activities} for told in (after, before))
    lost = {(one["type"], one["source_id"]) for one in after.vanished}
    assert was - readable <= lost
    assert not lost & readable
    assert len(readable - was) > 60


def test_the_same_changes_make_the_same_community() -> None:
    truths = []
    for _ in range(2):
        with Sandbox.start(seed=5, platforms=["github"]) as sandbox:
            sandbox.change("github", [{"do": "week", "seed": 1}])
            truths.append(sandbox.truth("github"))
    assert truths[0] == truths[1]


def test_a_community_lives_by_itself() -> None:
    with Sandbox.start(platforms=["github"], evolve=0.05) as sandbox:
        first = sandbox.truth("github").now
        while (sandbox.truth("github").now) <= first:
            pass


@pytest.mark.parametrize(
    "change",
    [
        {"do": "explode"},
        {"do": "comment", "in": "x"},
        {"do": "comment", "on": "x"},
        {"do": "comment", "author": 1},
        {"do": "star", "repository": "a/b"},
        {"do": "delete", "node": "R_kgDOAACcdA"},
        {"do": "merge", "item": "long_issue"},
        {"do": "delete", "node": "long_pull_request"},
        {"do": "edit", "node": "script", "title": "x"},
        {"do": "rename_repository", "repository": COMPILER, "name": "tools"},
        {"do": "transfer_repository", "repository": COMPILER, "owner": "nobody"},
        {"do": "rename_user", "user": 1},
        {},
    ],
)
def test_impossible_changes_are_refused(still: Sandbox, change: dict[str, Any]) -> None:
    cases = still.truth("github").cases
    known = {key: cases.get(value, value) if isinstance(value, str) else value for key, value in change.items()}
    now = still.truth("github").now
    with pytest.raises(SandboxError, match="change 0 was refused"):
        still.change("github", [known])
    assert still.truth("github").now == now
