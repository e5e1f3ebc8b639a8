"""Messages that carry text of which none is stored: counted by kind, so that a new form of message is noticed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import Message
from crowd_pipelines.model.records import Member

_DEEPEST = 12

_NOTES = frozenset(
    {
        "bot_add", "bot_disable", "bot_enable", "bot_remove", "app_conversation_join", "assistant_app_thread",
        "channel_archive", "channel_canvas_updated", "channel_convert_to_private", "channel_convert_to_public",
        "channel_join", "channel_leave", "channel_name", "channel_posting_permissions", "channel_purpose",
        "channel_topic", "channel_unarchive", "group_archive", "group_join", "group_leave", "group_name",
        "group_purpose", "group_topic", "group_unarchive", "joiner_notification", "pinned_item", "unpinned_item",
        "reminder_add", "sh_room_created", "sh_room_shared", "tombstone", "workflow_bot_change",
    }
)  # fmt: skip
"""Slack's own notes of what happened to a channel, in Slack's words."""


class Speakers(Protocol):
    """Knows who says a message."""

    def author(self, message: Message) -> Member | None:
        """Return the member, None for bots."""
        ...


def count_by_kind(messages: Iterable[Message], speakers: Speakers) -> Mapping[str, int]:
    """Return how many of the messages carry text that is not stored, by kind."""
    return dict(Counter(filter(None, (_kind(message, speakers) for message in messages))))


def _kind(message: Message, speakers: Speakers) -> str | None:
    if message.subtype in _NOTES:
        return None
    if message.subtype == "bot_message" or (records.is_said(message) and speakers.author(message) is None):
        return "messages of bots" if message.text or _part(message) else None
    if not records.is_said(message):
        told = message.text or _part(message)
        return f"messages of the form {message.subtype or 'without an author'}"[:100] if told else None
    return None if message.text and message.text.strip() else _part(message)


def _part(message: Message) -> str | None:
    """Return which part of a message has text, of those whose text is not stored."""
    parts = (
        ("text in blocks only", message.blocks),
        ("text in attachments only", [shown.model_dump() for shown in message.attachments or () if shown]),
        ("text in files only", [shown.model_dump() for shown in message.files or () if shown]),
    )
    return next((kind for kind, part in parts if _has_text(part)), None)


def _has_text(part: Any, depth: int = 0) -> bool:
    """Tell whether there is any text in blocks, attachments or files, wherever these nest it."""
    if depth > _DEEPEST:
        return False
    if isinstance(part, dict):
        written = (part.get(name) for name in ("text", "pretext", "plain_text", "preview", "content", "value"))
        return any(isinstance(words, str) and words.strip() for words in written) or _has_text(
            list(part.values()), depth + 1
        )
    return isinstance(part, list | tuple) and any(_has_text(item, depth + 1) for item in part)
