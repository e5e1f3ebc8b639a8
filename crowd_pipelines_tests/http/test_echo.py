"""What was sent to a provider does not come back from it, however it repeats it; new credentials do."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from crowd_pipelines.http import HttpClient, LocalPacer
from crowd_pipelines.http.errors import ProviderError, UnexpectedPayload
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines_tests.canaries import canary, shown
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, redirect, scripted_server

HEADER, PARAM, FORM = canary("header"), canary("param"), canary("form")
ALL = [HEADER, PARAM, FORM]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[HttpClient]:
    headers = {"X-Token": Secret(HEADER).after("Token ")}
    with HttpClient(base_url=server.url, pacer=LocalPacer(), headers=headers, sleep=lambda _: None) as http:
        yield http


def test_secrets_are_given_out_at_the_socket(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/a", answer(payload={}))
    client.post("/a", params={"key": Secret(PARAM)}, form={"code": Secret(FORM)})
    [seen] = server.seen
    assert seen.headers["X-Token"] == f"Token {HEADER}"
    assert quote(PARAM, safe="~") in seen.path
    assert quote(FORM, safe="~").encode() in seen.body


def test_an_answer_and_its_headers_come_without_them(server: ScriptedServer, client: HttpClient) -> None:
    link = f"<{server.url}/a?key={quote(PARAM, safe='')}&cursor=5>"
    server.plays("/a", answer(payload={"sent": ALL, "text": "stays"}, headers={"Link": link, "X-Sent": HEADER}))
    response = client.post("/a", params={"key": Secret(PARAM)}, form={"code": Secret(FORM)})
    assert response.json == {"sent": ["***"] * 3, "text": "stays"}
    assert response.headers["link"] == f"<{server.url}/a?key=***&cursor=5>"
    assert shown(ALL, f"{dict(response.headers)} {response.url} {response.json} {response!r}") == []


def test_a_redirect_that_repeats_the_key_is_followed_with_it(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/a", redirect(f"/a/?key={quote(PARAM, safe='')}"))
    server.plays("/a/", answer(payload=["there"]))
    assert client.get("/a", {"key": Secret(PARAM)}).json == ["there"]
    assert quote(PARAM, safe="") in server.seen[1].path


def test_new_credentials_arrive_whole_even_when_one_of_them_is_the_old_one(
    server: ScriptedServer, client: HttpClient
) -> None:
    given = {"access_token": canary("new"), "refresh_token": FORM}
    server.plays("/token", answer(payload=given))
    assert client.post("/token", form={"refresh_token": Secret(FORM)}, for_credentials=True).json == given


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_for_credentials_that_cannot_be_used_is_not_evidence(
    status: int, server: ScriptedServer, client: HttpClient
) -> None:
    new = canary("new")
    body = f'["{new}" {FORM}' if status == 200 else f'{{"error": "invalid_grant {FORM}"}}'
    server.plays("/token", answer(status, body=body.encode()))
    with pytest.raises(ProviderError) as refused:
        client.post("/token", form={"refresh_token": Secret(FORM)}, for_credentials=True)
    told = f"{refused.value} {refused.value.evidence if isinstance(refused.value, UnexpectedPayload) else ''}"
    assert shown([FORM, new], told) == []
    assert "invalid_grant" in told or status == 200


def test_too_large_an_answer_for_credentials_is_not_evidence(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/token", answer(body=b'{"access_token": "' + canary("new").encode() + b'", "' + b"x" * 21_000_000))
    with pytest.raises(UnexpectedPayload) as refused:
        client.post("/token", for_credentials=True)
    assert refused.value.evidence == ""
