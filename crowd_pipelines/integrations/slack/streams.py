"""Slack's units of work, and the watermarks that tell what is known."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.lists import ListProgress
from crowd_pipelines.http.errors import Refused
from crowd_pipelines.integrations.slack.api import LARGEST_PAGE, MOST_RESTARTS
from crowd_pipelines.model.streams import Stream

MEMBERS = "members"
"""The watermark of the list of people: when it was read last."""

CHANNEL_KINDS = {"public_channel": "public channels", "private_channel": "private channels"}
"""The kinds of channels that are listed: Slack's name, and what people call them."""

REGIME = "regime"
"""The watermark that remembers which limits Slack holds the app to."""


class MembersStream(Stream):
    """A page of everybody in the workspace.

    The last one `leads` on to the channels, where their names are needed, unless those are read without.
    """

    kind: Literal["members"] = "members"
    cursor: str = ""
    limit: int = LARGEST_PAGE
    restarts: int = 0
    leads: bool = True

    @property
    def label(self) -> str:
        """What people see."""
        return "members, and then the channels" + (" (a further page)" if self.cursor else "")

    def again(self, reason: Exception, *, limit: int) -> "MembersStream":
        """Return the list from its beginning. Raises Refused when that has been tried enough."""
        return MembersStream(limit=limit, restarts=_restarts(self.restarts, reason), leads=self.leads)


class ChannelsStream(Stream):
    """The channels that are read, as the integration run has listed them; leads on to their messages.

    With `types`, those of a kind that the app might not list before: they are listed now.
    """

    kind: Literal["channels"] = "channels"
    types: str = ""

    @property
    def label(self) -> str:
        """What people see."""
        return CHANNEL_KINDS.get(self.types, "channels")


class HistoryStream(Stream):
    """A page of a channel, newest first, from `latest` ("" for now) down to `oldest`.

    `until` is where a check has met what is known, "" to read on to the end. `top` is the newest message of this
    reading, `above` the oldest one on the pages before; with a `gap` the page before held something that could not be
    read, which may have been the oldest. `sweep` is, for a reading, whether to look at a page of old messages after
    it; and `sweeping` is such a look. `address` is Slack's present id of the channel, where that has changed.
    """

    carried = frozenset({"top", "above", "gap", "name", "address", "archived", "oldest", "until", "sweep"})
    kind: Literal["history"] = "history"
    channel: str
    name: str
    address: str = ""
    archived: bool = False
    latest: str = ""
    oldest: str = "0"
    until: str = ""
    cursor: str = ""
    top: str = ""
    above: str = ""
    gap: bool = False
    sweep: bool = False
    sweeping: bool = False
    restarts: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        if self.sweeping:
            return f"old messages of #{self.name}"
        return f"messages of #{self.name}" + (" (a further page)" if self.cursor else "")

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return channel_subject(self.channel)

    @property
    def upper(self) -> str:
        """What every message that comes now is older than."""
        return self.above or self.latest

    @property
    def whole(self) -> "HistoryStream":
        """The channel from its newest message to its beginning."""
        return HistoryStream(channel=self.channel, name=self.name, address=self.address, archived=self.archived)

    def again(self, reason: Exception) -> "HistoryStream":
        """Return the rest of the reading without a cursor. Raises Refused when tried enough."""
        return self.model_copy(
            update={"cursor": "", "latest": self.upper, "restarts": _restarts(self.restarts, reason)}
        )


class ThreadMark(BaseModel):
    """The watermark of a thread: what its first message said of it when it was read."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    latest: str = ""


class RepliesStream(Stream):
    """A page of a thread. `count` and `latest` are what the channel said of it, `oldest` where to begin, "" for all.

    `progress` is how much came on the pages before, `newest` the newest reply of it, and `told` what the thread's own
    first message says of it.
    """

    kind: Literal["replies"] = "replies"
    carried = frozenset({"name", "address", "progress", "newest", "told"})
    channel: str
    name: str
    address: str = ""
    thread: str
    count: int = 0
    latest: str = ""
    oldest: str = ""
    cursor: str = ""
    restarts: int = 0
    progress: ListProgress = ListProgress()
    newest: str = ""
    told: ThreadMark | None = None

    @property
    def label(self) -> str:
        """What people see."""
        return f"thread {self.thread} in #{self.name}"

    @property
    def whole(self) -> bool:
        """Tell whether the page begins with the thread's beginning."""
        return not (self.oldest or self.cursor)

    def again(self, reason: Exception) -> "RepliesStream":
        """Return the thread from where this reading began. Raises Refused when tried enough."""
        return RepliesStream(
            channel=self.channel,
            name=self.name,
            address=self.address,
            thread=self.thread,
            count=self.count,
            latest=self.latest,
            oldest=self.oldest,
            restarts=_restarts(self.restarts, reason),
        )


class ChannelMark(BaseModel):
    """The watermark of a channel.

    `newest` and `oldest` are the messages between which everything has been read. `deep` says that there are more
    than a check looks at; of those, `swept` is the oldest that was looked at again, "" to begin anew, at `swept_at`.
    `finished` says that it was read since it is archived: nothing more can come. `vacant` is the newest message of
    which Slack was asked apart, since the channel showed none at all, and which is not shown any more.
    """

    model_config = ConfigDict(frozen=True)

    name: str = ""
    newest: str = ""
    oldest: str = ""
    deep: bool = False
    swept: str = ""
    swept_at: str = ""
    finished: bool = False
    vacant: str = ""


class JoinMark(BaseModel):
    """The watermark of somebody's joining: the message that tells, and its channel."""

    model_config = ConfigDict(frozen=True)

    channel: str
    ts: str


class RegimeMark(BaseModel):
    """The watermark of the limits: whether Slack gives this app 15 messages a minute."""

    model_config = ConfigDict(frozen=True)

    limited: bool = False


def channel_subject(channel: str) -> str:
    """Return the watermark's name."""
    return f"channel:{channel}"


def thread_subject(channel: str, thread: str) -> str:
    """Return the watermark's name."""
    return f"thread:{channel}:{thread}"


def join_subject(user_id: str) -> str:
    """Return the watermark's name."""
    return f"join:{user_id}"


def _restarts(before: int, reason: Exception) -> int:
    if before >= MOST_RESTARTS:
        raise Refused(f"{reason} That happened {MOST_RESTARTS + 1} times in a row.") from reason
    return before + 1
