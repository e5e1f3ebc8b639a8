"""Whose budget pays: tokens in turn, and an app's installation with tokens of an hour."""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from crowd_pipelines.framework.integration import RunSummary
from crowd_pipelines.http.errors import CredentialsRejected, Gone, RateLimited, Refused, UnexpectedPayload
from crowd_pipelines.integrations.github import access
from crowd_pipelines.integrations.github.access import RENEWED_BEFORE
from crowd_pipelines.integrations.github.api import GithubApi, graphql_address
from crowd_pipelines.integrations.github.integration import GithubIntegration
from crowd_pipelines.integrations.github.settings import GithubCredentials, GithubSettings
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines_tests.http.scripted_server import Behaviour, Handler, ScriptedServer, answer
from crowd_pipelines_tests.integrations.github.hub import GRAPHQL, Hub, api, of_repository

ONE, TWO, THREE = (f"ghp_fakeToken{number}0000000000000000" for number in (1, 2, 3))
GRANT = "/app/installations/7/access_tokens"
UNUSED = RunSummary(
    streams=0, processed=0, skipped=0, failed=0, activities=0, members=0, quarantined=0, requests=0
)  # fmt: skip


def by_token(answers: Mapping[str, Behaviour]) -> Behaviour:
    """Answers each token in its own way."""

    def play(handler: Handler) -> None:
        answers[handler.headers["Authorization"].removeprefix("Bearer ")](handler)

    return play


def left(remaining: int, seconds: int = 1800) -> Behaviour:
    resets = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
    headers = {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Limit": "5000", "X-RateLimit-Reset": str(resets)}
    return answer(payload=of_repository(), headers=headers)


def limited(seconds: int) -> Behaviour:
    error = {"type": "RATE_LIMITED", "message": "API rate limit exceeded"}
    return answer(payload={"errors": [error]}, headers={"Retry-After": str(seconds)})


def rejected() -> Behaviour:
    return answer(401, {"message": "Bad credentials"})


def asked_with(server: ScriptedServer) -> list[str]:
    return [seen.headers["Authorization"].removeprefix("Bearer ") for seen in server.seen if seen.path == GRAPHQL]


def ask(github: GithubApi, times: int = 1) -> None:
    for _ in range(times):
        github.query("repository", {"owner": "octo", "name": "app"})


def test_each_token_is_tried_and_then_the_one_with_most_left(hub: Hub) -> None:
    github = api(hub.server, {"tokens": [ONE, TWO, THREE]})
    hub.server.plays(GRAPHQL, by_token({ONE: left(10), TWO: left(3000), THREE: left(200)}))
    ask(github, 6)
    assert sorted(asked_with(hub.server)[:3]) == [ONE, TWO, THREE]
    assert asked_with(hub.server)[3:] == [TWO] * 3


def test_a_token_is_full_again_after_its_reset(hub: Hub) -> None:
    github = api(hub.server, {"tokens": [ONE, TWO]})
    hub.server.plays(GRAPHQL, by_token({ONE: left(10, seconds=1), TWO: left(3000)}))
    ask(github, 2)
    threading.Event().wait(2.1)
    ask(github)
    assert asked_with(hub.server)[2] == ONE


def test_a_token_that_is_limited_is_passed_over_and_all_of_them_are_a_wait_for_the_first(hub: Hub) -> None:
    github = api(hub.server, {"tokens": [ONE, TWO]})
    hub.server.plays(GRAPHQL, by_token({ONE: limited(900), TWO: left(3000)}))
    ask(github, 3)
    assert sorted(asked_with(hub.server)) == [ONE, TWO, TWO, TWO]
    hub.server.plays(GRAPHQL, by_token({ONE: limited(900), TWO: limited(300)}))
    with pytest.raises(RateLimited) as refused:
        ask(github)
    assert 290 < (refused.value.until - datetime.now(UTC)).total_seconds() <= 300
    before = len(hub.server.seen)
    with pytest.raises(RateLimited):
        ask(github)
    assert len(hub.server.seen) == before


def test_a_token_that_is_not_accepted_is_left_out_and_told(hub: Hub) -> None:
    github = api(hub.server, {"tokens": [ONE, TWO]})
    hub.server.plays(GRAPHQL, by_token({ONE: rejected(), TWO: left(3000)}))
    ask(github, 3)
    assert asked_with(hub.server).count(ONE) == 1
    run = Hub(server=hub.server, api=github).context()
    [notice] = GithubIntegration().postprocess(run, UNUSED).notices or ()
    assert "in the list: 1" in notice
    hub.server.plays(GRAPHQL, rejected())
    with pytest.raises(CredentialsRejected):
        ask(github)


def test_a_single_token_that_is_not_accepted_costs_one_request(hub: Hub) -> None:
    hub.server.plays(GRAPHQL, rejected())
    with pytest.raises(CredentialsRejected, match="create another one"):
        ask(hub.api)
    assert len(hub.server.seen) == 1


def test_connecting_tries_every_token_and_every_name(hub: Hub) -> None:
    integration, settings = GithubIntegration(), GithubSettings(repositories=("octo/app",), organizations=("octo",))
    good = answer(payload={"data": {"repository": {"id": "R"}, "repositoryOwner": {"id": "O"}, "rateLimit": {}}})
    github = api(hub.server, {"tokens": [ONE, TWO]})
    hub.server.plays(GRAPHQL, by_token({ONE: good, TWO: good}))
    integration.check_credentials(github, settings)
    assert sorted(asked_with(hub.server)[:2]) == [ONE, TWO]
    assert len(hub.server.seen) == 4
    nothing = answer(payload={"data": {"repositoryOwner": None}})
    hub.server.plays(GRAPHQL, good, good, nothing)
    with pytest.raises(Gone, match="octo is gone or not visible to these credentials; check the settings"):
        integration.check_credentials(github, settings)
    hub.server.plays(GRAPHQL, by_token({ONE: good, TWO: rejected()}))
    with pytest.raises(Gone, match="list: 2"):
        integration.check_credentials(api(hub.server, {"tokens": [ONE, TWO]}), settings)
    hub.server.plays(GRAPHQL, rejected())
    with pytest.raises(CredentialsRejected, match="list: 1, 2"):
        integration.check_credentials(api(hub.server, {"tokens": [ONE, TWO]}), settings)


def test_a_token_that_was_refused_once_is_asked_with_again_after_a_while(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.server.plays(GRAPHQL, rejected(), answer(payload=of_repository()))
    with pytest.raises(CredentialsRejected):
        ask(hub.api)
    with pytest.raises(CredentialsRejected):
        ask(hub.api)
    assert len(hub.server.seen) == 1
    monkeypatch.setattr(access, "utc_now", lambda: datetime.now(UTC) + timedelta(seconds=61))
    ask(hub.api)
    assert hub.api.keys.rejected == []


def test_the_cheap_call_asks_with_a_token_that_was_refused(hub: Hub) -> None:
    good = answer(payload={"data": {"repository": {"id": "R"}, "rateLimit": {}}})
    hub.server.plays(GRAPHQL, rejected(), good)
    with pytest.raises(CredentialsRejected):
        ask(hub.api)
    GithubIntegration().check_credentials(hub.api, GithubSettings(repositories=("octo/app",)))
    assert hub.api.keys.rejected == []


def test_tokens_are_tried_with_a_query_for_their_budget_alone(hub: Hub) -> None:
    hub.server.plays(GRAPHQL, answer(payload={"data": {"rateLimit": {"cost": 1}}}))
    hub.api.try_tokens()
    assert hub.api.keys.rejected == []


def test_requests_carry_what_github_wants(hub: Hub) -> None:
    hub.server.plays(GRAPHQL, answer(payload=of_repository()))
    ask(hub.api)
    headers = {name.lower(): value for name, value in hub.server.seen[0].headers.items()}
    assert headers["x-github-next-global-id"] == "1"
    assert headers["user-agent"].startswith("crowd-pipelines/")
    assert json.loads(hub.server.seen[0].body).keys() == {"query", "variables"}


@pytest.mark.parametrize(
    ("base", "graphql"),
    [
        ("https://api.github.com", "https://api.github.com/graphql"),
        ("https://git.example.org/api/v3", "https://git.example.org/api/graphql"),
        ("https://git.example.org/api/v3/", "https://git.example.org/api/graphql"),
        ("http://127.0.0.1:45500/github", "http://127.0.0.1:45500/github/graphql"),
    ],
)
def test_graphql_is_found_on_every_kind_of_server(base: str, graphql: str) -> None:
    assert graphql_address(base) == graphql


def test_an_enterprise_server_is_asked_beside_its_rest_api(hub: Hub) -> None:
    github = api(hub.server, {"token": ONE}, path="/api/v3")
    hub.server.plays("/api/graphql", answer(payload=of_repository()))
    ask(github)
    assert hub.server.seen[-1].path == "/api/graphql"


@pytest.fixture
def app(hub: Hub, rsa_key: str) -> GithubApi:
    return api(hub.server, {"app_id": 5, "installation_id": 7, "private_key": rsa_key})


def granted(token: str, *, seconds: float = 3600) -> Behaviour:
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    return answer(201, {"token": token, "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), "permissions": {}})


def grants(server: ScriptedServer) -> int:
    return len([seen for seen in server.seen if seen.path == GRANT])


def test_an_app_proves_itself_and_uses_its_token_for_its_hour(hub: Hub, app: GithubApi, rsa_key: str) -> None:
    hub.server.plays(GRANT, granted(ONE))
    hub.server.plays(GRAPHQL, left(3000))
    ask(app, 3)
    assert grants(hub.server) == 1
    assert asked_with(hub.server) == [ONE] * 3
    exchange = hub.server.seen[0]
    assert exchange.method == "POST"
    assert exchange.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assertion = exchange.headers["Authorization"].removeprefix("Bearer ")
    public = serialization.load_pem_private_key(rsa_key.encode(), password=None).public_key()
    claims = jwt.decode(assertion, public, algorithms=["RS256"])  # type: ignore[arg-type]
    assert claims["iss"] == "5"
    assert 0 < claims["exp"] - claims["iat"] <= 600


def test_a_token_is_renewed_in_good_time(hub: Hub, app: GithubApi) -> None:
    nearly = RENEWED_BEFORE.total_seconds() - 5
    hub.server.plays(GRANT, granted(ONE, seconds=nearly), granted(TWO))
    hub.server.plays(GRAPHQL, left(3000))
    ask(app, 3)
    assert asked_with(hub.server) == [ONE, TWO, TWO]
    assert grants(hub.server) == 2


def test_a_token_that_was_revoked_is_replaced_once(hub: Hub, app: GithubApi) -> None:
    hub.server.plays(GRANT, granted(ONE), granted(TWO))
    hub.server.plays(GRAPHQL, by_token({ONE: rejected(), TWO: left(3000)}))
    ask(app, 2)
    assert asked_with(hub.server) == [ONE, TWO, TWO]
    hub.server.plays(GRANT, granted(THREE))
    hub.server.plays(GRAPHQL, rejected())
    with pytest.raises(CredentialsRejected):
        ask(app)
    assert asked_with(hub.server)[3:] == [TWO, THREE]


def test_threads_renew_a_token_one_at_a_time(hub: Hub, app: GithubApi) -> None:
    hub.server.plays(GRANT, granted(ONE))
    hub.server.plays(GRAPHQL, left(3000))
    threads = [threading.Thread(target=ask, args=(app,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert grants(hub.server) == 1
    assert len(asked_with(hub.server)) == 4


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "A JSON web token could not be decoded"),
        (403, "This installation has been suspended"),
        (404, "Not Found"),
        (404, "Integration not found"),
    ],
)
def test_an_app_that_is_not_let_in_costs_one_request(hub: Hub, app: GithubApi, status: int, message: str) -> None:
    hub.server.plays(GRANT, answer(status, {"message": message}))
    with pytest.raises(CredentialsRejected, match="still installed and not suspended") as refused:
        ask(app)
    assert len(hub.server.seen) == 1
    assert "PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_something_in_front_of_github_says_nothing_of_the_app(
    hub: Hub, app: GithubApi, status: int
) -> None:
    hub.server.plays(GRANT, answer(status, body=b"<html>Access denied</html>", content_type="text/html"))
    with pytest.raises(Refused):
        ask(app)


def test_a_grant_without_a_token_shows_nothing_of_it(hub: Hub, app: GithubApi) -> None:
    hub.server.plays(GRANT, answer(201, {"token": ONE}))
    with pytest.raises(UnexpectedPayload) as failure:
        ask(app)
    assert ONE not in f"{failure.value} {failure.value.evidence}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "give one of"),
        ({"token": ""}, "give one of"),
        ({"tokens": []}, "give one of"),
        ({"tokens": [ONE, " "]}, "a token is empty"),
        ({"token": ONE, "tokens": [TWO]}, "give one of"),
        ({"token": ONE, "app_id": "1"}, "give one of"),
        ({"app_id": "1", "installation_id": "2"}, "give one of"),
        ({"app_id": "1", "installation_id": "2", "private_key": "no key"}, "private_key is no RSA key"),
        ({"tokn": ONE}, "Extra inputs"),
    ],
)
def test_credentials_that_cannot_be_used_are_told_without_showing_them(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        GithubCredentials.model_validate(given)
    shown = str(refused.value.errors(include_input=False, include_context=False))
    assert "no key" not in shown
    assert ONE not in shown


def test_a_key_may_have_its_line_breaks_written_out(rsa_key: str) -> None:
    written = rsa_key.replace("\n", "\\n")
    found = GithubCredentials.model_validate({"app_id": 1, "installation_id": 2, "private_key": written})
    assert found.private_key is not None
    assert found.private_key.get_secret_value() == rsa_key
    assert (found.app_id, found.installation_id) == ("1", "2")


def test_the_same_token_twice_is_one() -> None:
    assert GithubCredentials.model_validate({"tokens": [ONE, f" {ONE}\n", TWO]}).personal == (Secret(ONE), Secret(TWO))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("octo/app", "octo/app"),
        (" octo/app.js ", "octo/app.js"),
        ("https://github.com/octo/app", "octo/app"),
        ("https://github.com/octo/app/", "octo/app"),
        ("https://github.com/octo/app.git", "octo/app"),
        ("https://github.com/octo/app/tree/main?tab=readme#top", "octo/app"),
        ("git@github.com:octo/app.git", "octo/app"),
        ("ssh://git@github.com/octo/app.git", "octo/app"),
    ],
)
def test_a_repository_may_be_named_in_many_ways(given: str, names: str) -> None:
    assert GithubSettings(repositories=(given,)).repositories == (names,)


@pytest.mark.parametrize("given", ["octo", "https://github.com/octo", "octo/", "/app", "", "a b/c", "octo/app)"])
def test_what_names_no_repository_is_told(given: str) -> None:
    with pytest.raises(ValidationError, match="give a repository such as"):
        GithubSettings(repositories=(given,))


def test_an_organization_may_be_an_address_and_names_count_once() -> None:
    settings = GithubSettings(
        organizations=("octo", "https://github.com/Octo", "https://github.com/orgs/acme/repositories"),
        repositories=("octo/app", "Octo/App"),
    )
    assert settings.organizations == ("octo", "acme")
    assert settings.named == (("octo", "app"),)


def test_something_has_to_be_named() -> None:
    with pytest.raises(ValidationError, match="name at least one"):
        GithubSettings()
