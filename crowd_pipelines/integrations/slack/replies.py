"""Reading threads, which are asked for only where their first message says that something changed."""

from collections.abc import Iterable
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import CursorExpired, Message, Page, SlackApi
from crowd_pipelines.integrations.slack.people import known_people, user_subject
from crowd_pipelines.integrations.slack.plan import Plan
from crowd_pipelines.integrations.slack.regime import Pace
from crowd_pipelines.integrations.slack.shown import Speaking, ids_of, needed, ts_of
from crowd_pipelines.integrations.slack.streams import RepliesStream, ThreadMark, thread_subject
from crowd_pipelines.integrations.slack.threads import signal
from crowd_pipelines.model.streams import (
    Operation,
    RejectedRecord,
    RetractMissing,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)


def read_replies(stream: RepliesStream, run: RunContext[Any, SlackApi]) -> StreamResult:
    """Fetch a page of a thread."""
    pace = Pace.of(run.settings.regime, run)
    subject = thread_subject(stream.channel, stream.thread)
    try:
        page = run.api.replies(
            stream.channel,
            stream.thread,
            oldest=stream.oldest,
            cursor=stream.cursor,
            limit=pace.limit,
            bucket=pace.bucket("replies"),
        )
    except CursorExpired as expired:
        return StreamResult(next_page=stream.again(expired))
    except Gone as gone:
        # Deleted since the channel was read, or never to be had: asked again when the channel shows a change.
        return StreamResult(skipped=str(gone), watermarks={subject: _mark(stream).model_dump()})
    rejected: list[RejectedRecord] = []
    messages = list(usable(Message, page.items, rejected))
    seen = _as_seen(stream, messages)
    speaking = _speaking(stream, messages, run)
    return StreamResult(
        operations=tuple(_operations(stream, page, messages, speaking, rejected)),
        last_record=messages[-1].ts if messages else None,
        next_page=seen.model_copy(update={"cursor": page.cursor}) if page.cursor else None,
        watermarks={
            **({} if page.cursor else {subject: _mark(seen).model_dump()}),
            **speaking.people.learned,
            **pace.learned(page),
        },
        rejected=(*rejected, *speaking.people.rejected),
    )


def _speaking(stream: RepliesStream, messages: list[Message], run: RunContext[Any, SlackApi]) -> Speaking:
    plan, ids = Plan.of(run), ids_of(messages)
    known = run.read_watermarks([user_subject(user_id) for user_id in ids])
    people = known_people(known, ids, run, team=plan.team, needed=needed(messages))
    return Speaking(channel=stream.channel, name=stream.name, plan=plan, people=people)


def _operations(
    stream: RepliesStream, page: Page, messages: list[Message], speaking: Speaking, rejected: list[RejectedRecord]
) -> Iterable[Operation]:
    # The first message is the channel's to tell, and comes again with every page.
    said = speaking.said(message for message in messages if message.answers)
    if strangers := speaking.people.found:
        yield UpsertMembers(members=tuple(strangers.values()))
    yield UpsertActivities(activities=tuple(said.values()))
    unusable = [ts_of(record.payload) for record in rejected]
    if stream.whole and not page.cursor and None not in unusable:
        shown = (stream.thread, *said, *(ts for ts in unusable if ts))
        present = frozenset(records.source_id(stream.channel, ts) for ts in shown)
        thread = records.source_id(stream.channel, stream.thread)
        yield RetractMissing(type=records.MESSAGE, thread=thread, present=present)


def _as_seen(stream: RepliesStream, messages: Iterable[Message]) -> RepliesStream:
    """Return the stream with what the thread's first message says here, which is newer than the channel's word."""
    head = next((signal(m) for m in messages if m.ts == stream.thread and m.reply_count), None)
    return stream.model_copy(update={"count": head.count, "latest": head.latest}) if head else stream


def _mark(stream: RepliesStream) -> ThreadMark:
    return ThreadMark(count=stream.count, latest=stream.latest)
