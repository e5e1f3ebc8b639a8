"""Carries changes out."""

import random
from typing import Any

from crowd_pipelines.sandbox.discord import bodies, founding, text
from crowd_pipelines.sandbox.discord import changes as ch
from crowd_pipelines.sandbox.discord.choice import Choice
from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.limits import Limits
from crowd_pipelines.sandbox.discord.model import (
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    REPLY,
    TEXT,
    THREAD_CREATED,
    THREAD_STARTER,
    Intent,
    Message,
    Permission,
    Person,
    Room,
    Vanished,
)

Touched = dict[str, Any]


class Happenings:
    """Changes a community, and tells what was touched: messages, rooms and people, by id."""

    def __init__(self, community: Community, limits: Limits) -> None:
        self.community = community
        self.choice = Choice(community)
        self._limits = limits

    @property
    def dice(self) -> random.Random:
        return self.choice.dice

    def make(self, change: ch.AnyChange) -> Touched:
        """Raises ChangeRefused."""
        self.community.now += change.after * 1000
        self.community.tick += 1
        return {"do": change.do, "messages": [], "rooms": [], "users": [], **self._made(change)}

    def _made(self, change: ch.AnyChange) -> Touched:  # noqa: C901, PLR0911, PLR0912  one branch for each kind of change
        match change:
            case ch.Send():
                return self._send(change)
            case ch.Edit():
                return self._edit(change)
            case ch.Delete():
                room, message = self.choice.message(change.message)
                self._vanish(room, message)
                return {"messages": [str(message.id)], "rooms": [str(room.id)]}
            case ch.React():
                room, message = self.choice.message(change.message)
                message.reactions = [*message.reactions, ("🔥", 1)]
                return {"messages": [str(message.id)], "rooms": [str(room.id)]}
            case ch.Post():
                return self._post(change)
            case ch.Branch():
                return self._branch(change)
            case ch.Archive():
                return self._archive(self.choice.thread(change.thread, archived=False))
            case ch.Revive():
                return self._revive(self.choice.thread(change.thread, archived=True))
            case ch.RenameRoom():
                return self._rename_room(change)
            case ch.CreateChannel():
                room = Room(id=self.community.snowflake(), type=TEXT, name=change.name)
                self.community.rooms[room.id] = room
                return {"rooms": [str(room.id)]}
            case ch.DeleteRoom():
                return self._delete_room(self.choice.renamed(change.room))
            case ch.Join():
                return self._join(self._newcomer(pending=change.pending), guest=change.guest)
            case ch.Rejoin():
                return self._join(self.choice.person(change.user), guest=False)
            case ch.Admit():
                self.choice.person(change.user).pending = False
                return {"users": [str(change.user)]}
            case ch.Leave():
                person = self.choice.person(change.user)
                self._forget_coming(person)
                person.joined = None
                return {"users": [str(person.id)]}
            case ch.RenameUser():
                return self._rename_user(change)
            case ch.Permit():
                return self._permit(change)
            case ch.SetIntent():
                flag = Intent[change.intent.upper()]
                held = self.community.intents
                self.community.intents = held | flag if change.do == "grant_intent" else held & ~flag
                return {}
            case ch.SetLimit():
                self._limits.set(change.route, change.requests, change.seconds)
                return {}
            case _:
                return {}

    def _send(self, change: ch.Send) -> Touched:
        room = self.choice.room(change.room)
        room.archived = None
        sent = [self._utter(room, change, place) for place in range(change.count)]
        return {
            "messages": [str(one.id) for one in sent],
            "rooms": [str(room.id)],
            "users": sorted({str(one.author) for one in sent}),
        }

    def _utter(self, room: Room, change: ch.Send, place: int) -> Message:
        message = founding.utter(self.community, room, self.dice, self.community.now + place)
        message.edited = None
        message.author = change.author or self.choice.person(None).id
        if change.content is not None:
            message.parts = (change.content,)
        if change.reply_to is not None:
            message.type, message.refers_to = REPLY, change.reply_to
        return message

    def _edit(self, change: ch.Edit) -> Touched:
        room, message = self.choice.message(change.message)
        message.edits.append((self.community.tick, message.parts))
        message.parts = (text.sentence(self.dice) if change.content is None else change.content,)
        message.edited = self.community.now
        return {"messages": [str(message.id)], "rooms": [str(room.id)]}

    def _vanish(self, room: Room, message: Message) -> None:
        community = self.community
        recent = community.recent(room, message.id)
        if community.is_said(message) and room in community.covered():
            started = community.is_post(room) and message.id == room.id
            kind = "thread_started" if started else "message"
            gone = Vanished(type=kind, source_id=str(message.id), room=room.id, tick=community.tick, recent=recent)
            community.vanished.append(gone)
        del room.messages[message.id]

    def _post(self, change: ch.Post) -> Touched:
        community, forum = self.community, self.choice.forum(change.forum)
        room = founding.post(community, forum, self.dice, community.now)
        first = room.messages[room.id]
        first.edited, first.author = None, change.author or self.choice.person(None).id
        room.moved = community.tick
        if change.archived:
            room.archived = community.now
        return {"rooms": [str(room.id)], "messages": [str(room.id)], "users": [str(first.author)]}

    def _branch(self, change: ch.Branch) -> Touched:
        community, channel = self.community, self.choice.host(change.channel)
        author = self.choice.person(None)
        origin = None if change.alone or change.private else self._origin(channel, change)
        thread = self._thread(channel, author, origin, private=change.private)
        news = [self._announce(channel, author, thread)] if change.old or (change.alone and not change.private) else []
        said = founding.utter(community, thread, self.dice, community.now + 2, reply=False)
        said.edited, said.author = None, author.id
        if change.archived:
            thread.archived = community.now
        return {"rooms": [str(thread.id)], "messages": [str(one.id) for one in [*news, said]]}

    def _origin(self, channel: Room, change: ch.Branch) -> Message:
        """A message that has no thread yet: the one that was named, the first, or the last that somebody said."""
        if change.message is not None:
            return self.choice.message(change.message)[1]
        said = self.choice.free(channel)
        return self.choice.one(said[:1] if change.old else said[-1:])

    def _thread(self, channel: Room, author: Person, origin: Message | None, *, private: bool) -> Room:
        community = self.community
        room = Room(
            id=origin.id if origin else community.snowflake(),
            type=PRIVATE_THREAD if private else PUBLIC_THREAD,
            name=text.title(self.dice),
            parent=channel.id,
            owner=author.id,
            touched=community.now,
            bot_joined=private,
        )
        community.rooms[room.id] = room
        if origin:
            origin.thread = room.id
            id_ = community.snowflake(community.now + 1)
            community.say(room, Message(id=id_, author=author.id, type=THREAD_STARTER, refers_to=origin.id))
        return room

    def _announce(self, channel: Room, author: Person, thread: Room) -> Message:
        id_ = self.community.snowflake(self.community.now + 1)
        news = Message(id=id_, author=author.id, type=THREAD_CREATED, parts=(thread.name,), thread=thread.id)
        return self.community.say(channel, news)

    def _archive(self, thread: Room) -> Touched:
        thread.archived = thread.touched = self.community.now
        return {"rooms": [str(thread.id)]}

    def _revive(self, thread: Room) -> Touched:
        message = founding.utter(self.community, thread, self.dice, self.community.now)
        message.edited, message.author = None, self.choice.person(None).id
        thread.archived = self.community.now + 1
        return {"rooms": [str(thread.id)], "messages": [str(message.id)]}

    def _rename_room(self, change: ch.RenameRoom) -> Touched:
        room = self.choice.renamed(change.room)
        room.formerly.append(room.name)
        room.name = change.name or text.title(self.dice).lower().replace(" ", "-")
        room.moved = self.community.tick if room.is_thread else room.moved
        return {"rooms": [str(room.id)]}

    def _delete_room(self, room: Room) -> Touched:
        room.gone = True
        below = [one for one in self.community.threads() if one.parent == room.id]
        for thread in below:
            thread.gone = True
        return {"rooms": [str(one.id) for one in (room, *below)]}

    def _newcomer(self, *, pending: bool) -> Person:
        place = len(self.community.people)
        id_ = self.community.snowflake(self.community.now - 86_400_000 * (1 + self.dice.randrange(900)))
        person = Person(id=id_, username=text.username(place), display=text.display(place), pending=pending)
        self.community.people[id_] = person
        return person

    def _forget_coming(self, person: Person) -> None:
        """Members show only when they came last, and only while they are there."""
        if person.joined is not None and not (person.pending or person.guest):
            source_id = f"{self.community.guild}:{person.id}:{bodies.iso(person.joined)}"
            gone = Vanished(type="joined_guild", source_id=source_id, room=None, tick=self.community.tick, recent=False)
            self.community.vanished.append(gone)

    def _join(self, person: Person, *, guest: bool) -> Touched:
        self._forget_coming(person)
        person.joined, person.guest = self.community.now, guest
        if not guest:
            person.joins.append(self.community.now)
        return {"users": [str(person.id)]}

    def _rename_user(self, change: ch.RenameUser) -> Touched:
        person = self.choice.person(change.user)
        person.formerly.append(person.username)
        person.username = change.username or f"{person.username}_new"
        return {"users": [str(person.id)]}

    def _permit(self, change: ch.Permit) -> Touched:
        flag, allow = int(Permission[change.permission.upper()]), change.do == "allow"
        if change.channel is None:
            own = self.community.roles[next(iter(self.community.bot_roles))]
            own.permissions = own.permissions | flag if allow else own.permissions & ~flag
            return {}
        room, everybody = self.choice.renamed(change.channel), self.community.guild
        room.overwrites = [(0, everybody, flag if allow else 0, 0 if allow else flag)]
        return {"rooms": [str(room.id)]}
