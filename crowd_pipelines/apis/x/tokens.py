"""Access tokens live two hours, and each refresh token serves once: whoever loses the newest has to sign in again."""

import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr

from crowd_pipelines.apis.x.refusals import TOKEN_PATH
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import CredentialsRejected, UnexpectedPayload
from crowd_pipelines.model import clock
from crowd_pipelines.model.payloads import Payload, Spare
from crowd_pipelines.model.secrets import Secret, revealed

LEEWAY = timedelta(minutes=2)
"""A token that ends within this time is renewed first: a request should not meet its end on the way."""

APP_CREDENTIALS = ("client_id", "client_secret")

Exchange = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
Renew = Callable[[Exchange], Mapping[str, Any]]


class XCredentials(BaseModel):
    """The tokens of an account that authorised the app, and the app itself.

    Without a refresh token the access token is used as long as it lasts, as an app's own bearer token does. Without a
    secret the app is a public client.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: AwareDatetime | None = None
    client_id: str | None = None
    client_secret: Secret | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Everything that must never show."""
        held = (self.access_token, self.refresh_token, self.client_secret)
        return tuple(secret for secret in held if secret)


class TokenAnswer(Payload):
    """What X gives for a refresh token."""

    access_token: Secret
    refresh_token: Spare[Secret] = None
    expires_in: Spare[int] = None


class Tokens:
    """The access token of one integration, renewed when it ends; safe to use from several threads."""

    def __init__(self, credentials: XCredentials, *, http: HttpClient, renew: Renew) -> None:
        self._held = credentials
        self._http = http
        self._renew_stored = renew
        self._lock = threading.Lock()

    def current(self) -> Secret:
        """Return the access token, a new one when it is about to end. Raises CredentialsRejected."""
        with self._lock:
            ends = self._held.expires_at
            if ends and ends <= clock.now() + LEEWAY and self._held.refresh_token:
                self._renew()
            return self._held.access_token

    def instead_of(self, refused: Secret) -> Secret | None:
        """Return the token to use after one was refused; None when there is no other. Raises CredentialsRejected."""
        with self._lock:
            if self._held.access_token == refused:
                if not self._held.refresh_token:
                    return None
                self._renew()
            return self._held.access_token

    def _renew(self) -> None:
        self._held = _parsed(self._renew_stored(self._exchange))

    def _exchange(self, stored: Mapping[str, Any]) -> Mapping[str, Any] | None:
        now = _parsed(stored)
        if now.refresh_token != self._held.refresh_token or now.refresh_token is None:
            return None  # somebody has renewed meanwhile, or the integration was connected again
        answer = self._ask(now, now.refresh_token)
        ends = clock.now() + timedelta(seconds=answer.expires_in) if answer.expires_in else None
        return {
            "access_token": answer.access_token,
            "refresh_token": answer.refresh_token or now.refresh_token,
            "expires_at": ends.isoformat() if ends else None,
        }

    def _ask(self, app: XCredentials, refresh_token: Secret) -> TokenAnswer:
        if not app.client_id:
            raise CredentialsRejected(
                "The access token has to be renewed, and the app's id is not known; set CROWD_TWITTER_CLIENT_ID (and "
                "CROWD_TWITTER_CLIENT_SECRET, if the app is a confidential client)."
            )
        form: dict[str, str | SecretStr] = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        headers = {}
        if app.client_secret:
            headers["Authorization"] = _basic(app.client_id, app.client_secret)
        else:
            form["client_id"] = app.client_id
        # Once: were the answer lost and the token sent again, X would take both for stolen.
        body = self._http.post(
            TOKEN_PATH, form=form, headers=headers, bucket="token", repeatable=False, for_credentials=True
        ).json
        try:
            return TokenAnswer.model_validate(body)
        except ValueError:
            problem = UnexpectedPayload("X renewed the access token and its answer names none.")
        raise problem  # not from the handler, whose error would quote the answer


def _parsed(stored: Mapping[str, Any]) -> XCredentials:
    return XCredentials.model_validate(revealed(stored))


def _basic(client_id: str, client_secret: Secret) -> Secret:
    pair = f"{quote(client_id, safe='')}:{quote(client_secret.get_secret_value(), safe='')}"
    return Secret(b64encode(pair.encode()).decode()).after("Basic ")
