"""The Forem API v1, as far as we read it: endpoints and payloads, nothing of crowd.

Source: the official description (`api_v1.json` of forem/forem-docs) and the server's own views; all of it is public,
an API key is optional.
"""

import time
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.payloads import Payload, Spare

LARGEST_PAGE = 1000
"""Articles per request; a site may lower it (`API_PER_PAGE_MAX`)."""

OwnerKind = Literal["organization", "user"]
Owner = tuple[OwnerKind, str]
"""Whose list of articles is read: the kind and the name."""

_TRUSTED_SECONDS = 60
"""So long an owner that answered is taken to be there."""


class Person(Payload):
    """Someone as articles, comments and profiles show them. Some fields only a profile has."""

    user_id: int | None = None
    username: str = Field(min_length=1)
    name: Spare[str] = None
    twitter_username: Spare[str] = None
    github_username: Spare[str] = None
    website_url: Spare[str] = None
    profile_image: Spare[str] = None


class Profile(Payload):
    """`GET /users/{id}`; `joined_at` is for people: "Dec 27, 2015"."""

    id: int
    username: str = Field(min_length=1)
    name: Spare[str] = None
    summary: Spare[str] = None
    location: Spare[str] = None
    twitter_username: Spare[str] = None
    github_username: Spare[str] = None
    website_url: Spare[str] = None
    profile_image: Spare[str] = None
    joined_at: Spare[str] = None


class OrganizationPayload(Payload):
    """An organization as its articles show it."""

    name: str
    username: str = Field(min_length=1)
    profile_image: Spare[str] = None


def _tags(value: Any) -> Any:
    # A list in lists of articles, a text in some other answers.
    return value.split(", ") if isinstance(value, str) else value


def _someone(value: Any) -> Any:
    return None if value == {} else value


def _address(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ValueError("this is no web address")
    return url


_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def moment_of(text: str | None) -> datetime | None:
    """Return a moment as a list tells it, None where it tells none."""
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        return None


class Article(Payload):
    """An item of a list of articles, or an article by itself. An author who deleted their account is None."""

    id: int
    title: str
    url: Annotated[str, AfterValidator(_address)]
    description: Spare[str] = None
    published_at: Moment
    edited_at: Spare[Moment] = None
    last_comment_at: Spare[str] = None
    comments_count: Spare[int] = None
    tag_list: Annotated[Spare[tuple[str, ...]], BeforeValidator(_tags)] = None
    user: Annotated[Person | None, BeforeValidator(_someone)]
    organization: Spare[OrganizationPayload] = None

    @property
    def owners(self) -> frozenset[Owner]:
        """Whose lists show the article."""
        author: set[Owner] = {("user", self.user.username.lower())} if self.user else set()
        publisher: set[Owner] = {("organization", self.organization.username.lower())} if self.organization else set()
        return frozenset(author | publisher)

    @property
    def may_have_comments(self) -> bool:
        """Whether there is anything to be asked for: the count alone may be wrong."""
        last = moment_of(self.last_comment_at)
        return self.comments_count != 0 or (last is not None and last > self.published_at)

    @model_validator(mode="before")
    @classmethod
    def _published(cls, raw: Any) -> Any:
        """Take the moment of publication from its twin where it is missing."""
        if isinstance(raw, dict) and raw.get("published_at") is None:
            return {**raw, "published_at": raw.get("published_timestamp")}
        return raw


class Comment(Payload):
    """A comment that is there to be read."""

    id_code: str = Field(min_length=1)
    created_at: Moment
    body_html: Spare[str] = None
    user: Person


class CommentPlace(Payload):
    """What of a comment tells where it stands, whatever else is wrong with it.

    Deleted and hidden comments keep their place, with an empty user and a placeholder for a body; any other user that
    cannot be used is a defect instead. Forem writes `children` always, so that anything but a list hides some.
    """

    id_code: Annotated[Spare[str], AfterValidator(lambda code: code or None)] = None
    created_at: Spare[Moment] = None
    user: Any = None
    children: Any = None

    @property
    def withheld(self) -> bool:
        """Whether the comment was deleted, or hidden by the article's author."""
        return bool(self.user == {})


class DevtoApi:
    """Requests to one Forem."""

    def __init__(self, http: HttpClient, *, has_key: bool) -> None:
        self.has_key = has_key
        self._http = http
        self._answered_at: dict[Owner, float] = {}

    def articles(self, owner: Owner, page: int, *, per_page: int = LARGEST_PAGE) -> list[Any]:
        """Return a page of published articles, newest first; an empty one is the end.

        Raises Gone for an unknown organization; an unknown user's list is empty.
        """
        kind, name = owner
        paging = {"page": page, "per_page": per_page}
        if kind == "organization":
            articles = self._list(f"/organizations/{name}/articles", paging)
        else:
            articles = self._list("/articles", {"username": name, **paging})
        if articles:
            self._answered_at[owner] = time.monotonic()
        return articles

    def article(self, article_id: int) -> dict[str, Any]:
        """Return an article as it is now. Raises Gone when it is not published."""
        return self._object(f"/articles/{article_id}")

    def comments(self, article_id: int) -> list[Any]:
        """Return the comments of an article that answer none; each carries those that answer it. May raise Gone."""
        return self._list("/comments", {"a_id": article_id})

    def profile(self, user_id: int) -> dict[str, Any]:
        """Return a person's profile. Raises Gone when there is none."""
        return self._object(f"/users/{user_id}")

    def has_articles(self, owner: Owner) -> bool:
        """Tell whether an owner has published anything. Raises Gone when there is no such user or organization."""
        kind, name = owner
        try:
            articles = self.articles(owner, page=1, per_page=1)
            if not articles and kind == "user":
                # Either someone without articles, or nobody.
                self._object("/users/by_username", {"url": name})
        except Gone as gone:
            raise unknown_owner(owner, gone) from None
        return bool(articles)

    def confirm(self, owner: Owner) -> None:
        """Raise Gone when an owner is not there any more; asked unless it answered within the last minute."""
        if time.monotonic() - self._answered_at.get(owner, float("-inf")) > _TRUSTED_SECONDS:
            self.has_articles(owner)
            self._answered_at[owner] = time.monotonic()

    def me(self) -> None:
        """Raise CredentialsRejected when the API key is not accepted."""
        self._object("/users/me")

    def _list(self, path: str, params: dict[str, Any]) -> list[Any]:
        body = self._http.get(path, params).json
        if not isinstance(body, list):
            raise UnexpectedPayload(f"{path} answered {type(body).__name__} where a list belongs", evidence=str(body))
        return body

    def _object(self, path: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        body = self._http.get(path, params).json
        if not isinstance(body, dict):
            raise UnexpectedPayload(f"{path} answered {type(body).__name__}, not an object", evidence=str(body))
        return body


def unknown_owner(owner: Owner, gone: Gone) -> Gone:
    """Return what to tell people of an owner that is not found."""
    kind, name = owner
    return Gone(
        f"there is no {kind} named {name!r} on this site (deleted or renamed, if there was); "
        f"correct the name in the settings. {gone}"
    )
