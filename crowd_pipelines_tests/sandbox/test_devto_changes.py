"""Changes show where the real API shows them, and the truth follows."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import SandboxError, Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import fetch, read_everything
from crowd_pipelines_tests.sandbox.test_devto_community import assert_true


@pytest.fixture
def before(lively: Sandbox) -> Truth:
    return lively.truth("devto")


def do(sandbox: Sandbox, what: str, **details: object) -> dict[str, Any]:
    [touched] = sandbox.change("devto", [{"do": what, **details}])
    return touched


def listed(sandbox: Sandbox, article: object) -> dict[str, Any]:
    articles = fetch(sandbox.api_url("devto") + "/articles", state="all").json
    return dict(next(item for item in articles if str(item["id"]) == str(article)))


def by_id(truth: Truth, kind: str = "comment") -> dict[str, dict[str, Any]]:
    return {a["source_id"]: a for a in truth.activities if a["type"] == kind}


def some(truth: Truth, *, answered: bool) -> dict[str, Any]:
    """A live comment with or without replies."""
    parents = {activity["source_parent_id"] for activity in truth.activities}
    comments = by_id(truth).values()
    return next(comment for comment in comments if (comment["source_id"] in parents) is answered)


def test_a_late_answer_deep_down_shows_in_the_list(lively: Sandbox, before: Truth) -> None:
    parent = by_id(before)[before.cases["deep_thread"]]
    was = listed(lively, parent["thread"])
    touched = do(lively, "add_comment", parent=parent["source_id"], body="<p>late</p>")
    now = listed(lively, parent["thread"])
    assert touched["noticeable"]
    assert now["comments_count"] == was["comments_count"] + 1
    assert now["last_comment_at"] > was["last_comment_at"]
    comment = by_id(lively.truth("devto"))[touched["comments"][0]]
    assert comment["source_parent_id"] == parent["source_id"]
    assert comment["body_html"] == "<p>late</p>"


def test_two_comments_in_one_second_differ_in_the_count_only(lively: Sandbox, before: Truth) -> None:
    article = before.cases["many_roots"]
    do(lively, "add_comment", article=article)
    was = listed(lively, article)
    do(lively, "add_comment", article=article, after=0)
    now = listed(lively, article)
    assert now["last_comment_at"] == was["last_comment_at"]
    assert now["comments_count"] == was["comments_count"] + 1


def test_somebody_new_comments(lively: Sandbox, before: Truth) -> None:
    touched = do(lively, "add_comment", article=before.cases["no_comments"], author="new")
    [user] = touched["users"]
    assert str(user) not in {member["source_id"] for member in before.members}
    assert str(user) in {member["source_id"] for member in lively.truth("devto").members}


def test_an_article_is_published_under_an_organization(lively: Sandbox, before: Truth) -> None:
    organization = before.settings["organizations"][0]
    touched = do(lively, "publish_article", organization=organization, title="New")
    newest = fetch(f"{lively.api_url('devto')}/organizations/{organization}/articles").json[0]
    assert (newest["id"], newest["title"]) == (touched["articles"][0], "New")
    assert newest["last_comment_at"] == newest["published_at"]


def test_an_edited_article_says_so(lively: Sandbox, before: Truth) -> None:
    article = before.cases["many_roots"]
    was = listed(lively, article)
    do(lively, "edit_article", article=article, title="Better")
    now = listed(lively, article)
    assert (was["edited_at"], now["title"]) == (None, "Better")
    assert now["edited_at"] is not None
    assert now["last_comment_at"] == was["last_comment_at"]


def test_an_unpublished_article_takes_its_comments_along(lively: Sandbox, before: Truth) -> None:
    article = before.cases["many_roots"]
    do(lively, "unpublish_article", article=article)
    assert fetch(lively.api_url("devto") + "/comments", a_id=article).status == 404
    after = lively.truth("devto")
    gone = {a["source_id"] for a in before.activities if a["thread"] == str(article)}
    assert {v["source_id"] for v in after.vanished} == gone
    assert {v["why"] for v in after.vanished} == {"unpublished"}
    assert not gone & {a["source_id"] for a in after.activities}


def test_a_deleted_leaf_vanishes_and_only_the_count_drops(lively: Sandbox, before: Truth) -> None:
    leaf = some(before, answered=False)
    was = listed(lively, leaf["thread"])
    touched = do(lively, "delete_comment", comment=leaf["source_id"])
    now = listed(lively, leaf["thread"])
    assert touched["noticeable"]
    assert now["comments_count"] == was["comments_count"] - 1
    assert now["last_comment_at"] == was["last_comment_at"]
    assert lively.truth("devto").vanished == [
        {"type": "comment", "source_id": leaf["source_id"], "why": "deleted", "signalled": True}
    ]
    assert fetch(f"{lively.api_url('devto')}/comments/{leaf['source_id']}").status == 404


@pytest.mark.parametrize(("what", "why"), [("delete_comment", "deleted"), ("hide_comment", "hidden")])
def test_a_placeholder_gives_no_sign(lively: Sandbox, before: Truth, what: str, why: str) -> None:
    comment = some(before, answered=True)
    was = listed(lively, comment["thread"])
    touched = do(lively, what, comment=comment["source_id"])
    assert not touched["noticeable"]
    assert listed(lively, comment["thread"]) == was
    vanished = {"type": "comment", "source_id": comment["source_id"], "why": why}
    assert lively.truth("devto").vanished == [{**vanished, "signalled": False}]
    do(lively, "add_comment", article=int(comment["thread"]))
    assert lively.truth("devto").vanished == [{**vanished, "signalled": True}]


def test_an_edited_comment_gives_no_sign_so_its_old_body_is_excused(lively: Sandbox, before: Truth) -> None:
    comment = some(before, answered=False)
    was = listed(lively, comment["thread"])
    do(lively, "edit_comment", comment=comment["source_id"], body="<p>new</p>")
    assert listed(lively, comment["thread"]) == was
    edited = by_id(lively.truth("devto"))[comment["source_id"]]
    assert edited["body_html"] == "<p>new</p>"
    assert edited["outdated"] == {"body_html": [comment["body_html"]]}
    do(lively, "add_comment", article=int(comment["thread"]))
    assert by_id(lively.truth("devto"))[comment["source_id"]]["outdated"] == {}


def test_a_renamed_user_keeps_the_id_and_frees_the_name(lively: Sandbox, before: Truth) -> None:
    one, other = before.cases["same_but_for_case"]
    do(lively, "rename_user", user=one, username="mara_new")
    do(lively, "rename_user", user=other, username="mara_k")
    members = {member["source_id"]: member for member in lively.truth("devto").members}
    assert (members[str(one)]["username"], members[str(one)]["formerly"]) == ("mara_new", ["mara_k"])
    assert members[str(other)]["username"] == "mara_k"
    theirs = next(a for a in lively.truth("devto").activities if a["member"] == str(one))
    assert theirs["outdated"]["url"] == [theirs["url"].replace("mara_new", "mara_k")]
    with pytest.raises(SandboxError, match="is taken"):
        do(lively, "rename_user", user=one, username="mara_k")


def test_a_suspended_user_speaks_without_a_profile(lively: Sandbox, before: Truth) -> None:
    [user] = do(lively, "suspend_user")["users"]
    assert fetch(f"{lively.api_url('devto')}/users/{user}").status == 404
    assert len(lively.truth("devto").activities) == len(before.activities)


def test_a_deleted_user_takes_everything_along_but_answers(lively: Sandbox, before: Truth) -> None:
    answered = some(before, answered=True)
    touched = do(lively, "delete_user", user=int(answered["member"]))
    after = lively.truth("devto")
    assert answered["member"] not in {a["member"] for a in after.activities}
    assert {v["source_id"] for v in after.vanished if v["type"] == "comment"} >= {answered["source_id"]}
    assert answered["source_id"] in touched["comments"]
    assert fetch(f"{lively.api_url('devto')}/comments/{answered['source_id']}").json["user"] == {}


def test_a_deleted_user_who_answered_themselves_leaves_nothing(lively: Sandbox, before: Truth) -> None:
    question = do(lively, "add_comment", article=before.cases["no_comments"], author="new")
    [user], [code] = question["users"], question["comments"]
    do(lively, "add_comment", parent=code, author=user)
    do(lively, "delete_user", user=user)
    assert fetch(f"{lively.api_url('devto')}/comments", a_id=before.cases["no_comments"]).json == []


def test_a_new_comment_can_be_answered_and_fetched(lively: Sandbox, before: Truth) -> None:
    article = before.cases["no_comments"]
    [code] = do(lively, "add_comment", article=article)["comments"]
    answer = do(lively, "add_comment", parent=code)
    assert answer["articles"] == [article]
    thread = fetch(f"{lively.api_url('devto')}/comments/{code}").json
    assert [child["id_code"] for child in thread["children"]] == answer["comments"]


def test_what_nobody_connected_does_not_vanish(lively: Sandbox, before: Truth) -> None:
    covered = {a["thread"] for a in before.activities}
    everything = fetch(lively.api_url("devto") + "/articles", state="all").json
    strange = next(item["id"] for item in everything if str(item["id"]) not in covered)
    do(lively, "unpublish_article", article=strange)
    after = lively.truth("devto")
    assert (after.vanished, after.activities) == ([], before.activities)


def test_an_article_that_is_published_again_is_there_with_its_comments(lively: Sandbox, before: Truth) -> None:
    article = before.cases["many_roots"]
    do(lively, "unpublish_article", article=article)
    assert fetch(f"{lively.api_url('devto')}/articles/{article}").status == 404
    do(lively, "republish_article", article=article)
    after = lively.truth("devto")
    assert (after.vanished, after.activities) == ([], before.activities)
    assert fetch(f"{lively.api_url('devto')}/articles/{article}").json["id"] == article
    with pytest.raises(SandboxError, match="was not unpublished"):
        do(lively, "republish_article", article=article)


def test_an_article_that_moves_has_another_address_and_is_on_the_other_list(lively: Sandbox, before: Truth) -> None:
    article, [organization] = before.cases["many_roots"], before.settings["organizations"]
    for owner in (organization, None):
        do(lively, "move_article", article=article, organization=owner)
        ours = fetch(f"{lively.api_url('devto')}/organizations/{organization}/articles", per_page=1000).json
        assert (article in [item["id"] for item in ours]) is (owner is not None)
        assert listed(lively, article)["url"].startswith(f"https://dev.to/{organization}/") is (owner is not None)
    with pytest.raises(SandboxError, match="there is no organization"):
        do(lively, "move_article", article=article, organization="nobody")


def test_a_hidden_comment_that_is_shown_again_is_as_it_was(lively: Sandbox, before: Truth) -> None:
    comment = some(before, answered=True)
    was = listed(lively, comment["thread"])
    do(lively, "hide_comment", comment=comment["source_id"])
    answers = [a for a in before.activities if a["source_parent_id"] == comment["source_id"]]
    hidden = by_id(lively.truth("devto"))[answers[0]["source_id"]]
    assert hidden["source_parent_id"] == comment["source_parent_id"]
    assert hidden["outdated"]["parent"] == [f"comment:{comment['source_id']}"]
    do(lively, "show_comment", comment=comment["source_id"])
    assert listed(lively, comment["thread"]) == was
    after = lively.truth("devto")
    assert after.vanished == []
    assert by_id(after).keys() == by_id(before).keys()
    assert by_id(after)[answers[0]["source_id"]]["source_parent_id"] == comment["source_id"]
    with pytest.raises(SandboxError, match="not hidden"):
        do(lively, "show_comment", comment=comment["source_id"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_weeks_keep_the_truth_true(lively: Sandbox, before: Truth, seed: int) -> None:
    lively.change("devto", [{"do": "week", "seed": seed}, {"do": "week", "seed": seed + 10}])
    after = lively.truth("devto")
    assert_true(read_everything(lively.api_url("devto"), lively.settings("devto")), after)
    assert (before.now[:10], after.now[:10]) == ("2026-03-02", "2026-03-16")
    readable = {(a["type"], a["source_id"]) for a in after.activities}
    was = {(a["type"], a["source_id"]) for a in before.activities}
    gone = {(v["type"], v["source_id"]) for v in after.vanished}
    assert was - readable <= gone
    assert not gone & readable


def test_the_same_changes_make_the_same_community() -> None:
    truths = []
    for _ in range(2):
        with Sandbox.start(seed=5) as sandbox:
            sandbox.change("devto", [{"do": "week", "seed": 1}])
            truths.append(sandbox.truth("devto"))
    assert truths[0] == truths[1]


@pytest.mark.parametrize(
    "change",
    [
        {"do": "explode"},
        {"do": "add_comment", "artcle": 1},
        {"do": "add_comment", "article": 1},
        {"do": "add_comment", "parent": "zz"},
        {"do": "delete_comment", "comment": "0"},
        {"do": "delete_user", "user": 1},
        {"do": "publish_article", "organization": "nobody"},
        {"do": "publish_article", "owner": "nobody"},
        {},
    ],
)
def test_impossible_changes_are_refused(still: Sandbox, change: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="change 0 was refused"):
        still.change("devto", [change])
