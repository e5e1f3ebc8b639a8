"""What the simulated DEV holds. Times are seconds since 1970; a tick is one change of the community."""

from dataclasses import dataclass, field
from enum import StrEnum

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
CODE_BASE = 26


def id_code(number: int) -> str:
    """A comment's public id: its number to base 26, as Forem writes it."""
    code = ""
    while number:
        number, digit = divmod(number, CODE_BASE)
        code = DIGITS[digit] + code
    return code or "0"


class CommentState(StrEnum):
    """Deleted and hidden comments keep their place in the tree as placeholders."""

    LIVE = "live"
    DELETED = "deleted"
    HIDDEN = "hidden"


@dataclass(slots=True, kw_only=True)
class Person:
    """An account; `gone` once it was deleted, `suspended` when its profile no longer answers."""

    id: int
    username: str
    name: str
    joined: int
    summary: str | None = None
    location: str | None = None
    website: str | None = None
    twitter: str | None = None
    github: str | None = None
    suspended: bool = False
    gone: bool = False
    renames: list[tuple[int, str]] = field(default_factory=list)

    @property
    def has_profile(self) -> bool:
        return not (self.suspended or self.gone)


@dataclass(slots=True, kw_only=True)
class Organization:
    """An organization, under which members publish."""

    id: int
    username: str
    name: str
    joined: int


@dataclass(slots=True, kw_only=True)
class Comment:
    """A comment; no body means the one that its number makes. `edits` are (tick, body before), `states` likewise."""

    number: int
    author: int
    created: int
    parent: int | None = None
    body: str | None = None
    state: CommentState = CommentState.LIVE
    edits: list[tuple[int, str]] = field(default_factory=list)
    states: list[tuple[int, CommentState]] = field(default_factory=list)

    def becomes(self, state: CommentState, tick: int) -> None:
        self.states.append((tick, self.state))
        self.state = state

    def state_at(self, tick: int) -> CommentState:
        return next((before for changed, before in self.states if changed > tick), self.state)

    @property
    def code(self) -> str:
        return id_code(self.number)


@dataclass(slots=True, kw_only=True)
class Article:
    """An article. `planned` comments are made when they are first needed; `counter_error` is what its count is off by.

    `readable` is False when it is still listed although its comments answer 404. `signalled` is the tick at
    which its list entry last showed that something about its comments had changed.
    """

    id: int
    author: int
    organization: str | None
    title: str
    description: str
    slug: str
    created: int
    published: int
    tags: list[str]
    last_comment: int
    first_number: int
    planned: int = 0
    comments: dict[int, Comment] | None = None
    edited: int | None = None
    crossposted: int | None = None
    listed: bool = True
    readable: bool = True
    counter_error: int = 0
    signalled: int = 0

    @property
    def comments_count(self) -> int:
        """Forem counts rows, so placeholders count."""
        present = self.planned if self.comments is None else len(self.comments)
        return present + self.counter_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Something that could be read once."""

    type: str
    source_id: str
    article: int
    why: str
    tick: int
