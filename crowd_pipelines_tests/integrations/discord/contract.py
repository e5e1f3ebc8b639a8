"""What the contract tests have to know of Discord."""

from crowd_pipelines.integrations.discord.streams import (
    ArchiveStream,
    ContentsStream,
    GuildStream,
    MembersStream,
    MessagesStream,
    Place,
    PlaceStream,
)
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.sandbox.client import Truth

KINDS = ("archive", "contents", "guild", "members", "messages", "place")

RARE = frozenset({"contents", "place"})
"""They read what was owed."""

UNAUTHORIZED = '{"message": "401: Unauthorized", "code": 0}'

DECIDING = ("type", "content", "joined_at", "pending", "bot", "system", "webhook_id", "author")
"""Fields that tell whether something is a record of ours: a bot's is none, nor an empty message, nor who waits."""

ABSENT = {"test_a_subject_that_is_gone_is_skipped": "what is gone, Discord tells with a code; see test_errors"}


def QUIET_CHECK(truth: Truth) -> int:  # noqa: N802  the contract's name for it
    """Channels and active threads."""
    return 2


def streams(truth: Truth) -> list[Stream]:
    """One stream of every kind that leads to something."""
    post = next(a for a in truth.activities if a["source_id"] == truth.cases["post"])
    said = next(a for a in truth.activities if a["source_id"] == truth.cases["markup"])
    channel = Place(
        id=said["channel_id"],
        name=said["channel"],
        form="channel",
        channel_id=said["channel_id"],
        channel=said["channel"],
    )
    return [
        GuildStream(),
        MessagesStream(place=channel),
        ArchiveStream(channel_id=post["channel_id"], channel=post["channel"], posts=True),
        MembersStream(day="2026-01-01"),
        PlaceStream(channel_id=said["channel_id"], channel=said["channel"]),
        ContentsStream(),
    ]
