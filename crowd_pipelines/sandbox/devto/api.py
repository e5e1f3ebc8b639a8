"""The gate of the simulated DEV: its limit, its refusals, and the way to the endpoints."""

import re
from collections.abc import Callable
from dataclasses import replace

from crowd_pipelines.sandbox.devto.endpoints import Endpoints
from crowd_pipelines.sandbox.devto.refusals import Refused, not_found, unauthorized, unprocessable
from crowd_pipelines.sandbox.limits import FixedWindow
from crowd_pipelines.sandbox.messages import Request, Response, text_response

PAGED = frozenset({"page", "per_page"})
ACCEPTED = "application/vnd.forem.api-v1+json"

_ROUTES: tuple[tuple[str, frozenset[str], Callable[[Endpoints, Request, str], Response]], ...] = (
    (r"(articles)", PAGED | {"username", "state"}, Endpoints.articles),
    (r"articles/([0-9]+)", frozenset(), Endpoints.article),
    (r"organizations/([^/]+)/articles", PAGED, Endpoints.organization_articles),
    (r"organizations/([^/]+)", frozenset(), Endpoints.organization),
    (r"(comments)", PAGED | {"a_id"}, Endpoints.comments),
    (r"comments/([0-9a-p]+)", frozenset(), Endpoints.comment),
    (r"users/(me)", frozenset(), Endpoints.me),
    (r"users/(by_username)", frozenset({"url"}), Endpoints.by_username),
    (r"users/([^/]+)", frozenset(), Endpoints.user),
)


class DevApi:
    """Answers as DEV does: what it would refuse is refused, and marked as a violation where the contract says so."""

    def __init__(self, endpoints: Endpoints, *, api_key: str, limit: FixedWindow | None) -> None:
        self._endpoints = endpoints
        self._api_key = api_key
        self._limit = limit

    def answer(self, request: Request) -> Response:
        waiting = self._limit.wait(request.client) if self._limit and request.method == "GET" else None
        if waiting is not None:
            # Rack::Attack tells whole seconds: what is left of a window of one second is told as one.
            return text_response("Retry later\n", status=429, headers={"Retry-After": "1"})
        if not request.headers.get("user-agent"):
            return text_response("Forbidden", status=403)
        try:
            return _versioned(request, self._route(request))
        except Refused as refused:
            return refused.response

    def _route(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise not_found(f"{request.method} is not simulated")
        if request.headers.get("api-key", self._api_key) != self._api_key:
            raise unauthorized()
        path = "/".join(request.segments[2:]) if request.segments[1:2] == ("api",) else ""
        for pattern, allowed, endpoint in _ROUTES:
            if match := re.fullmatch(pattern, path):
                _check_query(request, allowed)
                return endpoint(self._endpoints, request, match[1])
        raise not_found(f"no such path: {request.path}")


def _check_query(request: Request, allowed: frozenset[str]) -> None:
    seen = set()
    for name, value in request.pairs:
        if name not in allowed:
            raise unprocessable(f"{request.path} has no query parameter {name!r}")
        if name in seen:
            raise unprocessable(f"query parameter {name!r} was sent twice")
        if name in PAGED and not re.fullmatch(r"[1-9][0-9]{0,8}", value):
            raise unprocessable(f"{name}={value!r} is not a positive number")
        seen.add(name)


def _versioned(request: Request, response: Response) -> Response:
    """Without the Accept header of version 1 Forem falls back to version 0, and warns; these reads are the same."""
    if ACCEPTED in request.headers.get("accept", ""):
        return response
    return replace(response, headers={"Warning": f'299 - "version 0 is deprecated; accept {ACCEPTED}"'})
