"""Hostile and broken servers: whatever they send, the call ends, within bounds of time, size and requests."""

import socket
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
import requests

from crowd_pipelines.http import (
    CredentialsRejected,
    Limits,
    ProviderError,
    Retryable,
    UnexpectedPayload,
    metered,
)
from crowd_pipelines_tests.http.conftest import MakeClient
from crowd_pipelines_tests.http.scripted_server import (
    Behaviour,
    Handler,
    ScriptedServer,
    answer,
    black_hole,
    bomb,
    dribbled,
    redirect,
    truncated,
)

CANARY = "c4n4ry-V4lue-0123456789"
OK = answer(payload={"fine": True})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GZIP_WITH_A_LONG_NAME = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(dribbled(b"", HEAD + b"X-Slow: " + b"a" * 300, b"\r\nContent-Length: 2\r\n\r\n{}"), id="headers"),
        pytest.param(dribbled(HEAD + b"Content-Length: 200\r\n\r\n", b'"' + b"a" * 198 + b'"'), id="body"),
        pytest.param(
            dribbled(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"a" * 200, b"\r\n{}\r\n0\r\n\r\n"),
            id="chunk size",
        ),
        pytest.param(
            dribbled(HEAD + b"Content-Encoding: gzip\r\n\r\n" + GZIP_WITH_A_LONG_NAME, b"a" * 200), id="gzip header"
        ),
        pytest.param(black_hole, id="silence"),
    ],
)
def test_a_slow_answer_ends(server: ScriptedServer, make_client: MakeClient, behaviour: Behaviour) -> None:
    client = make_client(limits=Limits(read_seconds=0.25, total_seconds=0.5))
    server.plays("/a", behaviour)
    with pytest.raises(Retryable, match="not complete in time"):
        client.post("/a", repeatable=False)


def test_silence_is_not_waited_out_beyond_the_deadline(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(read_seconds=60, total_seconds=0.5))
    server.plays("/a", black_hole)
    with pytest.raises(Retryable, match="not complete in time"):
        client.post("/a", repeatable=False)


def test_a_slow_answer_within_the_limits_is_read(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(read_seconds=1, total_seconds=30))
    server.plays("/a", dribbled(HEAD + b"Content-Length: 2\r\n\r\n", b"{}"))
    assert client.get("/a").json == {}


def test_the_deadline_of_one_answer_does_not_bind_the_next(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(read_seconds=5, total_seconds=0.75))
    halting = Event()

    def after_half_a_second(handler: Handler) -> None:
        halting.wait(0.5)
        OK(handler)

    server.plays("/a", after_half_a_second)
    assert [client.get("/a").status for _ in range(2)] == [200, 200]
    assert len({seen.port for seen in server.seen}) == 1
    assert len(server.seen) == 2


def test_a_gzip_bomb_ends_early(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(body_bytes=1_000_000))
    server.plays("/a", bomb(megabytes=100))
    tracemalloc.start()
    with pytest.raises(UnexpectedPayload, match="more than 1,000,000 bytes") as raised:
        client.get("/a")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert len(raised.value.evidence) <= 8192
    assert len(server.seen) == 1


def test_the_body_of_a_redirect_is_capped_too(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(body_bytes=1000))
    server.plays("/a", answer(302, body=b"x" * 5000, headers={"Location": "/b"}))
    with pytest.raises(UnexpectedPayload, match="more than 1,000 bytes"):
        client.get("/a")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"X-Many: a\r\n" * 200, id="many"),
        pytest.param(b"X-Long: " + b"a" * 100_000 + b"\r\n", id="long"),
    ],
)
def test_headers_are_capped_in_number_and_length(
    server: ScriptedServer, make_client: MakeClient, headers: bytes
) -> None:
    server.plays("/a", lambda handler: handler.raw(HEAD + headers + b"Content-Length: 2\r\n\r\n{}"))
    with pytest.raises(Retryable, match="the connection broke off"):
        make_client().post("/a", repeatable=False)


def test_a_large_body_below_the_cap_is_read(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", bomb(megabytes=15))
    with metered() as meter:
        assert len(make_client().get("/a").json["a"]) == 15_000_000
    assert meter.received_bytes < 100_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_the_host_are_followed_and_paid(
    server: ScriptedServer, make_client: MakeClient, status: int
) -> None:
    server.plays("/a", redirect("/b?page=2", status))
    server.plays("/b", OK)
    client = make_client(headers={"Authorization": f"Bearer {CANARY}"})
    with metered() as meter:
        response = client.get("/a", {"page": 1})
    assert (response.json, meter.requests) == ({"fine": True}, 2)
    assert [seen.path for seen in server.seen] == ["/a?page=1", "/b?page=2"]
    assert all(CANARY in seen.headers["Authorization"] for seen in server.seen)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_post_asks_the_same_or_nothing(
    server: ScriptedServer, make_client: MakeClient, status: int
) -> None:
    server.plays("/a", redirect("/b", status))
    server.plays("/b", OK)
    if status in (307, 308):
        make_client().post("/a", json={"a": 1})
        assert [(request.method, request.body) for request in server.seen] == [("POST", b'{"a": 1}')] * 2
        return
    with pytest.raises(UnexpectedPayload, match=f"was redirected with {status}, which drops what it asks"):
        make_client().post("/a", json={"a": 1})
    assert len(server.seen) == 1


def test_redirect_loops_end(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", redirect("/b"))
    server.plays("/b", redirect("/a"))
    with pytest.raises(UnexpectedPayload, match="more than 5 times"):
        make_client().get("/a")
    assert len(server.seen) == 6


def test_five_redirects_are_fine(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", *[redirect("/a")] * 5, OK)
    assert make_client().get("/a").status == 200


def test_credentials_never_travel_to_another_host(
    server: ScriptedServer, other_server: ScriptedServer, make_client: MakeClient
) -> None:
    other_server.plays("/b", OK)
    port = server.server_address[1]
    client = make_client(headers={"Authorization": f"Bearer {CANARY}", "api-key": CANARY}, secrets=[CANARY])
    for location in (
        f"{other_server.url}/b?token={CANARY}",
        other_server.url.removeprefix("http:") + "/b",
        f"http://localhost:{port}/b",
        f"https://127.0.0.1:{port}/b",
        f"ftp://127.0.0.1:{port}/b",
        f"http://127.0.0.1:{port}@{other_server.url.removeprefix('http://')}/b",
        # urllib says that its host is what follows the @, and connections are made to what stands before it.
        f"{other_server.url}\\@127.0.0.1:{port}/b",
        "http://[broken/b",
        "http://127.0.0.1:99999999/b",
        "javascript:alert(1)",
    ):
        server.plays("/a", redirect(location))
        with pytest.raises(UnexpectedPayload, match="was redirected to") as raised:
            client.get("/a")
        assert CANARY not in str(raised.value) + raised.value.evidence
    assert other_server.seen == []
    assert {seen.path for seen in server.seen} == {"/a"}


def test_a_next_link_must_be_of_the_same_host(
    server: ScriptedServer, other_server: ScriptedServer, make_client: MakeClient
) -> None:
    server.plays("/a", OK)
    client = make_client()
    assert client.get(f"{server.url}/a?page=2").status == 200
    for elsewhere in (other_server.url, f"{other_server.url}\\@127.0.0.1:{server.server_address[1]}"):
        with pytest.raises(UnexpectedPayload, match="points to"):
            client.get(f"{elsewhere}/a")
    assert other_server.seen == []


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken but does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("http://127.0.0.1:{closed}", "the connection was refused"),
        ("https://127.0.0.1:{open}", r"no secure connection \(TLS\)"),
        ("http://no-such-host.invalid", "the host's name could not be resolved"),
    ],
)
def test_network_failures_are_named_without_secrets(
    server: ScriptedServer, make_client: MakeClient, closed_port: int, base_url: str, reason: str
) -> None:
    address = base_url.format(closed=closed_port, open=server.server_address[1])
    client = make_client(base_url=address, headers={"Authorization": f"Bot {CANARY}"})
    with pytest.raises(Retryable, match=reason) as raised, metered() as meter:
        client.get("/a", {"api_key": CANARY})
    assert meter.requests == 3
    assert_clean(raised.value)


@pytest.mark.parametrize("token", ["line\nbreak " + CANARY, "typographic…" + CANARY, "nul\x00" + CANARY])
@pytest.mark.parametrize("by_auth", [False, True])
def test_credentials_that_no_header_can_carry_are_rejected(
    server: ScriptedServer, make_client: MakeClient, token: str, by_auth: bool
) -> None:
    def authorise(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = token
        return prepared

    client = make_client(auth=authorise) if by_auth else make_client(headers={"Authorization": token})
    with pytest.raises(CredentialsRejected, match="Copy the credentials again") as raised:
        client.get("/a")
    assert_clean(raised.value)
    assert server.seen == []


@pytest.mark.parametrize("base_url", ["http://a..b", "http://127.0.0.1:99999999", "http://" + "a" * 300 + ".test"])
def test_an_unusable_address_is_a_named_error(make_client: MakeClient, base_url: str) -> None:
    with pytest.raises(ProviderError):
        make_client(base_url=base_url).get("/a", {"q": "x"})


def test_parameters_that_cannot_be_encoded_are_a_named_error(make_client: MakeClient) -> None:
    with pytest.raises(UnexpectedPayload, match="no usable address or parameters"):
        make_client().get("/a", {"q": "\ud800"})


ECHO = {"error": f"bad token {CANARY}", "again": CANARY}


@pytest.mark.parametrize(
    "behaviour",
    [
        *[answer(status, ECHO) for status in (200, 400, 401, 403, 404, 422, 429, 500)],
        answer(body=f"<html>{CANARY}</html>".encode(), content_type="text/html"),
        answer(body=f'{{"{CANARY}": '.encode()),
        answer(body=f'"{CANARY}"'.encode() + b"[" * 100_000),
        answer(body=b'["' + CANARY.encode() + b'", ' + b"[" * 100_000),
        answer(status=404, payload=ECHO, content_type=CANARY),
        answer(payload=1, content_type=f"text/{CANARY}"),
        truncated,
    ],
)
@pytest.mark.parametrize("way", ["header", "auth", "parameter", "form", "path"])
def test_no_error_shows_a_secret(
    server: ScriptedServer, make_client: MakeClient, behaviour: Behaviour, way: str
) -> None:
    def authorise(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {CANARY}"
        return prepared

    path = f"/hooks/{CANARY}" if way == "path" else "/a"
    server.plays(path, behaviour)
    client = make_client(
        headers={"PRIVATE-TOKEN": CANARY} if way == "header" else None,
        auth=authorise if way == "auth" else None,
        secrets=[CANARY] if way in ("parameter", "path") else (),
    )
    form = {"refresh_token": CANARY} if way == "form" else None
    params = {"access_token": CANARY} if way == "parameter" else None
    try:
        response = client.post(path, form=form, params=params)
    except ProviderError as error:
        assert_clean(error)
    else:
        assert CANARY not in repr(response) + response.url


def assert_clean(error: BaseException) -> None:
    """No secret in the error, its evidence, or anything chained to it."""
    while error:
        assert CANARY not in f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # the loop ends at None


def test_threads_share_a_client_and_its_connections(server: ScriptedServer, make_client: MakeClient) -> None:
    active, most, lock = 0, 0, Lock()

    def counted(handler: Handler) -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        handler.server.stopping.wait(0.02)
        with lock:
            active -= 1
        OK(handler)

    server.plays("/a", counted)
    client = make_client(max_connections=3)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.get("/a").status, range(40)))
    assert statuses == [200] * 40
    assert 1 < most <= 3
    assert len({seen.port for seen in server.seen}) <= 3
