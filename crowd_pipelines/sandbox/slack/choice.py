"""What a change is about: as it was told, or chosen by chance (the same chance for the same seed and changes)."""

import random
from collections.abc import Sequence
from typing import TypeVar

from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits
from crowd_pipelines.sandbox.slack.model import Channel, Kind, Message, Person, moment_of
from crowd_pipelines.sandbox.slack.workspace import Workspace

T = TypeVar("T")
Placed = tuple[Channel, Message]


class Choice:
    """Finds channels, people and messages of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.dice = random.Random(f"{workspace.seed}/changes")

    def channel(self, wanted: str | None) -> Channel:
        if wanted is None:
            return self._one([c for c in self._workspace.open() if c.messages], "channel with messages")
        found = self._workspace.channels.get(wanted)
        if found is None:
            raise ChangeRefused(f"there is no channel {wanted}")
        return found

    def person(self, wanted: str | None) -> Person:
        if wanted is None:
            people = [p for p in self._workspace.people.values() if p.kind is Kind.PERSON and not p.deleted]
            return self._one(people[25:] or people, "user")
        found = self._workspace.people.get(wanted)
        if found is None:
            raise ChangeRefused(f"there is no user {wanted}")
        return found

    def message(self, wanted: str | None, *, reply: bool = False) -> Placed:
        """What was told; by chance something of the last weeks that somebody said, a reply or not."""
        if wanted is not None:
            return self._told(wanted)
        channel = self._one([c for c in self._workspace.open() if self._said(c, reply=reply)], "channel to change")
        return channel, self._one(self._said(channel, reply=reply), "message")

    def thread(self, channel_id: str | None, *, behind: bool) -> Placed:
        """A message with answers, of the last weeks or from behind them."""
        channels = [self.channel(channel_id)] if channel_id else self._workspace.open()
        found = [(channel, head) for channel in channels for head in self._heads(channel, behind=behind)]
        return self._one(found, "thread")

    def _heads(self, channel: Channel, *, behind: bool) -> list[Message]:
        recent = {message.moment for message in self._workspace.window(channel)}
        return [
            message
            for message in channel.messages.values()
            if message.moment in channel.threads and (message.moment in recent) is not behind and message.author
        ]

    def _said(self, channel: Channel, *, reply: bool) -> list[Message]:
        """The oldest of those that can be seen again is left alone: what is missing below it nobody would notice."""
        heads = [
            m for m in self._workspace.window(channel)[:-1] if m.parent is None and m.subtype in (None, "me_message")
        ]
        if reply:
            heads = [m for head in heads for m in channel.threads.get(head.moment, {}).values() if not m.broadcast]
        return [message for message in heads if self._workspace.is_person(message.author)]

    def _told(self, source_id: str) -> Placed:
        channel_id, _, ts = source_id.partition(":")
        channel = self.channel(channel_id)
        try:
            found = channel.find(moment_of(ts))
        except ValueError:
            found = None
        if found is None:
            raise ChangeRefused(f"there is no message {source_id}")
        return channel, found

    def _one(self, among: Sequence[T], what: str) -> T:
        if not among:
            raise NothingFits(f"no fitting {what} was found")
        return self.dice.choice(among)
