"""Founds a guild from a seed and a size."""

import random
from dataclasses import dataclass
from datetime import datetime

from crowd_pipelines.sandbox.discord import cases, text
from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.model import (
    ANNOUNCEMENT,
    CATEGORY,
    DEFAULT,
    FORUM,
    PUBLIC_THREAD,
    REPLY,
    STAGE,
    TEXT,
    THREAD_STARTER,
    VOICE,
    Message,
    Part,
    Permission,
    Person,
    Role,
    Room,
    moment_ms,
)
from crowd_pipelines.sandbox.platform import records_wanted

DAY = 86_400_000
HISTORY_DAYS = 700
ARCHIVED_AFTER = 14 * DAY
BOT_SHARE = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; `said` counts messages in channels, `threads` those with some five messages each."""

    people: int
    channels: int
    forums: int
    said: int
    threads: int


NAMED = {
    "small": Plan(people=220, channels=28, forums=2, said=420, threads=24),
    "medium": Plan(people=2_000, channels=36, forums=3, said=1_700, threads=230),
    "large": Plan(people=9_000, channels=60, forums=5, said=6_500, threads=850),
}


def plan(size: str) -> Plan:
    records = records_wanted(size)
    if records is None:
        return NAMED[size]
    return Plan(
        people=max(40, records * 45 // 100),
        channels=min(max(28, records // 330), 120),
        forums=min(max(2, records // 4000), 8),
        said=max(60, records * 33 // 100),
        threads=max(16, records * 4 // 100),
    )


def found(*, seed: int, size: str, until: datetime) -> Community:
    """The same arguments make the same community."""
    community = Community(seed=seed, now=int(until.timestamp() * 1000))
    wanted, dice = plan(size), random.Random(f"{seed}/{size}")
    _guild(community)
    _people(community, wanted, dice)
    channels, forums = _channels(community, wanted, dice)
    _fill(community, channels, wanted, dice)
    _threads(community, channels, forums, wanted, dice)
    cases.build(community, dice)
    return community


def _guild(community: Community) -> None:
    begun = community.now - 2 * HISTORY_DAYS * DAY
    community.guild, community.bot = community.snowflake(begun), community.snowflake(begun + DAY)
    seen = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.CONNECT
    own, other = community.snowflake(begun + DAY), community.snowflake(begun + 2 * DAY)
    for place, (id_, name, allowed) in enumerate(
        ((community.guild, "@everyone", seen), (own, "Reader", Permission(0)), (other, "Helpers", Permission(0)))
    ):
        community.roles[id_] = Role(id=id_, name=name, permissions=int(allowed), position=place)
    community.bot_roles = {own}
    community.people[community.bot] = Person(
        id=community.bot, username="community-reader", display=None, bot=True, joined=begun + DAY
    )


def _people(community: Community, wanted: Plan, dice: random.Random) -> None:
    for place in range(wanted.people):
        joined = community.now - 1000 * dice.randrange(DAY // 1000, HISTORY_DAYS * DAY // 1000) - dice.randrange(1000)
        id_ = community.snowflake(joined - dice.randrange(900 * DAY))
        community.people[id_] = Person(
            id=id_,
            username=text.username(place),
            display=text.display(place),
            avatar=None if place % 4 == 0 else f"{dice.getrandbits(128):032x}" if place % 7 else f"a_{id_:x}",
            joined=joined,
            joins=[joined],
        )


def _channels(community: Community, wanted: Plan, dice: random.Random) -> tuple[list[Room], list[Room]]:
    begun = community.now - 2 * HISTORY_DAYS * DAY

    def make(kind: int, name: str, parent: int | None = None) -> Room:
        id_ = community.snowflake(begun + dice.randrange(200 * DAY))
        community.rooms[id_] = Room(id=id_, type=kind, name=name, parent=parent)
        return community.rooms[id_]

    category = make(CATEGORY, "Talk")
    kinds = [TEXT] * wanted.channels
    kinds[1:4] = [ANNOUNCEMENT, VOICE, STAGE]
    names = ["general", "news", "Lounge", "Stage"]
    names += [f"{text.WORDS[place % len(text.WORDS)]}-{place}" for place in range(len(names), wanted.channels)]
    channels = [make(kind, name, category.id) for kind, name in zip(kinds, names, strict=True)]
    forums = [make(FORUM, "help" if place == 0 else f"ideas-{place}", category.id) for place in range(wanted.forums)]
    return channels, forums


def _fill(community: Community, channels: list[Room], wanted: Plan, dice: random.Random) -> None:
    """One channel has a third of what is said, the others have like shares; the last stays empty."""
    alive = channels[:-1]
    shares = [wanted.said // 3] + [2 * wanted.said // 3 // (len(alive) - 1)] * (len(alive) - 1)
    for room, count in zip(alive, shares, strict=True):
        span = HISTORY_DAYS * DAY
        for moment in sorted(community.now - DAY - dice.randrange(span) for _ in range(max(2, count))):
            utter(community, room, dice, moment)


def utter(
    community: Community, room: Room, dice: random.Random, moment: int, *, id_: int | None = None, reply: bool = True
) -> Message:
    """Somebody says something at a moment; often in answer to what was said shortly before."""
    before = list(room.messages.values())[-8:] if reply else []
    answered = dice.choice(before) if before and dice.random() < 0.3 else None
    message = Message(
        id=id_ or community.snowflake(moment),
        author=somebody(community, dice),
        type=REPLY if answered and answered.type in (DEFAULT, REPLY) else DEFAULT,
        parts=parts(community, room, dice),
        refers_to=answered.id if answered and answered.type in (DEFAULT, REPLY) else None,
        edited=moment + 60_000 if dice.random() < 0.05 else None,
        attachments=dice.random() < 0.05,
        reactions=[("👍", 1 + dice.randrange(5))] if dice.random() < 0.1 else [],
    )
    return community.say(room, message)


def somebody(community: Community, dice: random.Random) -> int:
    """Few say most."""
    people = list(community.people.values())
    while True:
        person = people[int(len(people) * dice.random() ** 2)]
        if not (person.gone or person.pending or person.webhook) and (not person.bot or dice.random() < BOT_SHARE * 5):
            return person.id


def parts(community: Community, room: Room, dice: random.Random) -> tuple[Part, ...]:
    chance = dice.random()
    words = text.sentence(dice)
    if chance < 0.12:
        return (("user", somebody(community, dice)), " " + words)
    if chance < 0.16:
        return (words + " see ", ("channel", community.channel_of(room).id))
    if chance < 0.19:
        return (words, " ", ("emoji", "pepe_wave", 77), " ", ("role", next(reversed(community.roles))))
    if chance < 0.21:
        return (words + " at ", ("time", 1_700_000_000 + dice.randrange(10**7)))
    return (words,)


def _threads(community: Community, channels: list[Room], forums: list[Room], wanted: Plan, dice: random.Random) -> None:
    """Two of three are posts; a few channels have the others. The old ones are archived."""
    hosts = [room for room in channels if room.type == TEXT][: max(2, wanted.channels // 4)]
    for place in range(wanted.threads):
        moment = community.now - DAY - dice.randrange((HISTORY_DAYS - 100) * DAY)
        host = hosts[place % len(hosts)]
        if place % 3 or not _free(host):
            thread = post(community, forums[place % len(forums)], dice, moment)
        else:
            thread = branch(community, host, dice.choice(_free(host)))
        for _ in range(1 + dice.randrange(8)):
            moment = max(moment, thread.touched) + dice.randrange(2 * DAY)
            if moment < community.now:
                utter(community, thread, dice, moment)
                thread.touched = moment
        if thread.touched < community.now - ARCHIVED_AFTER:
            thread.archived = thread.touched = thread.touched + ARCHIVED_AFTER // 14 * 3


def post(community: Community, forum: Room, dice: random.Random, moment: int) -> Room:
    """A post and its first message, which bears its id."""
    id_ = community.snowflake(moment)
    room = _thread(community, forum, id_, text.title(dice), moment)
    room.owner = utter(community, room, dice, moment, id_=id_, reply=False).author
    forum.last = max(forum.last or 0, id_)
    forum.moved = community.tick
    return room


def _free(channel: Room) -> list[Message]:
    return [one for one in channel.messages.values() if one.thread is None and one.type == DEFAULT]


def branch(community: Community, channel: Room, begun: Message) -> Room:
    """A thread made from a message, whose id it gets; it begins with a look back at it."""
    begun.thread = begun.id
    moment = moment_ms(begun.id) + 60_000
    room = _thread(community, channel, begun.id, text.title(random.Random(begun.id)), moment)
    room.owner = begun.author
    look_back = Message(id=community.snowflake(moment), author=begun.author, type=THREAD_STARTER, refers_to=begun.id)
    community.say(room, look_back)
    return room


def _thread(community: Community, channel: Room, id_: int, name: str, moment: int) -> Room:
    room = Room(id=id_, type=PUBLIC_THREAD, name=name, parent=channel.id, touched=moment)
    community.rooms[id_] = room
    return room
