"""The gate of the simulated GitHub: who asks, how much of it, and the way to GraphQL or to the few REST paths."""

import json
import math
import re
from dataclasses import replace
from typing import Any

from crowd_pipelines.sandbox.github import graph
from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.exchange import Exchange
from crowd_pipelines.sandbox.github.graph import Query, QueryRefused
from crowd_pipelines.sandbox.github.limits import Pace
from crowd_pipelines.sandbox.github.moods import ADDRESSES, Heavy, Moods, Refusal, insufficient
from crowd_pipelines.sandbox.github.rest import Rest
from crowd_pipelines.sandbox.github.tokens import Token, Tokens
from crowd_pipelines.sandbox.limits import FixedWindow
from crowd_pipelines.sandbox.messages import Request, Response, json_response

DOCS = "https://docs.github.com/graphql"
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to "
    "GitHub Support for help, please include the request ID 0000:0000:000000:000000:00000000."
)
ABUSE = "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again."
INSTALLATION = (
    "API rate limit exceeded for installation ID 9876543. If you reach out to GitHub Support for help, please include "
    "the request ID 0000:0000:000000:000000:00000000."
)
NO_AGENT = (
    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
    "(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). Check "
    "https://developer.github.com for other possible causes."
)
TIMED_OUT = (
    "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub "
    "bug. Please include `0000:0000:000000:000000:00000000` when reporting this issue."
)
UNICORN = b"<html><head><title>Unicorn!</title></head><body>This page is taking too long to load.</body></html>"
ASKED_KEYS = frozenset({"query", "variables", "operationName", "extensions"})


class GitHubApi:
    """Answers as GitHub does: what it would refuse is refused, and marked as a violation where a client is to blame."""

    def __init__(self, community: Community, tokens: Tokens, *, limit: FixedWindow | None) -> None:
        self.community = community
        self.tokens = tokens
        self.moods = Moods()
        self.pace = Pace()
        self._limit = limit
        self._rest = Rest(community, tokens)

    def answer(self, request: Request) -> Response:
        if not request.headers.get("user-agent"):
            return Response(
                status=403, body=NO_AGENT.encode(), content_type="text/html", violation="no User-Agent header"
            )
        refusal = self.moods.refusal() or self._too_fast(request)
        if refusal:
            return self._refused(request, refusal)
        if (status := self.moods.keeps_out()) is not None:
            return _kept_out(request, status)
        if request.segments[1:] != ("graphql",):
            return self._rest.answer(request)
        if request.method != "POST":
            return json_response({"message": "Not Found"}, status=404, violation=f"{request.method} on GraphQL")
        token = self._token(request)
        return token if isinstance(token, Response) else self._graphql(request, token)

    def _too_fast(self, request: Request) -> Refusal | None:
        waiting = self._limit.wait(request.client) if self._limit else None
        return None if waiting is None else Refusal(status=403, retry_after=math.ceil(waiting), times=1)

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        """With the headers of the primary limit, which has nothing to do with it."""
        graphql = request.segments[1:] == ("graphql",)
        response = _secondary(refusal, graphql=graphql)
        token = self.tokens.of(request)
        if token is None:
            return response
        budget = token.budget if graphql else token.core
        budget.refresh()
        return replace(response, headers={**budget.headers("graphql" if graphql else "core"), **response.headers})

    def _token(self, request: Request) -> Token | Response:
        """Whose token it is; an answer where it is nobody's."""
        if not request.headers.get("authorization"):
            message = "This endpoint requires you to be authenticated."
            return json_response({"message": message, "documentation_url": DOCS}, status=401)
        token = self.tokens.of(request)
        if token is None:
            return json_response({"message": "Bad credentials", "documentation_url": DOCS}, status=401)
        return token

    def _graphql(self, request: Request, token: Token) -> Response:
        asked, problem = _body(request)
        if asked is None:
            return json_response({"message": problem, "documentation_url": DOCS}, status=400, violation=problem)
        label = _label(asked)
        budget = token.budget
        budget.refresh()
        if budget.remaining <= 0:
            error = {"type": "RATE_LIMITED", "message": f"API rate limit exceeded for {token.account}."}
            return _told(json_response({"errors": [error]}), label, budget.headers())
        try:
            query = graph.understood(asked["query"], asked.get("variables") or {}, asked.get("operationName"))
        except QueryRefused as refused:
            return _told(json_response(refused.body, violation=refused.violation), label, budget.headers())
        response = self._within_limits(request, token, query)
        return _told(replace(response, violation=response.violation or problem), label, budget.headers())

    def _within_limits(self, request: Request, token: Token, query: Query) -> Response:
        waiting = self.pace.wait(token.account, query.size.cost)
        if waiting is not None:
            return _secondary(Refusal(status=200, retry_after=math.ceil(waiting), times=1), graphql=True)
        heavy = self.moods.burdened(query.size.nodes)
        # What timed out is paid for twice, as GitHub charges for it in the hour after.
        token.budget.spend(query.size.cost * (1 if heavy is None else 2))
        if heavy and heavy.answer != "limits":
            return _timed_out(heavy)
        missing = sorted(self.moods.missing_scopes.keys() & query.size.fields)
        if missing and not self.moods.partial_scopes:
            message = insufficient(missing[0], self.moods.missing_scopes[missing[0]])
            return json_response({"errors": [{"type": "INSUFFICIENT_SCOPES", "message": message}]})
        exchange = self._exchange(request, token, query, heavy)
        body = graph.answered(query, exchange)
        if (ways := exchange.closed_stars) and (found := next(iter(ways))) in ("403", "404"):
            message = STARS_REFUSED[found]
            return json_response({"message": message, "documentation_url": DOCS}, status=int(found))
        return json_response(_without_stars(body, exchange.closed_stars), violation=graph.violation(body))

    def _exchange(self, request: Request, token: Token, query: Query, heavy: Heavy | None) -> Exchange:
        return Exchange(
            community=self.community,
            moods=self.moods,
            viewer=token.owner,
            modern_ids=request.headers.get("x-github-next-global-id") == "1",
            rate=token.budget.as_json(cost=query.size.cost, nodes=query.size.nodes),
            most=heavy.above if heavy else None,
        )


STARS_REFUSED = {"403": "Resource not accessible by personal access token", "404": "Not Found"}


def _kept_out(request: Request, status: int) -> Response:
    if status == 403 or request.segments[1:] != ("graphql",):
        return json_response({"message": ADDRESSES, "documentation_url": DOCS}, status=403)
    asked, _ = _body(request)
    root = re.search(r"\b(repositoryOwner|repository|node)\(", asked["query"] if asked else "")
    field = root[1] if root else "repository"
    error = {"type": "FORBIDDEN", "path": [field], "message": ADDRESSES}
    return json_response({"data": {field: None}, "errors": [error]})


def _without_stars(body: dict[str, Any], ways: set[str]) -> dict[str, Any]:
    """Where the list is no field that may be null, what it is a field of goes with it."""
    if ways & {"forbidden", "not_found", "untyped"}:
        hidden = {field: None for field, value in body["data"].items() if field != "rateLimit" and value is not None}
        return {**body, "data": {**body["data"], **hidden}}
    return body


def _body(request: Request) -> tuple[dict[str, Any] | None, str | None]:
    """What was asked, and what is wrong with it; nothing where GitHub could not read it."""
    try:
        asked = json.loads(request.body)
    except ValueError:
        return None, "Problems parsing JSON"
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        return None, "A query attribute must be specified and must be a string."
    if not isinstance(asked.get("variables") or {}, dict):
        return None, "Variables are invalid JSON."
    strange = sorted(set(asked) - ASKED_KEYS)
    return asked, f"unknown keys in the body: {', '.join(strange)}" if strange else None


def _label(asked: dict[str, Any]) -> str:
    """For the log: the operation's name, and its variables."""
    named = re.search(r"\bquery\s+(\w+)", asked["query"])
    name = asked.get("operationName") or (named[1] if named else "query")
    return f"{name} {json.dumps(asked.get('variables') or {}, sort_keys=True)}"


def _told(response: Response, label: str, headers: dict[str, str]) -> Response:
    return replace(response, asked=label, headers={**headers, **response.headers})


def _secondary(refusal: Refusal, *, graphql: bool) -> Response:
    message = ABUSE if refusal.old_wording else INSTALLATION if refusal.installation else SECONDARY
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    body: dict[str, Any] = {"message": message, "documentation_url": f"{DOCS}#secondary-rate-limits"}
    if refusal.status == 200 and graphql:
        body = {"errors": [{"message": message}]}
    return replace(json_response(body, status=refusal.status), headers=headers)


def _timed_out(heavy: Heavy) -> Response:
    if heavy.answer == "timeout":
        return json_response({"data": None, "errors": [{"message": TIMED_OUT}]})
    return Response(status=int(heavy.answer), body=UNICORN, content_type="text/html; charset=utf-8")
