"""The nasty cases of the real API; `cases` in the truth names them."""

import random
from collections.abc import Sequence

from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.model import (
    AUTO_MODERATION,
    BOOSTED,
    COMMAND,
    DEFAULT,
    FORUM,
    JOINED,
    PINNED,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    REPLY,
    TEXT,
    THREAD_CREATED,
    THREAD_STARTER,
    VOICE,
    Message,
    Part,
    Permission,
    Person,
    Room,
)

HOUR = 3_600_000
DELETED_USER = 456_226_577_798_135_808


class CaseBook:
    """Writes cases, a minute apart, on the day before the history ends."""

    def __init__(self, community: Community) -> None:
        self.community = community
        self.clock = community.now - 20 * HOUR
        channels = [room for room in community.rooms.values() if room.type == TEXT]
        self.general, self.quiet, self.threaded, self.secret, self.mute = (*channels[:3], *channels[-3:-1])
        self.empty = channels[-1]
        self.forum = next(room for room in community.rooms.values() if room.type == FORUM)
        people = [one for one in community.people.values() if not one.bot]
        self.one, self.other, self.third = people[3], people[4], people[5]

    def moment(self) -> int:
        self.clock += 60_000
        return self.clock

    def say(
        self,
        room: Room,
        author: Person,
        *parts: Part,
        kind: int = DEFAULT,
        to: int | None = None,
        id_: int | None = None,
        thread: int | None = None,
        attachments: int = 0,
        sticker: bool = False,
    ) -> Message:
        message = Message(
            id=id_ or self.community.snowflake(self.moment()),
            author=author.id,
            type=kind,
            parts=parts,
            refers_to=to,
            thread=thread,
            attachments=attachments,
            sticker=sticker,
        )
        return self.community.say(room, message)

    def name(self, case: str, value: object) -> None:
        self.community.cases[case] = value

    def account(self, username: str, *, bot: bool = False, webhook: bool = False, number: str = "0000") -> Person:
        id_ = self.community.snowflake(self.clock - 400 * 24 * HOUR)
        person = Person(id=id_, username=username, display=None, bot=bot, webhook=webhook, discriminator=number)
        self.community.people[id_] = person
        return person

    def thread(self, channel: Room, name: str, *, id_: int | None = None, kind: int = PUBLIC_THREAD) -> Room:
        at = self.moment()
        thread_id = id_ or self.community.snowflake(at)
        room = Room(id=thread_id, type=kind, name=name, parent=channel.id, touched=at, owner=self.one.id)
        self.community.rooms[thread_id] = room
        return room


def build(community: Community, dice: random.Random) -> None:
    """Writes one of each."""
    book = CaseBook(community)
    for write in (_people, _bots, _system, _replies, _contents, _threads, _posts, _private, _hidden, _deleted_last):
        write(book)
    dice.random()


def _people(book: CaseBook) -> None:
    deleted = Person(id=DELETED_USER, username="Deleted User", display=None, discriminator="0000", gone=True)
    book.community.people[deleted.id] = deleted
    book.name("deleted_user", str(deleted.id))
    book.name("by_deleted_user", [str(book.say(book.general, deleted, "I was here.").id) for _ in range(2)])
    twins = [book.account("twin", number=number) for number in ("0001", "0002")]
    for place, twin in enumerate(twins):
        twin.joined = book.community.now - (90 - place) * 24 * HOUR
        twin.joins = [twin.joined]
        book.say(book.general, twin, "Which of us is it?")
    book.name("same_name", [str(twin.id) for twin in twins])
    book.third.pending = True
    book.name("pending", str(book.third.id))
    guest = book.account("guest.of.a.day", number="0")
    guest.joined, guest.guest = book.community.now - HOUR, True
    book.name("guest", str(guest.id))


def _bots(book: CaseBook) -> None:
    webhook = book.account("GitHub", webhook=True, bot=True)
    helper = book.account("helper", bot=True)
    helper.joined = book.community.now - 50 * 24 * HOUR
    book.name("bots", [str(webhook.id), str(helper.id), str(book.community.bot)])
    book.say(book.general, webhook, "CI passed")
    said = book.say(book.general, helper, "Ask me anything.")
    book.name("reply_to_bot", str(book.say(book.general, book.one, "What?", kind=REPLY, to=said.id).id))
    book.say(book.general, helper, "/roll gave 6", kind=COMMAND)
    feed = book.say(book.general, webhook, "Release 7")
    feed.thread = feed.id
    room = book.thread(book.general, "Release 7", id_=feed.id)
    book.say(room, webhook, kind=THREAD_STARTER, to=feed.id)
    book.name("below_a_bot", str(book.say(room, book.one, "Thanks, machine.").id))


def _system(book: CaseBook) -> None:
    welcomed = book.say(book.general, book.other, kind=JOINED)
    book.say(book.general, book.one, kind=PINNED, to=welcomed.id)
    book.say(book.general, book.one, kind=BOOSTED)
    book.say(book.general, book.one, "flagged", kind=AUTO_MODERATION)
    waved = book.say(book.general, book.one, kind=REPLY, to=welcomed.id, sticker=True)
    book.name("reply_to_a_join", str(waved.id))


def _replies(book: CaseBook) -> None:
    lost = book.community.snowflake(book.moment())
    book.name("reply_to_deleted", str(book.say(book.general, book.one, "Gone?", kind=REPLY, to=lost).id))
    book.name("deleted_before", str(lost))
    first = book.say(book.general, book.other, "First.")
    later = book.say(book.general, book.one, "Second.", kind=REPLY, to=first.id)
    later.reference_left_out = True
    book.name("reply_not_loaded", str(later.id))


def _contents(book: CaseBook) -> None:
    marked = book.say(
        book.general,
        book.one,
        "hi ", ("user", book.other.id), " and ", ("user", 999_999_999_999_999_999), " in ", ("channel", book.quiet.id),
        " or ", ("channel", 888_888_888_888_888_888), " ", ("role", next(reversed(book.community.roles))), " ",
        ("emoji", "pepe", 77), " 🎉 @everyone ", ("time", 1_700_000_000),
    )  # fmt: skip
    book.name("markup", str(marked.id))
    book.name("only_a_file", str(book.say(book.general, book.one, attachments=2).id))
    forwarded = book.say(book.general, book.one)
    forwarded.forwards = ("what somebody else said",)
    book.name("forwarded", str(forwarded.id))
    commented = book.say(book.general, book.one, "Look at this:")
    commented.forwards = ("what a third one said",)
    book.name("forwarded_with_words", str(commented.id))
    asked = book.say(book.general, book.one)
    asked.poll = "Tea or coffee?"
    book.name("poll", str(asked.id))
    book.say(book.general, book.one, "For everybody.").published = True
    book.name("long", str(book.say(book.general, book.one, "long " * 800).id))
    book.name("zero", str(book.say(book.general, book.one, "zero\x00width\u200bspace").id))


def _threads(book: CaseBook) -> None:
    _orphan(book)
    channel, at = book.threaded, book.moment()
    alone = book.thread(channel, "Standing alone", id_=book.community.snowflake(at))
    book.say(channel, book.one, "Standing alone", kind=THREAD_CREATED, thread=alone.id)
    said = book.say(alone, book.other, "Nobody said this before.")
    alone.archived = alone.touched = book.moment()
    book.name("thread_without_message", str(alone.id))
    book.name("in_thread_without_message", str(said.id))
    old = next(one for one in channel.messages.values() if one.thread is None and one.type == DEFAULT)
    old.thread = old.id
    late = book.thread(channel, "Late thread", id_=old.id)
    book.say(channel, book.other, "Late thread", kind=THREAD_CREATED, thread=late.id)
    book.say(late, book.other, kind=THREAD_STARTER, to=old.id)
    book.say(late, book.other, "About that of long ago.")
    book.name("thread_from_old_message", str(late.id))


def _orphan(book: CaseBook) -> None:
    channel = book.threaded
    lost = book.community.snowflake(book.moment())
    room = book.thread(channel, "Orphaned", id_=lost)
    look_back = book.say(room, book.one, kind=THREAD_STARTER, to=lost)
    book.say(room, book.one, "Where is it?")
    book.say(room, book.other, "I saw it.", kind=REPLY, to=look_back.id)
    room.archived = room.touched = book.moment()
    book.name("orphaned", str(room.id))


def _posts(book: CaseBook) -> None:
    for case, writer in (
        ("post_by_webhook", next(p for p in book.community.people.values() if p.webhook)),
        ("post", book.one),
    ):
        room = book.thread(book.forum, case.replace("_", " "))
        room.owner = writer.id
        book.say(room, writer, "The first message.", id_=room.id)
        book.say(room, book.other, "To the post.", kind=REPLY, to=room.id)
        book.forum.last = room.id
        book.name(case, str(room.id))
    headless = book.thread(book.forum, "headless")
    book.say(headless, book.other, "The first is gone.")
    book.forum.last = headless.id
    book.name("post_without_start", str(headless.id))
    long = book.thread(book.forum, "long post")
    book.say(long, book.one, "Let us count.", id_=long.id)
    for number in range(130):
        long.touched = book.clock
        book.clock -= 55_000
        book.say(long, (book.one, book.other)[number % 2], f"{number}")
    book.forum.last = long.id
    book.name("long_post", str(long.id))


def _private(book: CaseBook) -> None:
    for case, joined, archived in (
        ("private", True, False),
        ("private_archived", False, True),
        ("private_archived_joined", True, True),
    ):
        room = book.thread(book.quiet, case, kind=PRIVATE_THREAD)
        room.bot_joined = joined
        book.say(room, book.one, "Between us.")
        room.archived = book.moment() if archived else None
        book.name(case, str(room.id))


def _hidden(book: CaseBook) -> None:
    everybody = book.community.guild
    book.secret.overwrites = [(0, everybody, 0, int(Permission.VIEW_CHANNEL))]
    book.mute.overwrites = [(0, everybody, 0, int(Permission.READ_MESSAGE_HISTORY))]
    book.say(book.secret, book.one, "Nobody may see this.")
    book.say(book.mute, book.one, "Nobody may read this later.")
    voice = Room(id=book.community.snowflake(book.moment()), type=VOICE, name="Closed")
    voice.overwrites = [(0, everybody, 0, int(Permission.CONNECT))]
    book.community.rooms[voice.id] = voice
    book.say(voice, book.one, "Behind a closed door.")
    hidden: Sequence[Room] = (book.secret, book.mute, voice)
    book.name("hidden", {"view": str(book.secret.id), "history": str(book.mute.id), "connect": str(voice.id)})
    book.name("unreadable", [str(room.id) for room in hidden])
    book.name("empty", str(book.empty.id))


def _deleted_last(book: CaseBook) -> None:
    message = book.say(book.quiet, book.one, "Said and taken back.")
    del book.quiet.messages[message.id]
    book.name("last_deleted", str(book.quiet.id))
