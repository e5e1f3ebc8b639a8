"""The threads below the messages of a page: which of them have to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crowd_pipelines.integrations.slack.api import Message
from crowd_pipelines.integrations.slack.people import People
from crowd_pipelines.integrations.slack.streams import HistoryStream, RepliesStream, ThreadMark, thread_subject
from crowd_pipelines.model.streams import Json

LARGEST_WHOLE_THREAD = 900
"""Threads with more replies are read from the last known one on, since all of them would take several pages."""


def signal(message: Message) -> ThreadMark:
    """Return what the first message of a thread says of it."""
    return ThreadMark(count=message.reply_count or 0, latest=message.latest_reply or "")


def subject_of(channel: str, message: Message) -> str:
    """Return the watermark's name of the thread that a message begins, or is in."""
    return thread_subject(channel, message.thread_ts or message.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownThreads:
    """Threads as a page of their channel shows them, beside what was known of them when they were read."""

    stream: HistoryStream
    onboarding: bool
    messages: Sequence[Message]
    known: Mapping[str, Json]
    people: People

    @property
    def to_read(self) -> list[RepliesStream]:
        """Those that may hold something new, or nothing any more: what a head says is no proof of that."""
        heads = [m for m in self.messages if not m.answers and self._has_news(m)]
        heads = [m for m in heads if self._is_answered(m) or self._mark(m).count]
        present = {message.ts for message in self.messages}
        late = {m.answers: m for m in self.messages if m.answers and m.answers not in present and self._is_late(m)}
        told = [ThreadMark(latest=broadcast.ts) for broadcast in late.values()]
        return [*map(self._stream, heads, map(signal, heads)), *map(self._stream, late.values(), told)]

    def _is_answered(self, message: Message) -> bool:
        """Tell whether a person may have answered. Where all who did are named, and are bots, nobody has."""
        if not message.reply_count:
            return False
        named = message.reply_users or ()
        all_of_them = len(named) == (message.reply_users_count or 0) > 0
        return not all_of_them or any(self.people.person(user_id) for user_id in named)

    def _has_news(self, message: Message) -> bool:
        return self.onboarding or self._mark(message) != signal(message)

    def _is_late(self, broadcast: Message) -> bool:
        """Tell whether a reply that was sent to the channel, too, is the first sign of news in an old thread."""
        return bool(self.stream.until) and self._mark(broadcast).latest < broadcast.ts

    def _stream(self, message: Message, told: ThreadMark) -> RepliesStream:
        known = self._mark(message)
        return RepliesStream(
            channel=self.stream.channel,
            name=self.stream.name,
            address=self.stream.address,
            thread=message.thread_ts or message.ts,
            count=told.count,
            latest=told.latest,
            oldest=known.latest if known.count > LARGEST_WHOLE_THREAD and not self.onboarding else "",
        )

    def _mark(self, message: Message) -> ThreadMark:
        return ThreadMark.model_validate(self.known.get(subject_of(self.stream.channel, message), {}))
