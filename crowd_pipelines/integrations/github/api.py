"""GitHub's GraphQL API, as far as we read it: queries by name, answers, and what their errors mean.

Sources: GitHub's documentation of rate limits and its public schema.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.integrations.github.access import KeyRing
from crowd_pipelines.integrations.github.answers import Answer, Problem, answer_of
from crowd_pipelines.integrations.github.documents import document

HEADERS: Mapping[str, str] = {
    "Accept": "application/vnd.github+json",
    # Every id in the one new form, also of what is old: ids of both forms would be two activities.
    "X-Github-Next-Global-ID": "1",
}
REST_HEADERS: Mapping[str, str] = {**HEADERS, "X-GitHub-Api-Version": "2022-11-28"}

LARGEST_ANSWER = 64_000_000
"""Bytes: fifty issues with fifty comments each may bring long ones."""

CONNECTIONS = ("stargazers", "forks", "issues", "pullRequests", "discussions")
"""What is read of a repository, by GitHub's names."""

EMAILS, TEAMS = "emails", "teams"
SWITCHES = frozenset([*CONNECTIONS, EMAILS, TEAMS])
"""Variables that leave out of a query what the credentials may not see."""

_IN_MESSAGES = {"'email'": EMAILS, "read:org": TEAMS}
_TEAM_FIELDS = ("members", "requestedReviewer")
_LIMITS = {
    EMAILS: "Email addresses are not read: the token lacks the scope user:email. Grant it to have them.",
    TEAMS: "Who belongs to a team that is asked for a review is not read: the token lacks the scope read:org.",
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

    def query(self, name: str, variables: Mapping[str, Any], *, without: Iterable[str] = ()) -> Answer:
        """Return an answer in which at least something of what was asked for is there.

        What the credentials may not see is left out at a second attempt, where it would hide the rest. Raises Gone when
        nothing is to be seen, TooHeavy when GitHub could not answer in time.
        """
        switches = document(name).variables & SWITCHES
        off = (self._without | set(without)) & switches
        while True:
            answer = self._ask(name, {**variables, **{switch: switch not in off for switch in switches}})
            refused = {switch for problem in answer.problems if (switch := _switch(problem)) in switches} - off
            off |= refused
            self._remember(off)
            # What may not be seen takes with it what it is part of: an address its person, a list its repository.
            if not refused - ({TEAMS} if answer.root else set()):
                break
        if answer.root is None:
            raise Gone(_reason(name, variables, answer.problems))
        return replace(answer, without=off)

    def try_tokens(self) -> None:
        """Raise CredentialsRejected naming the tokens that are not accepted."""
        self.keys.try_all(lambda client: client.post(self._address, json={"query": document("budget").text}))

    def _ask(self, name: str, variables: Mapping[str, Any]) -> Answer:
        query = {"query": document(name).text, "variables": dict(variables)}
        response = self.keys.send(lambda client: client.post(self._address, json=query))
        answer = answer_of(response)
        if answer is None:
            raise UnexpectedPayload(f"the query {name} was answered with no data", evidence=str(response.json))
        return answer

    def _remember(self, off: Iterable[str]) -> None:
        """Whoever lacks the scope for addresses or teams does so everywhere, unlike who may not see discussions."""
        for switch in _LIMITS.keys() & set(off):
            self._without |= {switch}
            self.limits.add(_LIMITS[switch])


def _switch(problem: Problem) -> str | None:
    """Return what would have to be left out for a problem not to arise."""
    if not problem.forbidden:
        return None
    last = problem.path[-1] if problem.path else ""
    if last in CONNECTIONS:
        return last
    if last in _TEAM_FIELDS:
        return TEAMS
    return next((switch for words, switch in _IN_MESSAGES.items() if words in problem.message), None)


def _reason(name: str, variables: Mapping[str, Any], problems: tuple[Problem, ...]) -> str:
    what = "/".join(str(variables[key]) for key in ("owner", "name", "login", "id") if key in variables) or name
    if problem := next((problem for problem in problems if problem.forbidden), None):
        return f"GitHub does not show {what} to these credentials ({problem.message.rstrip('.')})"
    return f"{what} is gone or not visible to these credentials"
