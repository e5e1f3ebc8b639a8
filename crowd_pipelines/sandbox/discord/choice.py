"""What a change is about: as it was told, or chosen by chance (the same chance for the same seed and changes)."""

import random
from collections.abc import Sequence
from typing import TypeVar

from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.model import FORUM, SPEAKING, TEXT, Message, Person, Room
from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits

T = TypeVar("T")


class Choice:
    """Finds rooms, messages and people of a community."""

    def __init__(self, community: Community) -> None:
        self._community = community
        self.dice = random.Random(f"{community.seed}/changes")

    def room(self, wanted: int | None) -> Room:
        """By chance a channel or an active thread that can be read."""
        if wanted is not None:
            return self._told(wanted)
        return self.one([room for room in self._community.covered() if room.archived is None and room.messages])

    def channel(self, wanted: int | None, *, kinds: frozenset[int] = frozenset({TEXT})) -> Room:
        if wanted is not None:
            return self._told(wanted)
        return self.one([room for room in self._community.channels() if room.type in kinds and self._visible(room)])

    def host(self, wanted: int | None) -> Room:
        """By chance a channel in which somebody said something that began no thread."""
        if wanted is not None:
            return self._told(wanted)
        rooms = [room for room in self._community.channels() if room.type == TEXT and self._visible(room)]
        return self.one([room for room in rooms if self.free(room)])

    def free(self, room: Room) -> list[Message]:
        """What was said there and began no thread."""
        return [one for one in room.messages.values() if one.thread is None and self._community.is_said(one)]

    def forum(self, wanted: int | None) -> Room:
        return self.channel(wanted, kinds=frozenset({FORUM}))

    def renamed(self, wanted: int | None) -> Room:
        """By chance a channel or an active thread."""
        if wanted is not None:
            return self._told(wanted)
        channels = [room for room in self._community.channels() if room.type in SPEAKING and self._visible(room)]
        return self.one([*channels, *self.threads(archived=False)])

    def thread(self, wanted: int | None, *, archived: bool) -> Room:
        return self._told(wanted) if wanted is not None else self.one(self.threads(archived=archived))

    def threads(self, *, archived: bool) -> list[Room]:
        covered = [room for room in self._community.covered() if room.is_thread]
        return [room for room in covered if (room.archived is not None) is archived]

    def message(self, wanted: int | None) -> tuple[Room, Message]:
        """By chance one that somebody said in a channel, not one that is a thread's beginning."""
        for room in self._community.rooms.values():
            if wanted in room.messages:
                return room, room.messages[wanted]
        if wanted is not None:
            raise ChangeRefused(f"there is no message {wanted}")
        rooms = [room for room in self._community.covered() if room.archived is None and len(room.messages) > 1]
        room = self.one(rooms)
        begun = {other.id for other in self._community.threads()}
        said = [one for one in room.messages.values() if self._community.is_said(one) and one.id not in begun]
        return room, self.one(said)

    def person(self, wanted: int | None) -> Person:
        if wanted is None:
            return self.one([one for one in self._community.people.values() if self._is_here(one)])
        person = self._community.people.get(wanted)
        if person is None or person.gone:
            raise ChangeRefused(f"there is no user {wanted}")
        return person

    def one(self, among: Sequence[T]) -> T:
        if not among:
            raise NothingFits("there is nothing fitting to choose from")
        return self.dice.choice(among)

    def _told(self, wanted: int) -> Room:
        room = self._community.rooms.get(wanted)
        if room is None or room.gone:
            raise ChangeRefused(f"there is no channel or thread {wanted}")
        return room

    def _visible(self, room: Room) -> bool:
        return self._community.readable(room)

    def _is_here(self, person: Person) -> bool:
        return not (person.bot or person.webhook or person.gone or person.pending or person.joined is None)
