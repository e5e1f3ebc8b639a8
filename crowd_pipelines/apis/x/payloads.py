"""X's payloads: people, posts, problems, and the envelope in which they come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, ValidationError, model_validator

from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.payloads import Payload, Spare

T = TypeVar("T", bound=Payload)

ID_PATTERN = r"^[0-9]{1,19}$"
_FIRST_SNOWFLAKE = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)

_FIRST_TIMED_ID = 29_700_859_247
"""Ids before this one were counted and tell no time."""

Id = Annotated[str, Field(pattern=ID_PATTERN)]


def posted_at(post_id: str) -> datetime:
    """Return when a post was made, which its id tells to the millisecond; ids before 2010 only tell that."""
    return _FIRST_SNOWFLAKE + timedelta(milliseconds=int(post_id) >> 22)


class UserMetrics(Payload):
    """Counts of an account; absent where they were not asked for."""

    followers_count: Spare[Annotated[int, Field(ge=0)]] = None


class User(Payload):
    """An account. X leaves out what is empty."""

    id: Id
    username: str = Field(min_length=1)
    name: Spare[str] = None
    description: Spare[str] = None
    location: Spare[str] = None
    url: Spare[str] = None
    profile_image_url: Spare[str] = None
    public_metrics: Spare[UserMetrics] = None


class Attachments(Payload):
    """What hangs on a post: keys of media, ids of polls."""

    media_keys: Spare[tuple[str, ...]] = None
    poll_ids: Spare[tuple[str, ...]] = None


class Media(Payload):
    """A picture or a film; films have only a preview."""

    media_key: str
    type: Spare[str] = None
    url: Spare[str] = None
    preview_image_url: Spare[str] = None


class LongText(Payload):
    """The whole text of a post beyond 280 characters, of which `text` is only the beginning."""

    text: Spare[str] = None
    entities: Spare[dict[str, Any]] = None


class Post(Payload):
    """A post, or one version of it: each edit has an id of its own and names those before it."""

    id: Id
    author_id: Id
    told_at: Annotated[Spare[Moment], Field(validation_alias="created_at")] = None
    text: Spare[str] = None
    conversation_id: Spare[Id] = None
    entities: Spare[dict[str, Any]] = None
    attachments: Spare[Attachments] = None
    history: Annotated[
        Spare[tuple[Spare[Id], ...]],
        Field(validation_alias=AliasChoices("edit_history_tweet_ids", "edit_history_post_ids")),
    ] = None
    long_text: Annotated[Spare[LongText], Field(validation_alias=AliasChoices("note_tweet", "note_post"))] = None

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if self.told_at is None and int(self.id) < _FIRST_TIMED_ID:
            raise ValueError("neither created_at nor the id tells when this was posted")
        return self

    @property
    def created_at(self) -> datetime:
        """When it was posted: the id knows, too."""
        return self.told_at or posted_at(self.id)

    @property
    def first_id(self) -> str:
        """The id of the first version, which stays whatever is edited."""
        return min((self.id, *filter(None, self.history or ())), key=int)


class RefusedParameter(Payload):
    """What of a request X cannot take."""

    message: Spare[str] = None
    parameters: Spare[dict[str, Any]] = None


class Problem(Payload):
    """Why X refuses a request, or leaves something out of an answer."""

    type: Spare[str] = None
    title: Spare[str] = None
    detail: Spare[str] = None
    reason: Spare[str] = None
    resource_id: Spare[str] = None
    resource_type: Spare[str] = None
    errors: Spare[tuple[RefusedParameter, ...]] = None

    @property
    def kind(self) -> str:
        """The last part of `type`, which may stand under either host name."""
        return (self.type or "").rpartition("/")[2]

    @property
    def text(self) -> str:
        """What X says, for people."""
        return (self.detail or self.title or "X gives no reason")[:300]

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the parameters that X cannot take."""
        return frozenset(name for error in self.errors or () for name in error.parameters or ())


class Meta(Payload):
    """Where a page stands in its list."""

    next_token: Spare[Annotated[str, Field(min_length=1)]] = None
    newest_id: Spare[Id] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it came: records nobody has looked into yet, and whom and what they mention.

    `told_at` is the moment by X's own clock, `problems` are what X could not show.
    """

    records: list[Any]
    told_at: datetime
    users: Mapping[str, User] = field(default_factory=dict)
    media: Mapping[str, Media] = field(default_factory=dict)
    next_token: str | None = None
    newest_id: str | None = None
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any], *, told_at: datetime) -> Self:
        """Return the page in an answer's body; what of its surroundings cannot be used is as if it were not there."""
        includes = body.get("includes") if isinstance(body.get("includes"), dict) else {}
        [meta] = _usable(Meta, [body.get("meta")]) or [Meta()]
        return cls(
            records=body.get("data") or [],
            told_at=told_at,
            users={user.id: user for user in _listed(User, includes, "users")},
            media={media.media_key: media for media in _listed(Media, includes, "media")},
            next_token=meta.next_token,
            newest_id=meta.newest_id,
            problems=tuple(_listed(Problem, body, "errors")),
        )


def problem_of(body: Any) -> Problem:
    """Return the problem in a refusal's body, an empty one where there is none."""
    [problem] = _usable(Problem, [body]) or [Problem()]
    return problem


def _listed(wanted: type[T], body: Any, name: Literal["users", "media", "errors"]) -> list[T]:
    items = body.get(name)
    return _usable(wanted, items if isinstance(items, list) else [])


def _usable(wanted: type[T], items: Iterable[Any]) -> list[T]:
    found = []
    for item in items:
        try:
            found.append(wanted.model_validate(item))
        except ValidationError:
            continue
    return found
