"""Reads a page of the guild's members."""

from collections.abc import Sequence
from typing import Any

from crowd_pipelines.framework.lists import NO_CURSOR
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.integrations.discord.activities import joined_activity, user_member
from crowd_pipelines.integrations.discord.api import MEMBERS_PER_PAGE, GuildMember, id_of
from crowd_pipelines.integrations.discord.look import day_of
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import BEGINNING, GuildMark, MembersStream
from crowd_pipelines.model.streams import Operation, RejectedRecord, StreamResult, UpsertActivities, UpsertMembers

_TOLERANCE, _AT_LEAST = 0.1, 10
"""The guild's own count is approximate: a list that is shorter by a larger part, and by more people, was cut off."""


def read_members(stream: MembersStream, run: Run) -> StreamResult:
    """Read who is in the guild and since when; those who are not admitted yet, and bots, are not in it.

    Members come by user id and not by when they joined, so only all of them show who is new.
    """
    raw = run.api.members(run.settings.guild_id, stream.after)
    rejected: list[RejectedRecord] = []
    people = [one for one in usable(GuildMember, raw, rejected) if not (one.user.bot or one.user.system or one.pending)]
    ids = [_user_id(item) for item in raw]
    last = str(max([int(stream.after), *ids]))
    day = stream.day or day_of(run)
    further = stream.model_copy(update={"after": last, "day": day, "seen": stream.seen + len(raw)})
    return StreamResult(
        operations=_operations(people, run.settings.guild_id),
        last_record=last,
        # A page of those who came before leads to itself, which is told.
        next_page=further if any(ids) else None,
        watermarks={} if raw else {"members": {"day": day}},
        rejected=tuple(rejected),
        unread=count_nulls(raw),
        incomplete=_contradiction(stream, raw, ids, run),
    )


def _operations(people: Sequence[GuildMember], guild_id: str) -> tuple[Operation, ...]:
    """Return who joined, and the guests, of whom nobody says since when they are there."""
    joined = [joined_activity(one, guild_id) for one in people]
    guests = [user_member(one.user) for one, activity in zip(people, joined, strict=True) if activity is None]
    return (
        UpsertActivities(activities=tuple(one for one in joined if one)),
        UpsertMembers(members=tuple(guests)),
    )


def _contradiction(stream: MembersStream, raw: Sequence[Any], ids: Sequence[int], run: Run) -> str | None:
    """Return what the list says of itself that does not agree: at least the bot is in it."""
    if raw:
        return NO_CURSOR if len(raw) >= MEMBERS_PER_PAGE and not any(ids) else None
    if stream.after == BEGINNING:
        return "the list of members is empty, although the bot is in the server"
    guild = GuildMark.model_validate(run.read_watermarks(["guild"]).get("guild", {}))
    counted = guild.access.members if guild.access else None
    if counted is not None and stream.seen and counted - stream.seen > max(_AT_LEAST, counted * _TOLERANCE):
        return f"the list of members ended after {stream.seen}, but the server counts {counted}"
    return None


def _user_id(item: object) -> int:
    return (id_of(item.get("user")) if isinstance(item, dict) else None) or 0
