"""The Forem API v1, as far as we read it: endpoints and payloads, nothing of crowd.

Source: the official description (`api_v1.json` of forem/forem-docs) and the server's own views; all of it is public,
an API key is optional.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.http.errors import UnexpectedPayload
from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.payloads import Payload, Spare

LARGEST_PAGE = 1000
"""Articles per request; a site may lower it (`API_PER_PAGE_MAX`)."""

OwnerKind = Literal["organization", "user"]


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


class Article(Payload):
    """An item of a list of articles. An author who deleted their account is None."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentNode:
    """A place in the tree of an article's comments, before anyone has looked into it.

    `id_code` is the comment's id in base 26, if it has one, `parent` that of the nearest comment above that has one.
    Deleted and hidden comments are `withheld`: they keep their place with an empty user and a placeholder for a body;
    any other user that cannot be used is a defect instead. `created_at` is as the provider says it.
    """

    id_code: str | None
    parent: str | None
    created_at: str
    withheld: bool

    @classmethod
    def of(cls, raw: Any, parent: str | None) -> "CommentNode":
        """Return the place of a comment of any shape."""
        fields = raw if isinstance(raw, dict) else {}
        id_code = fields.get("id_code")
        # Whatever else it may be, it is no id: the comment is there, and nobody can tell which it is.
        named = isinstance(id_code, str | int) and id_code != ""
        return cls(
            id_code=str(id_code) if named else None,
            parent=parent,
            created_at=str(fields.get("created_at") or ""),
            withheld=bool(fields.get("user") == {}),
        )


class DevtoApi:
    """Requests to one Forem."""

    def __init__(self, http: HttpClient, *, has_key: bool) -> None:
        self.has_key = has_key
        self._http = http

    def articles(self, owner: OwnerKind, username: str, page: int, *, per_page: int = LARGEST_PAGE) -> list[Any]:
        """Return a page of published articles, newest first; an empty one is the end.

        Raises Gone for an unknown organization; an unknown user's list is empty.
        """
        paging = {"page": page, "per_page": per_page}
        if owner == "organization":
            return self._list(f"/organizations/{username}/articles", paging)
        return self._list("/articles", {"username": username, **paging})

    def comments(self, article_id: int) -> Iterator[tuple[CommentNode, Any]]:
        """Yield every comment of an article, parents before children. Raises Gone when it is not published.

        A comment that was read is let go, since some articles have ten thousand.
        """
        waiting: list[tuple[Any, str | None]] = [
            (raw, None) for raw in reversed(self._list("/comments", {"a_id": article_id}))
        ]
        while waiting:
            raw, parent = waiting.pop()
            node = CommentNode.of(raw, parent)
            yield node, raw
            above = node.id_code or parent
            waiting += [(child, above) for child in reversed(_children(raw))]

    def profile(self, user_id: int) -> dict[str, Any]:
        """Return a person's profile. Raises Gone when there is none."""
        return self._object(f"/users/{user_id}")

    def owner_exists(self, owner: OwnerKind, username: str) -> None:
        """Raise Gone when there is no such user or organization."""
        if not self.articles(owner, username, page=1, per_page=1) and owner == "user":
            # Either someone without articles, or nobody.
            self._object("/users/by_username", {"url": username})

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


def _children(raw: Any) -> list[Any]:
    children = raw.get("children") if isinstance(raw, dict) else None
    return children if isinstance(children, list) else []
