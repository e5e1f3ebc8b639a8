"""Who may ask: access tokens of accounts that authorised the app, and the refresh tokens that renew them."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from crowd_pipelines.sandbox.messages import Request, Response, json_response

CLIENT_ID = "sandbox-client-id"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  it opens nothing but this sandbox
APP_TOKEN = "sandbox-app-only-bearer"  # noqa: S105  the same
ACCESS_SECONDS = 7_200


@dataclass(slots=True, kw_only=True)
class Grant:
    """One authorisation: only its newest tokens are good, and reusing an old refresh token ends it."""

    number: int
    turn: int = 0
    ends: float = 0.0
    used: set[str] = field(default_factory=set)
    revoked: bool = False

    @property
    def access_token(self) -> str:
        return f"sandbox-access-{self.number}-{self.turn}"

    @property
    def refresh_token(self) -> str:
        return f"sandbox-refresh-{self.number}-{self.turn}"


class SignIn:
    """The authorisations of the one app."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._grants: list[Grant] = []
        self.public = False

    def fresh(self) -> Grant:
        """An authorisation whose first tokens are still good, a new one if there is none."""
        if not self._grants or not self._is_fresh(self._grants[-1]):
            self._grants.append(Grant(number=len(self._grants) + 1, ends=self._clock() + ACCESS_SECONDS))
        return self._grants[-1]

    def _is_fresh(self, grant: Grant) -> bool:
        return grant.turn == 0 and not grant.revoked and grant.ends > self._clock()

    def who(self, token: str) -> str | None:
        """Whose window the bearer spends; None for nobody known, or no longer."""
        if token == APP_TOKEN:
            return "app"
        valid = (grant for grant in self._grants if not grant.revoked and grant.ends > self._clock())
        return next((f"user {grant.number}" for grant in valid if grant.access_token == token), None)

    def expire(self) -> None:
        for grant in self._grants:
            grant.ends = self._clock()

    def revoke(self) -> None:
        for grant in self._grants:
            grant.revoked = True

    def renewed(self, request: Request) -> Response:
        """Answers `POST /2/oauth2/token`."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _refused(400, "invalid_request", "The body is no form.", violation="the body is no form")
        if not self._knows(request, form):
            return _refused(401, "unauthorized_client", "Missing valid authorization header")
        if form.get("grant_type") != "refresh_token":
            wrong = f"grant_type {form.get('grant_type')!r} is not simulated"
            return _refused(400, "unsupported_grant_type", wrong, violation=wrong)
        return self._rotated(form.get("refresh_token", ""))

    def _knows(self, request: Request, form: dict[str, str]) -> bool:
        """A confidential client signs in with its secret, a public one names itself."""
        if self.public:
            return form.get("client_id") == CLIENT_ID and "authorization" not in request.headers
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
        except ValueError:
            return False
        return scheme == "Basic" and (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)

    def _rotated(self, token: str) -> Response:
        for grant in self._grants:
            if token in grant.used:
                grant.revoked = True
            elif token == grant.refresh_token and not grant.revoked:
                grant.used.add(token)
                grant.turn += 1
                grant.ends = self._clock() + ACCESS_SECONDS
                return json_response(_tokens(grant))
        return _refused(400, "invalid_request", "Value passed for the token was invalid.")


def _tokens(grant: Grant) -> dict[str, Any]:
    return {
        "token_type": "bearer",
        "expires_in": ACCESS_SECONDS,
        "access_token": grant.access_token,
        "scope": "tweet.read users.read follows.read offline.access",
        "refresh_token": grant.refresh_token,
    }


def _refused(status: int, error: str, description: str, *, violation: str | None = None) -> Response:
    return json_response({"error": error, "error_description": description}, status=status, violation=violation)
