"""Reads what was owed: a place that the bot may read now, or what messages say now that it is shown."""

from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import NotPermitted
from crowd_pipelines.integrations.discord.access import Access
from crowd_pipelines.integrations.discord.api import Channel, Message, Thread
from crowd_pipelines.integrations.discord.guild import look_up
from crowd_pipelines.integrations.discord.look import Look
from crowd_pipelines.integrations.discord.places import is_whole
from crowd_pipelines.integrations.discord.refusals import (
    MANAGE_THREADS,
    MESSAGE_CONTENT,
    NO_CONTENTS,
    NO_MANAGE_THREADS,
    without,
)
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    ArchiveStream,
    ContentsStream,
    GuildMark,
    MessagesStream,
    PlaceStream,
)
from crowd_pipelines.integrations.discord.threads import marks_of
from crowd_pipelines.model.streams import RejectedRecord, Stream, StreamResult

_NOT_WHOLE = "the server's list of channels holds records that cannot be used"
_DELETED = "The channel was deleted: the server does not list it any more."


def read_place(stream: PlaceStream, run: Run) -> StreamResult:
    """Return streams for everything of a place, now that it may be read. Raises NotPermitted while it may not."""
    if stream.opened and not run.onboarding:
        return StreamResult()
    guild_id, rejected = run.settings.guild_id, list[RejectedRecord]()
    raw = run.api.channels_lately(guild_id)
    channel = next((one for one in usable(Channel, raw, rejected) if one.id == stream.channel_id), None)
    if channel is None and is_whole(raw):
        return StreamResult(skipped=_DELETED)
    if channel is None:
        return StreamResult(rejected=tuple(rejected), unread=count_nulls(raw), incomplete=_NOT_WHOLE)
    access = run.api.lately(f"access/{guild_id}", lambda: look_up(run.api, guild_id))
    if missing := access.missing(channel):
        raise NotPermitted(without(missing), permission=missing)
    return StreamResult(new_streams=_streams(stream, channel, access, run))


def _streams(stream: PlaceStream, channel: Channel, access: Access, run: Run) -> tuple[Stream, ...]:
    threads = usable(Thread, run.api.active_lately(run.settings.guild_id), [])
    look = _look(run, access, [channel], [one for one in threads if one.parent_id == channel.id])
    if stream.private and not look.manages_threads(channel):
        raise NotPermitted(NO_MANAGE_THREADS, permission=MANAGE_THREADS)
    if stream.private:
        return (ArchiveStream(channel_id=channel.id, channel=channel.name, archive="private"),)
    return (MessagesStream(place=stream.thread),) if stream.thread else _everything(look, run)


def read_contents(stream: ContentsStream, run: Run) -> StreamResult:
    """Return streams for everything that is said, now that the bot is shown it. Raises NotPermitted while it is not."""
    guild_id = run.settings.guild_id
    access = look_up(run.api, guild_id)
    if not access.sees_contents or _is_still_bare(stream, run):
        raise NotPermitted(NO_CONTENTS, permission=MESSAGE_CONTENT)
    channels, threads = run.api.channels_lately(guild_id), run.api.active_lately(guild_id)
    look = _look(run, access, list(usable(Channel, channels, [])), list(usable(Thread, threads, [])))
    return StreamResult(new_streams=_everything(look, run))


def _is_still_bare(stream: ContentsStream, run: Run) -> bool:
    if not stream.message_id:
        return False
    shown = run.api.message(stream.channel_id, stream.message_id)
    return any(message.is_bare for message in usable(Message, [shown], []))


def _look(run: Run, access: Access, channels: list[Channel], threads: list[Thread]) -> Look:
    return Look(run=run, daily=True, access=access, channels=channels, threads=threads, before=GuildMark())


def _everything(look: Look, run: Run) -> tuple[Stream, ...]:
    places = [place for place, _ in look.places()]
    marks = marks_of(run.read_watermarks([place.subject for place in places]), places)
    return (*look.messages(marks), *look.archives())
