"""What Slack's payloads mean: activities and members. Pure: the same payload twice gives equal records."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from crowd_pipelines.integrations.slack.api import Attachment, Message, Profile, User, moment_of
from crowd_pipelines.integrations.slack.speech import Names
from crowd_pipelines.model.records import (
    Activity,
    ActivityType,
    AttributeType,
    Member,
    MemberAttribute,
    TimestampSource,
)

PLATFORM = "slack"

MESSAGE = ActivityType(name="message", score=6, is_contribution=True)
JOINED = ActivityType(name="channel_joined", score=3, is_contribution=False)

MEMBER_ATTRIBUTES = (
    MemberAttribute(name="avatarUrl", label="Picture", type=AttributeType.URL),
    MemberAttribute(name="timezone", label="Time zone"),
    MemberAttribute(name="jobTitle", label="Job title"),
)

_SAID_BY_PEOPLE = frozenset(
    {None, "", "thread_broadcast", "reply_broadcast", "me_message", "file_share", "file_comment"}
)
_JOINS = frozenset({"channel_join", "group_join"})


def is_said(message: Message) -> bool:
    """Tell whether somebody says something here; Slack's notes of what happened to a channel are no contribution."""
    return message.subtype in _SAID_BY_PEOPLE and bool(message.author)


def is_join(message: Message) -> bool:
    """Tell whether somebody came into the channel."""
    return message.subtype in _JOINS and bool(message.author)


def is_withheld(message: Message) -> bool:
    """Tell whether administrators keep the message from being shown, for as long as they want: it is still there."""
    return message.subtype == "ekm_access_denied"


def source_id(channel: str, ts: str) -> str:
    """Return a message's id in the whole workspace: its own is one of its channel only."""
    return f"{channel}:{ts}"


def message_activity(
    message: Message, author: Member, *, channel: str, channel_name: str, site: str, names: Names
) -> Activity:
    """Return what somebody says. The same message in a channel and in its thread gives the same."""
    parent = source_id(channel, message.answers) if message.answers else None
    return Activity(
        platform=PLATFORM,
        type=MESSAGE,
        source_id=source_id(channel, message.ts),
        source_parent_id=parent,
        source_parent_type=MESSAGE.name if parent else None,
        thread=source_id(channel, message.thread_ts or message.ts),
        timestamp=moment_of(message.ts),
        member=author,
        body=names.told(message.text or ""),
        url=_url(site, channel, message),
        channel=channel_name,
        channel_id=channel,
        attributes={
            "thread": {"id": message.answers} if message.answers else False,
            "reactions": [
                {"name": reaction.name, "count": reaction.count, "users": list(reaction.users or ())}
                for reaction in message.reactions or ()
                if reaction
            ],
            "attachments": list(_attachments(message)),
        },
    )


def join_activity(message: Message, newcomer: Member, *, channel: str, channel_name: str, site: str) -> Activity:
    """Return that somebody came, at the time a channel tells; one per member and workspace."""
    joined_at = moment_of(message.ts)
    return Activity(
        platform=PLATFORM,
        type=JOINED,
        source_id=newcomer.key,
        timestamp=joined_at,
        member=replace(newcomer, joined_at=joined_at),
        url=_url(site, channel, message),
        channel=channel_name,
        channel_id=channel,
    )


def observed_join(newcomer: Member, seen_at: datetime) -> Activity:
    """Return that somebody is there, where no channel tells since when."""
    return Activity(
        platform=PLATFORM,
        type=JOINED,
        source_id=newcomer.key,
        timestamp=seen_at,
        timestamp_source=TimestampSource.OBSERVED,
        member=newcomer,
    )


def user_member(user: User) -> Member:
    """Return a member as the list of people shows them."""
    profile = user.profile or Profile()
    return Member(
        platform=PLATFORM,
        source_id=user.id,
        username=user.name or user.id,
        # Never the name of an account that is in use: it may be somebody else's after a change.
        display_name=profile.real_name or user.real_name or profile.display_name or _anonymous(user),
        emails=(profile.email,) if profile.email else (),
        attributes={
            "avatarUrl": profile.image_72 or None,
            "jobTitle": profile.title or None,
            # Of the deleted it is not told, which does not mean that they have none.
            **({"timezone": user.tz_label} if user.tz_label else {}),
        },
    )


def _anonymous(user: User) -> str | None:
    """Return the name that Slack gives to those who left and are forgotten, such as deactivateduser693438."""
    return user.name if user.deleted else None


def mentioned_member(user_id: str, name: str) -> Member:
    """Return a member of whom only id and name are at hand."""
    return Member(platform=PLATFORM, source_id=user_id, username=name or user_id)


def _url(site: str, channel: str, message: Message) -> str:
    return f"{site}archives/{channel}/p{message.ts.replace('.', '')}"


def _attachments(message: Message) -> Iterable[dict[str, Any]]:
    for shown in filter(None, (*(message.attachments or ()), *(message.files or ()))):
        found = {"title": _title(shown), "url": shown.title_link or shown.from_url or shown.permalink}
        if any(found.values()):
            yield found


def _title(shown: Attachment) -> str | None:
    return shown.title or shown.name or shown.fallback
