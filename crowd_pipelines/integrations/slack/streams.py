"""Slack's units of work, and the watermarks that tell what is known."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.http.errors import UnexpectedPayload
from crowd_pipelines.integrations.slack.api import LARGEST_PAGE
from crowd_pipelines.model.streams import Stream

MOST_RESTARTS = 5
"""Cursors that may expire in a row before we stop believing in them."""

MEMBERS = "members"
"""The watermark of the list of people: when it was read last."""

REGIME = "regime"
"""The watermark that remembers which limits Slack holds the app to."""


class MembersStream(Stream):
    """A page of everybody in the workspace. The last one leads on to the channels, where their names are needed."""

    kind: Literal["members"] = "members"
    cursor: str = ""
    limit: int = LARGEST_PAGE
    restarts: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return "members, and then the channels" + (" (a further page)" if self.cursor else "")

    def again(self, reason: Exception, *, limit: int) -> "MembersStream":
        """Return the list from its beginning. Raises UnexpectedPayload when that has been tried enough."""
        return MembersStream(limit=limit, restarts=_restarts(self.restarts, reason))


class HistoryStream(Stream):
    """A page of a channel between two moments, newest first.

    `until` is where a check has met what is known, "" to read on to the end. `top` is the newest message of this
    reading, `above` the oldest one on the pages before. `sweep` is, for a reading, whether to look at a page of old
    messages after it; and `sweeping` is such a look.
    """

    carried = frozenset({"top", "above"})
    kind: Literal["history"] = "history"
    channel: str
    name: str
    latest: str
    oldest: str = "0"
    until: str = ""
    cursor: str = ""
    top: str = ""
    above: str = ""
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

    def again(self, reason: Exception) -> "HistoryStream":
        """Return the rest of the reading without a cursor. Raises UnexpectedPayload when tried enough."""
        return self.model_copy(
            update={"cursor": "", "latest": self.upper, "restarts": _restarts(self.restarts, reason)}
        )


class RepliesStream(Stream):
    """A page of a thread. `count` and `latest` are what the channel said of it, `oldest` where to begin, "" for all."""

    kind: Literal["replies"] = "replies"
    owed = True  # What the channel said of the thread, it says again only while that is among its latest messages.
    channel: str
    name: str
    thread: str
    count: int = 0
    latest: str = ""
    oldest: str = ""
    cursor: str = ""
    restarts: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"thread {self.thread} in #{self.name}"

    @property
    def whole(self) -> bool:
        """Tell whether the page begins with the thread's beginning."""
        return not (self.oldest or self.cursor)

    def again(self, reason: Exception) -> "RepliesStream":
        """Return the thread from where this reading began. Raises UnexpectedPayload when tried enough."""
        return self.model_copy(update={"cursor": "", "restarts": _restarts(self.restarts, reason)})


class ChannelMark(BaseModel):
    """The watermark of a channel.

    `newest` and `oldest` are the messages between which everything has been read. `deep` says that there are more
    than a check looks at; of those, `swept` is the oldest that was looked at again, "" to begin anew, at `swept_at`.
    `refused` is why the channel cannot be read.
    """

    model_config = ConfigDict(frozen=True)

    name: str = ""
    newest: str = ""
    oldest: str = ""
    deep: bool = False
    swept: str = ""
    swept_at: str = ""
    refused: str = ""


class ThreadMark(BaseModel):
    """The watermark of a thread: what its first message said of it when it was read."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    latest: str = ""


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
        raise UnexpectedPayload(f"{reason} That happened {MOST_RESTARTS + 1} times in a row.") from reason
    return before + 1
