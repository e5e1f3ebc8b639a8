"""What messages carry that is text and is stored nowhere, by kind, so that a new form of message is noticed."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crowd_pipelines.integrations.discord.api import REPLIED, SAID, THREAD_CREATED, THREAD_STARTER

_KNOWN_TYPES = frozenset({*range(13), *range(14, 30), 31, 32, *range(36, 40), 44, 46, 55, 63})
"""Types of messages that Discord documents: said, answered, or written by Discord about what somebody did."""

_ALWAYS = ("poll",)
_WITHOUT_TEXT = ("embeds", "components", "sticker_items", "stickers", "activity")
"""What stands in a message's place if it says nothing; beside a text it is a preview, or repeats what was said."""

_DESCRIBING = frozenset(
    {
        "id", "type", "content", "author", "timestamp", "edited_timestamp", "flags", "pinned", "tts", "channel_id",
        "guild_id", "member", "mentions", "mention_roles", "mention_channels", "mention_everyone", "nonce", "position",
        "attachments", "reactions", "message_reference", "message_snapshots", "referenced_message", "thread",
        "application", "application_id", "call", "interaction", "interaction_metadata", "webhook_id", "resolved",
        "role_subscription_data", "purchase_notification", "shared_client_theme", "lobby_member", "channel_type",
        *_ALWAYS, *_WITHOUT_TEXT,
    }
)  # fmt: skip
"""Fields of which we know what they are."""

_NAME = re.compile(r"[a-z_]{1,40}")


def uncollected(raw: Iterable[Any]) -> Mapping[str, int]:
    """Return how many messages of people carry text that is stored nowhere, by kind."""
    return dict(Counter(kind for item in raw for kind in kinds_of(item)))


def kinds_of(item: Any) -> Sequence[str]:
    """Return what a message of any shape carries that is text and stored nowhere."""
    return _kinds(item) if isinstance(item, dict) and not _is_by_program(item) else ()


def _is_by_program(item: Mapping[str, Any]) -> bool:
    author = item.get("author")
    return bool(item.get("webhook_id")) or (
        isinstance(author, dict) and bool(author.get("bot") or author.get("system"))
    )


def _kinds(item: Mapping[str, Any]) -> list[str]:
    kind, says = item.get("type"), bool(item.get("content"))
    if kind not in (SAID, REPLIED):
        unknown = isinstance(kind, int) and kind not in _KNOWN_TYPES and kind not in (THREAD_CREATED, THREAD_STARTER)
        return [f"message of type {kind}"] if unknown and says else []
    carried = [name for name in _ALWAYS if item.get(name)]
    if says:
        return carried
    bare = [name for name in _WITHOUT_TEXT if item.get(name)]
    odd = [name for name in item if name not in _DESCRIBING and _NAME.fullmatch(str(name)) and _has_text(item[name])]
    return [*carried, *bare, *(f"field {name}" for name in odd), *_of_forwarded(item)]


def _of_forwarded(item: Mapping[str, Any]) -> list[str]:
    """What a forwarded message carries that says nothing by itself."""
    snapshots = item.get("message_snapshots")
    envelopes = (
        [one.get("message") for one in snapshots if isinstance(one, dict)] if isinstance(snapshots, list) else []
    )
    messages = [one for one in envelopes if isinstance(one, dict) and not one.get("content")]
    return [f"forwarded {name}" for one in messages for name in (*_ALWAYS, *_WITHOUT_TEXT) if one.get(name)]


def _has_text(value: Any) -> bool:
    match value:
        case str():
            return bool(value)
        case dict():
            return any(map(_has_text, value.values()))
        case list():
            return any(map(_has_text, value))
        case _:
            return False
