"""What the simulated Discord holds. Times are milliseconds since 1970; a tick is one change of the community."""

from dataclasses import dataclass, field
from enum import IntFlag

EPOCH_MS = 1_420_070_400_000
TEXT, VOICE, CATEGORY, ANNOUNCEMENT, ANNOUNCEMENT_THREAD, PUBLIC_THREAD, PRIVATE_THREAD, STAGE, FORUM = (
    0, 2, 4, 5, 10, 11, 12, 13, 15,
)  # fmt: skip
SPEAKING = frozenset({TEXT, VOICE, ANNOUNCEMENT, STAGE})
THREADS = frozenset({ANNOUNCEMENT_THREAD, PUBLIC_THREAD, PRIVATE_THREAD})
DEFAULT, PINNED, JOINED, BOOSTED, THREAD_CREATED, REPLY, COMMAND, THREAD_STARTER, AUTO_MODERATION = (
    0, 6, 7, 8, 18, 19, 20, 21, 24,
)  # fmt: skip

Part = str | tuple[str, int | str] | tuple[str, str, int]
"""A piece of a text: words, or ("user" | "role" | "channel" | "time", id), or ("emoji", name, id)."""


class Permission(IntFlag):
    """Permissions by Discord's bits."""

    ADMINISTRATOR = 1 << 3
    VIEW_CHANNEL = 1 << 10
    READ_MESSAGE_HISTORY = 1 << 16
    CONNECT = 1 << 20
    MANAGE_THREADS = 1 << 34


class Intent(IntFlag):
    """Flags of an application that let its bot see more; the limited ones are for bots in few servers."""

    GUILD_MEMBERS = 1 << 15
    MESSAGE_CONTENT = 1 << 19


def moment_ms(snowflake: int) -> int:
    return (snowflake >> 22) + EPOCH_MS


@dataclass(slots=True, kw_only=True)
class Person:
    """An account. `joined` is when they came last, None for those who are not in the guild.

    A guest was let in for a while: nobody tells since when.
    """

    id: int
    username: str
    display: str | None
    avatar: str | None = None
    discriminator: str = "0"
    bot: bool = False
    webhook: bool = False
    joined: int | None = None
    joins: list[int] = field(default_factory=list)
    pending: bool = False
    guest: bool = False
    gone: bool = False
    formerly: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Message:
    """A message. `refers_to` is what it answers; `thread` the thread it began, or of which a channel tells.

    `forwards` is what somebody else said, `poll` the question of a poll, `published` whether other guilds show it, too.
    """

    id: int
    author: int
    type: int = DEFAULT
    parts: tuple[Part, ...] = ()
    refers_to: int | None = None
    reference_left_out: bool = False
    forwards: tuple[Part, ...] | None = None
    poll: str | None = None
    published: bool = False
    thread: int | None = None
    edited: int | None = None
    attachments: int = 0
    sticker: bool = False
    reactions: list[tuple[str, int]] = field(default_factory=list)
    edits: list[tuple[int, tuple[Part, ...]]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Room:
    """A channel or thread. `last` is the newest message there ever was; `moved` the tick of its last news.

    Of a thread, `parent` is its channel; of a channel, its category. `archived` is when a thread was put away.
    """

    id: int
    type: int
    name: str
    parent: int | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    last: int | None = None
    moved: int = 0
    sent: int = 0
    overwrites: list[tuple[int, int, int, int]] = field(default_factory=list)
    formerly: list[str] = field(default_factory=list)
    owner: int = 0
    archived: int | None = None
    touched: int = 0
    bot_joined: bool = False
    gone: bool = False

    @property
    def is_thread(self) -> bool:
        return self.type in THREADS

    @property
    def speaks(self) -> bool:
        return self.is_thread or self.type in SPEAKING


@dataclass(slots=True, kw_only=True)
class Role:
    """A role."""

    id: int
    name: str
    permissions: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Something that could be read once; `room` is None for somebody's coming."""

    type: str
    source_id: str
    room: int | None
    tick: int
    recent: bool
