"""Changes on the simulated X show where the real API shows them, and the truth follows."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import SandboxError, Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.x_reader import X, read_everything

USERS = {"user.fields": "public_metrics,location"}


@pytest.fixture
def x(lively: Sandbox) -> X:
    return X.of(lively)


@pytest.fixture
def before(lively: Sandbox) -> Truth:
    return lively.truth("twitter")


def do(sandbox: Sandbox, what: str, **details: object) -> dict[str, Any]:
    [touched] = sandbox.change("twitter", [{"do": what, **details}])
    return touched


def keys(truth: Truth, *, readable: bool = False) -> set[tuple[str, str]]:
    return {(a["type"], a["source_id"]) for a in truth.activities if a["readable"] or not readable}


def test_the_same_seed_makes_the_same_bytes() -> None:
    with Sandbox.start(seed=11) as one, Sandbox.start(seed=11) as other, Sandbox.start(seed=12) as third:
        sandboxes = (one, other, third)
        weeks = [sandbox.change("twitter", [{"do": "week", "seed": 5}]) for sandbox in sandboxes]
        truths = [sandbox.truth("twitter") for sandbox in sandboxes]
        bodies = [[a.body for a in X.of(sandbox).pages("mentions")] for sandbox in sandboxes]
    assert truths[0] == truths[1] != truths[2]
    assert bodies[0] == bodies[1] != bodies[2]
    assert weeks[0] == weeks[1]


@pytest.mark.parametrize(
    ("size", "records"), [("small", 500), ("medium", 5_000), ("large", 20_000), ("records=2000", 2_000)]
)
def test_sizes(size: str, records: int) -> None:
    with Sandbox.start(size=size, platforms=("twitter",)) as sandbox:
        truth = sandbox.truth("twitter")
    assert len(truth.activities) == pytest.approx(records, rel=0.15)
    assert {activity["type"] for activity in truth.activities} == {"follow", "mention", "hashtag"}


def test_what_was_out_of_reach_at_the_start_is_no_part_of_the_truth() -> None:
    with Sandbox.start(size="large", platforms=("twitter",)) as sandbox:
        truth, x = sandbox.truth("twitter"), X.of(sandbox)
        shown = sum(len(answer.json["data"]) for answer in x.pages("mentions", max_results=100))
    assert shown == 800 == len([a for a in truth.activities if a["type"] == "mention"])


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_week_the_truth_is_what_can_be_read(lively: Sandbox, x: X, before: Truth, seed: int) -> None:
    lively.change("twitter", [{"do": "week", "seed": seed}])
    after = lively.truth("twitter")
    assert read_everything(x).activities.keys() == keys(after, readable=True)
    assert after.now == "2026-03-09T12:00:00.000Z"
    gone = {(v["type"], v["source_id"]) for v in after.vanished}
    assert keys(before) - keys(after) <= gone
    assert len(keys(after) - keys(before)) > 250


def test_who_follows_stands_first_and_who_leaves_is_gone(lively: Sandbox, x: X) -> None:
    [user] = do(lively, "follow")["users"]
    assert x.get(x.path("followers")).json["data"][0]["id"] == str(user)
    do(lively, "unfollow", user=user)
    assert x.get(x.path("followers")).json["data"][0]["id"] != str(user)
    [gone] = lively.truth("twitter").vanished
    assert (gone["type"], gone["why"], gone["signalled"]) == ("follow", "unfollowed", False)
    do(lively, "follow", user=user)
    assert lively.truth("twitter").vanished == []


def test_an_edit_has_a_new_id_and_names_the_old(lively: Sandbox, x: X) -> None:
    [post] = do(lively, "mention", text="one")["posts"]
    do(lively, "edit_post", post=post, text="two")
    newest = x.get(x.path("mentions")).json["data"][0]
    assert int(newest["id"]) > post
    assert newest["edit_history_tweet_ids"] == [str(post), newest["id"]]
    assert "two" in newest["text"]
    do(lively, "pass", after=4_000)
    with pytest.raises(SandboxError, match="older than an hour"):
        do(lively, "edit_post", post=post)


def test_a_deleted_post_just_vanishes(lively: Sandbox, x: X) -> None:
    [post] = do(lively, "mention", tag="crowdsandbox")["posts"]
    do(lively, "delete_post", post=post)
    assert x.get(x.path("mentions")).json["data"][0]["id"] != str(post)
    assert {(v["type"], v["source_id"]) for v in lively.truth("twitter").vanished} == {
        ("mention", str(post)), ("hashtag", str(post)),
    }  # fmt: skip


def test_a_name_can_be_taken_over_but_not_shared(lively: Sandbox, before: Truth) -> None:
    one, other = before.members[:2]
    with pytest.raises(SandboxError, match="is taken"):
        do(lively, "rename_user", user=int(other["source_id"]), username=one["username"])
    do(lively, "rename_user", user=int(one["source_id"]), username="brand_new")
    do(lively, "rename_user", user=int(other["source_id"]), username=one["username"])
    names = {m["source_id"]: (m["username"], m["formerly"]) for m in lively.truth("twitter").members}
    assert names[one["source_id"]] == ("brand_new", [one["username"]])
    assert names[other["source_id"]][0] == one["username"]


def test_a_suspended_account_is_shown_nowhere_and_its_posts_stay(lively: Sandbox, x: X) -> None:
    [user] = do(lively, "mention", author="new")["users"]
    do(lively, "follow", user=user)
    do(lively, "suspend_user", user=user)
    body = x.get(x.path("mentions"), expansions="author_id", **{"tweet.fields": "author_id"}).json
    assert body["data"][0]["author_id"] == str(user)
    assert str(user) in {error["resource_id"] for error in body["errors"]}
    assert x.get("/2/users", ids=user).json["errors"][0]["detail"] == f"User has been suspended: [{user}]."
    assert x.get(x.path("followers")).json["data"][0]["id"] != str(user)
    do(lively, "reinstate_user", user=user)
    assert x.get(x.path("followers")).json["data"][0]["id"] == str(user)


def test_followers_are_gained_and_lost(lively: Sandbox, x: X) -> None:
    [user] = do(lively, "follow")["users"]
    for followers, expected in ((500, None), (-10_000, 0)):
        was = x.get("/2/users", ids=user, **USERS).json["data"][0]["public_metrics"]["followers_count"]
        do(lively, "gain_followers", user=user, followers=followers)
        now = x.get("/2/users", ids=user, **USERS).json["data"][0]["public_metrics"]["followers_count"]
        assert now == (was + followers if expected is None else expected)


def test_access_tokens_end_and_authorisations_are_taken_back(lively: Sandbox, x: X) -> None:
    do(lively, "expire_tokens")
    assert x.get(x.path("followers")).status == 401
    again = X.of(lively)
    assert again.get(x.path("followers")).status == 200
    do(lively, "revoke_token")
    assert again.get(x.path("followers")).status == 401


def test_a_cap_refuses_everything_with_requests_left(lively: Sandbox, x: X) -> None:
    do(lively, "usage_cap")
    for kind in ("followers", "mentions"):
        answer = x.get(x.path(kind))
        assert (answer.status, answer.json["title"]) == (429, "UsageCapExceeded")
        assert int(answer.headers["x-rate-limit-remaining"]) > 200
    do(lively, "usage_cap", reached=False)
    assert x.get(x.path("followers")).status == 200


@pytest.mark.parametrize(
    ("spent", "status", "title"),
    [("posts", 429, "UsageCapExceeded"), ("credits", 402, "CreditsDepleted"), ("spending", 403, "SpendCapReached")],
)
def test_what_is_used_up_is_told_in_three_ways(lively: Sandbox, x: X, spent: str, status: int, title: str) -> None:
    do(lively, "usage_cap", spent=spent)
    answer = x.get(x.path("followers"))
    assert (answer.status, answer.json["title"]) == (status, title)


def test_x_counts_more_than_it_lists(lively: Sandbox, x: X, before: Truth) -> None:
    def count() -> int:
        [account] = x.get("/2/users", ids=before.settings["user_id"], **USERS).json["data"]
        return int(account["public_metrics"]["followers_count"])

    assert count() == before.coverage["followers"]
    do(lively, "miscount", by=5)
    do(lively, "shorten_followers", to=3)
    assert count() == before.coverage["followers"] + 5
    assert x.get(x.path("followers"), max_results=1000).json["meta"] == {"result_count": 3}


def test_a_follower_is_overlooked_so_many_times(lively: Sandbox, x: X, before: Truth) -> None:
    user = next(one["member"] for one in before.activities if one["type"] == "follow")
    do(lively, "overlook", user=int(user), times=1)
    shown = [{one["id"] for one in x.get(x.path("followers")).json["data"]} for _ in range(2)]
    assert [user in ids for ids in shown] == [False, True]


def test_what_is_withheld_is_named_beside_the_data(lively: Sandbox, x: X) -> None:
    [post] = do(lively, "mention")["posts"]
    [user] = do(lively, "follow")["users"]
    do(lively, "withhold", post=post, user=user)
    for kind, one in (("mentions", post), ("followers", user)):
        body = x.get(x.path(kind)).json
        [lost] = [error for error in body["errors"] if error["section"] == "data"]
        assert (lost["resource_id"], lost["type"].rpartition("/")[2]) == (str(one), "not-authorized-for-resource")
        assert str(one) not in {record["id"] for record in body["data"]}
        assert body["meta"]["result_count"] == len(body["data"])


def test_page_tokens_end(lively: Sandbox, x: X) -> None:
    token = x.get(x.path("mentions"), max_results=5).json["meta"]["next_token"]
    do(lively, "expire_cursors")
    assert x.get(x.path("mentions"), max_results=5, pagination_token=token).status == 400
    assert [entry["violation"] for entry in lively.requests("twitter") if entry["violation"]] == []


def test_a_protected_account_s_lists_are_errors_in_a_200(lively: Sandbox, x: X) -> None:
    do(lively, "forbid", endpoint="followers", reason="protected")
    answer = x.get(x.path("followers"))
    assert (answer.status, answer.json.keys()) == (200, {"errors"})
    do(lively, "forbid", endpoint="mentions", reason="app-only")
    answer = x.get(x.path("mentions"))
    assert (answer.status, answer.json["title"]) == (403, "Unsupported Authentication")


def test_a_community_lives_by_itself() -> None:
    with Sandbox.start(platforms=("twitter",), evolve=0.02) as sandbox:
        before = sandbox.truth("twitter")
        while sandbox.truth("twitter").activities == before.activities:
            pass


@pytest.mark.parametrize(
    "change",
    [
        {"do": "dance"}, {"do": "follow", "user": 5}, {"do": "unfollow", "user": 5}, {"do": "edit_post", "post": 5},
        {"do": "delete_post", "post": 5}, {"do": "mention", "colour": "red"}, {"do": "follow", "count": 0},
        {"do": "limit", "endpoint": "likes", "requests": 1}, {"do": "reinstate_user"},
    ],
)  # fmt: skip
def test_changes_that_cannot_be_made_are_refused(lively: Sandbox, change: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="change 0 was refused"):
        lively.change("twitter", [change])
