"""Turns a provider's answer into the value or the error that the caller gets."""

from datetime import datetime
from http import HTTPStatus

from requests.structures import CaseInsensitiveDict

from crowd_pipelines.http.errors import (
    CredentialsRejected,
    Gone,
    NotPermitted,
    ProviderError,
    RateLimited,
    Refused,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.http.outcomes import Outcome, Response, Verdict
from crowd_pipelines.http.payload import Decoded, decode
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.http.transport import Answer, Request
from crowd_pipelines.model.secrets import masked

_EXCERPT = 200


def decoded_body(answer: Answer) -> Decoded:
    """The answer's JSON, with what is wrong about it."""
    return decode(answer.body, content_type=answer.headers.get("Content-Type", ""))


def response_of(answer: Answer, body: Decoded) -> Response:
    """The answer as integrations see it."""
    headers = CaseInsensitiveDict({name: masked(value, answer.secrets) for name, value in answer.headers.items()})
    url = redact(answer.url, answer.secrets)
    return Response(status=answer.status, url=url, headers=headers, json=body.value)


def check_body(body: Decoded, request: Request, answer: Answer) -> None:
    """Raise Retryable for a good answer without proper JSON."""
    if body.defect is not None and answer.status != HTTPStatus.NOT_MODIFIED:
        raise Retryable(f"{_told(request, answer, body.defect)} It will be tried again.")


def failure(verdict: Verdict, request: Request, answer: Answer) -> ProviderError:
    """The error for an answer that is neither good nor a refusal for rate."""
    told = _told(request, answer)
    match verdict.outcome:
        case Outcome.CREDENTIALS:
            return CredentialsRejected(f"{told} {verdict.reason or 'The credentials are not accepted.'}")
        case Outcome.PERMISSION:
            usual = "These credentials may not read it."
            return NotPermitted(f"{told} {verdict.reason or usual}", permission=verdict.permission or "permission")
        case Outcome.GONE:
            return Gone(f"{told} {verdict.reason or 'It is gone or not visible to these credentials.'}")
        case Outcome.REFUSED:
            usual = "The reason is not one that the provider documents, so nothing is left out: it will be tried again."
            return Refused(f"{told} {verdict.reason or usual}")
        case Outcome.RETRY:
            return Retryable(f"{told} {verdict.reason or 'It will be tried again.'}")
        case _:
            remedy = verdict.reason or "Repeating will not help; the evidence is kept."
            return UnexpectedPayload(f"{told} {remedy}", evidence=_evidence(answer))


def refusal(verdict: Verdict, request: Request, answer: Answer, until: datetime, bucket: str) -> RateLimited:
    """The error for an answer that refuses for rate, which closes a bucket."""
    when = f"The next request may be sent at {until:%Y-%m-%d %H:%M:%S %Z}."
    told = " ".join(filter(None, (_told(request, answer), verdict.reason, when)))
    return RateLimited(told, until=until, scope=bucket)


def _told(request: Request, answer: Answer, instead: str = "") -> str:
    """One sentence: what was asked, what came, and how it begins."""
    start = " ".join(_evidence(answer).split())[:_EXCERPT]
    if start.startswith("<"):
        start = ""  # a page of markup tells people nothing; the status does
    came = f"{answer.status} {_phrase(answer.status)}".strip() + (f", {instead}" if instead else "")
    said = f': "{start}"' if start else ""
    return redact(f"{request} answered {came}{said}.", answer.secrets)


def _evidence(answer: Answer) -> str:
    if answer.discreet:
        return ""
    return redact(answer.body[:65_536].decode("utf-8", "replace"), answer.secrets)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
