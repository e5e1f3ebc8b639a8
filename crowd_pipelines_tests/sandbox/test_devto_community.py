"""The community: the same for the same seed, as nasty as the real one, and told truly."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import Seen, fetch, read_everything


@pytest.fixture(scope="session")
def seen(still: Sandbox) -> Seen:
    return read_everything(still.api_url("devto"), still.settings("devto"))


@pytest.fixture(scope="session")
def comments(truth: Truth) -> dict[str, dict[str, Any]]:
    return {a["source_id"]: a for a in truth.activities if a["type"] == "comment"}


def assert_true(seen: Seen, truth: Truth) -> None:
    """What was read is what the truth says."""
    told = {
        (a["type"], a["source_id"]): (a["source_parent_id"], a["timestamp"], a["member"], a["body_html"])
        for a in truth.activities
    }
    assert seen.activities == told
    assert seen.members == {member["source_id"]: member["username"] for member in truth.members}


def test_the_truth_is_what_can_be_read(seen: Seen, truth: Truth) -> None:
    assert_true(seen, truth)
    assert truth.vanished == []


def test_profiles_are_as_told(still: Sandbox, truth: Truth) -> None:
    for member in truth.members:
        answer = fetch(f"{still.api_url('devto')}/users/{member['source_id']}")
        assert (answer.status == 200) is member["profile"]
        if member["profile"]:
            assert answer.json["name"] == member["display_name"]
            assert answer.json["location"] == member["location"]


def test_the_same_seed_makes_the_same_bytes() -> None:
    with Sandbox.start(seed=11) as one, Sandbox.start(seed=11) as other, Sandbox.start(seed=12) as third:
        truths = [sandbox.truth("devto") for sandbox in (one, other, third)]
        bodies = [
            [fetch(f"{sandbox.api_url('devto')}/{path}").body for path in _paths(truths[0])]
            for sandbox in (one, other, third)
        ]
    assert truths[0] == truths[1] != truths[2]
    assert bodies[0] == bodies[1] != bodies[2]


def _paths(truth: Truth) -> list[str]:
    articles = [a["source_id"] for a in truth.activities if a["type"] == "article"]
    return ["articles?state=all", *(f"comments?a_id={article}" for article in articles)]


@pytest.mark.parametrize(
    ("size", "articles", "comments"), [("small", 36, 400), ("medium", 360, 8_000), ("comments=3000", 54, 3_000)]
)
def test_sizes(size: str, articles: int, comments: int) -> None:
    with Sandbox.start(size=size) as sandbox:
        kinds = [activity["type"] for activity in sandbox.truth("devto").activities]
    assert kinds.count("article") == articles
    assert kinds.count("comment") == pytest.approx(comments, rel=0.1)


def test_large_starts_without_making_its_comments() -> None:
    with Sandbox.start(size="large") as sandbox:
        articles = fetch(sandbox.api_url("devto") + "/articles", per_page=1000).json
        assert len(articles) == 1000
        newest = next(article for article in articles if article["comments_count"] > 20)
        tree = fetch(sandbox.api_url("devto") + "/comments", a_id=newest["id"]).json
    assert _count(tree) == newest["comments_count"]


def _count(tree: list[dict[str, Any]]) -> int:
    return sum(1 + _count(comment["children"]) for comment in tree)


def test_counts_and_last_comments_tell_the_tree_but_for_one(still: Sandbox, truth: Truth) -> None:
    api = still.api_url("devto")
    for article in fetch(f"{api}/articles", state="all").json:
        if article["id"] == truth.cases["listed_but_gone"]:
            continue
        tree = fetch(f"{api}/comments", a_id=article["id"]).json
        error = 1 if article["id"] == truth.cases["wrong_count"] else 0
        assert article["comments_count"] == _count(tree) + error
        assert article["last_comment_at"] == max([article["published_at"], *_times(tree)])


def _times(tree: list[dict[str, Any]]) -> list[str]:
    return [time for comment in tree for time in (comment["created_at"], *_times(comment["children"]))]


def test_no_comments_means_last_comment_at_publication(still: Sandbox, truth: Truth) -> None:
    listed = fetch(still.api_url("devto") + "/articles", state="all").json
    article = next(article for article in listed if article["id"] == truth.cases["no_comments"])
    assert article["comments_count"] == 0
    assert article["last_comment_at"] == article["published_at"]


@pytest.mark.parametrize(("case", "body"), [("deleted", "[deleted]"), ("hidden", "[hidden by post author]")])
def test_replies_to_placeholders_live(
    still: Sandbox, truth: Truth, comments: dict[str, Any], case: str, body: str
) -> None:
    placeholder, reply = truth.cases[f"{case}_with_reply"]
    thread = fetch(f"{still.api_url('devto')}/comments/{placeholder}").json
    assert (thread["user"], thread["body_html"]) == ({}, f"<p>{body}</p>")
    assert placeholder not in comments
    # Nothing stands above the placeholder, so the reply is one to the article.
    assert comments[reply]["source_parent_id"] == comments[reply]["thread"]
    assert comments[reply]["source_parent_type"] == "article"


def test_threads_go_deep(truth: Truth, comments: dict[str, Any]) -> None:
    depth, code = 0, truth.cases["deep_thread"]
    while code in comments:
        depth, code = depth + 1, comments[code]["source_parent_id"]
    assert depth > 12


def test_people_without_a_profile_still_speak(truth: Truth, comments: dict[str, Any]) -> None:
    members = {member["source_id"]: member for member in truth.members}
    said, answer = truth.cases["comment_of_suspended"]
    assert members[comments[said]["member"]]["profile"] is False
    assert comments[answer]["source_parent_id"] == said
    gone, reply = truth.cases["comment_of_deleted"]
    assert gone not in comments
    assert comments[reply]["source_parent_type"] == "article"
    assert str(truth.cases["deleted_user"]) not in members


def test_a_comment_can_have_an_articles_id(truth: Truth, comments: dict[str, Any]) -> None:
    code = truth.cases["digits_code"]
    assert code.isdigit()
    assert [a["type"] for a in truth.activities if a["source_id"] == code] == ["article", "comment"]


def test_text_is_as_bad_as_it_gets(truth: Truth, comments: dict[str, Any]) -> None:
    texts = {case: comments[truth.cases[case]]["body_html"] for case in ("script", "nul", "lone_surrogate")}
    assert "<script>" in texts["script"]
    assert "\x00" in texts["nul"]
    assert "\ud83d" in texts["lone_surrogate"]
    assert len(comments[truth.cases["hundred_kilobytes"]]["body_html"]) > 100_000
    title = next(a["title"] for a in truth.activities if a["source_id"] == str(truth.cases["odd_title"]))
    assert "\x00" in title


def test_names_are_odd_and_two_differ_in_case_only(truth: Truth) -> None:
    names = {member["source_id"]: member["username"] for member in truth.members}
    one, other = (names[str(person)] for person in truth.cases["same_but_for_case"])
    assert one != other
    assert one.lower() == other.lower()
    assert {"X", "null", "  spaces   around  "} <= {member["display_name"] for member in truth.members}


def test_numbers_outgrow_32_bits_and_times_are_equal(truth: Truth) -> None:
    times = {a["source_id"]: a["timestamp"] for a in truth.activities}
    one, other = truth.cases["published_together"]
    assert times[str(one)] == times[str(other)]
    assert truth.cases["huge_id"] > 2**31
    assert any(int(member["source_id"]) > 2**31 for member in truth.members)


def test_strangers_articles_are_not_covered(still: Sandbox, truth: Truth) -> None:
    listed = {article["id"] for article in fetch(still.api_url("devto") + "/articles", state="all").json}
    covered = {i for owners in truth.coverage.values() for ids in owners.values() for i in ids}
    assert covered < listed
    assert covered == {int(a["source_id"]) for a in truth.activities if a["type"] == "article"}
