"""The places of a guild, what is owed of them, and whether they still answer."""

from collections.abc import Sequence
from typing import Any

from crowd_pipelines.framework.integration import Place as OwnedPlace
from crowd_pipelines.http.errors import Gone, Retryable
from crowd_pipelines.integrations.discord.api import Channel, id_of
from crowd_pipelines.integrations.discord.refusals import (
    MANAGE_THREADS,
    MESSAGE_CONTENT,
    NO_CONTENTS,
    NO_MANAGE_THREADS,
    NO_MEMBERS,
    SERVER_MEMBERS,
    without,
)
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import (
    ArchiveStream,
    ContentsStream,
    MembersStream,
    MessagesStream,
    Place,
    PlaceStream,
)
from crowd_pipelines.model.streams import Owed, Stream

MEMBERS = "members"
CONTENTS = "contents"


def private_key(channel_id: str) -> str:
    """Return the key of a channel's archived private threads, which are a place of their own."""
    return f"private:{channel_id}"


def place_of(stream: Stream) -> OwnedPlace | None:
    """Return the place that a stream reads."""
    match stream:
        case MessagesStream():
            return _place(stream.place.channel_id, stream.place.channel, stream.place)
        case ArchiveStream():
            return _place(stream.channel_id, stream.channel, private=stream.archive == "private")
        case PlaceStream(opened=False):
            return _place(stream.channel_id, stream.channel, stream.thread, private=stream.private)
        case MembersStream():
            return OwnedPlace(key=MEMBERS, label="members", stream=MembersStream())
        case ContentsStream():
            return OwnedPlace(key=CONTENTS, label="what messages say", stream=ContentsStream())
        case _:
            return None


def _place(channel_id: str, channel: str, where: Place | None = None, *, private: bool = False) -> OwnedPlace:
    thread = where if where and where.is_thread else None
    stream = PlaceStream(channel_id=channel_id, channel=channel, thread=thread, private=private)
    key = private_key(channel_id) if private else thread.id if thread else channel_id
    return OwnedPlace(key=key, label=stream.label, stream=stream)


def hidden_channel(channel: Channel, permission: str) -> Owed:
    """Return that a channel is owed, since the bot lacks a permission there."""
    return Owed(
        place=channel.id,
        label=f"#{channel.name}",
        permission=permission,
        reason=without(permission),
        stream=PlaceStream(channel_id=channel.id, channel=channel.name),
    )


def hidden_threads(channel: Channel) -> Owed:
    """Return that archived private threads are owed but for those to which the bot was added."""
    stream = PlaceStream(channel_id=channel.id, channel=channel.name, private=True)
    return Owed(
        place=private_key(channel.id),
        label=stream.label,
        permission=MANAGE_THREADS,
        reason=NO_MANAGE_THREADS,
        stream=stream,
    )


def hidden_members() -> Owed:
    """Return that the list of members is owed for want of the intent."""
    return Owed(place=MEMBERS, label="members", permission=SERVER_MEMBERS, reason=NO_MEMBERS, stream=MembersStream())


def hidden_contents(channel_id: str = "", message_id: str = "") -> Owed:
    """Return that what messages say is owed; the message is one that was shown empty in spite of the intent."""
    return Owed(
        place=CONTENTS,
        label="what messages say",
        permission=MESSAGE_CONTENT,
        reason=NO_CONTENTS,
        stream=ContentsStream(channel_id=channel_id, message_id=message_id),
    )


def confirm(stream: Any, run: Run) -> None:
    """See that the guild, which answers, does not show what was not found either.

    Raises Retryable when it does, since the answer was wrong then, and when its list of channels cannot be relied on.
    """
    if not isinstance(stream, MessagesStream | ArchiveStream):
        return
    shown = run.api.channels_lately(run.settings.guild_id)
    if isinstance(stream, MessagesStream) and stream.place.is_thread:
        found = _finds(stream.place.id, run)
    else:
        channel_id = stream.place.id if isinstance(stream, MessagesStream) else stream.channel_id
        found = not is_whole(shown) or channel_id in {str(id_of(item)) for item in shown}
    if found:
        raise Retryable(f"Discord does not find {stream.label}, yet shows it elsewhere. It will be tried again.")


def is_whole(raw: Sequence[Any]) -> bool:
    """Tell whether what a list of channels does not show is not there: it holds some, and all can be told apart."""
    return bool(raw) and all(id_of(item) is not None for item in raw)


def _finds(thread_id: str, run: Run) -> bool:
    try:
        run.api.thread(thread_id)
    except Gone:
        return False
    return True
