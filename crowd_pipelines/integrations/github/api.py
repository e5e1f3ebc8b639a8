"""GitHub's GraphQL API, as far as we read it: queries by name, answers, and what their errors mean.

Sources: GitHub's documentation of rate limits and its public schema.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.http.errors import Gone, NotPermitted, ProviderError, Refused, UnexpectedPayload
from crowd_pipelines.http.outcomes import Outcome, Response
from crowd_pipelines.integrations.github.access import KeyRing
from crowd_pipelines.integrations.github.answers import Answer, CursorExpired, answer_of, mark_unread
from crowd_pipelines.integrations.github.documents import document
from crowd_pipelines.integrations.github.problems import CONNECTIONS, Problem
from crowd_pipelines.integrations.github.refusals import ADDRESSES, REFUSALS, STARS, is_about_stars, words_in

HEADERS: Mapping[str, str] = {
    "Accept": "application/vnd.github+json",
    # Every id in the one new form, also of what is old: ids of both forms would be two activities.
    "X-Github-Next-Global-ID": "1",
}
REST_HEADERS: Mapping[str, str] = {**HEADERS, "X-GitHub-Api-Version": "2022-11-28"}

LARGEST_ANSWER = 64_000_000
"""Bytes: fifty issues with fifty comments each may bring long ones."""

EMAILS, TEAMS = "emails", "teams"
SWITCHES = frozenset([*CONNECTIONS, EMAILS, TEAMS])
"""Variables that leave out of a query what the credentials may not see."""

_CONFIRMED_FOR = 60.0
"""Seconds for which a place that answered need not be asked again."""

_IN_MESSAGES = {"'email'": EMAILS, "read:org": TEAMS}
_LIMITS = {
    EMAILS: "Email addresses are not read: the token lacks the scope user:email. Grant it to have them.",
    TEAMS: "Which team was asked for a review is not read: the token lacks the scope read:org. Grant it to have that.",
}


def graphql_address(base_url: str) -> str:
    """Return where GraphQL is: a GitHub Enterprise Server has it beside its REST API, not below."""
    below = base_url.rstrip("/")
    return f"{below.removesuffix('/v3')}/graphql" if urlsplit(below).path.endswith("/api/v3") else f"{below}/graphql"


class GithubApi:
    """Queries to one GitHub. `limits` are sentences about what the credentials turned out not to see."""

    def __init__(self, keys: KeyRing, *, address: str) -> None:
        self.keys = keys
        self.limits: set[str] = set()
        self._address = address
        self._without: frozenset[str] = frozenset()
        self._confirmed: dict[str, float] = {}

    def query(self, name: str, variables: Mapping[str, Any], *, without: Iterable[str] = ()) -> Answer:
        """Return an answer in which at least something of what was asked for is there.

        What the credentials may not see is left out at a second attempt, where it would hide the rest. Raises Gone or
        NotPermitted when nothing is to be seen, TooHeavy when GitHub could not answer in time, CursorExpired when a
        list has to be begun again.
        """
        switches = document(name).variables & SWITCHES
        off = (self._without | set(without)) & switches
        refused, broken = dict[str, str](), frozenset[str]()
        while True:
            asked = {**variables, **{switch: switch not in off for switch in switches}}
            answer, response = self._ask(name, asked)
            closed, failed = _switched(answer, switches - off)
            refused |= {p.last: p.message.rstrip(".") for p in answer.problems if p.last in closed}
            broken, off = broken | failed, off | closed | failed
            self._remember(off)
            # What may not be seen takes with it what it is part of: an address its person, a list its repository.
            if not (closed | failed) - ({TEAMS} if answer.root else set()):
                break
        if answer.root is None or any(is_about_stars(problem) for problem in answer.problems):
            raise _refusal(name, variables, answer, response)
        problems = tuple(problem for problem in answer.problems if _switch(problem) not in off)
        for problem in problems:
            mark_unread(answer.data, problem)
        return replace(answer, problems=problems, without=frozenset(off), refused=refused, broken=broken)

    def confirm(self, name: str, variables: Mapping[str, Any]) -> None:
        """See with a small query that a place still answers, at most once a minute."""
        place = f"{name} {sorted(variables.items())}"
        if time.monotonic() - self._confirmed.get(place, float("-inf")) > _CONFIRMED_FOR:
            self.query(name, variables)
            self._confirmed[place] = time.monotonic()

    def try_tokens(self) -> None:
        """Raise CredentialsRejected when no token is accepted, Gone naming the tokens that are not."""
        self.keys.try_all(lambda client: client.post(self._address, json={"query": document("budget").text}))

    def _ask(self, name: str, variables: Mapping[str, Any]) -> tuple[Answer, Response]:
        query = {"query": document(name).text, "variables": dict(variables)}
        response = self.keys.send(lambda client: client.post(self._address, json=query))
        answer = answer_of(response)
        if answer is None:
            raise UnexpectedPayload(f"the query {name} was answered with no data", evidence=str(response.json))
        if any(problem.type == "INVALID_CURSOR_ARGUMENTS" for problem in answer.problems):
            raise CursorExpired(f"GitHub does not go on with {_subject(name, variables)} at this cursor")
        if any(_is_of_network(problem) for problem in answer.problems):
            raise Refused(f"GitHub does not show {_subject(name, variables)} at this address ({_said(answer)}).")
        return answer, response

    def _remember(self, off: Iterable[str]) -> None:
        """Whoever lacks the scope for addresses or teams does so everywhere, unlike who may not see discussions."""
        for switch in _LIMITS.keys() & set(off):
            self._without |= {switch}
            self.limits.add(_LIMITS[switch])


def _switched(answer: Answer, switches: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which of the switches would leave out what is refused, and which what failed."""
    closed, failed = set[str](), set[str]()
    for problem in answer.problems:
        switch = _switch(problem)
        if switch in switches:
            (closed if problem.forbidden or problem.type == "NOT_FOUND" else failed).add(switch)
    return frozenset(closed), frozenset(failed)


def _switch(problem: Problem) -> str | None:
    """Return what would have to be left out for a problem not to arise."""
    if problem.last in CONNECTIONS:
        return problem.last
    if not problem.forbidden:
        return None
    if "requestedReviewer" in problem.path:
        return TEAMS
    return next((switch for words, switch in _IN_MESSAGES.items() if words in problem.message), None)


def _is_of_network(problem: Problem) -> bool:
    """Whether what was asked for is closed to this machine's address; a single record may be of somebody else."""
    return ADDRESSES in words_in(problem.message) and not any(isinstance(part, int) for part in problem.path)


def _refusal(name: str, variables: Mapping[str, Any], answer: Answer, response: Response) -> ProviderError:
    """Return what an answer that shows nothing means, by the table."""
    verdict, what = REFUSALS.judge(response), _subject(name, variables)
    of_list = next((problem.last for problem in answer.problems if problem.last in CONNECTIONS), None)
    if any(is_about_stars(problem) for problem in answer.problems):
        return NotPermitted(f"GitHub does not show who starred {what} ({_said(answer)}).", permission=STARS)
    if verdict and (verdict.outcome is Outcome.PERMISSION or (of_list and verdict.outcome is Outcome.GONE)):
        told = f"GitHub does not show {what} to these credentials ({_said(answer)}). {verdict.reason}"
        return NotPermitted(told, permission=of_list or verdict.permission)
    if verdict and verdict.outcome is Outcome.GONE:
        return Gone(f"{what} is gone or not visible to these credentials")
    return Refused(f"GitHub showed nothing of {what}, and gave no reason that it documents ({_said(answer)}).")


def _said(answer: Answer) -> str:
    return next((problem.message.rstrip(".") for problem in answer.problems if problem.message), "without a word")


def _subject(name: str, variables: Mapping[str, Any]) -> str:
    return "/".join(str(variables[key]) for key in ("owner", "name", "login", "id") if key in variables) or name
