"""Reads archives of threads, and tells which channels and threads have something to be read."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.discord.api import PRIVATE_THREAD, Thread
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    ArchiveMark,
    ArchiveStream,
    MessagesMark,
    MessagesStream,
    Place,
)
from crowd_pipelines.model.streams import Json, RejectedRecord, StreamResult

_OVERLAP = timedelta(milliseconds=1)
"""Threads may have been archived in the same instant, and `before` leaves its own out."""


def thread_place(thread: Thread, *, channel: str, posts: bool) -> Place:
    """Return a thread as a place with messages."""
    form = "post" if posts else "private" if thread.type == PRIVATE_THREAD else "thread"
    return Place(id=thread.id, name=thread.name, form=form, channel_id=thread.parent_id, channel=channel)


def news_of(
    place: Place, last: str | None, *, told: bool, mark: MessagesMark | None, onboarding: bool, permissions: str
) -> MessagesStream | None:
    """Return the stream of a place's messages, if there may be some.

    `told` is whether the lists say anything about the last message; None then means that there never was one.
    """
    stream = MessagesStream(place=place, last=last, permissions=permissions)
    if onboarding or mark is None:
        return stream if onboarding or last or not told else None
    if place.is_thread and mark.name not in (None, place.name):
        # Every message shows the thread's name.
        return stream
    if (told and last is None) or mark.knows(last):
        return None
    return stream.model_copy(update={"after": mark.resume_from})


def marks_of(known: Mapping[str, Json], places: Iterable[Place]) -> dict[str, MessagesMark]:
    """Return the watermarks of places by id, as far as there are any."""
    return {place.id: MessagesMark.model_validate(known[place.subject]) for place in places if place.subject in known}


def read_archive(stream: ArchiveStream, run: Run) -> StreamResult:
    """Read a page of a channel's archived threads, and go on until those that were archived before the last look."""
    raw, more = run.api.archived_threads(stream.channel_id, stream.archive, stream.before)
    rejected: list[RejectedRecord] = []
    threads = list(usable(Thread, raw, rejected))
    times = [thread.archived_at for thread in threads if thread.archived_at]
    places = [thread_place(thread, channel=stream.channel, posts=stream.posts) for thread in threads]
    known = run.read_watermarks([stream.subject, *(place.subject for place in places)])
    mark = ArchiveMark.model_validate(known.get(stream.subject, {}))
    until = stream.until or (max(times).isoformat() if times else None)
    cursor = _cursor(stream, threads, times) if more and _unseen(mark, times, run) else None
    further = stream.model_copy(update={"before": cursor, "until": until}) if cursor else None
    marks = marks_of(known, places)
    found = [
        news_of(
            place,
            thread.last_message_id,
            told="last_message_id" in thread.model_fields_set,
            mark=marks.get(place.id),
            onboarding=run.onboarding,
            permissions=stream.permissions,
        )
        for place, thread in zip(places, threads, strict=True)
    ]
    return StreamResult(
        last_record=threads[-1].id if threads else None,
        new_streams=tuple(one for one in found if one),
        next_page=further,
        watermarks={stream.subject: ArchiveMark(until=until).model_dump(mode="json")} if until and not further else {},
        rejected=tuple(rejected),
    )


def _unseen(mark: ArchiveMark, times: list[datetime], run: Run) -> bool:
    """Tell whether older pages may hold something new. Without a time on this one nobody knows."""
    return run.onboarding or mark.until is None or not times or min(times) >= mark.until


def _cursor(stream: ArchiveStream, threads: list[Thread], times: list[datetime]) -> str | None:
    """Return where the next page begins, None where that is unknown."""
    if stream.archive == "joined":
        return str(min(int(thread.id) for thread in threads)) if threads else None
    return (min(times) + _OVERLAP).isoformat() if times else None
