"""Reading channels.

An onboarding reads a channel to its end. A check asks for one page that reaches back behind what is known: it brings
the news, and shows of the messages before them what was edited or deleted and which threads have another number of
replies. It goes on only as long as pages bring nothing but news. Beyond that page, one channel per check is looked at
a page further back than the last time (a sweep), so that in the end everything is seen again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import CursorExpired, SlackApi
from crowd_pipelines.integrations.slack.regime import Pace
from crowd_pipelines.integrations.slack.shown import ShownPage
from crowd_pipelines.integrations.slack.streams import ChannelMark, HistoryStream
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RenameChannel,
    RetractActivities,
    RetractMissing,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)


def read_history(stream: HistoryStream, run: RunContext[Any, SlackApi]) -> StreamResult:
    """Fetch a page of a channel."""
    mark = ChannelMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    pace = Pace.of(run.settings.regime, run)
    try:
        page = run.api.history(
            stream.channel,
            oldest=stream.oldest,
            latest=stream.latest,
            cursor=stream.cursor,
            limit=pace.limit,
            bucket=pace.bucket("history"),
        )
    except CursorExpired as expired:
        return StreamResult(next_page=stream.again(expired))
    except Gone as gone:
        refused = mark.model_copy(update={"refused": str(gone)})
        return StreamResult(skipped=str(gone), watermarks={stream.subject: refused.model_dump()})
    shown = ShownPage.of(stream, page, mark, run)
    following = _following(stream, page.cursor, shown, mark)
    return StreamResult(
        operations=tuple(_operations(stream, shown, mark)),
        last_record=shown.lowest or None,
        new_streams=(*shown.threads.to_read, *((following.sweep,) if following.sweep else ())),
        next_page=following.next_page,
        watermarks={**shown.watermarks, **pace.learned(page), **following.watermarks},
        rejected=shown.rejected,
    )


def _operations(stream: HistoryStream, shown: ShownPage, mark: ChannelMark) -> Iterable[Operation]:
    if mark.name not in ("", stream.name):
        yield RenameChannel(channel_id=stream.channel, channel=stream.name)
    if strangers := shown.speaking.people.found:
        yield UpsertMembers(members=tuple(strangers.values()))
    if told := (*shown.news, *(came for _, came in shown.joins.values())):
        yield UpsertActivities(activities=told)
    if shown.gone:
        ids = tuple(records.source_id(stream.channel, ts) for ts in shown.gone)
        yield RetractActivities(type=records.MESSAGE, source_ids=ids)
    for ts in shown.vanished:
        thread = records.source_id(stream.channel, ts)
        yield RetractMissing(type=records.MESSAGE, thread=thread, present=frozenset())
    for message in shown.threads.emptied:
        head = records.source_id(stream.channel, message.ts)
        yield RetractMissing(type=records.MESSAGE, thread=head, present=frozenset({head}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Following:
    """What comes after a page."""

    next_page: HistoryStream | None = None
    sweep: HistoryStream | None = None
    watermarks: Mapping[str, Json]


def _following(stream: HistoryStream, cursor: str, shown: ShownPage, mark: ChannelMark) -> _Following:
    above = shown.lowest or stream.above
    top = max(stream.top, shown.highest)
    restarts = 0 if shown.messages else stream.restarts
    further = stream.model_copy(update={"cursor": cursor, "above": above, "top": top, "restarts": restarts})
    if stream.sweeping:
        return _swept(further, shown, mark)
    if cursor and not (stream.until and above and above <= stream.until):
        named = mark.model_copy(update={"name": stream.name})
        return _Following(next_page=further, watermarks={stream.subject: named.model_dump()})
    return _read_through(further, mark)


def _read_through(read: HistoryStream, mark: ChannelMark) -> _Following:
    """Return the watermark of a channel that was read as far as it had to be."""
    reached = read.above or read.upper
    done = mark.model_copy(
        update={
            "name": read.name,
            "newest": max(mark.newest, read.top),
            "oldest": mark.oldest if read.until else read.above,
            "deep": bool(read.until) and mark.oldest < reached,
            "refused": "",
        }
    )
    if not (read.sweep and done.deep):
        return _Following(watermarks={read.subject: done.model_dump()})
    sweep = HistoryStream(channel=read.channel, name=read.name, latest=mark.swept or reached, sweeping=True)
    began = done.model_copy(update={"swept_at": read.latest})
    return _Following(sweep=sweep, watermarks={read.subject: began.model_dump()})


def _swept(read: HistoryStream, shown: ShownPage, mark: ChannelMark) -> _Following:
    """Return where the next sweep goes on: at the top again when there is nothing older."""
    if read.cursor and not shown.messages:
        return _Following(next_page=read, watermarks={})
    done = mark.model_copy(update={"swept": shown.lowest if read.cursor else ""})
    return _Following(watermarks={read.subject: done.model_dump()})
