"""X's payloads: people, posts, problems, and the envelope in which they come."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AliasChoices, ConfigDict, Field, ValidationError, model_validator

from crowd_pipelines.apis.x.refusals import hides
from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.payloads import Payload, Spare

T = TypeVar("T", bound=Payload)

CLOCK_ERROR = timedelta(days=1)
"""How far ahead of X's own clock the moment in an id may lie; one beyond that is no id of a post."""

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

    model_config = ConfigDict(extra="allow")

    media_keys: Spare[tuple[str, ...]] = None
    poll_ids: Spare[tuple[str, ...]] = None
    media_source_tweet_id: Spare[tuple[str, ...]] = None

    @property
    def unfamiliar(self) -> tuple[str, ...]:
        """The names of what else hangs on the post."""
        return tuple(self.model_extra or ())


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
    article: Spare[dict[str, Any]] = None

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
    parameter: Spare[str] = None
    section: Spare[str] = None
    errors: Spare[tuple[RefusedParameter, ...]] = None

    @property
    def leaves_out(self) -> bool:
        """Whether a record of the list itself is missing, and not a field of one or whom it mentions."""
        if (self.type or "").endswith("/not-authorized-for-field"):
            return False
        return self.section == "data" or (self.section is None and self.parameter in (None, "id", "ids"))

    @property
    def text(self) -> str:
        """What X says, for people."""
        return (self.detail or self.title or "X gives no reason")[:300]

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the parameters that X cannot take."""
        return frozenset(name for error in self.errors or () for name in error.parameters or ())


class Meta(Payload):
    """Where a page stands in its list, and what X says of it."""

    next_token: Spare[Annotated[str, Field(min_length=1)]] = None
    newest_id: Spare[Id] = None
    oldest_id: Spare[Id] = None
    result_count: Spare[Annotated[int, Field(ge=0)]] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it came: records nobody has looked into yet, and whom and what they mention.

    `told_at` is the moment by X's own clock, `problems` are what X could not show, `left_out` counts the records of the
    list among them. `flaw` says in what the page contradicts itself: then it is not all that X would show.
    """

    records: list[Any]
    told_at: datetime
    users: Mapping[str, User] = field(default_factory=dict)
    media: Mapping[str, Media] = field(default_factory=dict)
    next_token: str | None = None
    newest_id: str | None = None
    problems: tuple[Problem, ...] = ()
    left_out: int = 0
    flaw: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any], *, told_at: datetime, listed: bool = True) -> Self:
        """Return the page in an answer's body; what of its surroundings cannot be used is as if it were not there.

        Accounts that were asked for one by one are not `listed`: nothing says how many they are.
        """
        includes = body.get("includes") if isinstance(body.get("includes"), dict) else {}
        problems, meta = tuple(_listed(Problem, body, "errors")), _meta(body)
        return cls(
            records=body.get("data") or [],
            told_at=told_at,
            users={user.id: user for user in _listed(User, includes, "users")},
            media={media.media_key: media for media in _listed(Media, includes, "media")},
            next_token=meta.next_token,
            newest_id=meta.newest_id,
            problems=problems,
            left_out=sum(problem.leaves_out for problem in problems),
            flaw=_unknown_problem(body) or (_contradiction(body, problems) if listed else None),
        )

    @property
    def accounts(self) -> dict[str, User]:
        """The records that are accounts, by id."""
        return {user.id: user for user in _usable(User, self.records)}

    def is_of_this_time(self, post_id: str) -> bool:
        """Tell whether an id may be that of a post, by X's own clock."""
        return posted_at(post_id) <= self.told_at + CLOCK_ERROR


def _meta(body: Mapping[str, Any]) -> Meta:
    [meta] = _usable(Meta, [body.get("meta")]) or [Meta()]
    return meta


def _unknown_problem(body: Mapping[str, Any]) -> str | None:
    """Return what X leaves out for a reason that stands in no row of the table."""
    errors = body.get("errors")
    unknown = [item for item in errors if not hides(item)] if isinstance(errors, list) else []
    return f"X leaves something out of the answer: {problem_of(unknown[0]).text}" if unknown else None


def _contradiction(body: Mapping[str, Any], problems: Sequence[Problem]) -> str | None:
    """Return what a page of a list says of itself that does not agree with what it shows."""
    told, meta, records = body.get("meta"), _meta(body), body.get("data") or []
    if not isinstance(told, dict):
        return "X does not say whether the list goes on"
    if told.get("next_token") is not None and meta.next_token is None:
        return "X says that the list goes on, but not where"
    if (meta.result_count or 0) > len(records) + sum(problem.leaves_out for problem in problems):
        return f"X counts {meta.result_count} records on the page and shows {len(records)}"
    ids = [record["id"] for record in records if isinstance(record, dict) and _is_id(record.get("id"))]
    return _beyond(meta, [int(one) for one in ids]) if len(ids) == len(records) else None


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(ID_PATTERN, value) is not None


def _beyond(meta: Meta, ids: Sequence[int]) -> str | None:
    """Return that X names a newest or oldest post of the page which the page does not show."""
    if meta.newest_id and int(meta.newest_id) > max(ids, default=0):
        return f"X says that {meta.newest_id} is the page's newest post, and does not show it"
    if meta.oldest_id and ids and int(meta.oldest_id) < min(ids):
        return f"X says that {meta.oldest_id} is the page's oldest post, and does not show it"
    return None


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
