"""Discord's units of work, and the watermarks that tell what changed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.lists import ListProgress
from crowd_pipelines.integrations.discord.access import Access
from crowd_pipelines.integrations.discord.api import ArchiveKind
from crowd_pipelines.model.streams import Stream

WINDOW = 50
"""So many messages before the newest known one are read again with what is new, to see edits and deletions."""

BEGINNING = "0"
"""The id before every other."""


class GuildStream(Stream):
    """The guild itself: its channels and active threads, which tell where something happened."""

    kind: Literal["guild"] = "guild"

    @property
    def label(self) -> str:
        """What people see."""
        return "channels and threads"


class Place(BaseModel):
    """A channel or thread with messages.

    `form`: a channel, a thread in one, a private thread, or a post in a forum. `channel_id` and `channel` are those of
    the channel that a thread is in, else its own.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    form: Literal["channel", "thread", "private", "post"]
    channel_id: str
    channel: str

    @property
    def is_thread(self) -> bool:
        """Whether it lies below a channel."""
        return self.form != "channel"

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"messages:{self.id}"


class PlaceStream(Stream):
    """Everything of a channel, of a thread in it (`thread`), or its archived private threads (`private`).

    It reads what could not be read before, when that is over. `opened` says that the guild's look saw that: then only
    this is noted, and everything is read by the stream that is owed.
    """

    kind: Literal["place"] = "place"
    carried = frozenset({"channel", "opened"})
    channel_id: str
    channel: str
    thread: Place | None = None
    private: bool = False
    opened: bool = False

    @property
    def label(self) -> str:
        """What people see."""
        if self.private:
            return f"archived private threads of #{self.channel[:120]}"
        return f"#{self.channel[:120]}" + (f" > {self.thread.name[:120]}" if self.thread else "")


class ContentsStream(Stream):
    """Everything that is said, again, since the bot was not shown what messages say.

    `channel_id` and `message_id` are of a message that was shown empty although the bot has the intent.
    """

    kind: Literal["contents"] = "contents"
    carried = frozenset({"channel_id", "message_id"})
    channel_id: str = ""
    message_id: str = ""

    @property
    def label(self) -> str:
        """What people see."""
        return "what messages say"


class MessagesStream(Stream):
    """Messages of a channel or thread, oldest first, that follow `after`.

    `last` is the newest message that the guild's lists spoke of; None where they did not say. `count` is how many
    messages a thread says that it has at least, `progress` how many were read since the beginning. `present` are those
    of a thread's first page, which is all of it where the one that was said last was deleted.
    """

    # An earlier version noted what the bot seemed to be permitted.
    model_config = ConfigDict(extra="ignore")

    kind: Literal["messages"] = "messages"
    carried = frozenset({"count", "progress", "present"})
    place: Place
    after: str = BEGINNING
    last: str | None = None
    count: int | None = None
    progress: ListProgress | None = None
    present: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people see."""
        where = f"#{self.place.channel}" + (f" > {self.place.name}" if self.place.is_thread else "")
        return f"messages of {where[:120]}" + (f" after {self.after}" if self.after != BEGINNING else "")


class ArchiveStream(Stream):
    """A page of a channel's archived threads, the newest first, that came before `before`.

    `until` is where the page that completes it moves the watermark to. `sought` are threads that are no longer active,
    so that the list should show them.
    """

    # An earlier version noted what the bot seemed to be permitted.
    model_config = ConfigDict(extra="ignore")

    kind: Literal["archive"] = "archive"
    carried = frozenset({"sought"})
    channel_id: str
    channel: str
    archive: ArchiveKind = "public"
    posts: bool = False
    before: str | None = None
    until: str | None = None
    sought: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people see."""
        return f"archived threads of #{self.channel[:120]} ({self.archive})"

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"archive:{self.archive}:{self.channel_id}"


class MembersStream(Stream):
    """A page of the guild's members. `day` is when they were asked for, `seen` how many came before."""

    kind: Literal["members"] = "members"
    carried = frozenset({"day", "seen"})
    after: str = BEGINNING
    day: str = ""
    seen: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return "members" + (f" after {self.after}" if self.after != BEGINNING else "")


class GuildMark(BaseModel):
    """The watermark `guild`: what was known of it at the last look.

    `day` is when permissions were looked up. `posts` has per forum the newest post of which it spoke, `active` per
    thread that was not archived its channel and whether it is private. `hidden` are the channels that the bot might not
    read, by the permission that was missing.
    """

    model_config = ConfigDict(frozen=True)

    day: str = ""
    access: Access | None = None
    channels: Mapping[str, str] = {}
    threads: Mapping[str, str] = {}
    posts: Mapping[str, str] = {}
    active: Mapping[str, tuple[str, bool]] = {}
    hidden: Mapping[str, str] = {}


class MessagesMark(BaseModel):
    """The watermark of a channel or thread.

    `read`: the newest message that was read. `last`: the newest of which the guild's lists had spoken when everything
    was read, which may have been deleted before. `recent`: the last messages before `read`. `starter`: the type of
    the activity that a thread's messages answer, empty for none, None before it was looked for.
    """

    model_config = ConfigDict(frozen=True)

    read: str = BEGINNING
    last: str = BEGINNING
    recent: tuple[str, ...] = ()
    name: str | None = None
    starter: str | None = None

    @property
    def resume_from(self) -> str:
        """The id after which a check reads: the recent ones again, then what is new."""
        return str(max(int(self.recent[0]) - 1, 0)) if self.recent else self.read

    def knows(self, last: str | None) -> bool:
        """Tell whether everything up to a message was read; of an unknown one nobody can say."""
        return last is not None and int(last) <= max(int(self.last), int(self.read))

    def with_page(self, ids: Sequence[int], gone: Collection[str]) -> "MessagesMark":
        """Return the watermark after a page; what is known beyond it stays."""
        recent = sorted({*map(int, self.recent), *ids} - set(map(int, gone)))[-WINDOW:]
        newest = max([int(self.read), *ids])
        return self.model_copy(update={"read": str(newest), "recent": tuple(map(str, recent))})

    def completed(self, stream: MessagesStream) -> "MessagesMark":
        """Return the watermark after the last page."""
        last = max(int(self.last), int(stream.last or BEGINNING))
        return self.model_copy(update={"last": str(last), "name": stream.place.name})


class NewsMark(BaseModel):
    """The watermark of the news of a thread: the message that tells of it, and the name that is stored for it."""

    model_config = ConfigDict(frozen=True)

    message: str
    name: str

    @staticmethod
    def subject(thread_id: str) -> str:
        """Return the watermark's name."""
        return f"news:{thread_id}"


class ArchiveMark(BaseModel):
    """The watermark of a channel's archive: when the thread that was archived last had been archived."""

    model_config = ConfigDict(frozen=True)

    until: datetime | None = None
