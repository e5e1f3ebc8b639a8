"""The JSON bodies, with the keys that Discord writes."""

from datetime import UTC, datetime
from typing import Any

from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.model import (
    EPOCH_MS,
    FORUM,
    REPLY,
    THREAD_CREATED,
    THREAD_STARTER,
    Intent,
    Message,
    Person,
    Room,
    moment_ms,
)

Body = dict[str, Any]
SITE = "https://discord.com"
PUBLISHED, HAS_THREAD = 1, 32


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="microseconds")


def user(person: Person) -> Body:
    body: Body = {
        "id": str(person.id),
        "username": person.username,
        "avatar": person.avatar,
        "discriminator": person.discriminator,
        "public_flags": 0,
        "flags": 0,
        "global_name": person.display,
        "primary_guild": None,
    }
    return {**body, "bot": True} if person.bot else body


def member(community: Community, person: Person) -> Body:
    roles = sorted(community.bot_roles) if person.id == community.bot else []
    return {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "flags": 0,
        "joined_at": None if person.guest else iso(person.joined or EPOCH_MS),
        "nick": None,
        "pending": person.pending,
        "premium_since": None,
        "roles": [str(role) for role in roles],
        "user": user(person),
        "mute": False,
        "deaf": False,
    }


def channel(community: Community, room: Room) -> Body:
    body: Body = {
        "id": str(room.id),
        "type": room.type,
        "flags": 0,
        "guild_id": str(community.guild),
        "name": room.name,
        "parent_id": None if room.parent is None else str(room.parent),
        "position": room.id % 100,
        "permission_overwrites": [
            {"id": str(id_), "type": kind, "allow": str(allow), "deny": str(deny)}
            for kind, id_, allow, deny in room.overwrites
        ],
    }
    if room.speaks or room.type == FORUM:
        body |= {"last_message_id": None if room.last is None else str(room.last), "rate_limit_per_user": 0}
    return body


def thread(community: Community, room: Room) -> Body:
    return {
        "id": str(room.id),
        "type": room.type,
        "last_message_id": None if room.last is None else str(room.last),
        "flags": 0,
        "guild_id": str(community.guild),
        "name": room.name,
        "parent_id": str(room.parent),
        "rate_limit_per_user": 0,
        "owner_id": str(room.owner),
        "thread_metadata": {
            "archived": room.archived is not None,
            "archive_timestamp": iso(room.archived or room.touched),
            "auto_archive_duration": 1440,
            "locked": False,
            "create_timestamp": iso(moment_ms(room.id)),
        },
        "message_count": max(len(room.messages) - 1, 0),
        "member_count": min(len({one.author for one in room.messages.values()}), 50),
        "total_message_sent": room.sent,
    }


def threads(community: Community, rooms: list[Room], *, more: bool) -> Body:
    return {"threads": [thread(community, room) for room in rooms], "members": [], "has_more": more}


def shows_contents(community: Community, item: Message) -> bool:
    return bool(community.intents & Intent.MESSAGE_CONTENT) or item.author == community.bot


def message(community: Community, room: Room, item: Message, *, nested: bool = False) -> Body:
    author = community.people[item.author]
    seen = shows_contents(community, item)
    body: Body = {
        "type": item.type,
        "content": community.raw(item.parts) if seen else "",
        "mentions": [user(person) for person in _mentioned(community, item)],
        "mention_roles": [str(part[1]) for part in item.parts if isinstance(part, tuple) and part[0] == "role"],
        "attachments": [_attachment(community, item, number) for number in range(item.attachments if seen else 0)],
        "embeds": [],
        "timestamp": iso(moment_ms(item.id)),
        "edited_timestamp": None if item.edited is None else iso(item.edited),
        "flags": (HAS_THREAD if item.thread == item.id else 0) | (PUBLISHED if item.published else 0),
        "components": [],
        "id": str(item.id),
        "channel_id": str(room.id),
        "author": user(author),
        "pinned": False,
        "mention_everyone": "@everyone" in community.raw(item.parts),
        "tts": False,
    }
    if item.sticker:
        body["sticker_items"] = [{"id": "7", "name": "wave", "format_type": 3}]
    if item.poll and seen:
        body["poll"] = _poll(item)
    if author.webhook:
        body["webhook_id"] = str(author.id)
    if nested:
        return body
    if item.reactions:
        body["reactions"] = [_reaction(emoji, count) for emoji, count in item.reactions]
    return {**body, **_references(community, room, item)}


def _references(community: Community, room: Room, item: Message) -> Body:
    """What a message points to: an answer to its original, a thread's beginning to its origin, and the like."""
    guild = str(community.guild)
    if item.type == THREAD_CREATED:
        return {"message_reference": {"type": 0, "channel_id": str(item.thread), "guild_id": guild}}
    body: Body = {}
    if item.thread == item.id and item.thread in community.rooms and not community.rooms[item.thread].gone:
        body["thread"] = thread(community, community.rooms[item.thread])
    if item.forwards is not None:
        body["message_reference"] = {"type": 1, "channel_id": "5", "message_id": "6", "guild_id": "7"}
        body["message_snapshots"] = [{"message": _snapshot(community, item, seen=shows_contents(community, item))}]
    if item.type in (REPLY, THREAD_STARTER):
        where = community.channel_of(room) if item.type == THREAD_STARTER else room
        reference = {"type": 0, "channel_id": str(where.id), "message_id": str(item.refers_to), "guild_id": guild}
        body["message_reference"] = reference
        original = where.messages.get(item.refers_to or 0)
        if not item.reference_left_out:
            told = None if original is None else message(community, where, original, nested=True)
            body["referenced_message"] = told
    return body


def _snapshot(community: Community, item: Message, *, seen: bool) -> Body:
    return {
        "type": 0,
        "content": community.raw(item.forwards or ()) if seen else "",
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "timestamp": iso(moment_ms(item.id) - 60_000),
        "edited_timestamp": None,
        "flags": 0,
        "components": [],
    }


def _poll(item: Message) -> Body:
    return {
        "question": {"text": item.poll},
        "answers": [{"answer_id": 1, "poll_media": {"text": "Yes"}}, {"answer_id": 2, "poll_media": {"text": "No"}}],
        "expiry": iso(moment_ms(item.id) + 86_400_000),
        "allow_multiselect": False,
        "layout_type": 1,
        "results": {"answer_counts": [], "is_finalized": False},
    }


def _mentioned(community: Community, item: Message) -> list[Person]:
    ids = [part[1] for part in item.parts if isinstance(part, tuple) and part[0] == "user"]
    return [community.people[id_] for id_ in ids if isinstance(id_, int) and id_ in community.people]


def attachment_url(item: Message, number: int) -> str:
    return f"https://cdn.discordapp.com/attachments/{item.id}/{number}/picture.png"


def _attachment(community: Community, item: Message, number: int) -> Body:
    """Its address is signed anew with every answer."""
    signature = f"?ex={community.tick:x}&is={community.now:x}&hm={item.id:x}"
    return {
        "id": str(item.id + number + 1),
        "filename": "picture.png",
        "size": 2048,
        "url": attachment_url(item, number) + signature,
        "proxy_url": attachment_url(item, number) + signature,
        "content_type": "image/png",
    }


def _reaction(emoji: str, count: int) -> Body:
    return {
        "emoji": {"id": None, "name": emoji},
        "count": count,
        "count_details": {"burst": 0, "normal": count},
        "burst_colors": [],
        "me_burst": False,
        "me": False,
    }


def counts(community: Community) -> Body:
    inside = sum(one.joined is not None for one in community.people.values())
    return {"approximate_member_count": inside, "approximate_presence_count": inside // 3}


def guild(community: Community) -> Body:
    return {
        **dict.fromkeys(
            (
                "icon", "description", "home_header", "splash", "discovery_splash", "banner", "application_id",
                "afk_channel_id", "system_channel_id", "widget_channel_id", "max_presences", "vanity_url_code",
                "rules_channel_id", "safety_alerts_channel_id", "public_updates_channel_id", "incidents_data",
            )
        ),
        **dict.fromkeys(
            (
                "system_channel_flags", "verification_level", "default_message_notifications", "mfa_level",
                "explicit_content_filter", "premium_tier", "premium_subscription_count", "nsfw_level",
            ),
            0,
        ),
        **dict.fromkeys(("widget_enabled", "premium_progress_bar_enabled", "nsfw"), False),
        "features": [],
        "emojis": [],
        "stickers": [],
        "id": str(community.guild),
        "name": "Readers of the Orchard",
        "owner_id": str(next(one.id for one in community.people.values() if not one.bot)),
        "region": "deprecated",
        "afk_timeout": 300,
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "preferred_locale": "en-US",
        "roles": roles(community),
    }  # fmt: skip


def roles(community: Community) -> list[Body]:
    return [
        {
            "id": str(role.id),
            "name": role.name,
            "permissions": str(role.permissions),
            "position": role.position,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": True,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        }
        for role in community.roles.values()
    ]


def application(community: Community) -> Body:
    return {
        "id": str(community.bot),
        "name": "Community reader",
        "icon": None,
        "description": "",
        "type": None,
        "bot": user(community.people[community.bot]),
        "verify_key": "0" * 64,
        "flags": int(community.intents),
        "flags_new": str(int(community.intents)),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user(next(one for one in community.people.values() if not one.bot)),
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
    }
