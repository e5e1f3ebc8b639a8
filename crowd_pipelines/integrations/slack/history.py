"""Reading channels.

An onboarding reads a channel to its end. A check asks for one page that reaches back behind what is known: it brings
the news, and shows of the messages before them what was edited or deleted and which threads have another number of
replies. It goes on only as long as pages bring nothing but news. Beyond that page, one channel per check is looked at
a page further back than the last time (a sweep), so that in the end everything is seen again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.lists import NO_CURSOR
from crowd_pipelines.http.errors import NotPermitted
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import CursorExpired, Page, SlackApi
from crowd_pipelines.integrations.slack.regime import Pace
from crowd_pipelines.integrations.slack.shown import ShownPage
from crowd_pipelines.integrations.slack.streams import ChannelMark, HistoryStream
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RenameChannel,
    RetractActivities,
    RetractMissing,
    ShowActivities,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

Run = RunContext[Any, SlackApi]

CLOCK_LEEWAY = timedelta(days=1)
"""Messages are asked for up to this long after now, so that a clock that is late hides none."""


def read_history(given: HistoryStream, run: Run) -> StreamResult:
    """Fetch a page of a channel."""
    stream = _placed(given, run)
    mark = ChannelMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    pace = Pace.of(run.settings.regime, run)
    try:
        page = _fetched(stream, run, pace)
    except CursorExpired as expired:
        return StreamResult(next_page=stream.again(expired))
    except NotPermitted as refused:
        raise _explained(stream, refused) from refused
    shown = ShownPage.of(stream, page, mark, run)
    if _is_newest_missing(stream, page, shown, mark):
        if run.api.message(stream.address or stream.channel, mark.newest, bucket=pace.bucket("history")):
            return StreamResult(incomplete="the channel does not show its newest message, but does when asked for that")
        mark = mark.model_copy(update={"vacant": mark.newest})
    return _result(stream, page, shown, mark, pace)


def _placed(stream: HistoryStream, run: Run) -> HistoryStream:
    """Return the stream with the moment where it begins; what was refused before is read as a whole."""
    if stream.cursor or stream.latest:
        return stream
    latest = f"{(run.started_at + CLOCK_LEEWAY).timestamp():.6f}"
    begun = stream.whole if run.onboarding else stream
    return begun.model_copy(update={"latest": latest, "restarts": stream.restarts})


def _fetched(stream: HistoryStream, run: Run, pace: Pace) -> Page:
    return run.api.history(
        stream.address or stream.channel,
        oldest=stream.oldest,
        latest=stream.latest,
        cursor=stream.cursor,
        limit=pace.limit,
        bucket=pace.bucket("history"),
    )


def _explained(stream: HistoryStream, refused: NotPermitted) -> NotPermitted:
    """Return a refusal with what can be done about it: nobody can invite an app to a channel that is archived."""
    if not stream.archived:
        return refused
    return NotPermitted(
        "It is archived, and with that Slack took the app out of it. What was said between the last check and then is "
        f"not read; to have it read, unarchive the channel and invite the app. (Slack answered {refused.permission}.)",
        permission=refused.permission,
    )


def _is_newest_missing(stream: HistoryStream, page: Page, shown: ShownPage, mark: ChannelMark) -> bool:
    """Tell whether the newest message that is known should be shown, and is not: deleted, hidden, or out of date.

    Of a channel that shows nothing at all this is asked once, since the next check would say the same.
    """
    if stream.cursor or stream.sweeping or stream.above or not mark.newest:
        return False
    if page.items or page.cursor or page.has_more:
        return mark.newest in shown.gone
    return mark.newest != mark.vacant


def _result(stream: HistoryStream, page: Page, shown: ShownPage, mark: ChannelMark, pace: Pace) -> StreamResult:
    incomplete = NO_CURSOR if page.has_more and not page.cursor else None
    following = _Following(watermarks={}) if incomplete else _following(stream, page.cursor, shown, mark)
    return StreamResult(
        operations=(*_shown(stream, shown, mark), *(() if incomplete else _retractions(stream, shown))),
        last_record=shown.lowest or None,
        new_streams=(*shown.threads.to_read, *((following.sweep,) if following.sweep else ())),
        next_page=following.next_page,
        watermarks={} if incomplete else {**shown.watermarks, **pace.learned(page), **following.watermarks},
        rejected=shown.rejected,
        unread=page.nulls + shown.speaking.people.nulls,
        incomplete=incomplete,
        uncollected=shown.uncollected,
    )


def _shown(stream: HistoryStream, shown: ShownPage, mark: ChannelMark) -> Iterable[Operation]:
    if mark.name not in ("", stream.name):
        yield RenameChannel(channel_id=stream.channel, channel=stream.name)
    if strangers := shown.speaking.people.found:
        yield UpsertMembers(members=tuple(strangers.values()))
    if told := (*shown.news, *(came for _, came in shown.joins.values())):
        yield UpsertActivities(activities=told)
    if unchanged := shown.unchanged:
        yield ShowActivities(activities=tuple(unchanged))


def _retractions(stream: HistoryStream, shown: ShownPage) -> Iterable[Operation]:
    if shown.gone:
        ids = tuple(records.source_id(stream.channel, ts) for ts in shown.gone)
        yield RetractActivities(type=records.MESSAGE, source_ids=ids)
    for ts in shown.vanished:
        thread = records.source_id(stream.channel, ts)
        yield RetractMissing(type=records.MESSAGE, thread=thread, present=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Following:
    """What comes after a page."""

    next_page: HistoryStream | None = None
    sweep: HistoryStream | None = None
    watermarks: Mapping[str, Json]


def _following(stream: HistoryStream, cursor: str, shown: ShownPage, mark: ChannelMark) -> _Following:
    further = stream.model_copy(
        update={
            "cursor": cursor,
            "above": shown.lowest or stream.above,
            "top": max(stream.top, shown.highest),
            "gap": shown.has_gap or (stream.gap and not shown.messages),
            "restarts": 0 if shown.messages else stream.restarts,
        }
    )
    above = further.above
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
            "oldest": mark.oldest if read.until else read.above or mark.oldest,
            "deep": bool(read.until) and mark.oldest < reached,
            "finished": read.archived,
        }
    )
    if not (read.sweep and done.deep):
        return _Following(watermarks={read.subject: done.model_dump()})
    sweep = read.whole.model_copy(update={"latest": mark.swept or reached, "sweeping": True})
    began = done.model_copy(update={"swept_at": read.latest})
    return _Following(sweep=sweep, watermarks={read.subject: began.model_dump()})


def _swept(read: HistoryStream, shown: ShownPage, mark: ChannelMark) -> _Following:
    """Return where the next sweep goes on: at the top again when there is nothing older."""
    if read.cursor and not shown.messages:
        return _Following(next_page=read, watermarks={})
    done = mark.model_copy(update={"swept": shown.lowest if read.cursor else ""})
    return _Following(watermarks={read.subject: done.model_dump()})
