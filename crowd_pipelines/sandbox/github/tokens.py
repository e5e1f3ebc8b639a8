"""Who may ask: personal tokens, and the App whose installation gets tokens of an hour."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from crowd_pipelines.sandbox.github.limits import Budget
from crowd_pipelines.sandbox.github.model import Account
from crowd_pipelines.sandbox.messages import Request

APP_ID = 123_456
CLIENT_ID = "Iv1.0123456789abcdef"
INSTALLATION_ID = 9_876_543
LONGEST_JWT = 600
CLOCKS_DIFFER = 60
HOUR = 3_600


class TokenRefused(Exception):
    """An assertion that GitHub does not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True, kw_only=True)
class Token:
    """A token; `owner` is None for an installation's. Tokens of one account share its budget."""

    text: str
    account: str
    owner: Account | None
    budget: Budget = field(repr=False)
    core: Budget = field(repr=False)
    """What it may spend on REST."""
    expires: float | None = None
    revoked: bool = False


class Tokens:
    """The tokens that are valid, by their text."""

    def __init__(self, owners: list[Account], *, window: float, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._window = window
        self._numbers = itertools.count(1)
        self._installation, self._installation_core = self._budget(), self._budget()
        self._tokens = {token.text: token for token in map(self._personal, owners)}

    def _personal(self, owner: Account) -> Token:
        text = f"ghp_fakeTokenOfTheSandboxNumber{next(self._numbers):09d}"
        return Token(
            text=text,
            account=f"user ID {owner.id}",
            owner=owner,
            budget=self._budget(),
            core=self._budget(),
        )

    def _budget(self) -> Budget:
        return Budget(window=self._window, clock=self._clock)

    @property
    def personal(self) -> list[Token]:
        return [token for token in self._tokens.values() if token.owner]

    def budgets(self) -> list[Budget]:
        shared = [self._installation, self._installation_core]
        return [*shared, *(budget for token in self.personal for budget in (token.budget, token.core))]

    def named(self, wanted: str | int | None) -> list[Token]:
        """By text, by the place among the personal ones, or (None) all."""
        if isinstance(wanted, int):
            return self.personal[wanted : wanted + 1]
        return [token for token in self._tokens.values() if wanted in (None, token.text)]

    def of(self, request: Request) -> Token | None:
        """The valid token that a request was made with."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        return self.holder(text.strip()) if scheme.lower() in ("bearer", "token") else None

    def holder(self, text: str) -> Token | None:
        token = self._tokens.get(text)
        if token is None or token.revoked or (token.expires is not None and token.expires <= self._clock()):
            return None
        return token

    def expire(self) -> int:
        """Ends all tokens of the installation; how many that were."""
        valid = [token for token in self._tokens.values() if token.owner is None and self.holder(token.text)]
        for token in valid:
            token.expires = self._clock() - 1
        return len(valid)

    def for_installation(self, assertion: str, installation: str) -> Token:
        """A new token for whoever proves to be the App. Raises TokenRefused."""
        self._verify(assertion)
        if installation != str(INSTALLATION_ID):
            raise TokenRefused(404, "Not Found")
        number = next(self._numbers)
        token = Token(
            text=f"ghs_fakeInstallationToken{number:011d}",
            account=f"installation ID {INSTALLATION_ID}",
            owner=None,
            budget=self._installation,
            core=self._installation_core,
            expires=float(int(self._clock()) + HOUR),
        )
        self._tokens[token.text] = token
        return token

    def _verify(self, assertion: str) -> None:
        try:
            # The times are looked at below, by the rules and in the words of GitHub.
            claims = jwt.decode(
                assertion,
                self._key.public_key(),
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(401, "A JSON web token could not be decoded") from error
        if str(claims.get("iss")) not in (str(APP_ID), CLIENT_ID):
            raise TokenRefused(404, "Integration not found")
        now, issued, expires = self._clock(), claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or issued > now + CLOCKS_DIFFER:
            raise TokenRefused(401, "'Issued at' claim ('iat') must be an Integer representing the time that the "
                               "assertion was issued")  # fmt: skip
        if not isinstance(expires, int) or expires <= now:
            raise TokenRefused(401, "'Expiration time' claim ('exp') must be a numeric value representing the future "
                               "time at which the assertion expires")  # fmt: skip
        if expires > now + LONGEST_JWT:
            raise TokenRefused(401, "'Expiration time' claim ('exp') is too far in the future")

    def app(self) -> dict[str, Any]:
        """What the owner of the App has, to make assertions with."""
        written = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        return {"app_id": str(APP_ID), "installation_id": str(INSTALLATION_ID), "private_key": written.decode()}

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        """Made when it is first needed, since that takes a while."""
        return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
