"""The state of the simulated Discord: one guild with its people, roles, channels and threads."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.discord.model import (
    DEFAULT,
    EPOCH_MS,
    FORUM,
    PRIVATE_THREAD,
    REPLY,
    STAGE,
    VOICE,
    Intent,
    Message,
    Part,
    Permission,
    Person,
    Role,
    Room,
    Vanished,
)

RECENT = 50
"""So many of the newest messages of a room a reader may be expected to look at again when it has news."""

VARIANTS = 64


class Community:
    """All that is, and its clock (`now`, milliseconds)."""

    def __init__(self, *, seed: int, now: int) -> None:
        self.seed = seed
        self.now = now
        self.tick = 0
        self.guild = 0
        self.bot = 0
        self.people: dict[int, Person] = {}
        self.roles: dict[int, Role] = {}
        self.bot_roles: set[int] = set()
        self.rooms: dict[int, Room] = {}
        self.intents = Intent.GUILD_MEMBERS | Intent.MESSAGE_CONTENT
        self.bot_in_guild = True
        self.cases: dict[str, Any] = {}
        self.vanished: list[Vanished] = []
        self._sequence = itertools.count()

    def snowflake(self, moment: int | None = None) -> int:
        """An id for something that happens at this moment, or now."""
        at = self.now if moment is None else moment
        return (at - EPOCH_MS) << 22 | next(self._sequence) & 0x3FFFFF

    def channels(self) -> list[Room]:
        return [room for room in self.rooms.values() if not room.is_thread and not room.gone]

    def threads(self) -> list[Room]:
        return [room for room in self.rooms.values() if room.is_thread and not room.gone]

    def channel_of(self, room: Room) -> Room:
        """The channel in which a thread is, else the room itself."""
        return self.rooms[room.parent] if room.is_thread and room.parent is not None else room

    def say(self, room: Room, message: Message) -> Message:
        """Put a message into a room; it becomes the last one."""
        room.messages[message.id] = message
        room.last = max(room.last or 0, message.id)
        room.sent += 1
        room.moved = self.tick
        return message

    def permissions(self, channel: Room) -> int:
        """What the bot may do in a channel, as Discord computes it."""
        mine = {self.guild, *self.bot_roles}
        base = 0
        for role in self.roles.values():
            base |= role.permissions if role.id in mine else 0
        if base & Permission.ADMINISTRATOR:
            return (1 << 64) - 1
        for kinds in ((0, {self.guild}), (0, self.bot_roles), (1, {self.bot})):
            held = [one for one in channel.overwrites if one[0] == kinds[0] and one[1] in kinds[1]]
            for _, _, _, deny in held:
                base &= ~deny
            for _, _, allow, _ in held:
                base |= allow
        return base

    def visible(self, room: Room) -> bool:
        channel = self.channel_of(room)
        allowed = self.permissions(channel)
        if not allowed & Permission.VIEW_CHANNEL or (
            channel.type in (VOICE, STAGE) and not allowed & Permission.CONNECT
        ):
            return False
        hidden = room.type == PRIVATE_THREAD and not (room.bot_joined or allowed & Permission.MANAGE_THREADS)
        return not hidden

    def readable(self, room: Room) -> bool:
        """Whether the bot can see what was said there."""
        return self.visible(room) and bool(self.permissions(self.channel_of(room)) & Permission.READ_MESSAGE_HISTORY)

    def covered(self) -> Iterator[Room]:
        """The rooms that a connection reads."""
        for room in self.rooms.values():
            if room.gone or not room.speaks or not self.readable(room):
                continue
            yield room

    def is_post(self, room: Room) -> bool:
        return room.is_thread and self.channel_of(room).type == FORUM

    def is_said(self, message: Message) -> bool:
        author = self.people[message.author]
        return message.type in (DEFAULT, REPLY) and not author.bot and not author.webhook

    def raw(self, parts: tuple[Part, ...]) -> str:
        return "".join(_marked(part) for part in parts)

    def readings(self, parts: tuple[Part, ...]) -> list[str]:
        """The text with names in it: first with those of now, then with former ones."""
        options = [self._named(part) for part in parts]
        return ["".join(chosen) for chosen in itertools.islice(itertools.product(*options), VARIANTS)]

    def recent(self, room: Room, message_id: int) -> bool:
        """Whether a message is among the newest of its room."""
        return sum(other >= message_id for other in room.messages) <= RECENT

    def _named(self, part: Part) -> list[str]:
        if isinstance(part, str):
            return [part]
        kind, id_ = part[0], part[1]
        if kind == "emoji":
            return [f":{id_}:"]
        return {"user": self._users, "role": self._roles, "channel": self._channels, "time": _times}[kind](int(id_))

    def _users(self, id_: int) -> list[str]:
        person = self.people.get(id_)
        return [f"@{name}" for name in (person.username, *person.formerly)] if person else ["@unknown-user"]

    def _roles(self, id_: int) -> list[str]:
        return [f"@{self.roles[id_].name}" if id_ in self.roles else "@unknown-role"]

    def _channels(self, id_: int) -> list[str]:
        """Nobody tells the names of archived threads and deleted channels."""
        room = self.rooms.get(id_)
        if room is None:
            return ["#unknown-channel"]
        names = [f"#{name}" for name in (room.name, *room.formerly)]
        unlisted = room.gone or room.archived is not None
        return ["#unknown-channel", *names] if unlisted else [*names, "#unknown-channel"]


def _times(seconds: int) -> list[str]:
    return [f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"]


def _marked(part: Part) -> str:
    match part:
        case str():
            return part
        case ("user", id_):
            return f"<@!{id_}>" if int(id_) % 2 else f"<@{id_}>"
        case ("role", id_):
            return f"<@&{id_}>"
        case ("channel", id_):
            return f"<#{id_}>"
        case ("time", seconds):
            return f"<t:{seconds}:R>"
        case _:
            return f"<:{part[1]}:{part[-1]}>"
