"""The gate of the simulated Discord: who asks, its limits, its refusals, and the way to the endpoints."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from crowd_pipelines.sandbox.discord.endpoints import SNOWFLAKE_DIGITS, Endpoints
from crowd_pipelines.sandbox.discord.limits import Limits
from crowd_pipelines.sandbox.discord.refusals import (
    Refused,
    invalid,
    nameless,
    no_such_path,
    unauthorized,
)
from crowd_pipelines.sandbox.messages import Request, Response

NAMED = re.compile(r"DiscordBot \(\S+, [^)]+\)")
PAGED = frozenset({"limit", "before"})


@dataclass(frozen=True, slots=True)
class Route:
    """A path with its family of limits, the parameters it knows, and who answers."""

    pattern: str
    family: str
    allowed: frozenset[str]
    endpoint: Callable[..., Response]


ROUTES = (
    Route(r"applications/@me", "application", frozenset(), Endpoints.application),
    Route(r"users/@me", "application", frozenset(), Endpoints.me),
    Route(r"guilds/([^/]+)", "guild", frozenset({"with_counts"}), Endpoints.guild),
    Route(r"guilds/([^/]+)/roles", "guild", frozenset(), Endpoints.roles),
    Route(r"guilds/([^/]+)/channels", "guild", frozenset(), Endpoints.channels),
    Route(r"guilds/([^/]+)/threads/active", "guild", frozenset(), Endpoints.active),
    Route(r"guilds/([^/]+)/members", "members", frozenset({"limit", "after"}), Endpoints.members),
    Route(r"guilds/([^/]+)/members/([^/]+)", "guild", frozenset(), Endpoints.member),
    Route(r"channels/([^/]+)", "guild", frozenset(), Endpoints.channel),
    Route(r"channels/([^/]+)/messages", "messages", PAGED | {"after", "around"}, Endpoints.messages),
    Route(r"channels/([^/]+)/messages/([^/]+)", "messages", frozenset(), Endpoints.message),
    Route(r"channels/([^/]+)/threads/archived/public", "threads", PAGED, Endpoints.archived_public),
    Route(r"channels/([^/]+)/threads/archived/private", "threads", PAGED, Endpoints.archived_private),
    Route(r"channels/([^/]+)/users/@me/threads/archived/private", "threads", PAGED, Endpoints.archived_joined),
)


class DiscordApi:
    """Answers as Discord does: what it would refuse is refused, and marked as a violation of the contract."""

    def __init__(self, endpoints: Endpoints, *, token: str, limits: Limits) -> None:
        self._endpoints = endpoints
        self.token = token
        self.limits = limits

    def answer(self, request: Request) -> Response:
        if banned := self.limits.ban():
            return banned
        try:
            response = self._routed(request)
        except Refused as refused:
            response = refused.response
        if response.status in (401, 403, 429):
            self.limits.note_refusal()
        return response

    def _routed(self, request: Request) -> Response:
        if not NAMED.match(request.headers.get("user-agent", "")):
            raise nameless()
        if request.headers.get("authorization") != f"Bot {self.token}":
            raise unauthorized()
        path = "/".join(request.segments[3:]) if request.segments[1:3] == ("api", "v10") else ""
        for route in ROUTES:
            if request.method == "GET" and (match := re.fullmatch(route.pattern, path)):
                return self._limited(request, route, match.groups())
        raise no_such_path(f"{request.method} {request.path}")

    def _limited(self, request: Request, route: Route, ids: tuple[str, ...]) -> Response:
        over, headers = self.limits.count(route.family, ids[0] if ids else "")
        if over:
            return over
        try:
            _check_query(request, route.allowed)
            response = route.endpoint(self._endpoints, request, *map(_id, ids))
        except Refused as refused:
            response = refused.response
        return replace(response, headers={**headers, **response.headers})


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < SNOWFLAKE_DIGITS):
        raise invalid(f"{text!r} is not a snowflake")
    return int(text)


def _check_query(request: Request, allowed: frozenset[str]) -> None:
    seen = set()
    for name, _ in request.pairs:
        if name not in allowed:
            raise invalid(f"{request.path} has no query parameter {name!r}")
        if name in seen:
            raise invalid(f"query parameter {name!r} was sent twice")
        seen.add(name)
