"""What GraphQL answers mean beyond their status: a 200 may be a refusal, a failure, or only part of an answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crowd_pipelines.http.outcomes import Outcome, Response, Verdict

_SECONDARY = ("secondary rate limit", "abuse detection")
_TOO_HEAVY = ("something went wrong while executing", "resource limits", "timeout", "timed out")
_FORBIDDEN = ("FORBIDDEN", "INSUFFICIENT_SCOPES")
_NEW_TOKEN = "GitHub does not accept this token any more: create another one and connect again."  # noqa: S105  a sentence

_NO_GRAPHQL = Verdict(
    outcome=Outcome.RETRY,
    reason="There seems to be no GraphQL at this address (of what is gone, GitHub tells in another way): "
    "it will be tried again; check CROWD_GITHUB_API_URL if that lasts.",
)


class TooHeavy(Exception):
    """The query took GitHub too long or too much: the same one again would fare no better, a smaller one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error of a GraphQL answer; `path` is where in the data a null stands for it."""

    type: str
    path: tuple[str, ...]
    message: str

    @property
    def forbidden(self) -> bool:
        """Whether the credentials do not reach so far."""
        return self.type in _FORBIDDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The data of an answer, what is missing in it, and the switches that left something out."""

    data: Mapping[str, Any]
    problems: tuple[Problem, ...]
    without: frozenset[str] = frozenset()

    @property
    def root(self) -> dict[str, Any] | None:
        """What was asked for, None where nobody may see it or it does not exist."""
        return next((value for value in _roots(self.data) if isinstance(value, dict)), None)


def answer_of(response: Response) -> Answer | None:
    """Return an answer's data with its errors; None for a body that is no answer of GraphQL."""
    body = response.json
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        return None
    data = body.get("data")
    if not all(isinstance(part, dict | None) for part in (data, *_roots(data))):
        # Something else where what was asked for belongs must not pass for something that is gone.
        return None
    return Answer(data=data or {}, problems=tuple(_problems(body)))


def judge(response: Response) -> Outcome | Verdict | None:
    """Tell what an answer means where its status does not.

    Raises TooHeavy, which passes the client by: it would only ask the same again.
    """
    body = response.json if isinstance(response.json, dict) else {}
    problems = tuple(_problems(body))
    told = " ".join([str(body.get("message", "")), *(problem.message for problem in problems)]).lower()
    if response.status == 401 or "bad credentials" in told:
        return Verdict(outcome=Outcome.CREDENTIALS, reason=_NEW_TOKEN)
    if any(words in told for words in _SECONDARY):
        return Outcome.RATE_LIMITED
    if response.status in (502, 504):
        raise TooHeavy(f"GitHub answered {response.status}")
    if response.status in (404, 410):
        return _NO_GRAPHQL
    if response.status == 403:
        return None if response.headers.get("x-ratelimit-remaining") == "0" else _permission(body)
    return _of_problems(body, problems) if response.status == 200 and problems else None


def _of_problems(body: Mapping[str, Any], problems: tuple[Problem, ...]) -> Outcome | Verdict | None:
    kinds = {problem.type for problem in problems}
    if kinds & {"RATE_LIMITED", "RATE_LIMIT"}:
        return Verdict(outcome=Outcome.RATE_LIMITED, until=_reset(body))
    heavy = [p for p in problems if p.type == "RESOURCE_LIMITS_EXCEEDED" or (not p.type and _is_heavy(p.message))]
    if heavy:
        raise TooHeavy(heavy[0].message)
    if any(value is not None for value in _roots(body.get("data"))):
        return Outcome.OK
    if kinds & {"NOT_FOUND", *_FORBIDDEN}:
        return Outcome.OK  # what it means depends on what was asked
    if kinds & {"SERVICE_UNAVAILABLE", "INTERNAL"}:
        return Outcome.RETRY
    return Verdict(outcome=Outcome.UNEXPECTED, reason="GitHub does not understand the query; the evidence is kept.")


def _permission(body: Mapping[str, Any]) -> Verdict:
    message = str(body.get("message") or "").rstrip(".")
    if not message:
        # From something in front of GitHub, which says nothing about what was asked for.
        return Verdict(outcome=Outcome.RETRY)
    return Verdict(outcome=Outcome.GONE, reason=f"GitHub refuses this to the credentials ({message}); it is skipped.")


def _is_heavy(message: str) -> bool:
    return any(words in message.lower() for words in _TOO_HEAVY)


def _reset(body: Mapping[str, Any]) -> datetime | None:
    """The reset that the query itself asked for, should it have come along."""
    data = body.get("data")
    budget = data.get("rateLimit") if isinstance(data, dict) else None
    try:
        return datetime.fromisoformat(budget["resetAt"]) if isinstance(budget, dict) else None
    except (TypeError, KeyError, ValueError):
        return None


def _problems(body: Mapping[str, Any]) -> Iterator[Problem]:
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            path = error.get("path")
            yield Problem(
                type=str(error.get("type") or ""),
                path=tuple(map(str, path)) if isinstance(path, list) else (),
                message=str(error.get("message") or ""),
            )


def _roots(data: Any) -> list[Any]:
    """The values of the query's own fields, of which each of ours has one beside the budget."""
    return [value for name, value in data.items() if name != "rateLimit"] if isinstance(data, dict) else []
