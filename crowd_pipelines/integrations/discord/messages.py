"""Reads a page of a channel's or thread's messages."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.discord.activities import (
    MESSAGE,
    THREAD_STARTED,
    Setting,
    is_said,
    message_activity,
    thread_activity,
)
from crowd_pipelines.integrations.discord.api import (
    REPLIED,
    SAID,
    THREAD_CREATED,
    THREAD_STARTER,
    Message,
    id_of,
    threads_in,
)
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    BEGINNING,
    ArchiveStream,
    GuildMark,
    MessagesMark,
    MessagesStream,
    Place,
)
from crowd_pipelines.integrations.discord.text import Names
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    Operation,
    RejectedRecord,
    RetractActivities,
    RetractMissing,
    StreamResult,
    UpsertActivities,
)

_OF_INTEREST = frozenset({SAID, REPLIED, THREAD_CREATED, THREAD_STARTER})


def read_messages(stream: MessagesStream, run: Run) -> StreamResult:
    """Read the messages that follow a known one, and go on until the newest of which the guild's lists spoke.

    The page begins a little before what is known, so that edits and deletions there are seen without another request.
    """
    known = run.read_watermarks(["guild", stream.place.subject])
    guild = GuildMark.model_validate(known.get("guild", {}))
    mark = MessagesMark.model_validate(known.get(stream.place.subject, {}))
    try:
        raw = run.api.messages(stream.place.id, stream.after)
    except Gone as refused:
        marked = mark.model_copy(update={"refused": refusal(guild.day, stream.permissions)})
        return StreamResult(skipped=str(refused), watermarks={stream.place.subject: marked.model_dump()})
    page = _Page(stream, raw)
    rejected: list[RejectedRecord] = []
    messages = sorted(usable(Message, page.interesting, rejected), key=lambda message: int(message.id))
    if raw and not page.ids:
        return StreamResult(rejected=tuple(rejected))
    mark = mark.model_copy(update={"starter": _starter(stream, mark, messages, page)})
    gone = page.missing(mark.recent)
    setting = Setting(
        guild_id=run.settings.guild_id,
        place=stream.place,
        starter=mark.starter or "",
        names=_names(guild),
        sees_contents=guild.access is None or guild.access.sees_contents,
    )
    activities = tuple(_activities(messages, setting, mark))
    after = mark.with_page(page.ids, gone)
    return StreamResult(
        operations=(UpsertActivities(activities=activities), *_retracted(stream.place, page, gone)),
        last_record=str(page.newest),
        last_record_timestamp=messages[-1].moment if messages else None,
        new_streams=_archives(stream, page.raw if run.onboarding else page.beyond(mark.read), guild),
        next_page=None if page.is_last else stream.model_copy(update={"after": str(page.newest)}),
        watermarks={stream.place.subject: (after.completed(stream) if page.is_last else after).model_dump()},
        rejected=tuple(rejected),
    )


def refusal(day: str, permissions: str) -> str:
    """Return what stands in a watermark while a channel need not be asked again."""
    return f"{day} {permissions}"


class _Page:
    """An answer to a stream of messages."""

    def __init__(self, stream: MessagesStream, raw: Sequence[Any]) -> None:
        self.raw = raw
        self.ids = sorted({found for item in raw if (found := id_of(item)) is not None})
        self._after = int(stream.after)
        self.newest = max([self._after, *self.ids])
        reached = stream.last is not None and self.newest >= int(stream.last)
        # Of messages that follow one, none is older: a page without newer ones leads in a circle and ends nothing.
        self.is_last = reached or not raw
        self.is_whole = self.is_last and stream.after == BEGINNING and len(self.ids) == len(raw) > 0

    @property
    def interesting(self) -> list[Any]:
        """What may be an activity or tell of one. Bots and unknown types need not be of a shape that we know."""
        return [item for item in self.raw if not _passed_over(item)]

    def beyond(self, read: str) -> list[Any]:
        """Return what is newer than a message."""
        return [item for item in self.raw if (id_of(item) or 0) > int(read)]

    def missing(self, recent: Collection[str]) -> list[str]:
        """Return which of the recent messages are no longer there.

        An empty page may as well mean that the history may not be read any more.
        """
        if not self.raw or len(self.ids) < len(self.raw):
            return []
        present = set(self.ids)
        end = None if self.is_last else self.newest
        expected = [one for one in recent if self._after < int(one) and (end is None or int(one) <= end)]
        return [one for one in expected if int(one) not in present]


def _passed_over(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    author = item.get("author")
    by_bot = bool(item.get("webhook_id")) or (isinstance(author, dict) and author.get("bot") is True)
    kind = item.get("type")
    other = isinstance(kind, int) and kind not in _OF_INTEREST
    return other or (by_bot and kind != THREAD_STARTER)


def _activities(messages: Sequence[Message], setting: Setting, mark: MessagesMark) -> Iterator[Activity]:
    for message in messages:
        if message.type == THREAD_CREATED and (started := thread_activity(message, setting)):
            yield started
        # What was read while the bot could see it is better than what it is shown now.
        elif is_said(message) and not (setting.withholds(message) and int(message.id) <= int(mark.read)):
            yield message_activity(message, setting)


def _starter(stream: MessagesStream, mark: MessagesMark, messages: Sequence[Message], page: _Page) -> str | None:
    """Return the type of the activity that a thread began with: what was once found out stays, though it be deleted."""
    if mark.starter is not None or stream.after != BEGINNING or not page.raw:
        return mark.starter
    match stream.place.form:
        case "post":
            begun = any(message.id == stream.place.id and is_said(message) for message in messages)
            return THREAD_STARTED.name if begun else ""
        case "thread":
            look_back = next((message for message in messages if message.type == THREAD_STARTER), None)
            return THREAD_STARTED.name if look_back is None else _origin_of(look_back)
        case _:
            return ""


def _origin_of(look_back: Message) -> str:
    original = look_back.referenced_message
    hidden = look_back.original_deleted if original is None else not original.by_person
    return "" if hidden else MESSAGE.name


def _retracted(place: Place, page: _Page, gone: Sequence[str]) -> Iterator[Operation]:
    types = (MESSAGE, THREAD_STARTED) if place.form == "post" else (MESSAGE,)
    if place.is_thread and page.is_whole:
        present = frozenset(map(str, page.ids))
        yield from (RetractMissing(type=kind, thread=place.id, present=present) for kind in types)
    elif gone:
        yield from (RetractActivities(type=kind, source_ids=tuple(gone)) for kind in types)


def _archives(stream: MessagesStream, raw: Sequence[Any], guild: GuildMark) -> tuple[ArchiveStream, ...]:
    """Return a look into the archive of a channel that speaks of threads which are not active."""
    if stream.place.form != "channel" or set(threads_in(list(raw))) <= guild.active.keys():
        return ()
    place = stream.place
    return (ArchiveStream(channel_id=place.id, channel=place.name, permissions=stream.permissions),)


def _names(guild: GuildMark) -> Names:
    roles = guild.access.roles if guild.access else {}
    return Names(roles={id_: grant.name for id_, grant in roles.items()}, channels={**guild.threads, **guild.channels})
