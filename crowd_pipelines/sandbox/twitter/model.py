"""What the simulated X holds. Times are seconds since 1970; a tick is one change of the community."""

from dataclasses import dataclass, field
from enum import StrEnum

EPOCH_MILLISECONDS = 1_288_834_974_657


def snowflake(moment: int, number: int = 0) -> int:
    """The id of what is made at this second; the number tells those of one second apart."""
    return (moment * 1000 - EPOCH_MILLISECONDS << 22) | number


def moment_of(post_id: int) -> int:
    return ((post_id >> 22) + EPOCH_MILLISECONDS) // 1000


class State(StrEnum):
    """Accounts that are suspended or deleted follow nobody and are not shown; their posts may stay for a while."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(slots=True, kw_only=True)
class Person:
    """An account; `names` are those it had before, the oldest first."""

    id: int
    username: str
    name: str
    joined: int
    followers: int
    description: str = ""
    location: str | None = None
    url: str = ""
    state: State = State.ACTIVE
    names: list[str] = field(default_factory=list)

    @property
    def shown(self) -> bool:
        return self.state is State.ACTIVE


@dataclass(slots=True, kw_only=True)
class Version:
    """A post as it read from `made` on."""

    id: int
    text: str
    made: int


@dataclass(slots=True, kw_only=True)
class Post:
    """A post with all its versions. What it names stays when it is edited."""

    author: int
    versions: list[Version]
    names_account: bool = False
    tags: tuple[str, ...] = ()
    retweet_of: int | None = None
    reply_to: int | None = None
    media: tuple[str, ...] = ()
    lost_media: bool = False
    poll: int | None = None
    rest: str = ""
    article: str = ""
    deleted: bool = False

    @property
    def first_id(self) -> int:
        return self.versions[0].id

    @property
    def current(self) -> Version:
        return self.versions[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Something that could be read once, and that no answer says is gone."""

    type: str
    source_id: str
    why: str
