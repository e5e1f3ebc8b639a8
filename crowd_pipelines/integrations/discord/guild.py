"""Looks at the guild: where something happened, what the bot may read, and what to tell the user about it."""

from collections.abc import Callable
from typing import TypeVar

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone, UnexpectedPayload
from crowd_pipelines.integrations.discord.access import Access, RoleGrant
from crowd_pipelines.integrations.discord.api import WITH_MESSAGES, WITH_THREADS, Channel, DiscordApi, Thread
from crowd_pipelines.integrations.discord.look import Look, day_of
from crowd_pipelines.integrations.discord.notices import notices
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import GuildMark
from crowd_pipelines.integrations.discord.threads import marks_of
from crowd_pipelines.model.streams import RejectedRecord, StreamResult

T = TypeVar("T")


def read_guild(run: Run) -> StreamResult:
    """List channels and active threads, two requests, and return streams for what moved since the last look.

    Once a day permissions are looked up and archives and members are gone through; a quiet guild costs nothing more.
    """
    guild_id, rejected = run.settings.guild_id, list[RejectedRecord]()
    channels = list(usable(Channel, run.api.channels(guild_id), rejected))
    threads = list(usable(Thread, run.api.active_threads(guild_id), rejected))
    before = GuildMark.model_validate(run.read_watermarks(["guild"]).get("guild", {}))
    daily = run.onboarding or before.day != day_of(run) or before.access is None
    access = look_up(run.api, guild_id) if daily or before.access is None else before.access
    look = Look(
        run=run,
        daily=daily,
        access=access,
        channels=channels,
        readable={one.id: one for one in channels if _is_read(one, access)},
        threads=threads,
        before=before,
    )
    known = run.read_watermarks(["members", *(place.subject for place, _ in look.places())])
    marks = marks_of(known, (place for place, _ in look.places()))
    return StreamResult(
        operations=tuple(look.renamed()),
        new_streams=(*look.members(known), *look.messages(marks), *look.archives()),
        watermarks={"guild": look.mark(notices(look, marks)).model_dump(mode="json")},
        rejected=tuple(rejected),
    )


def _is_read(channel: Channel, access: Access) -> bool:
    return channel.type in WITH_MESSAGES | WITH_THREADS and not access.missing(channel)


def look_up(api: DiscordApi, guild_id: str) -> Access:
    """Ask what the bot is permitted. What nobody tells is taken to be permitted."""
    application = _if_told(api.application)
    guild = _if_told(lambda: api.guild(guild_id))
    membership = _if_told(lambda: api.membership(guild_id, application.bot_id)) if application else None
    return Access(
        guild_id=guild_id,
        bot_id=application.bot_id if application else "",
        owner_id=guild.owner_id if guild else None,
        roles={role.id: RoleGrant(role.name, role.permissions) for role in guild.roles} if guild else {},
        own_roles=membership.roles if membership else None,
        sees_members=application is None or application.sees_members,
        sees_contents=application is None or application.sees_contents,
    )


def _if_told(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (Gone, UnexpectedPayload):
        return None
