"""Reads a page of a channel's or thread's messages."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from crowd_pipelines.framework.lists import NO_CURSOR, ListPage, ListProgress, absent
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.discord.activities import (
    MESSAGE,
    THREAD_STARTED,
    Setting,
    is_said,
    message_activity,
    started_thread,
    thread_activity,
)
from crowd_pipelines.integrations.discord.api import (
    MESSAGES_PER_PAGE,
    REPLIED,
    SAID,
    THREAD_CREATED,
    THREAD_STARTER,
    Message,
    id_of,
    threads_in,
)
from crowd_pipelines.integrations.discord.contents import kinds_of, uncollected
from crowd_pipelines.integrations.discord.places import hidden_contents
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    BEGINNING,
    ArchiveStream,
    GuildMark,
    MessagesMark,
    MessagesStream,
    NewsMark,
)
from crowd_pipelines.integrations.discord.text import Names
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    Owed,
    RejectedRecord,
    RetractActivities,
    ShowActivities,
    StreamResult,
    UpsertActivities,
)

_OF_INTEREST = frozenset({SAID, REPLIED, THREAD_CREATED, THREAD_STARTER})
_CUT_OFF = "the list of messages ends before one that Discord shows"


def read_messages(stream: MessagesStream, run: Run) -> StreamResult:
    """Read the messages that follow a known one, and go on until the newest of which the guild's lists spoke.

    The page begins a little before what is known, so that edits and deletions there are seen without another request.
    """
    known = run.read_watermarks(["guild", stream.place.subject])
    guild = GuildMark.model_validate(known.get("guild", {}))
    page = _Page(stream, run.api.messages(stream.place.id, stream.after))
    mark = _mark(stream, page, known)
    setting = _setting(stream, mark, guild, run)
    onward, news = _onward(stream, page, mark, run), page.raw if run.onboarding else page.beyond(mark.read)
    named, marks = _named(page, setting, run)
    retracted = () if onward.incomplete else _retracted(stream, page, mark)
    return replace(
        onward,
        operations=(*_shown(page.messages, named, setting, mark), *retracted),
        last_record_timestamp=page.messages[-1].moment if page.messages else None,
        new_streams=_archives(stream, news, guild),
        watermarks={**onward.watermarks, **marks} if onward.watermarks else {},
        rejected=tuple(page.rejected),
        unread=count_nulls(page.raw),
        uncollected=uncollected(news),
        owed=_withheld(news, page, setting),
    )


class _Page:
    """An answer to a stream of messages."""

    def __init__(self, stream: MessagesStream, raw: Sequence[Any]) -> None:
        self.stream = stream
        self.raw = raw
        self.rejected: list[RejectedRecord] = []
        interesting = (item for item in raw if not _passed_over(item))
        self.messages = sorted(usable(Message, interesting, self.rejected), key=lambda message: int(message.id))
        self.ids = sorted({found for item in raw if (found := id_of(item)) is not None})
        self._after = int(stream.after)
        self.newest = max([self._after, *self.ids])
        reached = stream.last is not None and self.newest >= int(stream.last)
        # Of messages that follow one, none is older: a page without newer ones leads in a circle and ends nothing.
        self.is_last = reached or not raw
        begun = ListProgress() if stream.after == BEGINNING else ListProgress.broken()
        self.progress = (stream.progress or begun).with_page(self.listed)

    @property
    def present(self) -> tuple[str, ...]:
        """What a thread holds, if it was all on its first page."""
        first = self.stream.place.is_thread and self.stream.after == BEGINNING
        return tuple(map(str, self.ids)) if first else self.stream.present

    @property
    def listed(self) -> ListPage:
        """What the page says of its list."""
        ids = tuple(None if (found := id_of(item)) is None else str(found) for item in self.raw)
        unusable = len(self.rejected) + count_nulls(self.raw)
        return ListPage(ids=ids, unusable=unusable, cursor=None if self.is_last else str(self.newest))

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

    def contradiction(self, run: Run) -> str | None:
        """Return what the list says of itself that does not agree.

        The last message that a channel names may have been deleted, and a thread's count may have been taken long ago:
        both are asked for once more before they count.
        """
        place, last = self.stream.place, self.stream.last
        if self.raw and not self.ids:
            return NO_CURSOR if len(self.raw) >= MESSAGES_PER_PAGE else None
        if self.raw:
            return self._too_short(run)
        if last is not None and int(last) > self._after and run.api.message(place.id, last) is not None:
            return _CUT_OFF
        return self._too_short(run)

    def _too_short(self, run: Run) -> str | None:
        """Compare a thread that was read from its beginning with its own count; bulk deletions make that too small."""
        counted, read = self.stream.count or 0, self.progress
        if not (self.is_last and read.whole and read.records < counted):
            return None
        try:
            counted = run.api.thread(self.stream.place.id).message_count or 0
        except Gone:
            return None
        told = f"the thread ended after {read.records} messages, but counts {counted}"
        return told if read.records < counted else None


def _passed_over(item: Any) -> bool:
    """Tell whether it is no activity and tells of none: bots and unknown types need not be of a shape that we know."""
    if not isinstance(item, dict):
        return False
    author = item.get("author")
    by_bot = bool(item.get("webhook_id")) or (isinstance(author, dict) and author.get("bot") is True)
    kind = item.get("type")
    other = isinstance(kind, int) and kind not in _OF_INTEREST
    return other or (by_bot and kind != THREAD_STARTER)


def _onward(stream: MessagesStream, page: _Page, mark: MessagesMark, run: Run) -> StreamResult:
    """Return where the list goes on and how far it was read, or what it says of itself that does not agree."""
    if doubt := page.contradiction(run):
        return StreamResult(incomplete=doubt)
    if page.raw and not page.ids:
        # All that a short page holds is in quarantine or unread; the next check asks for it again.
        return StreamResult()
    after = mark.with_page(page.ids, page.missing(mark.recent))
    further = stream.model_copy(update={"after": str(page.newest), "progress": page.progress, "present": page.present})
    reached = after.completed(stream) if page.is_last else after
    return StreamResult(
        last_record=str(page.newest),
        next_page=None if page.is_last else further,
        watermarks={stream.place.subject: reached.model_dump()},
    )


def _mark(stream: MessagesStream, page: _Page, known: Mapping[str, Json]) -> MessagesMark:
    mark = MessagesMark.model_validate(known.get(stream.place.subject, {}))
    return mark.model_copy(update={"starter": _starter(stream, mark, page)})


def _setting(stream: MessagesStream, mark: MessagesMark, guild: GuildMark, run: Run) -> Setting:
    roles = guild.access.roles if guild.access else {}
    channels = {**guild.threads, **guild.channels}
    return Setting(
        guild_id=run.settings.guild_id,
        place=stream.place,
        starter=mark.starter or "",
        names=Names(roles={id_: grant.name for id_, grant in roles.items()}, channels=channels),
        sees_contents=guild.access is None or guild.access.sees_contents,
    )


def _shown(
    messages: Sequence[Message], named: Sequence[Activity], setting: Setting, mark: MessagesMark
) -> Iterator[Operation]:
    """Yield what was said, and apart what was read while the bot could see it, which is better than what is shown."""
    shown, hidden = list[Activity](), list[Activity]()
    for message in filter(is_said, messages):
        known = setting.withholds(message) and int(message.id) <= int(mark.read)
        (hidden if known else shown).append(message_activity(message, setting))
    yield UpsertActivities(activities=(*shown, *named))
    if hidden:
        yield ShowActivities(activities=tuple(hidden))


def _withheld(news: Sequence[Any], page: _Page, setting: Setting) -> tuple[Owed, ...]:
    """Return that contents are owed where messages are shown empty, although the bot has the intent.

    One among others lost what it held, as when Discord takes a file away; it says nothing about the intent.
    """
    new = {id_of(item) for item in news if not kinds_of(item)}
    said = [one for one in page.messages if is_said(one)]
    bare = [one for one in said if one.is_bare]
    first = next((one for one in bare if int(one.id) in new), None)
    if first is None or not setting.sees_contents or 2 * len(bare) <= len(said):
        return ()
    return (hidden_contents(setting.place.id, first.id),)


def _named(page: _Page, setting: Setting, run: Run) -> tuple[tuple[Activity, ...], Mapping[str, Json]]:
    """Return the starts of threads under their present names, and the watermarks that remember these.

    The news of a thread goes on telling the first name, so it is read once more when the thread has another.
    """
    if setting.place.is_thread:
        return _renamed(setting, run) if page.is_last and page.raw else ((), {})
    news = [(id_, one) for one in page.messages if (id_ := started_thread(one))]
    known = run.read_watermarks([f"messages:{id_}" for id_, _ in news]) if news else {}
    starts, marks = list[Activity](), dict[str, Json]()
    for thread_id, message in news:
        read = MessagesMark.model_validate(known.get(f"messages:{thread_id}", {}))
        name = setting.names.channels.get(thread_id) or read.name or message.content or thread_id
        starts.append(thread_activity(message, thread_id, name, setting))
        marks[NewsMark.subject(thread_id)] = NewsMark(message=message.id, name=name).model_dump()
    return tuple(starts), marks


def _renamed(setting: Setting, run: Run) -> tuple[tuple[Activity, ...], Mapping[str, Json]]:
    place, subject = setting.place, NewsMark.subject(setting.place.id)
    known = run.read_watermarks([subject]).get(subject) if setting.starter == THREAD_STARTED.name else None
    if not known or known.get("name") == place.name:
        return (), {}
    news = NewsMark.model_validate(known)
    shown = usable(Message, [run.api.message(place.channel_id, news.message)], [])
    starts = (thread_activity(one, place.id, place.name, setting) for one in shown if started_thread(one) == place.id)
    return tuple(starts), {subject: news.model_copy(update={"name": place.name}).model_dump()}


def _starter(stream: MessagesStream, mark: MessagesMark, page: _Page) -> str | None:
    """Return the type of the activity that a thread began with: what was once found out stays, though it be deleted."""
    if mark.starter is not None or stream.after != BEGINNING or not page.raw:
        return mark.starter
    match stream.place.form:
        case "post":
            begun = any(message.id == stream.place.id and is_said(message) for message in page.messages)
            return THREAD_STARTED.name if begun else ""
        case "thread":
            look_back = next((message for message in page.messages if message.type == THREAD_STARTER), None)
            return THREAD_STARTED.name if look_back is None else _origin_of(look_back)
        case _:
            return ""


def _origin_of(look_back: Message) -> str:
    original = look_back.referenced_message
    hidden = look_back.original_deleted if original is None else not original.by_person
    return "" if hidden else MESSAGE.name


def _retracted(stream: MessagesStream, page: _Page, mark: MessagesMark) -> Iterator[Operation]:
    """Yield what is no longer there: all that a thread does not hold which was read in one go, else recent messages."""
    types = (MESSAGE, THREAD_STARTED) if stream.place.form == "post" else (MESSAGE,)
    gone = page.missing(mark.recent)
    if page.is_last and page.present and page.progress.records == len(page.present) and page.progress.whole:
        for kind in types:
            yield from absent(kind, stream.place.id, page.present, progress=page.progress, page=page.listed)
    elif gone:
        yield from (RetractActivities(type=kind, source_ids=tuple(gone)) for kind in types)


def _archives(stream: MessagesStream, raw: Sequence[Any], guild: GuildMark) -> tuple[ArchiveStream, ...]:
    """Return a look into the archive of a channel that speaks of threads which are not active."""
    if stream.place.form != "channel" or set(threads_in(list(raw))) <= guild.active.keys():
        return ()
    return (ArchiveStream(channel_id=stream.place.id, channel=stream.place.name),)
