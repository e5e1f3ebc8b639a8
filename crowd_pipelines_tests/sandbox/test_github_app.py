"""A GitHub App proves who it is, and gets tokens of an hour for its installation."""

import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import Answer
from crowd_pipelines_tests.sandbox.github import AGENT, authorized, query, send, tokens

App = dict[str, str]


@pytest.fixture
def app(lively: Sandbox) -> App:
    [told] = lively.change("github", [{"do": "app"}])
    return dict(told)


def assertion(app: App, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode(
        {"iat": now - 60, "exp": now + 540, "iss": app["app_id"], **claims}, app["private_key"], algorithm="RS256"
    )


def exchange(sandbox: Sandbox, app: App, proof: str, *, scheme: str = "Bearer") -> Answer:
    path = f"/app/installations/{app['installation_id']}/access_tokens"
    return send(sandbox, path, headers={**AGENT, "Authorization": f"{scheme} {proof}"})


def granted(sandbox: Sandbox, app: App) -> str:
    answer = exchange(sandbox, app, assertion(app))
    assert answer.status == 201
    return str(answer.json["token"])


def test_an_installation_gets_a_token_of_an_hour(lively: Sandbox, app: App) -> None:
    answer = exchange(lively, app, assertion(app)).json
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert 3_590 < left.total_seconds() <= 3_600
    found = query(lively, '{ organization(login: "cedar-labs") { login } }', token=answer["token"])
    assert found.json["data"]["organization"] == {"login": "cedar-labs"}
    assert query(lively, "{ viewer { login } }", token=answer["token"]).json["errors"][0] == {
        "type": "FORBIDDEN",
        "path": ["viewer"],
        "locations": [{"line": 1, "column": 3}],
        "message": "Resource not accessible by integration",
    }


def test_the_app_may_name_itself_by_its_client_id(lively: Sandbox, app: App) -> None:
    assert exchange(lively, app, assertion(app, iss="Iv1.0123456789abcdef")).status == 201


@pytest.mark.parametrize(
    ("claims", "status", "message"),
    [
        ({"exp": 3_000}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        ({"exp": -5}, 401, "'Expiration time' claim ('exp') must be a numeric value"),
        ({"exp": None}, 401, "'Expiration time' claim ('exp') must be a numeric value"),
        ({"iat": 600}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"iss": "999"}, 404, "Integration not found"),
    ],
)
def test_a_wrong_assertion_is_refused(
    lively: Sandbox, app: App, claims: dict[str, Any], status: int, message: str
) -> None:
    now = int(time.time())  # when the test runs, not when it is collected
    made = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    answer = exchange(lively, app, assertion(app, **made))
    assert answer.status == status
    assert message in answer.json["message"]


def test_only_the_key_of_the_app_will_do(lively: Sandbox, app: App) -> None:
    forged = jwt.encode({"iss": app["app_id"]}, "x" * 32, algorithm="HS256")
    for proof in (forged, "abc", assertion(app)[:-4] + "AAAA", tokens(lively)[0]):
        answer = exchange(lively, app, proof)
        assert (answer.status, answer.json["message"]) == (401, "A JSON web token could not be decoded")
    assert exchange(lively, app, assertion(app), scheme="token").status == 401
    assert exchange(lively, {**app, "installation_id": "1"}, assertion(app)).status == 404


def test_the_hour_ends(lively: Sandbox, app: App) -> None:
    token = granted(lively, app)
    assert lively.change("github", [{"do": "expire_tokens"}]) == [{"do": "expire_tokens", "expired": 1}]
    assert query(lively, "{ rateLimit { cost } }", token=token).status == 401
    assert query(lively, "{ rateLimit { cost } }", token=granted(lively, app)).status == 200
    assert query(lively, "{ rateLimit { cost } }").status == 200, "personal tokens do not end"


def test_the_repositories_of_an_installation_come_in_pages(lively: Sandbox, app: App) -> None:
    headers = authorized(granted(lively, app))
    path = "/installation/repositories?per_page=2"
    pages = [send(lively, f"{path}&page={page}", method="GET", headers=headers) for page in (1, 2, 3)]
    names = [[one["full_name"] for one in page.json["repositories"]] for page in pages]
    assert names == [["cedar-labs/compiler", "cedar-labs/tools"], ["willow-and-oak/tools", "cedar-labs/empty"], []]
    assert {page.json["total_count"] for page in pages} == {4}
    assert ["link" in page.headers for page in pages] == [True, False, False]
    assert pages[2].headers["x-ratelimit-resource"] == "core"
    assert pages[2].headers["x-ratelimit-used"] == "3"
    assert pages[0].json["repositories"][0]["node_id"].startswith("R_kgDO")


@pytest.mark.parametrize(
    ("path", "status"),
    [("?per_page=101", 422), ("?page=0", 422), ("?per_page=x", 422), ("?sort=name", 200)],
)
def test_strange_pages_are_violations(lively: Sandbox, app: App, path: str, status: int) -> None:
    headers = authorized(granted(lively, app))
    lively.forget_requests("github")
    assert send(lively, f"/installation/repositories{path}", method="GET", headers=headers).status == status
    assert lively.requests("github")[0]["violation"]


def test_a_personal_token_is_none_of_an_installation(lively: Sandbox) -> None:
    answer = send(lively, "/installation/repositories", method="GET", headers=authorized(tokens(lively)[0]))
    assert answer.status == 403


def test_a_used_up_budget_of_rest_is_a_403_with_a_reset(lively: Sandbox, app: App) -> None:
    headers = authorized(granted(lively, app))
    lively.change("github", [{"do": "spend", "resource": "core"}])
    answer = send(lively, "/installation/repositories", method="GET", headers=headers)
    assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (403, "0")
    assert int(answer.headers["x-ratelimit-reset"]) > time.time()
    told = send(lively, "/rate_limit", method="GET", headers=headers).json["resources"]
    assert (told["core"]["remaining"], told["graphql"]["remaining"]) == (0, 5000)
