"""Every kind of simulated body is one that X's published description allows, and so is every request of ours."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox import x_spec
from crowd_pipelines_tests.sandbox.x_reader import ALL_FIELDS, X, read_everything


@pytest.fixture
def x(still: Sandbox) -> X:
    return X.of(still)


@pytest.mark.parametrize("fields", [{}, ALL_FIELDS], ids=["defaults", "all fields"])
@pytest.mark.parametrize("kind", ["followers", "mentions", "recent"])
def test_pages(x: X, kind: str, fields: dict[str, str]) -> None:
    wanted = {name: value for name, value in fields.items() if kind != "followers" or name == "user.fields"}
    for answer in x.pages(kind, **wanted):
        assert answer.json["data"]
        assert x_spec.problems_of(x_spec.RESPONSES[kind], answer.json) == []


def test_lookups(x: X, still: Sandbox) -> None:
    truth = still.truth("twitter")
    some = [member["source_id"] for member in truth.members[:40]]
    for ids in (some, [*some, *truth.cases["not_shown"], "999"], ["999"]):
        answer = x.get("/2/users", ids=",".join(ids), **{"user.fields": ALL_FIELDS["user.fields"]})
        assert x_spec.problems_of("Get2UsersResponse", answer.json) == []
        for problem in answer.json.get("errors", ()):
            assert x_spec.problems_of("ResourceNotFoundProblem", problem) == []


def test_the_validation_can_fail(x: X) -> None:
    body = x.get(x.path("followers")).json
    assert x_spec.problems_of("Get2UsersIdFollowersResponse", {**body, "surprise": 1})
    spoiled = {**body, "data": [{**body["data"][0], "username": "much-too-long-a-name"}]}
    assert x_spec.problems_of("Get2UsersIdFollowersResponse", spoiled)
    assert x_spec.problems_of("Get2UsersIdFollowersResponse", {**body, "data": []})


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"do": "limit", "endpoint": "followers", "requests": 1}, 429, ""),
        ({"do": "usage_cap"}, 429, "usage-capped"),
        ({"do": "forbid", "endpoint": "followers"}, 403, "client-forbidden"),
        ({"do": "forbid", "endpoint": "followers", "reason": "scope"}, 403, ""),
        ({"do": "revoke_token"}, 401, ""),
    ],
)
def test_refusals(lively: Sandbox, change: dict[str, Any], status: int, kind: str) -> None:
    x = X.of(lively)
    lively.change("twitter", [change])
    x.get(x.path("followers"))
    answer = x.get(x.path("followers"))
    assert answer.status == status
    assert answer.json["type"].rpartition("/")[2] == (kind or "about:blank")
    assert x_spec.problems_of(x_spec.PROBLEMS[kind], answer.json) == []


def test_a_bad_request_is_refused_as_x_does(x: X) -> None:
    answer = x.get(x.path("followers"), max_results=1001)
    assert answer.status == 400
    assert x_spec.problems_of("InvalidRequestProblem", answer.json) == []
    assert answer.json["errors"][0]["parameters"] == {"max_results": ["1001"]}


def test_requests_are_held_against_the_description(lively: Sandbox, truth: Truth) -> None:
    x = X.of(lively)
    read_everything(x)
    assert list(x_spec.undeclared(lively.requests("twitter"), "/twitter")) == []
    lively.forget_requests("twitter")
    x.get("/2/users/1/followers", **{"post.fields": "id"})
    x.get("/2/users/1/followers", max_results=5000)
    x.get("/2/members")
    assert list(x_spec.undeclared(lively.requests("twitter"), "/twitter")) == [
        "GET /2/users/1/followers?post.fields=id",
        "GET /2/users/1/followers?max_results=5000",
        "GET /2/members",
    ]
