"""The control API: the request log, and what it refuses."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import HEADERS, fetch


def test_the_log_tells_each_request(lively: Sandbox) -> None:
    api = lively.api_url("devto")
    number = lively.fault("devto", "server_error", path="/users", status=502)
    fetch(f"{api}/articles", page=2, headers={**HEADERS, "api-key": "a-secret"})
    fetch(f"{api}/users/1003")
    first, second = lively.requests("devto")
    assert (first["method"], first["path"], first["query"]) == ("GET", "/devto/api/articles", {"page": "2"})
    assert (first["status"], first["authenticated"], first["fault"]) == (401, True, None)
    assert (second["status"], second["fault"], second["fault_id"]) == (502, "server_error", number)
    assert first["at"] <= second["at"]
    assert first["user_agent"] == "sandbox-tests"
    assert "a-secret" not in json.dumps([first, second])


def test_the_log_forgets(lively: Sandbox) -> None:
    fetch(lively.api_url("devto") + "/articles")
    lively.forget_requests("devto")
    assert lively.requests() == []


def test_a_request_that_was_cut_in_two_was_never_asked(lively: Sandbox) -> None:
    host, port = urlsplit(lively.url).hostname, urlsplit(lively.url).port
    head = f"POST /github/graphql HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((host, port)) as connection:
        connection.sendall(f'{head}{{"query": "que'.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert lively.requests() == []


def test_control_requests_are_neither_logged_nor_hit_by_faults(lively: Sandbox) -> None:
    lively.fault(None, "server_error")
    assert lively.truth("devto").activities
    assert lively.requests() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "_sandbox/nothing", 404),
        ("PUT", "_sandbox/faults", 404),
        ("GET", "_sandbox/truth", 404),
        ("POST", "_sandbox/faults", 400),
        ("GET", "nobody/api", 404),
    ],
)
def test_unknown_control_requests_are_refused(still: Sandbox, method: str, path: str, status: int) -> None:
    answer = fetch(f"{still.url}/{path}", method=method)
    assert answer.status == status
    assert answer.json["error"]


def test_an_unknown_platform_names_the_known_ones(still: Sandbox) -> None:
    with pytest.raises(SandboxError, match="there are: devto"):
        still.truth("dvto")


def test_a_body_is_read_even_when_it_is_refused(still: Sandbox) -> None:
    with pytest.raises(SandboxError, match="no DELETE /_sandbox/nothing"):
        still._call("DELETE", "nothing", {}, ["x" * 100_000])
    assert still.faults() == []


@pytest.mark.parametrize("platform", ["devto", "discord", "github", "slack", "twitter"])
def test_a_community_lives_on_when_there_is_nothing_left_to_rename_or_to_delete(platform: str) -> None:
    with Sandbox.start(platforms=(platform,), seed=7) as sandbox:
        for seed in range(15):
            assert sandbox.change(platform, [{"do": "week", "seed": seed}])
