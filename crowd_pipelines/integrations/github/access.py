"""Whose budget pays for a request: one of several tokens, or a GitHub App's installation with its one-hour tokens."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import CredentialsRejected, Gone, RateLimited, UnexpectedPayload
from crowd_pipelines.http.outcomes import Response
from crowd_pipelines.http.pacing import utc_now
from crowd_pipelines.http.waits import quota
from crowd_pipelines.integrations.github.refusals import REFUSALS
from crowd_pipelines.model.secrets import Secret

Send = Callable[[HttpClient], Response]
ClientFactory = Callable[..., HttpClient]
"""Makes a client of the connector; see `Connector.http`."""

RENEWED_BEFORE = timedelta(minutes=5)
"""So long before its hour ends an installation's token is replaced."""

REJECTED_FOR = timedelta(minutes=1)
REJECTED_AT_MOST_FOR = timedelta(hours=1)
"""So long a token that is refused is not asked with."""

ASSERTION_LASTS = timedelta(minutes=9)
CLOCKS_DIFFER_BY = timedelta(minutes=1)

_REFUSED = (
    "GitHub does not let the app in: check the app's id, the installation's id and the private key, and that the app "
    "is still installed and not suspended."
)


class Key:
    """A token, and what is known of its budget and of whether it is accepted. Safe to use from several threads."""

    def __init__(self, client: HttpClient | None = None) -> None:
        self.closed_until: datetime | None = None
        self.closed_by: RateLimited | None = None
        self.rejection: CredentialsRejected | None = None
        self.rejected_until: datetime | None = None
        self.under_way = 0
        self._refused = 0
        self._client = client
        self._remaining: int | None = None
        self._resets_at: datetime | None = None

    def send(self, request: Send) -> Response:
        """Send a request. Raises CredentialsRejected for a token that is not accepted."""
        if self._client is None:
            raise CredentialsRejected("There is no token to send the request with; connect again.")
        return request(self._client)

    def learn(self, response: Response) -> None:
        """Take note of what the answer says is left."""
        if told := quota(response.headers, now=utc_now()):
            self._remaining, self._resets_at = told.remaining, told.resets_at

    def left(self, now: datetime) -> float:
        """How much budget there is, as far as is known: where nothing is, it is worth asking."""
        unknown = self._remaining is None or self._resets_at is None or self._resets_at <= now
        return float("inf") if unknown else float(self._remaining or 0)

    def reject(self, rejection: CredentialsRejected) -> None:
        """Pass the token over for a while, longer each time it is refused: one refusal may be a mistake."""
        self._refused += 1
        self.rejection = rejection
        self.rejected_until = utc_now() + min(REJECTED_FOR * 4 ** (self._refused - 1), REJECTED_AT_MOST_FOR)

    def accept(self, response: Response) -> None:
        """Take note that the token is accepted, and of what the answer says is left."""
        self.rejection, self.rejected_until, self._refused = None, None, 0
        self.learn(response)

    def is_accepted(self, now: datetime) -> bool:
        """Whether it is worth asking with, as far as GitHub's last word goes."""
        return self.rejected_until is None or self.rejected_until <= now

    def is_open(self, now: datetime) -> bool:
        """Whether it may be asked with."""
        return self.closed_until is None or self.closed_until <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A GitHub App's installation and the key that proves who asks."""

    app_id: str
    installation_id: str
    private_key: Secret

    def assertion(self, now: datetime) -> Secret:
        """Return the signed claim to be this app, for some minutes."""
        claims = {"iat": now - CLOCKS_DIFFER_BY, "exp": now + ASSERTION_LASTS, "iss": self.app_id}
        return Secret(jwt.encode(claims, self.private_key.get_secret_value(), algorithm="RS256"))


class InstallationKey(Key):
    """An installation of an app: its tokens last an hour, are kept in memory, and renewed by one thread at a time."""

    def __init__(
        self, app: App, http: ClientFactory, client_of: Callable[[Secret], HttpClient], headers: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._app = app
        self._client_of = client_of
        self._renewal = threading.Lock()
        self._expires_at: datetime | None = None
        self._exchange = http(
            headers=headers,
            secrets=(app.private_key,),
            budget=f"app {app.app_id}",
            refusals=REFUSALS,
        )

    def send(self, request: Send) -> Response:
        """Send a request with a valid token; one that was revoked before its time is replaced once."""
        client = self._current()
        try:
            return request(client)
        except CredentialsRejected:
            return request(self._current(rejected=client))

    def _current(self, rejected: HttpClient | None = None) -> HttpClient:
        with self._renewal:
            expires, worn = self._expires_at, self._client is rejected
            if self._client is None or expires is None or worn or expires - utc_now() < RENEWED_BEFORE:
                self._client = self._renewed()
            return self._client

    def _renewed(self) -> HttpClient:
        path = f"/app/installations/{self._app.installation_id}/access_tokens"
        authorization = {"Authorization": self._app.assertion(utc_now()).after("Bearer ")}
        try:
            body = self._exchange.post(path, headers=authorization, for_credentials=True).json
        except CredentialsRejected as error:
            raise CredentialsRejected(f"{error} {_REFUSED}") from None
        token, self._expires_at = _granted(body)
        return self._client_of(token)


def _granted(body: Any) -> tuple[Secret, datetime]:
    """Return a token and when it ends. Raises UnexpectedPayload for an answer without them, which is not kept."""
    try:
        expires_at = datetime.fromisoformat(body["expires_at"])
        return Secret(str(body["token"])), expires_at if expires_at.tzinfo else expires_at.astimezone()
    except (TypeError, KeyError, ValueError):
        raise UnexpectedPayload("GitHub granted the app no token that can be used.") from None


class KeyRing:
    """Sends each request with the token that has most left; one that is used up or refused is passed over."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)
        self._lock = threading.Lock()

    @property
    def rejected(self) -> list[int]:
        """The places, from 1, of tokens that GitHub did not accept when they were last asked with."""
        return [place for place, key in enumerate(self._keys, 1) if key.rejection]

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return len(self._keys)

    def send(self, request: Send) -> Response:
        """Send a request. Raises RateLimited when all tokens are, CredentialsRejected when none is accepted."""
        refusal: RateLimited | None = None
        while True:
            key = self._take(refusal)
            try:
                response = key.send(request)
            except RateLimited as error:
                key.closed_until, key.closed_by, refusal = error.until, error, error
            except CredentialsRejected as error:
                key.reject(error)
            else:
                key.accept(response)
                return response
            finally:
                with self._lock:
                    key.under_way -= 1

    def try_all(self, request: Send) -> None:
        """Send a request with every token, also with those that were refused.

        Raises CredentialsRejected when none is accepted, Gone naming the places of those that are not.
        """
        for key in self._keys:
            try:
                key.accept(key.send(request))
            except CredentialsRejected as error:
                key.reject(error)
        if not self.rejected:
            return
        places = ", ".join(map(str, self.rejected))
        refused = f"GitHub does not accept these tokens of the list: {places}. Replace them."
        raise CredentialsRejected(refused) if len(self.rejected) == self.size else Gone(refused)

    def _take(self, refusal: RateLimited | None) -> Key:
        now = utc_now()
        with self._lock:
            accepted = [key for key in self._keys if key.is_accepted(now)]
            ready = [key for key in accepted if key.is_open(now)]
            if ready:
                best = max(ready, key=lambda key: (key.left(now), -key.under_way))
                best.under_way += 1
                return best
        if not accepted:
            raise next(key.rejection for key in self._keys if key.rejection)
        first = min(accepted, key=lambda key: key.closed_until or now)
        until = first.closed_until or now
        if refusal and (refusal.until == until or len(accepted) == 1):
            raise refusal
        raise RateLimited(
            f"all tokens are used up; the first one opens at {until:%Y-%m-%d %H:%M:%S} UTC: {first.closed_by}",
            until=until,
            scope="default",
        )
