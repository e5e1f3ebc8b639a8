"""What Discord's payloads mean: activities and members. Pure: the same payload twice gives equal records."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crowd_pipelines.integrations.discord.api import (
    REPLIED,
    SAID,
    THREAD_CREATED,
    Attachment,
    Forwarded,
    GuildMember,
    Message,
    User,
)
from crowd_pipelines.integrations.discord.streams import Place
from crowd_pipelines.integrations.discord.text import Names, readable
from crowd_pipelines.model.records import Activity, ActivityType, AttributeType, Member, MemberAttribute

PLATFORM = "discord"
SITE = "https://discord.com"

JOINED_GUILD = ActivityType(name="joined_guild", score=3, is_contribution=False)
MESSAGE = ActivityType(name="message", score=6, is_contribution=True)
THREAD_STARTED = ActivityType(name="thread_started", score=6, is_contribution=True)

MEMBER_ATTRIBUTES = (
    MemberAttribute(name="url", label="Profile", type=AttributeType.URL),
    MemberAttribute(name="avatarUrl", label="Picture", type=AttributeType.URL),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where messages stand.

    `starter` is the type of the activity that those of a thread answer, empty for none; `sees_contents` whether the bot
    may see what they say.
    """

    guild_id: str
    place: Place
    starter: str
    names: Names
    sees_contents: bool = True

    @property
    def origin(self) -> tuple[str, str] | None:
        """What a thread began with, by id and type."""
        return (self.place.id, self.starter) if self.place.is_thread and self.starter else None

    def withholds(self, message: Message) -> bool:
        """Tell whether what a message says is hidden from the bot."""
        return message.is_bare or not (self.sees_contents or message.content)

    def type_of(self, message_id: str) -> ActivityType:
        """Return what a message counts as: the first one of a post bears the post's own id."""
        return THREAD_STARTED if self.place.form == "post" and message_id == self.place.id else MESSAGE


def is_said(message: Message) -> bool:
    """Tell whether a person says something in it."""
    return message.type in (SAID, REPLIED) and message.by_person


def message_activity(message: Message, setting: Setting) -> Activity:
    """Return what a person said. Of one that was withheld from the bot the text is unknown."""
    place, parent = setting.place, _answered(message, setting)
    return Activity(
        platform=PLATFORM,
        type=setting.type_of(message.id),
        source_id=message.id,
        source_parent_id=parent[0] if parent else None,
        source_parent_type=parent[1] if parent else None,
        thread=place.id if place.is_thread else None,
        timestamp=message.moment,
        member=user_member(message.author),
        title=place.name if place.is_thread else None,
        body=None if setting.withholds(message) else _text(message, setting.names),
        url=f"{SITE}/channels/{setting.guild_id}/{place.id}/{message.id}",
        channel=place.channel,
        channel_id=place.channel_id,
        attributes={
            "thread": place.is_thread,
            "forum": place.form == "post",
            **({"childChannel": place.name} if place.is_thread else {}),
            **({"forwarded": True} if message.message_snapshots else {}),
            "attachments": [_attachment(one) for one in _attachments(message)],
            "reactions": [{"emoji": one.emoji.name, "count": one.count} for one in message.reactions or () if one],
        },
    )


def started_thread(message: Message) -> str | None:
    """Return the thread of whose start a channel tells; None for any other message, and for threads of programs."""
    if message.type != THREAD_CREATED or not message.by_person or message.message_reference is None:
        return None
    return message.message_reference.channel_id


def thread_activity(news: Message, thread_id: str, name: str, setting: Setting) -> Activity:
    """Return the start of a thread, of which a channel tells; its id is the thread's, not that of the news."""
    return Activity(
        platform=PLATFORM,
        type=THREAD_STARTED,
        source_id=thread_id,
        thread=thread_id,
        timestamp=news.moment,
        member=user_member(news.author),
        title=name,
        url=f"{SITE}/channels/{setting.guild_id}/{thread_id}",
        channel=setting.place.channel,
        channel_id=setting.place.channel_id,
        attributes={"thread": True, "forum": False},
    )


def joined_activity(member: GuildMember, guild_id: str) -> Activity | None:
    """Return that somebody joined. Whoever leaves and comes back joins again."""
    if member.joined_at is None:
        return None
    return Activity(
        platform=PLATFORM,
        type=JOINED_GUILD,
        source_id=f"{guild_id}:{member.user.id}:{member.joined_at.isoformat(timespec='microseconds')}",
        timestamp=member.joined_at,
        member=user_member(member.user),
    )


def user_member(user: User) -> Member:
    """Return somebody as their account shows them. A deleted account keeps its id.

    Whoever has no name has none: the username, which stands in for it, may be somebody else's one day.
    """
    picture = f"https://cdn.discordapp.com/avatars/{user.id}/{user.avatar}.png" if user.avatar else None
    return Member(
        platform=PLATFORM,
        source_id=user.id,
        username=user.username,
        display_name=user.global_name,
        attributes={"url": f"{SITE}/users/{user.id}", "avatarUrl": picture},
    )


def _answered(message: Message, setting: Setting) -> tuple[str, str] | None:
    """Return what a message answers: what it refers to if that is an activity, else what its thread began with."""
    origin = None if message.id == setting.place.id else setting.origin
    referred = message.message_reference.message_id if message.message_reference else None
    if message.type != REPLIED or referred is None:
        return origin
    original = message.referenced_message
    if original and not (original.type in (SAID, REPLIED) and original.by_person):
        return origin
    return referred, setting.type_of(referred).name


def _attachments(message: Message) -> Iterator[Attachment]:
    """Yield the files of a message, and of what is forwarded with it."""
    lists = (message.attachments, *(one.attachments for one in message.forwarded))
    return (one for files in lists for one in files or () if one)


def _attachment(attachment: Attachment) -> dict[str, Any]:
    """Return a file without its signature, which expires and is another in every answer."""
    return {
        "name": attachment.filename,
        "url": attachment.url.partition("?")[0],
        "type": attachment.content_type,
        "size": attachment.size,
    }


def _text(message: Message, names: Names) -> str:
    """Return what somebody said, and below it what they forwarded."""
    said = readable(message.content or "", _names(message, names))
    forwarded = (readable(one.content or "", _names(one, names)) for one in message.forwarded)
    return "\n\n".join(filter(None, (said, *forwarded)))


def _names(message: Message | Forwarded, names: Names) -> Names:
    users = {user.id: user.username for user in message.mentions or () if user}
    mentioned = message.mention_channels if isinstance(message, Message) else ()
    channels = {channel.id: channel.name for channel in mentioned or () if channel}
    return Names(users=users, roles=names.roles, channels={**channels, **names.channels})
