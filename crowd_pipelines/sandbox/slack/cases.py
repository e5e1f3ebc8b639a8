"""The nasty cases of the real API, in every workspace; `cases` in the truth names them by source id."""

from crowd_pipelines.sandbox.slack.model import SECOND, SLACKBOT, Channel, Message, Part
from crowd_pipelines.sandbox.slack.workspace import DAY, Workspace

LONG = "lorem & ipsum " * 2_800
NOTES = (
    "channel_topic", "channel_purpose", "channel_name", "channel_leave", "channel_archive", "channel_unarchive",
    "pinned_item", "reminder_add", "huddle_thread", "ekm_access_denied", "bot_add", "channel_convert_to_private",
)  # fmt: skip


class CaseBook:
    """Writes into one channel, a minute apart, within the last days."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.people = list(workspace.people)[:20]
        self._clock = (workspace.now - 6 * DAY) * SECOND

    def say(self, channel: Channel, *parts: Part, author: str | None = None, **fields: object) -> Message:
        self._clock += 61 * SECOND + 100
        message = Message(moment=self._clock, author=author or self.people[2], parts=parts)
        for name, value in fields.items():
            setattr(message, name, value)
        return self.workspace.add(channel, message)

    def name(self, case: str, channel: Channel, *messages: Message) -> None:
        ids = [f"{channel.id}:{message.ts}" for message in messages]
        self.workspace.cases[case] = ids[0] if len(ids) == 1 else ids


def build(workspace: Workspace) -> None:
    book = CaseBook(workspace)
    general, random, _, shared, *_ = workspace.channels.values()
    _markup(book, general)
    _odd_texts(book, random)
    _threads(book, general)
    _machines(book, general)
    _strangers(book, shared)
    _deleted_people(book, random)
    _one_moment_twice(book, general, random)
    _notes(book, random)
    _other_channels(book)


def _markup(book: CaseBook, channel: Channel) -> None:
    hello = book.say(
        channel,
        ("text", "hi "), ("user", book.people[3]), ("text", " "), ("user", "W9NOBODY", "old"), ("text", " "),
        ("channel", channel.id, channel.name), ("text", " "), ("special", "here"), ("text", " "),
        ("group", "@devs"), ("text", " "), ("link", "https://x.dev", "link"), ("text", " & <b> &amp; :tada: ¿vale?"),
        edited=1, reactions={"thumbsup": [book.people[3]]},
    )  # fmt: skip
    book.name("markup", channel, hello)
    tokens = book.say(channel, ("text", "typed <@U0001PSN> and <!here> by hand, not meant"))
    book.name("typed_markup", channel, tokens)


def _odd_texts(book: CaseBook, channel: Channel) -> None:
    texts = {
        "nul": "before\x00after", "lone_surrogate": "half \ud83d of an emoji", "long": LONG, "empty": "",
        "control": "\u0001\u0008\u200f\u2028\ufeff", "only_space": "\n\n",
    }  # fmt: skip
    for case, words in texts.items():
        book.name(case, channel, book.say(channel, ("text", words)))
    book.name("lost_file", channel, book.say(channel, extras={"files": [{"id": "F0LOST001", "mode": "tombstone"}]}))
    book.name("me", channel, book.say(channel, ("text", "waves"), subtype="me_message"))


def _threads(book: CaseBook, channel: Channel) -> None:
    head = book.say(channel, ("text", "a question"))
    loud = book.say(channel, ("text", "also to channel"), parent=head.moment, broadcast=True, author=book.people[4])
    book.name("broadcast", channel, head, loud)
    buried = book.say(channel, ("text", "This message was deleted."), subtype="tombstone", author=SLACKBOT)
    buried.extras = {"hidden": True}
    answer = book.say(channel, ("text", "why did you delete it?"), parent=buried.moment)
    book.name("tombstone", channel, buried, answer)
    many = book.say(channel, ("text", "a long debate"))
    for number in range(40):
        book.say(channel, ("text", f"point {number}"), parent=many.moment, author=book.people[number % 7])
    book.name("many_replies", channel, many)
    recent = book.say(channel, ("text", "nobody has answered this yet"))
    book.name("unanswered", channel, recent)


def _machines(book: CaseBook, channel: Channel) -> None:
    built = book.say(channel, ("text", "built"), subtype="bot_message", bot="B0CELKA3V", extras={"username": "CI"})
    built.author = None
    answer = book.say(channel, ("text", "it is red, who broke it?"), parent=built.moment)
    book.name("bot_thread", channel, built, answer)
    alert = book.say(channel, ("text", "alert"), author="U0CIBOT01", bot="B0CIBOT01")
    for _ in range(3):
        book.say(channel, ("text", "still burning"), parent=alert.moment, author="U0HELPBOT", bot="B0HELPBOT")
    book.name("bots_among_themselves", channel, alert)
    book.say(channel, ("text", "Welcome!"), author="U0WORKFLW", bot="B0WORKFLW")
    book.say(channel, ("text", "reminder"), author=SLACKBOT)
    asked = book.say(channel, ("text", "a question to the helper"))
    book.say(channel, ("text", "read the manual"), parent=asked.moment, author="U0HELPBOT", bot="B0HELPBOT")
    book.name("only_a_bot_answered", channel, asked)


def _strangers(book: CaseBook, channel: Channel) -> None:
    came = book.say(channel, ("user", "U0STRANG1"), ("text", " has joined the channel"), author="U0STRANG1")
    came.subtype = "channel_join"
    said = book.say(channel, ("text", "hello from next door, "), ("user", "U0STRANG2"), author="U0STRANG1")
    book.name("stranger", channel, said)
    book.name("hidden_author", channel, book.say(channel, ("text", "who am I?"), author="U0HIDDEN1"))


def _deleted_people(book: CaseBook, channel: Channel) -> None:
    one, other = (book.workspace.people[user_id] for user_id in list(book.workspace.people)[22:24])
    for person in (one, other):
        person.deleted = True
    other.name, other.real_name, other.title, other.email = "deactivateduser693438", "", "", None
    said = [book.say(channel, ("text", "so long"), author=person.id) for person in (one, other)]
    book.name("deleted_people", channel, *said)


def _one_moment_twice(book: CaseBook, one: Channel, other: Channel) -> None:
    first = book.say(one, ("text", "in the one"))
    second = book.workspace.add(other, Message(moment=first.moment, author=first.author, parts=(("text", "other"),)))
    book.workspace.cases["same_ts"] = [f"{one.id}:{first.ts}", f"{other.id}:{second.ts}"]


def _notes(book: CaseBook, channel: Channel) -> None:
    notes = [book.say(channel, ("text", f"something happened: {note}"), subtype=note) for note in NOTES]
    book.name("notes", channel, *notes)


def _other_channels(book: CaseBook) -> None:
    """Some that are not read, one of them archived; one that is, since the app was in it when that happened; and one
    with nothing in it.
    """
    workspace = book.workspace
    kinds = {
        "secret-plans": {"joined": False},
        "long-gone": {"joined": False, "archived": True},
        "old-times": {"archived": True},
        "quiet": {},
    }
    for name, fields in kinds.items():
        channel = Channel(
            id=f"C{len(workspace.channels):03d}OTHER",
            name=name,
            created=workspace.now - 400 * DAY,
            creator=book.people[0],
        )
        for field, value in fields.items():
            setattr(channel, field, value)
        workspace.channels[channel.id] = channel
        workspace.cases[name] = channel.id
        if name != "quiet":
            book.say(channel, ("text", "nobody shall read this" if not channel.joined else "it was a good time"))
