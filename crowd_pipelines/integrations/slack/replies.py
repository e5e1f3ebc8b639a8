"""Reading threads, which are asked for only where their first message says that something changed.

A thread tells twice what is in it: its first message counts the replies and names the newest one, in the channel and
again in the thread. Where what came does not agree with that, the thread is read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.lists import ListPage, ListProgress, absent
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Refused
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import CursorExpired, Message, Page, SlackApi
from crowd_pipelines.integrations.slack.people import user_subject
from crowd_pipelines.integrations.slack.regime import Pace
from crowd_pipelines.integrations.slack.shown import Speaking, ids_of, ts_of
from crowd_pipelines.integrations.slack.streams import RepliesStream, ThreadMark, thread_subject
from crowd_pipelines.integrations.slack.threads import signal
from crowd_pipelines.integrations.slack.uncollected import count_by_kind
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

Run = RunContext[Any, SlackApi]


def read_replies(stream: RepliesStream, run: Run) -> StreamResult:
    """Fetch a page of a thread."""
    pace = Pace.of(run.settings.regime, run)
    try:
        page = _fetched(stream, run, pace)
    except CursorExpired as expired:
        return StreamResult(next_page=stream.again(expired))
    shown = _ShownReplies.of(stream, page, run)
    if problem := shown.contradiction or shown.staleness(run, pace):
        return _again(stream, shown, problem)
    return StreamResult(
        operations=(*shown.operations, *shown.retractions),
        last_record=shown.messages[-1].ts if shown.messages else None,
        next_page=shown.following,
        watermarks={**shown.watermarks, **pace.learned(page)},
        rejected=shown.rejected,
        unread=shown.nulls,
        uncollected=shown.uncollected,
    )


def _fetched(stream: RepliesStream, run: Run, pace: Pace) -> Page:
    return run.api.replies(
        stream.address or stream.channel,
        stream.thread,
        oldest=stream.oldest,
        cursor=stream.cursor,
        limit=pace.limit,
        bucket=pace.bucket("replies"),
    )


def _again(stream: RepliesStream, shown: "_ShownReplies", problem: str) -> StreamResult:
    """Store what came, and read a thread of several pages from its beginning, any other one later."""
    onward = stream.again(Refused(f"The thread contradicts itself: {problem}.")) if stream.cursor else None
    return StreamResult(
        operations=shown.operations,
        next_page=onward,
        rejected=shown.rejected,
        unread=shown.nulls,
        incomplete=None if onward else problem,
    )


@dataclass(frozen=True, kw_only=True)
class _ShownReplies:
    """A page of a thread, with what is known of the pages before."""

    stream: RepliesStream
    page: Page
    messages: tuple[Message, ...]
    unusable: tuple[RejectedRecord, ...]
    speaking: Speaking
    onboarding: bool
    known: ThreadMark

    @classmethod
    def of(cls, stream: RepliesStream, page: Page, run: Run) -> "_ShownReplies":
        """Return a page with all that is known of it: one query, and a request for each stranger."""
        unusable: list[RejectedRecord] = []
        messages = tuple(usable(Message, page.items, unusable))
        subject = thread_subject(stream.channel, stream.thread)
        known = run.read_watermarks([subject, *map(user_subject, ids_of(messages))])
        return cls(
            stream=stream,
            page=page,
            messages=messages,
            unusable=tuple(unusable),
            speaking=Speaking.of(stream, messages, known, run),
            onboarding=run.onboarding,
            known=ThreadMark.model_validate(known.get(subject, {})),
        )

    @cached_property
    def replies(self) -> tuple[Message, ...]:
        """The page without the thread's first message, which may come again with every page."""
        return tuple(message for message in self.messages if message.answers)

    @cached_property
    def said(self) -> Mapping[str, Activity]:
        """What people say in the replies, by `ts`: the first message is the channel's to tell."""
        return self.speaking.said(self.replies)

    @property
    def rejected(self) -> tuple[RejectedRecord, ...]:
        """The records that cannot be used."""
        return (*self.unusable, *self.speaking.people.rejected)

    @property
    def nulls(self) -> int:
        """How many records came as null."""
        return self.page.nulls + self.speaking.people.nulls

    @cached_property
    def told(self) -> ThreadMark | None:
        """What the thread's first message says of it in this reading, None where it does not."""
        heads = (m for m in self.messages if m.ts == self.stream.thread and m.reply_count is not None)
        return next(map(signal, heads), self.stream.told)

    @cached_property
    def newest(self) -> str:
        """The newest reply that came in this reading."""
        return max((message.ts for message in self.replies), default=self.stream.newest)

    @cached_property
    def listed(self) -> ListPage:
        """What the page says of the list of replies."""
        ids = (ts_of(item) for item in self.page.items)
        return ListPage(
            ids=tuple(ts for ts in ids if ts != self.stream.thread),
            unusable=len(self.unusable) + self.page.nulls,
            has_more=self.page.has_more,
            cursor=self.page.cursor or None,
            total=self.told.count if self.told else None,
        )

    @cached_property
    def progress(self) -> ListProgress:
        """How much of the thread has come with this page."""
        before = ListProgress.broken() if self.stream.oldest else self.stream.progress
        return before.with_page(self.listed)

    @property
    def contradiction(self) -> str | None:
        """What the thread says of itself that does not agree."""
        return self.progress.contradiction(self.listed)

    def staleness(self, run: Run, pace: Pace) -> str | None:
        """Return that the channel knows of a newer reply than came, when it still does.

        A reply that was deleted since the channel was read is no sign of an answer that is out of date.
        """
        if not self.listed.ends or self.newest >= self.stream.latest or self.nulls or self.unusable:
            return None
        channel = self.stream.address or self.stream.channel
        head = run.api.message(channel, self.stream.thread, bucket=pace.bucket("history"))
        latest = head.get("latest_reply") if head else None
        if not isinstance(latest, str) or latest <= self.newest:
            return None
        return f"the channel tells of a reply at {latest}, and the newest that came is of {self.newest or 'never'}"

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What to store."""
        strangers = self.speaking.people.found
        people = (UpsertMembers(members=tuple(strangers.values())),) if strangers else ()
        return (*people, UpsertActivities(activities=tuple(self.said.values())))

    @property
    def retractions(self) -> Iterable[Operation]:
        """What is gone, where all of the thread came on this page."""
        if not self.stream.whole:
            return ()
        withheld = [message.ts for message in self.replies if records.is_withheld(message)]
        present = (records.source_id(self.stream.channel, ts) for ts in (self.stream.thread, *self.said, *withheld))
        thread = records.source_id(self.stream.channel, self.stream.thread)
        return absent(records.MESSAGE, thread, present, progress=self.progress, page=self.listed)

    @property
    def following(self) -> RepliesStream | None:
        """The next page."""
        if not self.page.cursor:
            return None
        return self.stream.model_copy(
            update={
                "cursor": self.page.cursor,
                "progress": self.progress,
                "newest": self.newest,
                "told": self.told,
            }
        )

    @property
    def watermarks(self) -> dict[str, Json]:
        """What is known from now on: of the thread, as its first message was when it was read through."""
        learned = dict(self.speaking.people.learned)
        if self.page.cursor:
            return learned
        mark = self.told or ThreadMark(count=self.stream.count, latest=self.stream.latest)
        return {thread_subject(self.stream.channel, self.stream.thread): mark.model_dump(), **learned}

    @property
    def uncollected(self) -> Mapping[str, int]:
        """How many replies carry text that is not stored, by kind; each is counted when it is new."""
        new = (message for message in self.replies if self.onboarding or message.ts > self.known.latest)
        return count_by_kind(new, self.speaking)
