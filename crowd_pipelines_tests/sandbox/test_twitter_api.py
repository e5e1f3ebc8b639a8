"""What the simulated X refuses, limits and signs in, as the real one does."""

import base64
import time

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.sandbox.twitter.signin import APP_TOKEN, CLIENT_ID, CLIENT_SECRET
from crowd_pipelines.sandbox.twitter.windows import Windows
from crowd_pipelines_tests.sandbox.client import fetch
from crowd_pipelines_tests.sandbox.x_reader import X, read_everything, renew

BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


@pytest.fixture
def x(still: Sandbox) -> X:
    return X.of(still)


@pytest.fixture(scope="session")
def truth(still: Sandbox) -> Truth:
    return still.truth("twitter")


def violations(sandbox: Sandbox) -> list[str]:
    found = [entry["violation"] for entry in sandbox.requests("twitter") if entry["violation"]]
    sandbox.forget_requests("twitter")
    return found


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("followers", {"max_results": 0}), ("followers", {"max_results": 1001}), ("followers", {"max_results": "many"}),
        ("followers", {"pagination_token": "short"}), ("followers", {"user.fields": "id,age"}),
        ("followers", {"expansions": "author_id"}), ("followers", {"since_id": 5}), ("followers", {"cursor": "x"}),
        ("mentions", {"max_results": 4}), ("mentions", {"max_results": 101}), ("mentions", {"post.fields": "id"}),
        ("mentions", {"since_id": "abc"}), ("mentions", {"start_time": "yesterday"}), ("mentions", {"query": "#a"}),
        ("recent", {}), ("recent", {"query": ""}), ("recent", {"query": "#a", "max_results": 9}),
        ("recent", {"query": "#a", "sort_order": "oldest"}), ("recent", {"query": "#" + "a" * 512}),
        ("recent", {"query": "from:somebody"}), ("recent", {"query": "#a", "start_time": "2099-01-01T00:00:00Z"}),
    ],
)  # fmt: skip
def test_what_the_contract_forbids_is_refused_and_marked(
    still: Sandbox, x: X, kind: str, query: dict[str, str | int]
) -> None:
    violations(still)
    answer = x.get(x.path(kind), **query)
    assert answer.status == 400
    assert answer.json["title"] == "Invalid Request"
    assert answer.json["errors"][0]["parameters"]
    assert len(violations(still)) == 1


@pytest.mark.parametrize("ids", ["", "1,,2", "1,abc", "1,-2", ",".join(["1"] * 101), "1" * 20])
def test_one_id_that_is_none_spoils_the_whole_lookup(still: Sandbox, x: X, ids: str) -> None:
    assert x.get("/2/users", ids=ids).status == 400
    assert "ids" in x.get("/2/users", ids=ids).json["errors"][0]["parameters"]
    violations(still)


def test_a_parameter_twice_is_one_too_many(still: Sandbox, x: X) -> None:
    assert x.get(x.path("followers") + "?max_results=5&max_results=6").status == 400
    violations(still)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}])
def test_without_a_bearer_nothing_is_answered(still: Sandbox, x: X, headers: dict[str, str]) -> None:
    answer = fetch(x.url + x.path("followers"), headers=headers)
    assert (answer.status, answer.json["detail"]) == (401, "Unauthorized")
    assert violations(still) == ["no bearer token"]


def test_an_unknown_bearer_is_refused_and_no_violation(still: Sandbox, x: X) -> None:
    assert fetch(x.url + x.path("followers"), headers={"Authorization": "Bearer other"}).status == 401
    assert violations(still) == []


def test_a_cursor_belongs_to_its_question(still: Sandbox, x: X) -> None:
    first = x.get(x.path("mentions"), max_results=5).json["meta"]["next_token"]
    assert x.get(x.path("mentions"), max_results=5, pagination_token=first).status == 200
    assert x.get(x.path("mentions"), max_results=50, pagination_token=first).status == 200
    for query in ({"since_id": "5"}, {"tweet.fields": "id"}):
        assert x.get(x.path("mentions"), max_results=5, pagination_token=first, **query).status == 400
    assert x.get(x.path("mentions"), pagination_token="9" + first).status == 200
    assert x.get(x.path("mentions"), pagination_token=first[:-1] + ("0" if first[-1] != "0" else "1")).status == 400
    violations(still)


def test_everything_is_paged_through_once(x: X, truth: Truth) -> None:
    seen = read_everything(x)
    told = {(a["type"], a["source_id"]): a["member"] for a in truth.activities}
    assert {key: author for key, (author, _) in seen.activities.items()} == told
    shown = {member["source_id"]: member["username"] for member in truth.members if member["shown"]}
    assert {member: name for member, name in seen.members.items() if member in shown} == shown
    assert not set(truth.cases["not_shown"]) & seen.members.keys()


def test_lists_are_newest_first(x: X) -> None:
    ids = [int(post["id"]) for answer in x.pages("mentions", max_results=20) for post in answer.json["data"]]
    assert ids == sorted(ids, reverse=True)


def test_only_what_is_asked_for_is_shown(x: X) -> None:
    assert x.get(x.path("followers")).json["data"][0].keys() == {"id", "name", "username"}
    body = x.get(x.path("mentions"), max_results=50).json
    assert all(post.keys() == {"id", "text", "edit_history_tweet_ids"} for post in body["data"])
    assert "includes" not in body


def test_authors_who_are_not_shown_are_partial_errors(x: X, truth: Truth) -> None:
    suspended = truth.cases["not_shown"][0]  # who has posted with a hashtag only
    bodies = [answer.json for answer in x.pages("mentions", max_results=100, expansions="author_id")]
    told = {error["resource_id"] for body in bodies for error in body.get("errors", ())}
    assert told == {member["source_id"] for member in truth.members if not member["shown"]} - {suspended}
    [post] = [p for b in bodies for p in b["data"] if p["id"] == truth.cases["deleted_author"]]
    assert "author_id" not in post


def test_since_id_leaves_out_what_is_known(x: X) -> None:
    newest = x.get(x.path("mentions")).json["meta"]["newest_id"]
    assert x.get(x.path("mentions"), since_id=newest).json == {"meta": {"result_count": 0}}


def test_a_search_cannot_begin_before_the_last_seven_days(still: Sandbox, x: X) -> None:
    for name, value in (("since_id", "1500000000000000000"), ("start_time", "2026-02-23T11:59:59Z")):
        answer = x.get(x.path("recent"), query="#crowdsandbox", **{name: value})
        assert (answer.status, list(answer.json["errors"][0]["parameters"])) == (400, [name])
    assert x.get(x.path("recent"), query="#crowdsandbox", start_time="2026-02-23T12:00:00Z").status == 200
    assert violations(still) == []


def test_retweets_match_a_search_unless_they_are_left_out(x: X, truth: Truth) -> None:
    def found(query: str) -> set[str]:
        return {post["id"] for a in x.pages("recent", query=query, max_results=100) for post in a.json["data"]}

    assert found("#CROWDSANDBOX") - found("#crowdsandbox -is:retweet") == {truth.cases["retweet"]}


def test_only_the_newest_version_of_a_post_is_listed(x: X, truth: Truth) -> None:
    ids = {post["id"]: post for a in x.pages("mentions", max_results=100) for post in a.json["data"]}
    first, second, third = truth.cases["edited"]
    assert ids.keys() & {first, second, third} == {third}
    assert ids[third]["edit_history_tweet_ids"] == [first, second, third]


def test_accounts_are_found_by_id_or_named_as_missing(x: X, truth: Truth) -> None:
    suspended, deleted = truth.cases["not_shown"]
    known = truth.members[0]["source_id"]
    body = x.get("/2/users", ids=f"{known},{suspended},{deleted},999").json
    assert [user["id"] for user in body["data"]] == [known]
    assert [(e["resource_id"], e["title"]) for e in body["errors"]] == [
        (suspended, "Forbidden"), (deleted, "Not Found Error"), ("999", "Not Found Error"),
    ]  # fmt: skip
    assert "data" not in x.get("/2/users", ids="999").json


def test_other_accounts_have_no_lists_here(x: X) -> None:
    body = x.get("/2/users/999/mentions").json
    assert (body.keys(), body["errors"][0]["parameter"]) == ({"errors"}, "id")


def test_every_answer_tells_what_is_left_of_its_window(x: X) -> None:
    first, second = (x.get(x.path("followers")).headers for _ in range(2))
    assert first["x-rate-limit-limit"] == "300"
    assert int(second["x-rate-limit-remaining"]) == int(first["x-rate-limit-remaining"]) - 1
    assert 0 < int(first["x-rate-limit-reset"]) - time.time() <= 901


def test_a_window_that_is_used_up_refuses_until_it_ends(lively: Sandbox) -> None:
    x = X.of(lively)
    lively.change("twitter", [{"do": "limit", "endpoint": "mentions", "requests": 2, "seconds": 1}])
    answers = [x.get(x.path("mentions")) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-rate-limit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert x.get(x.path("followers")).status == 200
    time.sleep(1.1)
    assert x.get(x.path("mentions")).status == 200


def test_users_and_the_app_have_windows_of_their_own() -> None:
    now = 1000.0
    windows = Windows(clock=lambda: now)
    assert [windows.spend("search", who).limit for who in ("user 1", "app")] == [300, 450]
    assert windows.spend("search", "user 1").remaining == 298
    assert windows.spend("search", "user 2").remaining == 299
    for _ in range(298):
        windows.spend("search", "user 1")
    assert windows.spend("search", "user 1").refused
    now += 900
    assert windows.spend("search", "user 1").remaining == 299


def test_the_app_s_own_token_is_good(x: X) -> None:
    answer = fetch(x.url + x.path("mentions"), headers={"Authorization": f"Bearer {APP_TOKEN}"})
    assert (answer.status, answer.headers["x-rate-limit-limit"]) == (200, "450")


def test_new_tokens_end_the_old_ones_and_using_one_twice_ends_all(lively: Sandbox) -> None:
    given = lively.credentials("twitter")
    first = renew(lively, given["refresh_token"], basic=BASIC).json
    assert first.keys() == {"token_type", "expires_in", "access_token", "scope", "refresh_token"}
    x = X(url=lively.api_url("twitter"), token=first["access_token"], settings=lively.settings("twitter"))
    assert x.get(x.path("followers")).status == 200
    assert X.get(X(url=x.url, token=given["access_token"]), x.path("followers")).status == 401
    again = renew(lively, given["refresh_token"], basic=BASIC)
    assert (again.status, again.json["error"]) == (400, "invalid_request")
    assert x.get(x.path("followers")).status == 401
    assert renew(lively, first["refresh_token"], basic=BASIC).status == 400
    assert X.of(lively).get(x.path("followers")).status == 200


@pytest.mark.parametrize("basic", [None, "", "!!", base64.b64encode(b"sandbox-client-id:wrong").decode()])
def test_the_app_has_to_sign_in(still: Sandbox, basic: str | None) -> None:
    token = still.credentials("twitter")["refresh_token"]
    answer = renew(still, token, basic=basic, client_id=CLIENT_ID)
    assert (answer.status, answer.json["error"]) == (401, "unauthorized_client")


def test_the_log_tells_of_renewals_and_never_a_token(lively: Sandbox) -> None:
    token = lively.credentials("twitter")["refresh_token"]
    renew(lively, token, basic=BASIC)
    [entry] = lively.requests("twitter")
    assert entry["asked"] == "grant_type=refresh_token"
    assert token not in str(entry)


def test_the_demo_s_limits_end_within_seconds() -> None:
    with Sandbox.start(platforms=("twitter",), requests_per_second=3) as sandbox:
        x = X.of(sandbox)
        answers = [x.get(x.path("mentions")) for _ in range(10)]
        refused = next(answer for answer in answers if answer.status == 429)
        assert int(refused.headers["x-rate-limit-reset"]) - time.time() <= 2
