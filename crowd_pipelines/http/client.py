"""The one way to talk to a provider: paced, retried, redacted, and answered with a value or a named error."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import tenacity
from pydantic import SecretStr

from crowd_pipelines.http.errors import Refused, Retryable, UnexpectedPayload
from crowd_pipelines.http.guard import Guard
from crowd_pipelines.http.metering import count
from crowd_pipelines.http.outcomes import Judge, Outcome, Response, Verdict, verdict_of
from crowd_pipelines.http.pacing import LONGEST_WAIT_IN_PLACE, Clock, Pacer, Refusals, utc_now
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.http.redirects import MAX_REDIRECTS, absolute, followed
from crowd_pipelines.http.refusals import RefusalTable
from crowd_pipelines.http.transport import Answer, Auth, Headers, Limits, Params, Request, Transport
from crowd_pipelines.http.verdicts import check_body, decoded_body, failure, refusal, response_of
from crowd_pipelines.http.waits import WAIT_HEADERS, WaitHeader, quota, refused_until, wait_until

_ATTEMPTS = 3


@dataclass(slots=True, kw_only=True)
class _Patience:
    """How many more short waits one call accepts from the provider."""

    left: int = 3

    def spend(self) -> bool:
        """Whether there was one left."""
        self.left -= 1
        return self.left >= 0


class HttpClient:
    """Requests with one credential against one provider; safe to use from up to `max_connections` threads.

    Headers, forms and parameters take secrets as they are (`Secret`): they are given out at the socket, and no answer
    brings them back.

    Every request, also a repeated or redirected one, first pays the pacer. Transient failures are tried three times in
    all; a 429 closes its bucket and is waited for in place up to 30 s, three times per call. `sleep` may raise to stop
    the work: what it raises passes through.

    `judge` tells what answers mean where headers and status do not; `refusals` is the platform's table, which is asked
    after it. With a table, a refusal that stands in no row is `Refused`; without one, those in JSON mean what they
    usually mean.

    With `overall`, every request also pays that bucket, and a refusal for which `is_overall` holds closes it instead of
    the request's own: Discord counts per route and per bot.

    With a `guard` only what it allows is connected to, directly and never through a proxy. Raises AddressRefused for a
    base URL that it would not allow wherever the host may lead.
    """

    def __init__(
        self,
        *,
        base_url: str,
        pacer: Pacer,
        headers: Headers | None = None,
        auth: Auth | None = None,
        secrets: Sequence[str | SecretStr] = (),
        outcomes: Mapping[int, Outcome] | None = None,
        judge: Judge | None = None,
        refusals: RefusalTable | None = None,
        wait_headers: Sequence[WaitHeader] = WAIT_HEADERS,
        overall: str | None = None,
        is_overall: Callable[[Response], bool] = lambda _: False,
        max_connections: int = 10,
        limits: Limits | None = None,
        guard: Guard | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = utc_now,
    ) -> None:
        if guard:
            guard.check(base_url)
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
            raise ValueError(f"{redact(base_url)!r} is no address of an API: use one like https://dev.to/api")
        self._base_url = base_url
        self._pacer = pacer
        self._outcomes = dict(outcomes or {})
        self._judge = _in_turn(judge, refusals.judge) if refusals else judge
        self._closed = refusals is not None
        self._wait_headers = tuple(wait_headers)
        self._overall = (overall,) if overall else ()
        self._is_overall = is_overall
        self._sleep = sleep
        self._clock = clock
        self._refusals = Refusals()
        self._transport = Transport(
            headers=headers,
            auth=auth,
            secrets=secrets,
            limits=limits or Limits(),
            max_connections=max_connections,
            guard=guard,
        )

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        bucket: str = "default",
        headers: Headers | None = None,
    ) -> Response:
        """GET a path below the base URL, or an absolute URL of the same host; raises a ProviderError."""
        url = absolute(self._base_url, path)
        return self._call(Request(method="GET", url=url, bucket=bucket, params=params, headers=headers))

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Headers | None = None,
        params: Params | None = None,
        bucket: str = "default",
        headers: Headers | None = None,
        repeatable: bool = True,
        for_credentials: bool = False,
    ) -> Response:
        """POST JSON or a form; `repeatable=False` sends it once where a second time would harm (a token refresh).

        `for_credentials` asks for new ones: nothing of a good answer is shown or kept but what the caller takes.
        """
        url = absolute(self._base_url, path)
        request = Request(
            method="POST",
            url=url,
            bucket=bucket,
            params=params,
            json=json,
            form=form,
            headers=headers,
            for_credentials=for_credentials,
        )
        return self._call(request, attempts=_ATTEMPTS if repeatable else 1)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, request: Request, *, attempts: int = _ATTEMPTS) -> Response:
        # tenacity rather than stamina, which is built on it: stamina can neither be given a sleep that may raise nor
        # be kept apart from its process-wide configuration.
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_exponential(multiplier=0.5, max=8) + tenacity.wait_random(0, 0.5),
            retry=tenacity.retry_if_exception(_may_heal_at_once),
            sleep=self._wait,
            reraise=True,
        )
        return retrying(self._attempt, request, _Patience())

    def _attempt(self, request: Request, patience: _Patience) -> Response:
        """One attempt, and again after each short wait that the provider asks for."""
        while True:
            answer = self._follow(request)
            body = decoded_body(answer)
            response = response_of(answer, body)
            verdict = verdict_of(response, judge=self._judge, overrides=self._outcomes, closed=self._closed)
            if verdict.outcome is not Outcome.RATE_LIMITED:
                break
            self._refused(request, answer, response, verdict, patience)
        if verdict.outcome is not Outcome.OK:
            raise failure(verdict, request, answer)
        for bucket in self._buckets(request):
            self._refusals.forget(bucket)
        check_body(body, request, answer)
        return response

    def _follow(self, request: Request) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            self._pay(request)
            answer = self._transport.send(request)
            self._learn(request.bucket, answer)
            onward = followed(request, answer)
            if onward is None:
                return answer
            request = onward
        raise UnexpectedPayload(f"{request} was redirected more than {MAX_REDIRECTS} times; check the address.")

    def _buckets(self, request: Request) -> tuple[str, ...]:
        return (request.bucket, *self._overall)

    def _pay(self, request: Request) -> None:
        """Wait for the request's buckets, and anew when another thread was refused during the wait."""
        buckets = self._buckets(request)
        while True:
            known = [self._refusals.until(bucket) for bucket in buckets]
            wait = self._pacer.reserve(*buckets)
            if wait <= 0:
                return
            self._wait(wait)
            if [self._refusals.until(bucket) for bucket in buckets] == known:
                return

    def _refused(
        self, request: Request, answer: Answer, response: Response, verdict: Verdict, patience: _Patience
    ) -> None:
        """Close the bucket for everybody; raises RateLimited unless the next attempt is due within seconds.

        A provider that refuses again after each wait it asked for is given the growing wait instead.
        """
        now = self._clock()
        bucket = self._overall[0] if self._overall and self._is_overall(response) else request.bucket
        told = refused_until(answer.headers, response.json, now=now, table=self._wait_headers)
        if verdict.until is not None:
            told = wait_until(verdict.until, now=now)
        brief = told is not None and told - now <= LONGEST_WAIT_IN_PLACE
        in_place = brief and patience.spend()
        until = told or now
        if told is None or (brief and not in_place):
            until = max(until, self._refusals.growing_wait(bucket, now=now))
        self._refusals.note(bucket, until)
        self._pacer.close(bucket, until)
        if not in_place:
            raise refusal(verdict, request, answer, until, bucket)

    def _learn(self, bucket: str, answer: Answer) -> None:
        if told := quota(answer.headers, now=self._clock()):
            self._pacer.learn(bucket, remaining=told.remaining, limit=told.limit, resets_at=told.resets_at)

    def _wait(self, seconds: float) -> None:
        self._sleep(seconds)
        count(waited_seconds=seconds)


def _in_turn(first: Judge | None, then: Judge) -> Judge:
    return then if first is None else lambda response: first(response) or then(response)


def _may_heal_at_once(error: BaseException) -> bool:
    return isinstance(error, Retryable) and not isinstance(error, Refused)
