"""What the simulated Slack holds. Moments of messages are microseconds since 1970, others seconds."""

from dataclasses import dataclass, field
from enum import StrEnum

SECOND = 1_000_000
SLACKBOT = "USLACKBOT"

Part = tuple[str, ...]
"""A piece of a text: ("text", words), ("user", id), ("user", id, label), ("channel", id), ("channel", id, label),
("special", command), ("group", label), ("link", address), ("link", address, label)."""


class Kind(StrEnum):
    """Who or what has an account."""

    PERSON = "person"
    GUEST = "guest"  # in some channels only
    STRANGER = "stranger"  # of another company, seen in shared channels and not listed
    HIDDEN = "hidden"  # writes, and is nobody who can be looked up
    BOT = "bot"
    WORKFLOW = "workflow"
    SLACKBOT = "slackbot"


PEOPLE = frozenset({Kind.PERSON, Kind.GUEST, Kind.STRANGER, Kind.HIDDEN})
UNLISTED = frozenset({Kind.STRANGER, Kind.HIDDEN})


@dataclass(slots=True, kw_only=True)
class Person:
    """An account. `joined` is when it came to be; `noted` whether #general says so."""

    id: str
    name: str
    real_name: str
    joined: int
    kind: Kind = Kind.PERSON
    title: str = ""
    email: str | None = None
    timezone: str = "Central European Time"
    deleted: bool = False
    noted: bool = True
    updated: int = 0
    renames: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Message:
    """A message. `parent` is the first message of its thread; a broadcast is in its thread and in its channel.

    `edits` are earlier texts of which nothing shows that they changed. `extras` are further fields, as they are sent.
    """

    moment: int
    author: str | None
    parts: tuple[Part, ...] = ()
    subtype: str | None = None
    parent: int | None = None
    broadcast: bool = False
    bot: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    attachments: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    edited: int | None = None
    edits: list[tuple[Part, ...]] = field(default_factory=list)
    extras: dict[str, object] = field(default_factory=dict)

    @property
    def ts(self) -> str:
        return ts_of(self.moment)


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel: what is in it by moment, oldest first, and what is below that. `known_as` is its former id."""

    id: str
    name: str
    created: int
    creator: str
    private: bool = False
    general: bool = False
    joined: bool = True
    archived: bool = False
    shared: bool = False
    known_as: str = ""
    renames: list[str] = field(default_factory=list)
    messages: dict[int, Message] = field(default_factory=dict)
    threads: dict[int, dict[int, Message]] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What whoever read the channel before knows it by: its first id."""
        return self.known_as or self.id

    @property
    def newest(self) -> int:
        return max(self.messages, default=self.created * SECOND)

    def find(self, moment: int) -> Message | None:
        if moment in self.messages:
            return self.messages[moment]
        return next((thread[moment] for thread in self.threads.values() if moment in thread), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Something that could be read once."""

    type: str
    source_id: str
    why: str
    signalled: bool


def ts_of(moment: int) -> str:
    return f"{moment // SECOND}.{moment % SECOND:06d}"


def moment_of(ts: str) -> int:
    """Raises ValueError."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * SECOND + int((fraction or "0").ljust(6, "0")[:6])
