"""Reads a page of the guild's members."""

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.discord.activities import joined_activity, user_member
from crowd_pipelines.integrations.discord.api import GuildMember, id_of
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import MembersStream
from crowd_pipelines.model.streams import RejectedRecord, StreamResult, UpsertActivities, UpsertMembers


def read_members(stream: MembersStream, run: Run) -> StreamResult:
    """Read who is in the guild and since when; those who are not admitted yet, and bots, are not in it.

    Members come by user id and not by when they joined, so only all of them show who is new.
    """
    raw = run.api.members(run.settings.guild_id, stream.after)
    rejected: list[RejectedRecord] = []
    people = [one for one in usable(GuildMember, raw, rejected) if not (one.user.bot or one.user.system or one.pending)]
    joined = [joined_activity(one, run.settings.guild_id) for one in people]
    guests = [user_member(one.user) for one, activity in zip(people, joined, strict=True) if activity is None]
    ids = [_user_id(item) for item in raw]
    last = max([int(stream.after), *ids])
    return StreamResult(
        operations=(
            UpsertActivities(activities=tuple(one for one in joined if one)),
            UpsertMembers(members=tuple(guests)),
        ),
        last_record=str(last),
        # A page of those who came before leads to itself, which is told.
        next_page=stream.model_copy(update={"after": str(last)}) if any(ids) else None,
        watermarks={} if raw else {"members": {"day": stream.day}},
        rejected=tuple(rejected),
    )


def _user_id(item: object) -> int:
    return (id_of(item.get("user")) if isinstance(item, dict) else None) or 0
