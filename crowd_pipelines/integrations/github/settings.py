"""What to read on GitHub, and with which credentials."""

import re
from collections.abc import Iterable

import jwt
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crowd_pipelines.model.secrets import Secret

_ADDRESS = re.compile(r"^(?:https?://[^/]+/|git@[^:/]+:|ssh://[^/]+/)", re.IGNORECASE)
_OWNER = re.compile(r"[A-Za-z0-9][\w-]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w-]*/[\w.-]+")
_EXPECTED = {_OWNER: "give an organization such as octo-org", _REPOSITORY: "give a repository such as octo-org/app"}


def _named(given: str, shape: re.Pattern[str], parts: slice) -> str:
    """Return the name in an address or a name. Raises ValueError for what is none."""
    bare = _ADDRESS.sub("", given.strip()).partition("?")[0].partition("#")[0].strip("/")
    name = "/".join(bare.split("/")[parts]).removesuffix(".git")
    if not shape.fullmatch(name):
        raise ValueError(f"{given!r} names none; {_EXPECTED[shape]}")
    return name


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """GitHub's names mean the same in capitals."""
    return tuple({name.lower(): name for name in reversed(list(names))}.values())[::-1]


class GithubSettings(BaseModel):
    """Whose repositories belong to the community: each by its name, or all of an organization, later ones, too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repositories: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()

    @field_validator("repositories")
    @classmethod
    def _repositories(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(_named(name, _REPOSITORY, slice(2)) for name in given)

    @field_validator("organizations")
    @classmethod
    def _organizations(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(_named(name.replace("/orgs/", "/"), _OWNER, slice(1)) for name in given)

    @model_validator(mode="after")
    def _something(self) -> "GithubSettings":
        if not self.repositories and not self.organizations:
            raise ValueError('name at least one, as in {"repositories": ["owner/name"], "organizations": ["owner"]}')
        return self

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Owner and name of every repository that is named."""
        return tuple((owner, name) for owner, _, name in (full.partition("/") for full in self.repositories))


class GithubCredentials(BaseModel):
    """One token, several of them, or a GitHub App's installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Secret | None = None
    tokens: tuple[Secret, ...] = ()
    app_id: str | None = Field(default=None, coerce_numbers_to_str=True)
    installation_id: str | None = Field(default=None, coerce_numbers_to_str=True)
    private_key: Secret | None = None

    @field_validator("private_key")
    @classmethod
    def _key(cls, given: Secret | None) -> Secret | None:
        """Take a key whose line breaks were written as two characters, as variables hold them."""
        return given and Secret(given.get_secret_value().replace("\\n", "\n").strip() + "\n")

    @model_validator(mode="after")
    def _one_way(self) -> "GithubCredentials":
        app = (self.app_id, self.installation_id, self.private_key)
        ways = [bool(self.token), bool(self.tokens), any(app)]
        if sum(ways) != 1 or (any(app) and not all(app)):
            raise ValueError(
                'give one of {"token": ..}, {"tokens": [..]} and {"app_id": .., "installation_id": .., '
                '"private_key": ..}, with nothing missing'
            )
        if not all(self.personal):
            raise ValueError("a token is empty")
        if self.private_key:
            _try_key(self.private_key.get_secret_value())
        return self

    @property
    def personal(self) -> tuple[Secret, ...]:
        """Every token that is somebody's, each once."""
        given = (self.token,) if self.token else self.tokens
        return tuple(dict.fromkeys(Secret(token.get_secret_value().strip()) for token in given))


def _try_key(pem: str) -> None:
    try:
        jwt.encode({}, pem, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        # Without the cause, which may quote what it was given.
        raise ValueError("private_key is no RSA key; give the whole .pem file that GitHub made for the app") from None
