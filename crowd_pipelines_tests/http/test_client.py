from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.http import (
    CredentialsRejected,
    Gone,
    HttpClient,
    LocalPacer,
    NotPermitted,
    Outcome,
    ProviderError,
    RateLimit,
    RateLimited,
    Refused,
    Response,
    Retryable,
    UnexpectedPayload,
    Verdict,
    metered,
)
from crowd_pipelines_tests.http.conftest import MakeClient, ManualTime
from crowd_pipelines_tests.http.scripted_server import Behaviour, ScriptedServer, answer, hang_up, reset, truncated

OK = answer(payload={"fine": True})


def test_a_get_sends_what_it_should_and_reads_json(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/api/things", answer(payload={"é": [1, None]}, headers={"X-Next-Page": "2"}))
    client = make_client(base_url=f"{server.url}/api/", headers={"api-key": "canary-key"})
    response = client.get("/things", {"page": 1, "tag": None, "ids": ["a", "b"]}, headers={"If-None-Match": "x"})
    assert (response.status, response.json, response.headers["x-next-page"]) == (200, {"é": [1, None]}, "2")
    assert response.url == f"{server.url}/api/things?page=1&ids=a&ids=b"
    (seen,) = server.seen
    assert seen.path == "/api/things?page=1&ids=a&ids=b"
    assert seen.headers["User-Agent"].startswith("crowd-pipelines/")
    assert (seen.headers["api-key"], seen.headers["If-None-Match"]) == ("canary-key", "x")


def test_posts_carry_json_or_a_form(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/p", OK)
    client.post("/p", json={"query": "{ viewer }"})
    client.post("/p", form={"grant_type": "refresh_token"})
    assert [seen.body for seen in server.seen] == [b'{"query": "{ viewer }"}', b"grant_type=refresh_token"]
    assert {seen.method for seen in server.seen} == {"POST"}


def test_connections_are_reused_and_cookies_are_not_kept(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/a", answer(payload=1, headers={"Set-Cookie": "a=b"}))
    server.plays("/gone", answer(404, {"error": "not found"}))
    client.get("/a")
    with pytest.raises(Gone):
        client.get("/gone")
    client.get("/a")
    assert len({seen.port for seen in server.seen}) == 1
    assert not any("Cookie" in seen.headers for seen in server.seen)


def test_credentials_of_netrc_are_not_used(
    server: ScriptedServer, client: HttpClient, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.plays("/a", OK)
    client.get("/a")
    assert "Authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    ("behaviour", "error", "requests"),
    [
        (answer(400, {"error": "bad_parameter"}), UnexpectedPayload, 1),
        (answer(401, {"error": "unauthorized"}), CredentialsRejected, 1),
        (answer(402, {}), Refused, 1),
        (answer(403, {"message": "Forbidden"}), NotPermitted, 1),
        (answer(403, {}, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "600"}), RateLimited, 1),
        (answer(403, {}, headers={"Retry-After": "60"}), RateLimited, 1),
        (answer(404, {"message": "Not Found"}), Gone, 1),
        (answer(404, body=b"<html>", content_type="text/html"), Refused, 1),
        (answer(401, body=b"<html>", content_type="text/html"), Refused, 1),
        (answer(403, body=b"", content_type="text/html"), Refused, 1),
        (answer(403, {"message": "API rate limit exceeded for installation ID 7."}), RateLimited, 1),
        (answer(407, {}), Refused, 1),
        (answer(408, {}), Retryable, 3),
        (answer(409, {}), Refused, 1),
        (answer(410, {}), Gone, 1),
        (answer(422, {}), UnexpectedPayload, 1),
        (answer(425, {}), Retryable, 3),
        (answer(429, body=b"Retry later", content_type="text/plain"), RateLimited, 1),
        (answer(451, {}), NotPermitted, 1),
        (answer(500, {}), Retryable, 3),
        (answer(502, body=b"<html>", content_type="text/html"), Retryable, 3),
        (answer(503, {}), Retryable, 3),
        (answer(504, {}), Retryable, 3),
        (answer(520, {}), Retryable, 3),
        (answer(999, {}), Retryable, 3),
        (answer(302, {}), Refused, 1),
        (answer(204), Retryable, 3),
        (answer(body=b""), Retryable, 3),
        (answer(body=b"  \n"), Retryable, 3),
        (answer(body=b"<!DOCTYPE html>", content_type="text/html; charset=utf-8"), Retryable, 3),
        (answer(payload={"a": 1}, content_type="text/plain"), Retryable, 3),
        (answer(body=b'{"a": [1, 2'), Retryable, 3),
        (answer(body=b"\xff\xfe\xfd{"), Retryable, 3),
        (answer(body=b"[" * 100_000), Retryable, 3),
        (answer(body=b"not gzip", headers={"Content-Encoding": "gzip"}), Retryable, 3),
        (truncated, Retryable, 3),
        (reset, Retryable, 3),
        (hang_up, Retryable, 3),
    ],
)
def test_every_answer_has_its_outcome_within_bounds(
    server: ScriptedServer, client: HttpClient, behaviour: Behaviour, error: type[ProviderError], requests: int
) -> None:
    server.plays("/a", behaviour)
    with pytest.raises(ProviderError) as raised:
        client.get("/a")
    assert type(raised.value) is error
    assert f"GET {server.url.removeprefix('http://')}/a" in str(raised.value)
    assert len(server.seen) == requests


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b'"text"', "text"),
        (b'{"a": ' + b"9" * 5000 + b', "b": 9007199254740993}', {"a": None, "b": 9007199254740993}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1.5}', {"a": None, "b": None, "c": None, "d": 1.5}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": 18446744073709551616}', {"a": 2**64}),
        (b'"\\ud800\\u0000"', "\ud800\x00"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/problem+json", None])
def test_odd_json_is_read(
    server: ScriptedServer, client: HttpClient, body: bytes, value: object, content_type: str | None
) -> None:
    server.plays("/a", answer(body=body, content_type=content_type))
    assert client.get("/a").json == value


def test_of_json_that_is_too_deep_only_the_depths_are_lost(server: ScriptedServer, client: HttpClient) -> None:
    deep = b"[" * 10_000 + b'"]}"' + b"]" * 10_000
    server.plays("/a", answer(body=b'[{"id": 1, "deep": ' + deep + b'}, {"id": 2, "deep": "[[\\"["}]'))
    first, second = client.get("/a").json
    assert (first["id"], second) == (1, {"id": 2, "deep": '[["['})
    assert repr(first["deep"]).strip("[]") == "None"


def test_not_modified_is_an_answer_without_json(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/a", answer(304, headers={"ETag": "x"}))
    response = client.get("/a")
    assert (response.status, response.json, response.headers["etag"]) == (304, None, "x")


def test_a_transient_failure_is_healed_in_place(server: ScriptedServer, client: HttpClient, clock: ManualTime) -> None:
    server.plays("/a", answer(502, {}), truncated, OK)
    assert client.get("/a").json == {"fine": True}
    first, second = clock.naps
    assert 0.5 <= first <= 1
    assert 1 <= second <= 1.5


def test_what_must_not_be_repeated_is_sent_once(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/token", answer(500, {}))
    with pytest.raises(Retryable):
        client.post("/token", form={"refresh_token": "x"}, repeatable=False)
    assert len(server.seen) == 1


def test_every_attempt_pays(server: ScriptedServer, make_client: MakeClient, clock: ManualTime) -> None:
    client = make_client(pacer=LocalPacer({"default": RateLimit(requests=1, seconds=10)}, clock=clock))
    server.plays("/a", answer(500, {}))
    started = clock.now
    with pytest.raises(Retryable):
        client.get("/a")
    assert clock.now - started == timedelta(seconds=20)
    assert len(server.seen) == 3


def test_a_closed_budget_sends_nothing(server: ScriptedServer, make_client: MakeClient, clock: ManualTime) -> None:
    pacer = LocalPacer(clock=clock)
    until = clock.now + timedelta(seconds=31)
    pacer.close("search", until)
    server.plays("/a", OK)
    client = make_client(pacer=pacer)
    with pytest.raises(RateLimited) as raised:
        client.get("/a", bucket="search")
    assert (raised.value.until, raised.value.scope, server.seen) == (until, "search", [])
    assert client.get("/a").status == 200


def test_a_short_refusal_is_waited_for_in_place(server: ScriptedServer, client: HttpClient, clock: ManualTime) -> None:
    server.plays("/a", answer(429, {}, headers={"Retry-After": "2"}), answer(429, {"retry_after": 0.5}), OK)
    assert client.get("/a").status == 200
    assert clock.naps == [2, 1]


def test_a_long_refusal_is_raised_and_closes_the_bucket(
    server: ScriptedServer, client: HttpClient, clock: ManualTime
) -> None:
    server.plays("/a", answer(429, {}, headers={"Retry-After": "31"}))
    until = clock.now + timedelta(seconds=31)
    for _ in range(3):
        with pytest.raises(RateLimited) as raised:
            client.get("/a")
        assert (raised.value.until, raised.value.scope) == (until, "default")
    assert (len(server.seen), clock.naps) == (1, [])


def test_a_provider_that_keeps_asking_for_a_second_gets_a_minute(
    server: ScriptedServer, client: HttpClient, clock: ManualTime
) -> None:
    server.plays("/a", answer(429, {}, headers={"Retry-After": "1"}))
    with pytest.raises(RateLimited) as raised:
        client.get("/a")
    assert raised.value.until == clock.now + timedelta(seconds=60)
    assert (len(server.seen), clock.naps) == (4, [1, 1, 1])


def test_short_refusals_are_counted_per_call_and_not_per_attempt(server: ScriptedServer, client: HttpClient) -> None:
    refused = answer(429, {}, headers={"Retry-After": "1"})
    server.plays("/a", refused, refused, answer(500, {}), refused, refused, OK)
    with pytest.raises(RateLimited):
        client.get("/a")
    assert len(server.seen) == 5


def test_untold_refusals_wait_longer_each_time_until_one_succeeds(
    server: ScriptedServer, client: HttpClient, clock: ManualTime
) -> None:
    untold = answer(429, {}, headers={"Retry-After": "soon"})
    server.plays("/a", untold, untold, untold, OK, untold)
    waits = []
    for _ in range(5):
        try:
            client.get("/a")
        except RateLimited as error:
            waits.append((error.until - clock.now).total_seconds())
            clock.now = error.until
    assert waits == [60, 120, 240, 60]


class RecordingPacer:
    """Notes in which order it is used; lets everything through."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def reserve(self, bucket: str) -> float:
        self.calls.append(("reserve", bucket))
        return 0.0

    def close(self, bucket: str, until: datetime) -> None:
        self.calls.append(("close", bucket, until))

    def learn(self, bucket: str, *, remaining: int, limit: int | None, resets_at: datetime) -> None:
        self.calls.append(("learn", bucket, remaining, limit, resets_at))


def test_quotas_are_learned_and_refusals_close(
    server: ScriptedServer, make_client: MakeClient, clock: ManualTime
) -> None:
    told = {"X-RateLimit-Limit": "9", "X-RateLimit-Remaining": "8", "X-RateLimit-Reset": "50"}
    server.plays("/a", answer(429, {}, headers={"Retry-After": "3"}), answer(payload=1, headers=told))
    pacer = RecordingPacer()
    make_client(pacer=pacer).get("/a", bucket="b")
    assert pacer.calls == [
        ("reserve", "b"),
        ("close", "b", clock.now + timedelta(seconds=3)),
        ("reserve", "b"),
        ("learn", "b", 8, 9, clock.now + timedelta(seconds=50)),
    ]


def test_a_wait_is_paid_anew_when_the_bucket_was_refused_meanwhile(
    server: ScriptedServer, make_client: MakeClient, clock: ManualTime
) -> None:
    server.plays("/a", OK)
    server.plays("/refused", answer(429, {}, headers={"Retry-After": "25"}))
    pacer = LocalPacer(clock=clock)
    pacer.close("default", clock.now + timedelta(seconds=4))
    stopped = RuntimeError("enough seen")

    def sleep(seconds: float) -> None:
        clock.naps.append(seconds)
        if len(clock.naps) == 1:
            # Another thread's request, already in flight, is refused while this one waits.
            clock.now += timedelta(seconds=4)
            with pytest.raises(RuntimeError, match="enough seen"):
                client.get("/refused")
        elif len(clock.naps) == 2:
            raise stopped
        else:
            clock.now += timedelta(seconds=seconds)

    client = make_client(pacer=pacer, sleep=sleep)
    assert client.get("/a").status == 200
    assert clock.naps == [4, 25, 25]


def test_what_sleep_raises_passes_through(server: ScriptedServer, make_client: MakeClient) -> None:
    stop = KeyError("stop at once")

    def sleep(_: float) -> None:
        raise stop

    server.plays("/refused", answer(429, {}, headers={"Retry-After": "2"}))
    server.plays("/broken", answer(500, {}))
    client = make_client(sleep=sleep)
    for path in ("/broken", "/refused"):
        with pytest.raises(KeyError) as raised:
            client.get(path)
        assert raised.value is stop
    assert len(server.seen) == 2


def test_a_provider_overrides_the_table(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(outcomes={202: Outcome.RETRY, 403: Outcome.CREDENTIALS})
    server.plays("/a", answer(202, {"code": 110000}))
    with pytest.raises(Retryable):
        client.get("/a")
    server.plays("/a", answer(403, {}))
    with pytest.raises(CredentialsRejected):
        client.get("/a")
    server.plays("/a", answer(403, {}, headers={"Retry-After": "99"}))
    with pytest.raises(RateLimited):
        client.get("/a")


def test_a_provider_judges_what_the_status_does_not_tell(server: ScriptedServer, make_client: MakeClient) -> None:
    def judge(response: Response) -> Outcome | None:
        told = response.json.get("error") if isinstance(response.json, dict) else None
        return {"ratelimited": Outcome.RATE_LIMITED, "invalid_auth": Outcome.CREDENTIALS}.get(told or "")

    client = make_client(judge=judge)
    server.plays("/a", answer(payload={"ok": False, "error": "ratelimited"}, headers={"Retry-After": "2"}), OK)
    assert client.get("/a").json == {"fine": True}
    server.plays("/a", answer(payload={"ok": False, "error": "invalid_auth"}))
    with pytest.raises(CredentialsRejected):
        client.get("/a")
    server.plays("/a", answer(400, {"error": "ratelimited"}, content_type="text/plain"))
    with pytest.raises(RateLimited):
        client.get("/a")


def test_evidence_is_kept_and_cut(server: ScriptedServer, client: HttpClient) -> None:
    server.plays("/a", answer(422, {"error": "x" * 20_000}))
    with pytest.raises(UnexpectedPayload) as raised:
        client.get("/a")
    assert raised.value.evidence.startswith('{"error": "xxx')
    assert len(raised.value.evidence) == 8192
    assert len(str(raised.value)) < 500


def test_a_meter_counts_requests_waits_and_bytes(server: ScriptedServer, client: HttpClient) -> None:
    body = b'{"fine": true}'
    server.plays("/a", answer(429, body=body, headers={"Retry-After": "2"}), answer(500, body=body), answer(body=body))
    with metered() as outer:
        with metered() as meter:
            client.get("/a")
        client.get("/a")
    client.get("/a")
    assert meter.requests == 3
    assert meter.received_bytes == 3 * len(body)
    assert 2.5 <= meter.waited_seconds <= 3
    assert (outer.requests, outer.received_bytes) == (4, 4 * len(body))


@pytest.mark.parametrize("url", ["dev.to/api", "ftp://dev.to", "https://", ""])
def test_an_address_without_scheme_or_host_is_refused(url: str, clock: ManualTime) -> None:
    with pytest.raises(ValueError, match="use one like"):
        HttpClient(base_url=url, pacer=LocalPacer(clock=clock))


def judged(verdict: Verdict) -> Callable[[Response], Verdict | None]:
    return lambda response: verdict if response.json == {"ok": False} else None


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome.CREDENTIALS, CredentialsRejected), (Outcome.GONE, Gone), (Outcome.RETRY, Retryable),
        (Outcome.UNEXPECTED, UnexpectedPayload), (Outcome.RATE_LIMITED, RateLimited),
        (Outcome.PERMISSION, NotPermitted), (Outcome.REFUSED, Refused),
    ],
)  # fmt: skip
def test_a_verdicts_reason_tells_people_what_to_do(
    server: ScriptedServer, make_client: MakeClient, outcome: Outcome, error: type[ProviderError]
) -> None:
    server.plays("/x", answer(payload={"ok": False}))
    client = make_client(judge=judged(Verdict(outcome=outcome, reason="Add the scope users:read.")))
    with pytest.raises(error, match="Add the scope users:read"):
        client.get("/x")


def test_a_verdict_tells_how_long_to_wait_at_most_a_day(
    server: ScriptedServer, make_client: MakeClient, clock: ManualTime
) -> None:
    server.plays("/x", answer(payload={"ok": False}))
    for wait, expected in ((timedelta(hours=2), timedelta(hours=2)), (timedelta(days=20), timedelta(days=1))):
        client = make_client(judge=judged(Verdict(outcome=Outcome.RATE_LIMITED, until=clock() + wait)))
        with pytest.raises(RateLimited) as refused:
            client.get("/x")
        assert refused.value.until == clock() + expected


def test_every_request_pays_the_overall_bucket_and_its_own(
    server: ScriptedServer, make_client: MakeClient, clock: ManualTime
) -> None:
    server.plays("/x", OK)
    limits = {"global": RateLimit(requests=1, seconds=2), "messages": RateLimit(requests=1, seconds=5)}
    client = make_client(overall="global", pacer=LocalPacer(limits, clock=clock))
    for bucket in ("messages/1", "messages/2", "messages/1"):
        client.get("/x", bucket=bucket)
    # The second waits for the global budget only, the third for its own.
    assert clock.naps == [2, 3]


def test_a_refusal_closes_the_bucket_that_it_is_about(
    server: ScriptedServer, make_client: MakeClient, clock: ManualTime
) -> None:
    server.plays("/own", answer(429, {"retry_after": 100, "global": False}))
    server.plays("/all", answer(429, {"retry_after": 200, "global": True}))
    server.plays("/fine", OK)
    client = make_client(overall="global", is_overall=lambda response: response.json.get("global") is True)
    for path, scope in (("/own", "messages/1"), ("/all", "global")):
        with pytest.raises(RateLimited) as refused:
            client.get(path, bucket="messages/1" if path == "/own" else "messages/2")
        assert refused.value.scope == scope
    with pytest.raises(RateLimited) as closed:
        client.get("/fine", bucket="messages/3")
    assert closed.value.scope == "global"
