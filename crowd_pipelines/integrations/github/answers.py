"""What GraphQL answers mean beyond their status: a 200 may be a refusal, a failure, or only part of an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crowd_pipelines.http.outcomes import Outcome, Response, Verdict
from crowd_pipelines.integrations.github.problems import CONNECTIONS, Problem, problems_of, roots
from crowd_pipelines.integrations.github.refusals import REFUSALS

_LIMITS = ("api rate limit exceeded", "secondary rate limit", "abuse detection")
_TOO_HEAVY = ("something went wrong while executing", "resource limits", "timeout", "timed out")

_UNNAMED = Verdict(
    outcome=Outcome.REFUSED,
    reason="GitHub gave nothing of what was asked for, and no reason that it documents: it will be tried again.",
)


class TooHeavy(Exception):
    """The query took GitHub too long or too much: the same one again would fare no better, a smaller one may."""


class CursorExpired(Exception):
    """A list cannot go on at this cursor, and has to be begun again."""


class Unread:
    """What stands in the data where an error says that the value could not be read."""

    def __repr__(self) -> str:
        return "unread"


UNREAD = Unread()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The data of an answer, what is missing in it, and the switches that left something out.

    Where an error stands for a value, the data holds UNREAD instead of it, unless a null higher up does so already.
    """

    data: Mapping[str, Any]
    problems: tuple[Problem, ...]
    without: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    """What GitHub said of the lists of a repository that it does not show to these credentials."""

    broken: frozenset[str] = frozenset()
    """Lists of a repository that failed, for whatever reason, and have to be asked for by themselves."""

    @property
    def root(self) -> dict[str, Any] | None:
        """What was asked for, None where nobody may see it or it does not exist."""
        return next((value for value in roots(self.data) if isinstance(value, dict)), None)

    @property
    def unplaced(self) -> str | None:
        """Return what is wrong when an error does not tell where in the data something is missing."""
        said = next((problem.message or problem.type for problem in self.problems if not problem.path), None)
        return said and f"beside the data, GitHub tells of an error and not of its place ({said})"


def answer_of(response: Response) -> Answer | None:
    """Return an answer's data with its errors; None for a body that is no answer of GraphQL."""
    body = response.json
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        return None
    data = body.get("data")
    if not all(isinstance(part, dict | None) for part in (data, *roots(data))):
        # Something else where what was asked for belongs must not pass for something that is gone.
        return None
    return Answer(data=data or {}, problems=tuple(problems_of(body)))


def mark_unread(data: Any, problem: Problem) -> None:
    """Put UNREAD where an error stands for a value; a null above it, as in a list, speaks for itself."""
    *above, last = problem.path or (None,)
    place = data
    for part in above:
        place = _below(place, part)
    if isinstance(place, dict) and isinstance(last, str) and last in place:
        place[last] = UNREAD
    elif isinstance(place, list) and isinstance(last, int) and 0 <= last < len(place):
        place[last] = None


def is_unread(value: Any, depth: int = 4) -> bool:
    """Tell whether part of a record could not be read."""
    if value is UNREAD:
        return True
    if depth and isinstance(value, dict):
        return any(is_unread(part, depth - 1) for part in value.values())
    return bool(depth) and isinstance(value, list) and any(is_unread(part, depth - 1) for part in value)


def judge(response: Response) -> Outcome | Verdict | None:
    """Tell what an answer means where neither its status nor the table does.

    Raises TooHeavy, which passes the client by: it would only ask the same again. What is gone or forbidden passes, as
    part of an answer: what it means depends on what was asked.
    """
    if response.status in (502, 504):
        raise TooHeavy(f"GitHub answered {response.status}")
    body = response.json
    if response.status != 200 or not isinstance(body, dict):
        return None
    problems = tuple(problems_of(body))
    if limit := _limit(body, problems):
        return limit
    if heavy := next((problem for problem in problems if _is_heavy(problem)), None):
        raise TooHeavy(heavy.message)
    asked = roots(body.get("data"))
    if any(value is not None for value in asked) or (body.get("data") and not asked):
        return Outcome.OK
    verdict = REFUSALS.judge(response)
    if verdict is None and any(problem.last in CONNECTIONS for problem in problems):
        return Outcome.OK
    if verdict is None:
        return _UNNAMED if problems or "data" in body else None
    return Outcome.OK if verdict.outcome in (Outcome.GONE, Outcome.PERMISSION) else verdict


def _limit(body: Mapping[str, Any], problems: tuple[Problem, ...]) -> Verdict | None:
    if any(problem.type in ("RATE_LIMITED", "RATE_LIMIT") for problem in problems):
        return Verdict(outcome=Outcome.RATE_LIMITED, until=_reset(body))
    said = " ".join([str(body.get("message", "")), *(problem.message for problem in problems)]).lower()
    return Verdict(outcome=Outcome.RATE_LIMITED) if any(words in said for words in _LIMITS) else None


def _is_heavy(problem: Problem) -> bool:
    if problem.type:
        return problem.type == "RESOURCE_LIMITS_EXCEEDED"
    return any(words in problem.message.lower() for words in _TOO_HEAVY)


def _below(place: Any, part: str | int | None) -> Any:
    if isinstance(place, dict) and isinstance(part, str):
        return place.get(part)
    if isinstance(place, list) and isinstance(part, int) and 0 <= part < len(place):
        return place[part]
    return None


def _reset(body: Mapping[str, Any]) -> datetime | None:
    """The reset that the query itself asked for, should it have come along."""
    data = body.get("data")
    budget = data.get("rateLimit") if isinstance(data, dict) else None
    try:
        return datetime.fromisoformat(budget["resetAt"]) if isinstance(budget, dict) else None
    except (TypeError, KeyError, ValueError):
        return None
