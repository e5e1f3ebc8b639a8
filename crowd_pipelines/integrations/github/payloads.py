"""The nodes of GitHub's answers, as far as records need them."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from crowd_pipelines.model.moments import Moment
from crowd_pipelines.model.payloads import Payload, Spare

_PICTURE = re.compile(r"githubusercontent\.com/u/([0-9]{1,18})\b")
GHOST = 10137
"""The account that REST shows in place of deleted ones; GraphQL shows none."""


class Node(Payload):
    """Part of an answer, with GitHub's spelling of names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Total(Node):
    """How many there are."""

    total_count: int


class Person(Node):
    """Somebody with an account of their own."""

    database_id: Spare[Annotated[int, Field(gt=0, lt=2**63)]] = None
    login: str = Field(min_length=1)
    name: Spare[str] = None
    bio: Spare[str] = None
    company: Spare[str] = None
    location: Spare[str] = None
    is_hireable: Spare[bool] = None
    url: Spare[str] = None
    avatar_url: Spare[str] = None
    website_url: Spare[str] = None
    email: Spare[str] = None
    followers: Spare[Total] = None

    @property
    def source_id(self) -> str | None:
        """The account's number, which the address of its picture tells, too."""
        shown = _PICTURE.search(self.avatar_url or "")
        return str(self.database_id) if self.database_id else shown and shown[1]

    @property
    def key(self) -> str:
        """What tells this person from others."""
        return self.source_id or f"name:{self.login.lower()}"


def _somebody(value: Any) -> Any:
    """Return a person as they came, None for bots, organizations, imported accounts and those that are deleted."""
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("__typename", ""), str):
        raise ValueError("it is not told what kind of account this is")  # noqa: TRY004  pydantic expects it
    # A fragment that does not fit gives an object without fields.
    nobody = value.get("__typename", "User") != "User" or not value.keys() - {"__typename"} or _is_app(value)
    return None if nobody or value.get("databaseId") == GHOST else value


def _is_app(value: dict[str, Any]) -> bool:
    """Tell a bot by its page, where its kind is not told."""
    return "/apps/" in str(value.get("url"))


Somebody = Annotated[Person | None, BeforeValidator(_somebody)]
Id = Annotated[str, Field(min_length=1, strict=True)]
"""A node id, or a text as necessary as one: nothing else is made into one, since it would be another record's."""


class Place(Node):
    """A repository."""

    id: Id
    url: Id
    name_with_owner: Id

    @property
    def owner(self) -> str:
        """The part of the name before the slash."""
        return self.name_with_owner.partition("/")[0]

    @property
    def name(self) -> str:
        """The part of the name after the slash."""
        return self.name_with_owner.partition("/")[2]


class Star(Node):
    """A star; somebody who is no more has none of ours."""

    starred_at: Moment
    node: Somebody


class Fork(Node):
    """A fork of a repository."""

    id: Id
    created_at: Moment
    owner: Somebody


class Written(Node):
    """Something that somebody wrote."""

    id: Id
    created_at: Moment
    url: Spare[str] = None
    body_text: Spare[str] = None
    author: Somebody = None


class Opening(Written):
    """How an issue, a pull request or a discussion began."""

    title: Spare[str] = None


class Label(Node):
    """A label of an item."""

    name: Spare[str] = None


class Labels(Node):
    """The labels of an item."""

    nodes: Spare[tuple[Spare[Label], ...]] = None


class Category(Node):
    """A category of discussions."""

    id: Spare[str] = None
    name: Spare[str] = None
    slug: Spare[str] = None
    emoji: Spare[str] = None
    description: Spare[str] = None
    is_answerable: Spare[bool] = None


class Item(Node):
    """An issue, a pull request or a discussion as it is now, whoever opened it."""

    id: Id
    url: Spare[str] = None
    state: Spare[str] = None
    labels: Spare[Labels] = None
    additions: Spare[int] = None
    deletions: Spare[int] = None
    changed_files: Spare[int] = None
    author_association: Spare[str] = None
    category: Spare[Category] = None
    title: Spare[str] = None
    created_at: Spare[str] = None
    author: Spare[Somebody] = None


class Comment(Written):
    """A comment on an issue, a pull request or a line of code; one that is `PENDING` only its author sees."""

    state: Spare[str] = None


class DiscussionComment(Written):
    """A comment on a discussion, or a reply to one."""

    is_answer: Spare[bool] = None
    deleted_at: Spare[str] = None


class Deed(Node):
    """Something done to an issue or a pull request."""

    id: Id
    created_at: Moment
    actor: Somebody = None


class Assignment(Deed):
    """Somebody was assigned."""

    assignee: Somebody = None


class Team(Node):
    """A team, as far as one may look into it."""

    typename: Literal["Team"] = Field(validation_alias="__typename")
    name: Spare[str] = Field(default=None, validation_alias="teamName")
    slug: Spare[str] = None


class ReviewRequest(Deed):
    """A review was asked for: of a person, or of a team."""

    person: Somebody = Field(default=None, validation_alias="requestedReviewer")
    team: Spare[Team] = Field(default=None, validation_alias="requestedReviewer")


class Review(Node):
    """A review; it is a draft until it was submitted."""

    id: Id
    state: Spare[str] = None
    body: Spare[str] = None
    url: Spare[str] = None
    submitted_at: Spare[Moment] = None
    author: Somebody = None


class Dismissal(Node):
    """A review was dismissed; `review` is as it is since then."""

    review: Spare[dict[str, Any]] = None
    dismissal_message: Spare[str] = None


class Named(Node):
    """Something of which only the id matters."""

    id: Id


class Transfer(Node):
    """An issue came from another repository, which may be hidden."""

    from_repository: Spare[Named] = None


class Conversion(Node):
    """An issue became a discussion, which may be hidden."""

    discussion: Spare[Named] = None
