"""What a database should hold after reading every channel that the app is in, as JSON-able records.

`activity`: type, source_id, source_parent_id, source_parent_type, thread, timestamp (None where only observed),
timestamp_source, title, body (as people read it), url, channel, channel_id, member, attributes, and `outdated`: values
that a reader may still hold because nothing showed that they changed.
`member`: source_id, username, display_name, email, timezone, title, picture, `looked_up` where no list has them.
`vanished`: type, source_id, why, and `signalled`: whether a reader who looks back as far as usual can see it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.slack import bodies
from crowd_pipelines.sandbox.slack.founding import listed
from crowd_pipelines.sandbox.slack.model import (
    PEOPLE,
    SECOND,
    UNLISTED,
    Channel,
    Kind,
    Message,
    Part,
    Person,
    ts_of,
)
from crowd_pipelines.sandbox.slack.workspace import Workspace

Record = dict[str, Any]
SAID = frozenset({None, "thread_broadcast", "me_message", "file_share"})
JOINS = frozenset({"channel_join", "group_join"})


def records(workspace: Workspace) -> Iterator[Record]:
    yield _about(workspace)
    met: set[str] = set()
    for channel, message in _said(workspace):
        met |= {str(message.author), *_meant(message.parts)}
        yield _message(workspace, channel, message)
    yield from _joins(workspace)
    yield from (_member(person) for person in workspace.people.values() if _is_member(person, met))
    yield from (
        {
            "record": "vanished",
            "type": gone.type,
            "source_id": gone.source_id,
            "why": gone.why,
            "signalled": gone.signalled,
        }
        for gone in workspace.vanished
    )


def _about(workspace: Workspace) -> Record:
    return {
        "record": "about",
        "settings": {},
        "coverage": {
            "people": len(listed(workspace)),
            "met": len(_met_by_id(workspace)),
            "channels_listed": len(workspace.channels),
            "channels": {channel.identity: _coverage(workspace, channel) for channel in workspace.read()},
        },
        "cases": workspace.cases,
        "now": datetime.fromtimestamp(workspace.now, UTC).isoformat(),
    }


def _coverage(workspace: Workspace, channel: Channel) -> Record:
    threaded = [m for m in channel.messages.values() if m.parent is not None or channel.threads.get(m.moment)]
    return {
        "name": channel.name,
        "private": channel.private,
        "archived": channel.archived,
        "messages": len(channel.messages),
        # As crowd.dev follows them: below what people say, a thread for its first message and for every broadcast.
        "followed": [
            len(channel.threads.get(m.moment if m.parent is None else m.parent, {}))
            for m in threaded
            if workspace.is_person(m.author)
        ],
        "threads": {m.ts: len(channel.threads[m.moment]) for m in threaded if m.parent is None},
    }


def _met_by_id(workspace: Workspace) -> set[str]:
    """Everybody whom messages are by or speak of, bots included."""
    met: set[str] = set()
    for channel in workspace.read():
        threads = (message for thread in channel.threads.values() for message in thread.values())
        for message in (*channel.messages.values(), *threads):
            met |= {message.author} if message.author else set()
            met |= set(_meant(message.parts))
    return met


def _said(workspace: Workspace) -> Iterator[tuple[Channel, Message]]:
    for channel in workspace.read():
        threads = (m for thread in channel.threads.values() for m in thread.values() if not m.broadcast)
        for message in (*channel.messages.values(), *threads):
            if message.subtype in SAID and workspace.is_person(message.author) and not message.extras.get("hidden"):
                yield channel, message


def _message(workspace: Workspace, channel: Channel, message: Message) -> Record:
    parent = None if message.parent is None else f"{channel.identity}:{ts_of(message.parent)}"
    source_id = f"{channel.identity}:{message.ts}"
    body = _readings(workspace, message.parts)
    earlier = [reading for parts in message.edits for reading in _readings(workspace, parts)]
    return {
        "record": "activity",
        "type": "message",
        "source_id": source_id,
        "source_parent_id": parent,
        "source_parent_type": "message" if parent else None,
        "thread": parent or source_id,
        "timestamp": _iso(message.moment),
        "timestamp_source": "provider",
        "title": None,
        "body": body[0],
        "url": _url(workspace, channel, message.moment),
        "channel": channel.name,
        "channel_id": channel.identity,
        "member": message.author,
        "attributes": {
            "thread": {"id": ts_of(message.parent)} if message.parent is not None else False,
            "reactions": [
                {"name": name, "count": len(users), "users": users} for name, users in message.reactions.items()
            ],
            "attachments": [{"title": title, "url": url} for title, url in (*message.attachments, *message.files)],
        },
        "outdated": {"body": [*body[1:], *earlier]} if body[1:] or earlier else {},
    }


def _readings(workspace: Workspace, parts: tuple[Part, ...]) -> list[str]:
    """How a text reads, first with the names of now, then with each of those that somebody had before."""
    now = "".join(_read(workspace, part) for part in parts)
    former = [
        "".join(name if other == part else _read(workspace, other) for other in parts)
        for part in parts
        for name in _former(workspace, part)
    ]
    return [now, *former]


def _former(workspace: Workspace, part: Part) -> list[str]:
    match part:
        case ("user", user_id) if user_id in workspace.people:
            return [f"@{name}" for name in workspace.people[user_id].renames]
        case ("channel", channel, *_) if channel in workspace.channels:
            return [f"#{name}" for name in workspace.channels[channel].renames]
    return []


def _read(workspace: Workspace, part: Part) -> str:
    match part:
        case ("user", user_id, *label):
            person = workspace.people.get(user_id)
            known = person.name if person and person.kind is not Kind.HIDDEN else None
            return f"@{known or (label[0] if label else 'mention')}"
        case ("channel", channel, *label):
            named = next((c for c in workspace.channels.values() if channel in (c.id, c.known_as)), None)
            return f"#{named.name if named and _is_visible(named) else (label[0] if label else 'channel')}"
        case ("special", command):
            return f"@{command}"
        case ("link", address, label):
            return f"{label} ({address})"
        case (_, words):
            return words
    raise ValueError(part)


def _is_visible(channel: Channel) -> bool:
    return channel.joined or not channel.private


def _joins(workspace: Workspace) -> Iterator[Record]:
    told = dict(_told_joins(workspace))
    for person in workspace.people.values():
        if person.id in told:
            channel, message = told[person.id]
            where = {
                "timestamp": _iso(message.moment),
                "timestamp_source": "provider",
                "url": _url(workspace, channel, message.moment),
                "channel": channel.name,
                "channel_id": channel.identity,
            }
            yield _join(person, **where)
        elif person.kind in PEOPLE - UNLISTED and not person.deleted:
            yield _join(person, timestamp=None, timestamp_source="observed", url=None, channel=None, channel_id=None)


def _told_joins(workspace: Workspace) -> Iterator[tuple[str, tuple[Channel, Message]]]:
    """The first coming to #general; of those who are not in it by themselves, to any channel. Later ones first."""
    found = sorted(
        (
            (message.moment, channel, message)
            for channel in workspace.read()
            for message in channel.messages.values()
            if message.subtype in JOINS and workspace.is_person(message.author)
        ),
        key=lambda item: -item[0],
    )
    hall = any(channel.general for channel in workspace.read())
    for _, channel, message in found:
        person = workspace.people[str(message.author)]
        if channel.general or not hall or person.kind is not Kind.PERSON:
            yield person.id, (channel, message)


def _join(person: Person, **where: Any) -> Record:
    return {
        "record": "activity",
        "type": "channel_joined",
        "source_id": person.id,
        "source_parent_id": None,
        "source_parent_type": None,
        "thread": None,
        "title": None,
        "body": None,
        "member": person.id,
        "attributes": {},
        "outdated": {},
        **where,
    }


def _is_member(person: Person, met: set[str]) -> bool:
    return person.kind in PEOPLE and (person.kind not in UNLISTED or person.id in met)


def _member(person: Person) -> Record:
    hidden = person.kind is Kind.HIDDEN
    return {
        "record": "member",
        "source_id": person.id,
        "username": person.id if hidden else person.name,
        "formerly": person.renames,
        "display_name": person.id if hidden else person.real_name or person.name,
        "email": None if person.kind in UNLISTED else person.email,
        "timezone": None if hidden or person.deleted else person.timezone,
        "title": None if hidden else person.title or None,
        "picture": None if hidden else bodies.picture(person),
        "looked_up": person.kind in UNLISTED,
    }


def _meant(parts: Iterable[Part]) -> list[str]:
    return [part[1] for part in parts if part[0] == "user" and len(part) == 2]


def _url(workspace: Workspace, channel: Channel, moment: int) -> str:
    return f"{workspace.domain}archives/{channel.identity}/p{ts_of(moment).replace('.', '')}"


def _iso(moment: int) -> str:
    whole = datetime.fromtimestamp(moment // SECOND, UTC)
    return whole.replace(microsecond=moment % SECOND).isoformat(timespec="microseconds")
