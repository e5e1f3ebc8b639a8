"""Each fault, as it looks on the wire."""

import gzip
import json
import socket
import time
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import fetch, raw


@pytest.fixture
def url(lively: Sandbox) -> str:
    return lively.api_url("devto") + "/articles"


def fired(sandbox: Sandbox) -> list[tuple[int, int]]:
    return [(fault["met"], fault["fired"]) for fault in sandbox.faults()]


def bytes_of(url: str) -> bytes:
    return f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\n\r\n".encode()


@pytest.mark.parametrize("value", ["1", "0", "-5", "1e9", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", ""])
def test_rate_limit_with_whatever_header(lively: Sandbox, url: str, value: str) -> None:
    lively.fault("devto", "rate_limit", retry_after=value)
    answer = fetch(url)
    assert (answer.status, answer.headers["retry-after"]) == (429, value)
    assert (answer.headers["content-type"], answer.body) == ("text/plain", b"Retry later\n")


def test_rate_limit_without_a_header_or_with_a_point_in_time(lively: Sandbox, url: str) -> None:
    for form in (None, "http-date", "epoch", "epoch-ms"):
        lively.fault("devto", "rate_limit", retry_after=form, seconds=90, times=1)
    begun = int(time.time())
    headers = [fetch(url).headers.get("retry-after") for _ in range(4)]
    assert headers[0] is None
    assert parsedate_to_datetime(str(headers[1])).timestamp() >= begun + 90
    assert int(str(headers[2])) >= begun + 90
    assert int(str(headers[3])) >= (begun + 90) * 1000


def test_rate_limit_in_another_guise(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "rate_limit", status=403, header="X-RateLimit-Reset", retry_after="epoch", body="{}")
    answer = fetch(url)
    assert (answer.status, answer.body) == (403, b"{}")
    assert "x-ratelimit-reset" in answer.headers


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521])
def test_server_error(lively: Sandbox, url: str, status: int) -> None:
    lively.fault("devto", "server_error", status=status)
    answer = fetch(url)
    assert answer.status == status
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_wrong_content_type_is_a_page_with_200(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "wrong_content_type")
    answer = fetch(url)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_latency_delays_and_then_answers(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "latency", seconds=0.3)
    begun = time.monotonic()
    assert fetch(url).status == 200
    assert time.monotonic() - begun >= 0.3


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads where Linux shows them")
def test_a_client_that_gives_up_frees_the_server(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "timeout", times=30)
    where = urlsplit(url)
    for _ in range(30):
        with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
            connection.sendall(bytes_of(url))
    while len(lively.requests("devto")) < 30:
        time.sleep(0.02)
    for _ in range(500):
        if _threads(lively.pid) < 12:
            break
        time.sleep(0.02)
    assert _threads(lively.pid) < 12


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_timeout_reads_the_request_and_says_nothing(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "timeout", seconds=0.3)
    begun = time.monotonic()
    assert raw(url, bytes_of(url)) == b""
    assert time.monotonic() - begun >= 0.3
    assert [request["fault"] for request in lively.requests("devto")] == ["timeout"]


def test_truncated_breaks_off_before_the_length_it_told(lively: Sandbox, url: str) -> None:
    whole = fetch(url).body
    lively.fault("devto", "truncated")
    with pytest.raises(IncompleteRead) as broken:
        fetch(url)
    assert broken.value.partial == whole[: len(whole) // 2]


def test_truncated_json_with_an_honest_length(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "truncated", honest_length=True, size=100)
    answer = fetch(url)
    assert len(answer.body) == 100
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json


def test_reset_before_anything(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "reset")
    with pytest.raises(ConnectionResetError) as broken:
        fetch(url)
    assert not isinstance(broken.value, RemoteDisconnected)


def test_reset_halfway(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "reset", halfway=True)
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        connection.sendall(bytes_of(url))
        assert connection.recv(12) == b"HTTP/1.1 200"
        with pytest.raises(ConnectionResetError):
            _drain(connection)


def _drain(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def test_slow_trickles(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "slow", seconds=0.01)
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        connection.sendall(bytes_of(url))
        assert [len(connection.recv(1_000)) for _ in range(5)] == [1] * 5


def test_empty(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "empty", times=1)
    lively.fault("devto", "empty", status=204)
    assert [(answer.status, answer.body) for answer in (fetch(url), fetch(url))] == [(200, b""), (204, b"")]


def test_redirects_go_in_circles_or_where_told(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "redirect_loop", times=1)
    lively.fault("devto", "redirect_loop", location="http://169.254.169.254/")
    assert (fetch(url).headers["location"], fetch(url).status) == (urlsplit(url).path, 302)
    assert fetch(url).headers["location"] == "http://169.254.169.254/"


def test_stale_is_an_older_body_and_no_fault_where_nothing_is_older(lively: Sandbox, url: str) -> None:
    older = fetch(url)
    lively.change("devto", [{"do": "publish_article"}])
    lively.fault("devto", "stale")
    stale = fetch(url)
    assert (stale.body, stale.headers["age"]) == (older.body, "600")
    assert fetch(url + "?page=1").json != older.json
    assert fired(lively) == [(2, 1)]
    lively.clear_faults()
    newer = fetch(url)
    assert newer.body != older.body
    lively.fault("devto", "stale")
    assert fetch(url).body == older.body


def test_rewrite_answers_another_question(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "rewrite", path="page=", query={"page": "1"})
    assert fetch(url, page=9, per_page=3).body == fetch(url, page=1, per_page=3).body


def test_replace_answers_anything(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "replace", body="[" * 5_000, headers={"X-Odd": "yes"})
    answer = fetch(url)
    assert (answer.body, answer.headers["x-odd"], answer.status) == (b"[" * 5_000, "yes", 200)


def test_a_gzip_bomb_is_small_until_it_is_opened(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "gzip_bomb", size=3_000_001)
    answer = fetch(url)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 10_000
    assert len(gzip.decompress(answer.body)) == 3_000_001


@pytest.mark.parametrize(
    ("what", "field", "value"),
    [("null_id", "id_code", None), ("bad_created_at", "created_at", "0000-00-00"), ("null_user", "user", None)],
)
def test_poison_spoils_the_first_record_only(lively: Sandbox, what: str, field: str, value: Any) -> None:
    comments = f"{lively.api_url('devto')}/comments"
    article = lively.truth("devto").cases["many_roots"]
    sound = fetch(comments, a_id=article).json
    lively.fault("devto", "poison", what=what, path="/comments")
    spoiled = fetch(comments, a_id=article).json
    assert spoiled[0][field] == value
    assert spoiled[1:] == sound[1:]


def test_poison_leaves_fields_out(lively: Sandbox) -> None:
    comments = f"{lively.api_url('devto')}/comments"
    article = lively.truth("devto").cases["many_roots"]
    lively.fault("devto", "poison", what="no_id", times=1)
    lively.fault("devto", "poison", what="no_created_at", times=1)
    lively.fault("devto", "poison", what="user_without_id", times=1)
    assert "id_code" not in fetch(comments, a_id=article).json[0]
    assert "created_at" not in fetch(comments, a_id=article).json[0]
    assert "user_id" not in fetch(comments, a_id=article).json[0]["user"]


def test_the_first_fault_that_takes_a_request_wins(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "server_error", path=r"/comments\?", status=500)
    lively.fault("devto", "server_error", path="/articles", times=2, status=502)
    lively.fault(None, "server_error", status=503)
    statuses = [fetch(url).status for _ in range(3)]
    statuses.append(fetch(lively.api_url("devto") + "/comments", a_id=1).status)
    assert statuses == [502, 502, 503, 500]
    assert fired(lively) == [(1, 1), (2, 2), (1, 1)]


def test_a_fault_can_start_late_and_come_in_turns(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "server_error", after=1, every=2, times=2)
    assert [fetch(url).status for _ in range(7)] == [200, 200, 503, 200, 503, 200, 200]


def test_a_share_of_requests_fails_the_same_way_each_time(lively: Sandbox, url: str) -> None:
    runs = []
    for _ in range(2):
        lively.clear_faults()
        lively.fault("devto", "server_error", share=0.3, seed=4)
        runs.append([fetch(url).status for _ in range(40)])
    assert runs[0] == runs[1]
    assert 4 < runs[0].count(503) < 20


def test_clearing_tells_what_fired(lively: Sandbox, url: str) -> None:
    number = lively.fault("devto", "server_error", path="never")
    assert fetch(url).status == 200
    [cleared] = lively.clear_faults()
    assert (cleared["id"], cleared["fired"]) == (number, 0)
    assert lively.faults() == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "meteor"},
        {"kind": "latency", "second": 1},
        {"kind": "latency", "path": "("},
        {"kind": "latency", "every": 0},
        {"kind": "poison", "what": "arsenic"},
        {"kind": "recode", "what": "runes"},
    ],
)
def test_faults_that_are_none_are_refused(still: Sandbox, fault: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="not a fault"):
        still.fault("devto", **fault)


def test_a_fault_for_a_platform_that_is_not_there_is_refused(still: Sandbox) -> None:
    with pytest.raises(SandboxError, match="platform 'dvto' is not simulated here"):
        still.fault("dvto", "latency")


def test_a_kept_alive_connection_survives_what_it_can(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "server_error", times=1)
    request = bytes_of(url)
    lively.fault("devto", "truncated", after=1)
    received = raw(url, request * 3)
    assert received.count(b"HTTP/1.1 503") == 1
    assert received.count(b"HTTP/1.1 200") == 2


def test_slow_can_wait_until_the_headers_are_out(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "slow", seconds=30, halfway=True)
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as connection:
        connection.sendall(bytes_of(url))
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65_536)
    assert len(received.partition(b"\r\n\r\n")[2]) <= 1


def test_a_flood_is_as_large_as_ordered(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "flood", size=3_000_000)
    assert fetch(url).body == b" " * 3_000_000


def test_a_replay_leads_in_a_circle(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "replay", size=2)
    pages = [fetch(url, page=page, per_page=3).body for page in range(1, 7)]
    assert pages[0] != pages[1]
    assert pages[2:] == [pages[0], pages[1], pages[0], pages[1]]


@pytest.mark.parametrize("what", ["utf-16", "byte order mark", "duplicate keys"])
def test_recoded_bytes_say_the_same(lively: Sandbox, url: str, what: str) -> None:
    before = fetch(url, page=1, per_page=3).body
    lively.fault("devto", "recode", what=what)
    after = fetch(url, page=1, per_page=3).body
    assert after != before
    assert json.loads(after) == json.loads(before)


@pytest.mark.parametrize(
    ("what", "inside"), [("deep", b"[" * 10_000), ("nan", b"NaN"), ("numbers beyond 64 bits", b"9223372036854775808")]
)
def test_recoded_bytes_hold_what_nobody_asked_for(lively: Sandbox, url: str, what: str, inside: bytes) -> None:
    lively.fault("devto", "recode", what=what)
    assert inside in fetch(url).body


def test_recoded_bytes_may_be_no_text(lively: Sandbox, url: str) -> None:
    lively.fault("devto", "recode", what="invalid utf-8")
    with pytest.raises(UnicodeDecodeError):
        fetch(url).body.decode()
