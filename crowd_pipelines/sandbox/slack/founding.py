"""Founds a workspace from a seed and a size."""

import random
from dataclasses import dataclass
from datetime import datetime

from crowd_pipelines.sandbox.platform import records_wanted
from crowd_pipelines.sandbox.slack import cases, text
from crowd_pipelines.sandbox.slack.model import SECOND, SLACKBOT, UNLISTED, Channel, Kind, Message, Person
from crowd_pipelines.sandbox.slack.workspace import DAY, Workspace

HISTORY_DAYS = 900
RECENT_DAYS = 25
RECENT_SHARE = 0.2
THREAD_SHARE = 0.16


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything; `messages` in channels and threads together."""

    people: int
    channels: int
    messages: int


NAMED = {
    "small": Size(people=90, channels=7, messages=330),
    "medium": Size(people=900, channels=12, messages=4_200),
    "large": Size(people=4_500, channels=25, messages=15_500),
}


def size_of(name: str) -> Size:
    records = records_wanted(name)
    if records is None:
        return NAMED[name]
    return Size(people=max(40, records // 5), channels=12, messages=max(100, records * 4 // 5))


def found(*, seed: int, size: str, until: datetime) -> Workspace:
    """The same arguments make the same workspace."""
    workspace = Workspace(seed=seed, now=int(until.timestamp()))
    wanted, dice = size_of(size), random.Random(f"{seed}/{size}")
    _people(workspace, wanted, dice)
    _channels(workspace, wanted)
    _arrivals(workspace, dice)
    _conversations(workspace, wanted, dice)
    cases.build(workspace)
    for channel in workspace.channels.values():
        channel.messages = dict(sorted(channel.messages.items()))
        channel.threads = {parent: dict(sorted(thread.items())) for parent, thread in channel.threads.items()}
    return workspace


def _people(workspace: Workspace, wanted: Size, dice: random.Random) -> None:
    for place in range(wanted.people):
        joined = workspace.now - (RECENT_DAYS + dice.randrange(HISTORY_DAYS)) * DAY
        person = Person(
            id=f"U{place:04d}PSN" if place % 30 else f"W{place:04d}ENT",
            name=text.user_name(place),
            real_name=text.ODD_NAMES[place] if place < len(text.ODD_NAMES) else text.real_name(place),
            joined=joined,
            title=text.TITLES[place % len(text.TITLES)],
            email=f"p{place}@people.example" if place % 9 else None,
            noted=place % 8 != 5,
            updated=joined,
            kind=Kind.GUEST if place % 25 == 7 else Kind.PERSON,
        )
        workspace.people[person.id] = person
    others = (
        ("U0CIBOT01", "ci", Kind.BOT), ("U0HELPBOT", "helper", Kind.BOT), ("U0WORKFLW", "onboarding", Kind.WORKFLOW),
        (SLACKBOT, "slackbot", Kind.SLACKBOT), ("U0STRANG1", "visitor", Kind.STRANGER),
        ("U0STRANG2", "partner", Kind.STRANGER), ("U0HIDDEN1", "?", Kind.HIDDEN),
    )  # fmt: skip
    founded = workspace.now - HISTORY_DAYS * DAY
    for user_id, name, kind in others:
        workspace.people[user_id] = Person(id=user_id, name=name, real_name=name.title(), joined=founded, kind=kind)


def _channels(workspace: Workspace, wanted: Size) -> None:
    creator = next(iter(workspace.people))
    created = workspace.now - (HISTORY_DAYS + RECENT_DAYS + 10) * DAY
    for place in range(wanted.channels):
        channel = Channel(
            id=f"{'G' if place % 6 == 4 else 'C'}{place:03d}CHANL",
            name=text.channel_name(place),
            created=created + place * 3_600,
            creator=creator,
            private=place % 6 == 4,
            general=place == 0,
            shared=place == 3,
        )
        workspace.channels[channel.id] = channel


def _arrivals(workspace: Workspace, dice: random.Random) -> None:
    """Nearly everybody's coming is noted in #general, and for some in another channel as well."""
    general, *rest = workspace.channels.values()
    for person in list(workspace.people.values()):
        if person.kind is Kind.PERSON and person.noted:
            _join(workspace, general, person, person.joined)
            if dice.random() < 0.3:
                _join(workspace, dice.choice(rest), person, person.joined + dice.randrange(DAY))
        elif person.kind is Kind.GUEST and person.noted:
            _join(workspace, dice.choice(rest), person, person.joined)


def _join(workspace: Workspace, channel: Channel, person: Person, at: int) -> None:
    workspace.add(
        channel,
        Message(
            moment=at * SECOND,
            author=person.id,
            subtype="group_join" if channel.private else "channel_join",
            parts=(("user", person.id), ("text", " has joined the channel")),
        ),
    )


def _conversations(workspace: Workspace, wanted: Size, dice: random.Random) -> None:
    channels = list(workspace.channels.values())
    people = [p.id for p in workspace.people.values() if p.kind in (Kind.PERSON, Kind.GUEST)]
    weights = [1 / (1 + place) for place in range(len(channels))]
    written = 0
    while written < wanted.messages:
        [channel] = dice.choices(channels, weights)
        message = _say(workspace, channel, dice, people, number=written)
        written += 1
        if dice.random() < THREAD_SHARE:
            written += _answers(workspace, channel, message, dice, people, number=written)


def _when(workspace: Workspace, dice: random.Random) -> int:
    days = RECENT_DAYS if dice.random() < RECENT_SHARE else HISTORY_DAYS
    return workspace.now * SECOND - dice.randrange(days * DAY * SECOND)


def _say(workspace: Workspace, channel: Channel, dice: random.Random, people: list[str], *, number: int) -> Message:
    message = Message(
        moment=_when(workspace, dice),
        author=dice.choice(people),
        parts=text.parts(number, people=people, channels=_names(workspace)),
        reactions={"thumbsup": dice.sample(people, 2)} if number % 9 == 0 else {},
        attachments=[("A page", "https://example.org/page")] if number % 17 == 0 else [],
        files=[("notes.txt", "https://crowd-sandbox.slack.com/files/F0FILE001")] if number % 23 == 0 else [],
        subtype="file_share" if number % 46 == 0 else "me_message" if number % 31 == 0 else None,
    )
    return workspace.add(channel, message)


def _answers(
    workspace: Workspace, channel: Channel, head: Message, dice: random.Random, people: list[str], *, number: int
) -> int:
    """Answers a message within three days; returns how often."""
    room = min(workspace.now * SECOND - head.moment, 3 * DAY * SECOND)
    count = min(1 + int(dice.paretovariate(1.2)), 14)
    for answer in range(count):
        workspace.add(
            channel,
            Message(
                moment=head.moment + 1 + dice.randrange(max(room, 2)),
                author=dice.choice(people),
                parts=text.parts(number + answer, people=people, channels=_names(workspace)),
                parent=head.moment,
                broadcast=dice.random() < 0.04,
            ),
        )
    return count


def _names(workspace: Workspace) -> list[tuple[str, str]]:
    return [(channel.id, channel.name) for channel in list(workspace.channels.values())[:6]]


def listed(workspace: Workspace) -> list[Person]:
    """Those in the list of people: not strangers of other companies."""
    return [person for person in workspace.people.values() if person.kind not in UNLISTED]
