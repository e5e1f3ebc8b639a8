"""What a database should hold after reading everything that the bot may read, as JSON-able records.

`activity`: type, source_id, source_parent_id, source_parent_type, thread, timestamp, title, body, url, channel,
channel_id, member (user id), timestamp_source, attributes (thread, forum, attachments, reactions), and `outdated`:
values that a reader may still hold since nothing showed that they changed. A reader is expected to look again at the
50 newest messages of a room that has news.
`member`: source_id, username, formerly, display_name, avatar.
`vanished`: type, source_id, and `signalled`: whether such a look would have shown that it is gone.
`coverage`: how many messages of any kind each channel and thread has, how many members the guild, how many channels of
whatever kind there are, and how many lists of archived threads.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from crowd_pipelines.sandbox.discord import bodies
from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.model import (
    ANNOUNCEMENT,
    FORUM,
    PRIVATE_THREAD,
    REPLY,
    SPEAKING,
    TEXT,
    THREAD_CREATED,
    THREAD_STARTER,
    Message,
    Person,
    Room,
    Vanished,
    moment_ms,
)

Record = dict[str, Any]
Parent = tuple[str, str] | None


def records(community: Community) -> Iterator[Record]:
    covered = list(community.covered())
    seen: dict[int, None] = {}
    yield _about(community, covered)
    for person in _present(community):
        seen[person.id] = None
        yield from (_joined(community, person, moment) for moment in person.joins[-1:] if not person.guest)
    for room in covered:
        origin = _origin(community, room)
        for message in room.messages.values():
            if record := _spoken(community, room, message, origin):
                seen[message.author] = None
                yield record
    yield from (_member(community.people[id_]) for id_ in seen)
    yield from (_vanished(community, gone) for gone in community.vanished)


def _about(community: Community, covered: list[Room]) -> Record:
    return {
        "record": "about",
        "settings": {"guild_id": str(community.guild)},
        "coverage": {
            "channels": {str(room.id): len(room.messages) for room in covered if not room.is_thread},
            "threads": {str(room.id): len(room.messages) for room in covered if room.is_thread},
            "probed": sum(room.type in SPEAKING for room in community.channels()),
            "archives": sum(map(_archives, filter(community.readable, community.channels()))),
            "members": sum(person.joined is not None for person in community.people.values()),
        },
        "cases": dict(community.cases),
        "now": bodies.iso(community.now),
    }


def _archives(channel: Room) -> int:
    """How many lists of archived threads a channel has: of public ones, and of private ones."""
    return {TEXT: 2, ANNOUNCEMENT: 1, FORUM: 1}.get(channel.type, 0)


def _present(community: Community) -> Iterable[Person]:
    people = community.people.values()
    return [one for one in people if one.joined is not None and not (one.pending or one.bot or one.gone)]


def _joined(community: Community, person: Person, moment: int) -> Record:
    return {
        "record": "activity",
        "type": "joined_guild",
        "source_id": f"{community.guild}:{person.id}:{bodies.iso(moment)}",
        "source_parent_id": None,
        "source_parent_type": None,
        "thread": None,
        "timestamp": bodies.iso(moment),
        "title": None,
        "body": None,
        "url": None,
        "channel": None,
        "channel_id": None,
        "member": str(person.id),
        "timestamp_source": "provider",
        "attributes": {},
        "outdated": {},
    }


def _origin(community: Community, room: Room) -> Parent:
    """What the messages of a thread answer: the post's first, the message it was made from, or the news of it."""
    if not room.is_thread or room.type == PRIVATE_THREAD:
        return None
    channel = community.channel_of(room)
    if community.is_post(room):
        first = room.messages.get(room.id)
        return ("thread_started", str(room.id)) if first and community.is_said(first) else None
    if not any(one.type == THREAD_STARTER for one in room.messages.values()):
        return "thread_started", str(room.id)
    begun = channel.messages.get(room.id)
    return ("message", str(room.id)) if begun and community.is_said(begun) else None


def _spoken(community: Community, room: Room, message: Message, origin: Parent) -> Record | None:
    author = community.people[message.author]
    if message.type == THREAD_CREATED and not author.bot:
        return _started(community, room, message)
    if not community.is_said(message):
        return None
    parent = _answered(community, room, message, origin)
    posted = community.is_post(room)
    readings = [_whole(community, message, said) for said in community.readings(message.parts)]
    record = _base(community, room, message) | {
        "type": "thread_started" if posted and message.id == room.id else "message",
        "source_id": str(message.id),
        "source_parent_id": parent[1] if parent else None,
        "source_parent_type": parent[0] if parent else None,
        "thread": str(room.id) if room.is_thread else None,
        "title": room.name if room.is_thread else None,
        "body": readings[0],
        "url": f"{bodies.SITE}/channels/{community.guild}/{room.id}/{message.id}",
        "attributes": {
            "thread": room.is_thread,
            "forum": posted,
            **({"forwarded": True} if message.forwards is not None else {}),
            "attachments": [bodies.attachment_url(message, number) for number in range(message.attachments)],
        },
    }
    formerly = list(room.formerly) if room.is_thread and room.archived is not None else []
    outdated = {"body": [*readings[1:], *_former(community, room, message)], "title": formerly}
    return record | {"outdated": {field: values for field, values in outdated.items() if values}}


def _whole(community: Community, message: Message, said: str) -> str:
    """What was said, and below it what was forwarded."""
    forwarded = community.readings(message.forwards)[0] if message.forwards else ""
    return "\n\n".join(filter(None, (said, forwarded)))


def _former(community: Community, room: Room, message: Message) -> list[str]:
    """What it said before edits that did not show: no news came after them, or too many."""
    looked_again = community.recent(room, message.id)
    return [
        reading
        for tick, parts in message.edits
        if not (looked_again and room.moved > tick)
        for reading in community.readings(parts)
    ]


def _started(community: Community, room: Room, message: Message) -> Record:
    thread = str(message.thread)
    room_of = community.rooms[message.thread or 0]
    formerly = [*room_of.formerly, room_of.name] if room_of.archived is not None or room_of.gone else []
    return _base(community, room, message) | {
        "type": "thread_started",
        "source_id": thread,
        "source_parent_id": None,
        "source_parent_type": None,
        "thread": thread,
        "title": room_of.name,
        "body": None,
        "url": f"{bodies.SITE}/channels/{community.guild}/{thread}",
        "attributes": {"thread": True, "forum": False},
        "outdated": {"title": formerly} if formerly else {},
    }


def _base(community: Community, room: Room, message: Message) -> Record:
    channel = community.channel_of(room)
    return {
        "record": "activity",
        "timestamp": bodies.iso(moment_ms(message.id)),
        "channel": channel.name,
        "channel_id": str(channel.id),
        "member": str(message.author),
        "timestamp_source": "provider",
    }


def _answered(community: Community, room: Room, message: Message, origin: Parent) -> Parent:
    if message.id == room.id:
        return None
    if message.type != REPLY:
        return origin
    original = room.messages.get(message.refers_to or 0)
    if original is not None and not community.is_said(original):
        return origin
    started = community.is_post(room) and message.refers_to == room.id
    return ("thread_started" if started else "message"), str(message.refers_to)


def _member(person: Person) -> Record:
    return {
        "record": "member",
        "source_id": str(person.id),
        "username": person.username,
        "formerly": list(person.formerly),
        "display_name": person.display or person.username,
        "avatar": person.avatar,
    }


def _vanished(community: Community, gone: Vanished) -> Record:
    room = None if gone.room is None else community.rooms[gone.room]
    return {
        "record": "vanished",
        "type": gone.type,
        "source_id": gone.source_id,
        "signalled": room is not None and gone.recent and room.moved > gone.tick and not room.gone,
    }
