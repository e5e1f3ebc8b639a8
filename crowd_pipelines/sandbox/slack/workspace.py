"""The state of the simulated workspace, and its clock."""

from typing import Any

from crowd_pipelines.sandbox.slack.model import PEOPLE, SECOND, Channel, Message, Person, Vanished, ts_of

DAY = 86_400
REREAD_DAYS = 30
"""How far behind a channel's newest message a reader looks again who keeps to the default."""

REREAD_MESSAGES = 999
SCOPES = (
    "channels:history", "channels:read", "groups:history", "groups:read", "team:read", "users:read", "users:read.email",
)  # fmt: skip


class Workspace:
    """People, channels and what was written; `now` in seconds."""

    def __init__(self, *, seed: int, now: int) -> None:
        self.seed = seed
        self.now = now
        self.team = "T0CROWD01"
        self.domain = "https://crowd-sandbox.slack.com/"
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.cases: dict[str, Any] = {}
        self.vanished: list[Vanished] = []
        self.scopes: set[str] = set(SCOPES)
        self.token_error: str | None = None
        self.limited = False
        self.organization = False
        self.short_pages = False
        self.cursor_age = 0

    def add(self, channel: Channel, message: Message) -> Message:
        """Puts a message where it belongs; a moment that is taken moves on by a microsecond."""
        while channel.find(message.moment) is not None:
            message.moment += 1
        if message.parent is not None:
            channel.threads.setdefault(message.parent, {})[message.moment] = message
        if message.parent is None or message.broadcast:
            channel.messages[message.moment] = message
        return message

    def read(self) -> list[Channel]:
        """The channels that the app is in, archived ones included."""
        return [channel for channel in self.channels.values() if channel.joined]

    def open(self) -> list[Channel]:
        """The channels that the app is in and in which somebody may write."""
        return [channel for channel in self.read() if not channel.archived]

    def is_person(self, user_id: str | None) -> bool:
        return user_id in self.people and self.people[user_id].kind in PEOPLE

    def window(self, channel: Channel) -> list[Message]:
        """What a reader who looks back as far as usual sees again: newest first, a page at most."""
        since = channel.newest - REREAD_DAYS * DAY * SECOND
        recent = sorted((m for m in channel.messages if m > since), reverse=True)[:REREAD_MESSAGES]
        return [channel.messages[moment] for moment in recent]

    def vanish(self, channel: Channel, message: Message, *, why: str, signalled: bool) -> None:
        if self.is_person(message.author):
            source_id = f"{channel.identity}:{ts_of(message.moment)}"
            self.vanished.append(Vanished(type="message", source_id=source_id, why=why, signalled=signalled))
