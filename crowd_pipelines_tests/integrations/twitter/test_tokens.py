"""Tokens end, serve once, and are shared: none is lost, none is used twice, and none shows."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.apis.x.api import XApi
from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.http import CredentialsRejected, Retryable
from crowd_pipelines.integrations.twitter.integration import TwitterIntegration
from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.twitter.signin import APP_TOKEN
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import integrations
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import live, told
from crowd_pipelines_tests.integrations.twitter.contract import UNAUTHORIZED
from crowd_pipelines_tests.integrations.twitter.scripted import (
    CREDENTIALS,
    MENTIONS,
    ScriptedX,
    payload,
    problem,
    scripted_x,
)
from crowd_pipelines_tests.integrations.twitter.truths import asked

TICK = timedelta(minutes=30)
TOMORROW = datetime.now(UTC) + timedelta(days=1)
SECOND = {"access_token": "made-up-second", "refresh_token": "made-up-next", "expires_in": 7200}


def stored(x: Connected) -> dict[str, Any]:
    with x.engine.begin() as conn:
        return dict(revealed(integrations.credentials(conn, x.record.id, x.vault)))


def store(x: Connected, **credentials: Any) -> None:
    with x.engine.begin() as conn:
        integrations.set_credentials(conn, x.record.id, x.vault.seal(credentials, x.record.id))


@pytest.fixture
def another(x: Connected) -> Callable[[], XApi]:
    """Makes clients as several processes would."""
    clients = ApiClients(budget=RateBudget(engine=x.engine), vault=x.vault, settings=Settings())
    run = x.onboard()

    def client() -> XApi:
        api = clients.of(TwitterIntegration(), run, sleep=lambda _: None)
        assert isinstance(api, XApi)
        return api

    asked(x)
    return client


def test_an_access_token_that_ended_is_renewed_once_for_all_streams(x: Connected) -> None:
    x.change("expire_tokens")
    assert x.onboard().state is RunState.PROCESSED
    assert asked(x).count("token") == 1
    assert live(x).keys() == told(x.truth()).keys()
    assert (stored(x)["access_token"], stored(x)["refresh_token"]) == ("sandbox-access-1-1", "sandbox-refresh-1-1")
    x.check()
    assert "token" not in asked(x)


def test_a_token_that_is_about_to_end_is_renewed_before_it_is_refused(x: Connected) -> None:
    store(x, **{**stored(x), "expires_at": "2026-03-02T12:00:00Z"})
    x.onboard()
    log = x.sandbox.requests("twitter")
    assert {entry["status"] for entry in log} == {200}
    assert log[0]["path"].endswith("/token")
    assert asked(x).count("token") == 1


def test_a_token_that_ends_between_two_pages_is_renewed_and_the_page_asked_for_again(x: Connected) -> None:
    x.change("expire_tokens")
    x.fault("replace", path="/2/(users|tweets)", status=401, body=UNAUTHORIZED, after=3, times=1)
    assert x.onboard().state is RunState.PROCESSED
    assert live(x).keys() == told(x.truth()).keys()
    # Ended at the start and once more in the middle: each time it was renewed once.
    assert asked(x).count("token") == 2
    assert stored(x)["refresh_token"] == "sandbox-refresh-1-2"


def test_who_comes_second_uses_what_the_first_one_got(x: Connected, another: Callable[[], XApi]) -> None:
    one, other, third = another(), another(), another()
    x.change("expire_tokens")
    for api in (one, other, one, third):
        assert api.users([x.truth().settings["user_id"]]).records
    assert asked(x).count("token") == 1
    x.change("expire_tokens")
    assert third.users([x.truth().settings["user_id"]]).records
    assert other.users([x.truth().settings["user_id"]]).records
    assert asked(x).count("token") == 1


def test_threads_that_are_refused_together_renew_once(x: Connected, another: Callable[[], XApi]) -> None:
    api, account = another(), x.truth().settings["user_id"]
    x.change("expire_tokens")
    # Held back, so that all four are refused before the first one has renewed.
    x.fault("latency", path="/users", seconds=0.3, times=4)
    with ThreadPoolExecutor(4) as threads:
        pages = list(threads.map(lambda _: api.users([account]), range(4)))
    assert all(page.records for page in pages)
    assert asked(x).count("token") == 1


def test_credentials_that_are_taken_back_end_the_run_and_are_not_asked_for_again(x: Connected) -> None:
    x.change("revoke_token")
    run = x.onboard()
    assert run.state is RunState.ERROR
    assert "Authorise the app again" in (run.error or "")
    # The token is refused, and so is its renewal; nothing else was asked.
    assert asked(x) == ["users", "token"]
    status = x.rows("SELECT status, credentials_rejected_at IS NOT NULL AS rejected FROM integrations")
    assert status == [{"status": "error", "rejected": True}]
    with x.engine.begin() as conn:
        due = integrations.due_for_check(conn, "twitter", interval=TICK, now=TOMORROW)
    assert due == []


def test_a_renewal_whose_answer_is_lost_takes_a_new_sign_in(x: Connected) -> None:
    x.change("expire_tokens")
    x.fault("reset", path="/oauth2/token", times=1)
    run = x.onboard()
    assert run.state is RunState.ERROR
    assert "serves once" in (run.error or "")
    # Never twice for one request: the next list tried what might still have been good.
    assert asked(x) == ["users", "token", "mentions", "token"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CROWD_TWITTER_CLIENT_ID", "", "set CROWD_TWITTER_CLIENT_ID"),
        ("CROWD_TWITTER_CLIENT_SECRET", "wrong", "check CROWD_TWITTER_CLIENT_ID"),
    ],
)
def test_an_app_that_is_not_known_is_told(
    x: Connected, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    if not value:
        monkeypatch.delenv(name)
    x.change("expire_tokens")
    run = x.onboard()
    assert run.state is RunState.ERROR
    assert sentence in (run.error or "")


def test_a_public_client_names_itself(x: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWD_TWITTER_CLIENT_SECRET")
    x.change("public_client")
    x.change("expire_tokens")
    assert x.onboard().state is RunState.PROCESSED


def test_an_app_s_own_token_is_used_as_it_is(x: Connected) -> None:
    store(x, access_token=APP_TOKEN)
    assert x.onboard().state is RunState.PROCESSED
    store(x, access_token="no such token")
    asked(x)
    # It worked before: a moment later it is tried again, and the run waits before it is given up.
    assert x.onboard().state is RunState.DELAYED
    assert asked(x) == ["users", "users"]


@pytest.mark.parametrize("what", ["echoed", "revoked"])
def test_no_token_shows_in_what_is_stored(x: Connected, what: str) -> None:
    x.change("expire_tokens")
    if what == "echoed":
        body = '{"error": "sandbox-access-1-1 and sandbox-refresh-1-0"}'
        x.fault("replace", path="/mentions", status=400, body=body)
    x.onboard()
    if what == "revoked":
        x.change("revoke_token")
        x.check()
    texts = [
        json.dumps(x.rows(f"SELECT to_jsonb(t) AS row FROM {table} AS t"), default=str)
        for table in ("integrations", "integration_runs", "integration_streams", "watermarks", "quarantined_records")
    ]
    assert ("/mentions answered 400" if what == "echoed" else "serves once") in "".join(texts)
    assert "sandbox-access" not in "".join(texts)
    assert "sandbox-refresh" not in "".join(texts)


def test_new_tokens_are_stored_before_they_are_used(scripted: ScriptedX) -> None:
    scripted.plays("token", answer(200, SECOND))
    assert scripted.read(MENTIONS, problem(401), payload("mentions")).operations
    used = [seen.headers.get("Authorization") for seen in scripted.server.seen]
    assert (used[0], used[2]) == ("Bearer made-up-access", "Bearer made-up-second")
    assert (used[1] or "").startswith("Basic ")
    assert scripted.server.seen[1].body == b"grant_type=refresh_token&refresh_token=made-up-refresh"


def test_a_refresh_token_that_does_not_rotate_stays(scripted: ScriptedX) -> None:
    scripted.plays("token", answer(200, {"access_token": "made-up-second"}))
    scripted.read(MENTIONS, problem(401), payload("mentions"))
    scripted.read(MENTIONS, problem(401), payload("mentions"))
    assert scripted.server.seen[4].body.endswith(b"refresh_token=made-up-refresh")


def test_a_renewal_without_a_token_is_told_without_the_answer(scripted: ScriptedX) -> None:
    scripted.plays("token", answer(200, {"token_type": "bearer", "refresh_token": "made-up-and-lost"}))
    with pytest.raises(Exception, match="names none") as failure:
        scripted.read(MENTIONS, problem(401))
    assert "made-up" not in repr(failure.value) + repr(failure.value.__cause__) + repr(failure.value.__context__)


def test_a_token_endpoint_in_trouble_is_asked_once(scripted: ScriptedX) -> None:
    scripted.plays("token", answer(503))
    with pytest.raises(Retryable):
        scripted.read(MENTIONS, problem(401))
    assert [seen.method for seen in scripted.server.seen] == ["GET", "POST"]


def test_without_a_refresh_token_a_refusal_is_final() -> None:
    with scripted_x({"access_token": CREDENTIALS["access_token"]}) as x, pytest.raises(CredentialsRejected):
        x.read(MENTIONS, problem(401))
