"""Reads archives of threads, and tells which channels and threads have something to be read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from crowd_pipelines.framework.lists import NO_CURSOR
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import Gone, NotPermitted
from crowd_pipelines.integrations.discord.api import PRIVATE_THREAD, PUBLIC_THREAD, Thread
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    BEGINNING,
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
    place: Place, last: str | None, *, told: bool, mark: MessagesMark | None, onboarding: bool, count: int | None
) -> MessagesStream | None:
    """Return the stream of a place's messages, if there may be some.

    `told` is whether the lists say anything about the last message; None then means that there never was one. `count`
    is how many messages a thread says that it has.
    """
    stream = MessagesStream(place=place, last=last, count=count)
    if onboarding or mark is None:
        return stream if onboarding or last or count or not told else None
    if place.is_thread and mark.name not in (None, place.name):
        # Every message shows the thread's name.
        return stream
    if told and last is None:
        # A thread that counts messages and names none contradicts itself: what was never read is read.
        return stream if count and mark.read == BEGINNING else None
    return None if mark.knows(last) else stream.model_copy(update={"after": mark.resume_from})


def marks_of(known: Mapping[str, Json], places: Iterable[Place]) -> dict[str, MessagesMark]:
    """Return the watermarks of places by id, as far as there are any."""
    return {place.id: MessagesMark.model_validate(known[place.subject]) for place in places if place.subject in known}


def read_archive(stream: ArchiveStream, run: Run) -> StreamResult:
    """Read a page of a channel's archived threads, and go on until those that were archived before the last look."""
    raw, told = run.api.archived_threads(stream.channel_id, stream.archive, stream.before)
    rejected: list[RejectedRecord] = []
    threads = list(usable(Thread, raw, rejected))
    times = [thread.archived_at for thread in threads if thread.archived_at]
    until = stream.until or (max(times).isoformat() if times else None)
    wanted = (bool(raw) if told is None else told) and _unseen(stream, times, run)
    cursor = _cursor(stream, threads, times) if wanted else None
    sought = tuple(id_ for id_ in stream.sought if id_ not in {thread.id for thread in threads})
    missed = [] if wanted else list(_missed(stream, sought, run))
    return StreamResult(
        last_record=threads[-1].id if threads else None,
        new_streams=tuple(_news(stream, [*threads, *missed], run)),
        next_page=stream.model_copy(update={"before": cursor, "until": until, "sought": sought}) if cursor else None,
        watermarks={stream.subject: ArchiveMark(until=until).model_dump(mode="json")} if until and not wanted else {},
        rejected=tuple(rejected),
        unread=count_nulls(raw),
        incomplete=NO_CURSOR if wanted and cursor is None else None,
    )


def _missed(stream: ArchiveStream, sought: Sequence[str], run: Run) -> Iterator[Thread]:
    """Yield the threads that the list ought to have shown and did not, but for those that were deleted.

    A private thread from which the bot was removed is among them: asking for it shows that access was lost.
    """
    for thread_id in sought:
        try:
            yield run.api.thread(thread_id)
        except Gone:
            continue
        except NotPermitted:
            subject = f"messages:{thread_id}"
            mark = MessagesMark.model_validate(run.read_watermarks([subject]).get(subject, {}))
            kind = PUBLIC_THREAD if stream.archive == "public" else PRIVATE_THREAD
            yield Thread(id=thread_id, type=kind, name=mark.name or thread_id, parent_id=stream.channel_id)


def _news(stream: ArchiveStream, threads: Sequence[Thread], run: Run) -> Iterator[MessagesStream]:
    """Yield the threads that have something to be read, but for those that refused and are owed."""
    places = [thread_place(thread, channel=stream.channel, posts=stream.posts) for thread in threads]
    marks = marks_of(run.read_watermarks([place.subject for place in places]), places)
    refused = run.read_owed([place.id for place in places])
    for place, thread in zip(places, threads, strict=True):
        found = news_of(
            place,
            thread.last_message_id,
            told="last_message_id" in thread.model_fields_set,
            mark=marks.get(place.id),
            onboarding=run.onboarding,
            count=thread.message_count,
        )
        yield from () if found is None or place.id in refused else (found,)


def _unseen(stream: ArchiveStream, times: Sequence[datetime], run: Run) -> bool:
    """Tell whether older pages may hold something new. Without a time on this one nobody knows.

    Threads that the bot joined come by id: any page may hold one that was archived just now.
    """
    if stream.archive == "joined" or run.onboarding:
        return True
    mark = ArchiveMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    return mark.until is None or not times or min(times) >= mark.until


def _cursor(stream: ArchiveStream, threads: Sequence[Thread], times: Sequence[datetime]) -> str | None:
    """Return where the next page begins, None where that is unknown."""
    if stream.archive == "joined":
        return str(min(int(thread.id) for thread in threads)) if threads else None
    return (min(times) + _OVERLAP).isoformat() if times else None
