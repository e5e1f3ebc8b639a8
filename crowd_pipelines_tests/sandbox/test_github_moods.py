"""The server refuses and fails as it was told to, in GitHub's words."""

import time
from typing import Any

import pytest

from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.github import authorized, data, errors, query, send, tokens

REPOSITORY = 'repository(owner: "cedar-labs", name: "compiler")'
PAGE = f"query($size: Int!) {{ {REPOSITORY} {{ issues(first: $size) {{ nodes {{ id }} }} }} rateLimit {{ cost }} }}"
NESTED = f"""query($size: Int!) {{ {REPOSITORY} {{ issues(first: $size, orderBy: {{field: UPDATED_AT, direction: DESC}})
  {{ nodes {{ id comments(first: 50) {{ nodes {{ id }} }} }} }} }} }}"""


def order(sandbox: Sandbox, what: str, **details: Any) -> None:
    sandbox.change("github", [{"do": what, **details}])


def test_a_used_up_budget_is_a_200_with_a_reset(lively: Sandbox) -> None:
    one, other = tokens(lively)
    order(lively, "spend", token=0, remaining=1)
    assert query(lively, PAGE, token=one, size=1).status == 200
    refused = query(lively, PAGE, token=one, size=1)
    assert refused.status == 200
    assert "data" not in refused.json
    assert refused.json["errors"][0]["type"] == "RATE_LIMITED"
    assert refused.json["errors"][0]["message"].startswith("API rate limit exceeded for user ID ")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert 3_500 < int(refused.headers["x-ratelimit-reset"]) - time.time() < 3_602
    assert "data" in query(lively, PAGE, token=other, size=1).json


def test_a_budget_opens_again_when_its_window_is_over(lively: Sandbox) -> None:
    query(lively, PAGE, size=1)  # reads the schema, which takes a while
    order(lively, "limit", points=3, window=4)
    answers = [query(lively, PAGE, size=1) for _ in range(4)]
    assert ["data" in answer.json for answer in answers] == [True, True, True, False]
    wait = int(answers[-1].headers["x-ratelimit-reset"]) - time.time()
    assert 0 < wait <= 6
    time.sleep(wait)
    assert "data" in query(lively, PAGE, size=1).json


def test_points_are_counted_by_the_minute_as_well(lively: Sandbox) -> None:
    order(lively, "limit", per_minute=2)
    assert "data" in query(lively, PAGE, size=1).json
    assert "data" in query(lively, PAGE, size=1).json
    refused = query(lively, PAGE, size=1)
    assert "secondary rate limit" in refused.json["errors"][0]["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "data" in query(lively, PAGE, token=tokens(lively)[1], size=1).json


@pytest.mark.parametrize("status", [200, 403, 429])
@pytest.mark.parametrize("retry_after", [None, 7])
def test_secondary_limits_have_three_statuses(lively: Sandbox, status: int, retry_after: int | None) -> None:
    order(lively, "secondary_limit", status=status, retry_after=retry_after, count=2)
    for _ in range(2):
        refused = query(lively, PAGE, size=1)
        assert refused.status == status
        assert refused.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
        message = refused.json["errors"][0]["message"] if status == 200 else refused.json["message"]
        assert message.startswith("You have exceeded a secondary rate limit.")
        assert refused.headers["x-ratelimit-remaining"] == "5000"
    assert "data" in query(lively, PAGE, size=1).json


def test_secondary_limits_have_an_old_wording(lively: Sandbox) -> None:
    order(lively, "secondary_limit", old_wording=True)
    assert "abuse detection mechanism" in query(lively, PAGE, size=1).json["message"]


def test_too_many_requests_at_once_meet_the_secondary_limit() -> None:
    with Sandbox.start(platforms=["github"], requests_per_second=2) as sandbox:
        answers = [query(sandbox, PAGE, size=1) for _ in range(8)]
    refused = [answer for answer in answers if answer.status == 403]
    assert refused
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert int(answers[0].headers["x-ratelimit-reset"]) - time.time() < 12, "the demo's hours are short"


@pytest.mark.parametrize("status", [502, 504])
def test_heavy_queries_time_out_until_they_are_small(lively: Sandbox, status: int) -> None:
    order(lively, "heavy", above=20, answer=str(status))
    failed = query(lively, PAGE, size=21)
    assert (failed.status, failed.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert query(lively, PAGE, size=20).json["data"]["repository"]
    assert query(lively, PAGE, size=1).headers["x-ratelimit-used"] == "4", "a timeout costs extra"


def test_heavy_queries_may_time_out_politely_and_for_a_while(lively: Sandbox) -> None:
    order(lively, "heavy", above=20, count=1)
    failed = query(lively, PAGE, size=50)
    assert failed.status == 200
    assert failed.json["data"] is None
    [error] = failed.json["errors"]
    assert set(error) == {"message"}
    assert error["message"].startswith("Something went wrong while executing your query.")
    assert query(lively, PAGE, size=50).json["data"]["repository"]


def test_heavy_queries_may_be_answered_in_part(lively: Sandbox) -> None:
    order(lively, "heavy", above=150, answer="limits")
    answer = query(lively, NESTED, size=20).json
    nodes = answer["data"]["repository"]["issues"]["nodes"]
    assert None in nodes
    assert any(nodes)
    assert len(nodes) == 20
    assert {error["type"] for error in answer["errors"]} == {"RESOURCE_LIMITS_EXCEEDED"}
    assert len(answer["errors"]) == nodes.count(None)
    assert answer["errors"][0]["path"][:3] == ["repository", "issues", "nodes"]
    assert "errors" not in query(lively, NESTED, size=2).json
    order(lively, "calm")
    assert "errors" not in query(lively, NESTED, size=20).json


def test_a_field_may_not_be_for_integrations(lively: Sandbox) -> None:
    order(lively, "forbid", field="Repository.discussions", repository="cedar-labs/tools")
    text = 'query($name: String!) { repository(owner: "cedar-labs", name: $name) { discussions { totalCount } } }'
    answer = query(lively, text, name="tools").json
    assert answer["data"] == {"repository": None}
    [error] = answer["errors"]
    assert (error["type"], error["path"]) == ("FORBIDDEN", ["repository", "discussions"])
    assert error["message"] == "Resource not accessible by integration"
    assert data(lively, text, name="compiler")["repository"]["discussions"]["totalCount"] > 0


def test_an_organization_may_enforce_saml(lively: Sandbox) -> None:
    repository = data(lively, f"{{ {REPOSITORY} {{ id }} }}")["repository"]["id"]
    order(lively, "forbid", saml=True, repository="cedar-labs/compiler")
    text = f'{{ {REPOSITORY} {{ id }} other: repository(owner: "cedar-labs", name: "tools") {{ name }} }}'
    answer = query(lively, text).json
    assert answer["data"] == {"repository": None, "other": {"name": "tools"}}
    assert "SAML enforcement" in answer["errors"][0]["message"]
    [error] = errors(lively, "query($id: ID!) { node(id: $id) { id } }", id=repository)
    assert error["type"] == "FORBIDDEN"


def test_scopes_may_lack_wholly_or_in_part(lively: Sandbox) -> None:
    text = f'{{ user(login: "reader-one") {{ login email }} {REPOSITORY} {{ name }} }}'
    order(lively, "lack_scopes")
    answer = query(lively, text).json
    assert set(answer) == {"errors"}
    assert answer["errors"][0]["type"] == "INSUFFICIENT_SCOPES"
    assert "The 'email' field requires one of the following scopes: ['user:email']" in answer["errors"][0]["message"]
    assert "errors" not in query(lively, "{ viewer { login } }").json
    order(lively, "lack_scopes", partial=True)
    answer = query(lively, text).json
    assert answer["data"] == {"user": None, "repository": {"name": "compiler"}}
    assert answer["errors"][0]["path"] == ["user", "email"]
    order(lively, "lack_scopes", fields={"Team.members": "read:org"}, partial=True)
    assert "errors" not in query(lively, text).json


def test_a_token_is_revoked(lively: Sandbox) -> None:
    one, other = tokens(lively)
    order(lively, "revoke_token", token=one)
    refused = query(lively, PAGE, token=one, size=1)
    assert (refused.status, refused.json["message"]) == (401, "Bad credentials")
    assert query(lively, PAGE, token=other, size=1).status == 200
    order(lively, "revoke_token")
    assert query(lively, PAGE, token=other, size=1).status == 401
    assert tokens(lively) == [one, other], "the integration has them still"


def test_moods_do_not_let_time_pass(lively: Sandbox) -> None:
    before = lively.truth("github")
    order(lively, "heavy", above=1)
    order(lively, "calm")
    assert lively.truth("github") == before


@pytest.mark.parametrize(
    "change",
    [
        {"do": "heavy"},
        {"do": "heavy", "above": 1, "answer": "500"},
        {"do": "spend", "token": 9},
        {"do": "revoke_token", "token": "x"},
        {"do": "forbid", "repository": "a/b"},
        {"do": "forbid", "field": "discussions"},
        {"do": "secondary_limit", "after": 5},
    ],
)
def test_impossible_orders_are_refused(still: Sandbox, change: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="change 0 was refused"):
        still.change("github", [change])


POISONED = f"{{ {REPOSITORY} {{ issues(first: 3) {{ nodes {{ id createdAt title author {{ login }} }} }} }} }}"


def test_one_record_is_poisoned_and_the_others_are_not(lively: Sandbox) -> None:
    clean = data(lively, POISONED)["repository"]["issues"]["nodes"]
    lively.fault("github", "poison", what="null_created_at")
    spoiled = data(lively, POISONED)["repository"]["issues"]["nodes"]
    assert spoiled == [{**clean[0], "createdAt": None}, *clean[1:]]
    lively.clear_faults()
    lively.fault("github", "poison", what="comments:null_record")
    text = POISONED.replace("first: 3", "first: 50").replace("title", "comments(first: 2) { nodes { id createdAt } }")
    below = data(lively, text)["repository"]["issues"]["nodes"]
    assert [node["id"] for node in below[:3]] == [node["id"] for node in clean]
    assert sum(None in node["comments"]["nodes"] for node in below) == 1
    with pytest.raises(SandboxError, match="no poison 'arsenic'"):
        lively.fault("github", "poison", what="arsenic")


def test_a_fault_meets_what_was_asked(lively: Sandbox) -> None:
    lively.fault("github", "server_error", asked=r"query Named")
    assert query(lively, f"query Named {POISONED}").status == 503
    assert query(lively, POISONED).status == 200
    assert send(lively, "/rate_limit", method="GET", headers=authorized(tokens(lively)[0])).status == 200


STARS = f"""{{ {REPOSITORY} {{ id stargazerCount stargazers(first: 5) {{
  totalCount pageInfo {{ hasNextPage endCursor }} edges {{ starredAt }} }} }} }}"""


@pytest.mark.parametrize(
    ("way", "kind"),
    [("forbidden", "FORBIDDEN"), ("not_found", "NOT_FOUND"), ("untyped", None), ("partial", "FORBIDDEN")],
)
def test_stars_may_be_closed_with_an_error_at_their_place(lively: Sandbox, way: str, kind: str | None) -> None:
    order(lively, "close_stars", way=way, repository="cedar-labs/compiler")
    answer = query(lively, STARS).json
    [error] = answer["errors"]
    assert (error.get("type"), error["path"]) == (kind, ["repository", "stargazers"])
    if way == "partial":
        assert answer["data"]["repository"]["stargazers"] is None
        assert answer["data"]["repository"]["stargazerCount"] > 5
    else:
        assert answer["data"] == {"repository": None}
    assert data(lively, f"{{ {REPOSITORY} {{ stargazerCount }} }}")["repository"]["stargazerCount"] > 5
    assert data(lively, STARS.replace("compiler", "tools"))["repository"]["stargazers"]


@pytest.mark.parametrize(
    ("way", "message"), [("403", "Resource not accessible by personal access token"), ("404", "Not Found")]
)
def test_stars_may_be_closed_with_a_status(lively: Sandbox, way: str, message: str) -> None:
    order(lively, "close_stars", way=way)
    refused = query(lively, STARS)
    assert (refused.status, refused.json["message"]) == (int(way), message)


@pytest.mark.parametrize("way", ["empty", "nothing"])
def test_stars_may_be_closed_with_an_empty_list(lively: Sandbox, way: str) -> None:
    order(lively, "close_stars", way=way)
    repository = data(lively, STARS)["repository"]
    assert repository["stargazerCount"] > 5
    assert repository["stargazers"]["edges"] == []
    assert repository["stargazers"]["totalCount"] == (repository["stargazerCount"] if way == "empty" else 0)


@pytest.mark.parametrize("status", [200, 403])
def test_an_organization_may_admit_only_some_addresses(lively: Sandbox, status: int) -> None:
    order(lively, "allow_addresses", status=status, after=1, count=2)
    assert "data" in query(lively, PAGE, size=1).json
    for _ in range(2):
        refused = query(lively, PAGE, size=1)
        told = refused.json["errors"][0] if status == 200 else refused.json
        assert refused.status == status
        assert "IP allow list" in told["message"]
    assert query(lively, PAGE, size=1).json["data"]["repository"]


def test_an_installation_may_be_limited_with_points_left(lively: Sandbox) -> None:
    order(lively, "secondary_limit", installation=True)
    refused = query(lively, PAGE, size=1)
    assert refused.status == 403
    assert refused.json["message"].startswith("API rate limit exceeded for installation ID")
    assert refused.headers["x-ratelimit-remaining"] == "5000"


def test_a_repository_may_be_hidden_in_lists(lively: Sandbox) -> None:
    order(lively, "hide_in_lists", repository="cedar-labs/compiler")
    text = '{ organization(login: "cedar-labs") { repositories(first: 100) { totalCount nodes { name } } } }'
    answer = query(lively, text).json
    found = answer["data"]["organization"]["repositories"]
    assert found["nodes"].count(None) == 1
    assert len(found["nodes"]) == found["totalCount"]
    [error] = answer["errors"]
    assert error["path"][:3] == ["organization", "repositories", "nodes"]


def test_a_list_may_contradict_itself(lively: Sandbox) -> None:
    text = f"""{{ {REPOSITORY} {{ forks(first: 100) {{
      totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ id }} }} }} }}"""
    whole = data(lively, text)["repository"]["forks"]
    found = {}
    for way in ("no_cursor", "short", "empty", "null"):
        order(lively, "contradict", field="Repository.forks", way=way, count=1)
        found[way] = data(lively, text)["repository"]["forks"]
    assert found["no_cursor"]["pageInfo"] == {"hasNextPage": True, "endCursor": None}
    assert found["short"]["totalCount"] == whole["totalCount"] + 5
    assert (found["empty"]["nodes"], found["empty"]["totalCount"]) == ([], whole["totalCount"])
    assert found["null"]["nodes"] == [None, *whole["nodes"][1:]]
    assert data(lively, text)["repository"]["forks"] == whole
