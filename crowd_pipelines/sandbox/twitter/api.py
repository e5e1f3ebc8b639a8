"""The gate of the simulated X: sign-in, windows, caps and plans, and the way to the endpoints."""

import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate

from crowd_pipelines.sandbox.messages import Request, Response
from crowd_pipelines.sandbox.twitter import refusals
from crowd_pipelines.sandbox.twitter.community import Community
from crowd_pipelines.sandbox.twitter.endpoints import Endpoints
from crowd_pipelines.sandbox.twitter.parameters import checked
from crowd_pipelines.sandbox.twitter.refusals import Refused
from crowd_pipelines.sandbox.twitter.signin import SignIn
from crowd_pipelines.sandbox.twitter.windows import Windows

_ROUTES: Mapping[str, str] = {
    r"2/users/([0-9]{1,19})/followers": "followers",
    r"2/users/([0-9]{1,19})/mentions": "mentions",
    r"2/tweets/search/(recent)": "search",
    r"2/(users)": "users",
}
_TOKEN_PATH = "2/oauth2/token"  # noqa: S105  an address


class XApi:
    """Answers as X does: what it would refuse is refused, and marked as a violation where the contract says so."""

    def __init__(self, community: Community, endpoints: Endpoints, *, signin: SignIn, windows: Windows) -> None:
        self._community = community
        self._endpoints = endpoints
        self.signin = signin
        self.windows = windows
        self.capped: str | None = None
        self.forbidden: dict[str, str] = {}

    def answer(self, request: Request) -> Response:
        path = "/".join(request.segments[1:])
        try:
            response = self._token(request) if path == _TOKEN_PATH else self._read(request, path)
        except Refused as refused:
            response = refused.response
        # The simulated community has a time of its own.
        return replace(response, headers={"Date": formatdate(self._community.now, usegmt=True), **response.headers})

    def _token(self, request: Request) -> Response:
        if request.method != "POST":
            raise refusals.not_found(f"{request.method} of the token endpoint")
        return replace(self.signin.renewed(request), asked="grant_type=refresh_token")

    def _read(self, request: Request, path: str) -> Response:
        if request.method != "GET":
            raise refusals.not_found(f"{request.method} is not simulated")
        for pattern, endpoint in _ROUTES.items():
            if match := re.fullmatch(pattern, path):
                return self._ask(request, endpoint, match[1])
        raise refusals.not_found(f"no such path: {request.path}")

    def _ask(self, request: Request, endpoint: str, subject: str) -> Response:
        who = self._who(request)
        quota = self.windows.spend(endpoint, who)
        try:
            response = refusals.too_many() if quota.refused else self._permitted(request, endpoint, subject)
        except Refused as refused:
            response = refused.response
        return replace(response, headers=quota.headers)

    def _permitted(self, request: Request, endpoint: str, subject: str) -> Response:
        if endpoint in self.forbidden:
            return refusals.forbidden(self.forbidden[endpoint])
        question = checked(endpoint, request)
        if self.capped:
            return refusals.capped(self.capped)
        return self._endpoints.answer(question, subject)

    def _who(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise refusals.unauthorized("no bearer token")
        who = self.signin.who(token)
        if who is None:
            raise refusals.unauthorized()
        return who
