"""The JSON bodies, with the keys that Slack sends."""

from typing import Any

from crowd_pipelines.sandbox.slack.model import SECOND, Channel, Kind, Message, Part, Person, ts_of
from crowd_pipelines.sandbox.slack.workspace import Workspace

FORGOTTEN = "deactivateduser"


def markup(parts: tuple[Part, ...]) -> str:
    return "".join(map(_token, parts))


def _token(part: Part) -> str:  # noqa: PLR0911  one line for each kind of part
    match part:
        case ("text", words):
            return escaped(words)
        case ("user", user_id):
            return f"<@{user_id}>"
        case ("user", user_id, label):
            return f"<@{user_id}|{escaped(label)}>"
        case ("channel", channel):
            return f"<#{channel}|>"
        case ("channel", channel, name):
            return f"<#{channel}|{escaped(name)}>"
        case ("special", command):
            return f"<!{command}>"
        case ("group", label):
            return f"<!subteam^S0DEVS001|{escaped(label)}>"
        case ("link", address):
            return f"<{escaped(address)}>"
        case ("link", address, label):
            return f"<{escaped(address)}|{escaped(label)}>"
    raise ValueError(part)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message(workspace: Workspace, channel: Channel, item: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "message", "text": markup(item.parts), "ts": item.ts}
    if item.subtype:
        body["subtype"] = item.subtype
    if item.author:
        body["user"] = item.author
        body["team"] = workspace.team
    if item.bot:
        body["bot_id"] = item.bot
    if item.author and not item.subtype and not item.bot:
        body["client_msg_id"] = f"00000000-0000-4000-8000-{item.moment % 10**12:012d}"
        body["blocks"] = [{"type": "rich_text", "block_id": "b1", "elements": []}]
    return {**body, **_decoration(item), **_thread(channel, item), **item.extras}


def _decoration(item: Message) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if item.reactions:
        body["reactions"] = [{"name": n, "users": users, "count": len(users)} for n, users in item.reactions.items()]
    if item.edited:
        body["edited"] = {"user": item.author, "ts": ts_of(item.edited * SECOND)}
    if item.attachments:
        body["attachments"] = [
            {"id": number, "title": title, "fallback": title, "title_link": url, "from_url": url}
            for number, (title, url) in enumerate(item.attachments, 1)
        ]
    if item.files:
        body["files"] = [
            {"id": f"F0FILE{number:03d}", "name": title, "title": title, "permalink": url, "mimetype": "text/plain"}
            for number, (title, url) in enumerate(item.files, 1)
        ]
    return body


def _thread(channel: Channel, item: Message) -> dict[str, Any]:
    if item.parent is not None:
        told: dict[str, Any] = {"thread_ts": ts_of(item.parent)}
        if (head := channel.messages.get(item.parent)) and head.author:
            told["parent_user_id"] = head.author
        if item.broadcast:
            told |= {"subtype": "thread_broadcast", "root": {"ts": ts_of(item.parent)}}
        return told
    replies = channel.threads.get(item.moment)
    if not replies:
        return {}
    users = list(dict.fromkeys(reply.author for reply in replies.values() if reply.author))
    return {
        "thread_ts": item.ts,
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "reply_users": users[:5],
        "latest_reply": ts_of(max(replies)),
        "subscribed": False,
    }


def user(workspace: Workspace, person: Person) -> dict[str, Any]:
    forgotten = person.name.startswith(FORGOTTEN)
    body: dict[str, Any] = {
        "id": person.id,
        "team_id": "T0OTHER01" if person.kind is Kind.STRANGER else workspace.team,
        "name": person.name,
        "deleted": person.deleted,
        "profile": _profile(workspace, person, forgotten=forgotten),
        "is_bot": person.kind in (Kind.BOT, Kind.WORKFLOW),
        "is_app_user": False,
        "updated": 0 if person.kind is Kind.SLACKBOT else person.updated,
    }
    if person.kind is Kind.WORKFLOW:
        body["is_workflow_bot"] = True
    if person.deleted:
        return {**body, **({"is_forgotten": True} if forgotten else {})}
    return {
        **body,
        "real_name": person.real_name,
        "tz": "Europe/Berlin",
        "tz_label": person.timezone,
        "tz_offset": 3600,
        "is_admin": False,
        "is_restricted": person.kind is Kind.GUEST,
        "is_ultra_restricted": False,
        **({"is_stranger": True} if person.kind is Kind.STRANGER else {}),
    }


def _profile(workspace: Workspace, person: Person, *, forgotten: bool) -> dict[str, Any]:
    told = {} if person.email is None or "users:read.email" not in workspace.scopes else {"email": person.email}
    return {
        "title": person.title,
        "phone": "",
        "skype": "",
        "real_name": person.real_name,
        "real_name_normalized": person.real_name,
        "display_name": "" if forgotten else person.name.partition(".")[0],
        "display_name_normalized": "" if forgotten else person.name.partition(".")[0],
        "status_text": "",
        "status_emoji": "",
        "avatar_hash": "g0",
        "image_72": picture(person),
        "fields": None if person.deleted else [],
        **({} if person.kind is Kind.STRANGER else told),
    }


def picture(person: Person) -> str:
    return f"https://pictures.example/{person.id}.png"


def channel(item: Channel) -> dict[str, Any]:
    nothing = {"value": "", "creator": "", "last_set": 0}
    return {
        "id": item.id,
        "name": item.name,
        "name_normalized": item.name,
        "is_channel": not item.private,
        "is_group": item.private,
        "is_im": False,
        "is_mpim": False,
        "is_private": item.private,
        "created": item.created,
        "creator": item.creator,
        "is_archived": item.archived,
        "is_general": item.general,
        "is_shared": item.shared,
        "is_ext_shared": item.shared,
        "is_org_shared": False,
        "is_member": item.joined,
        "topic": nothing,
        "purpose": nothing,
        "previous_names": item.renames,
        "num_members": 12,
    }
