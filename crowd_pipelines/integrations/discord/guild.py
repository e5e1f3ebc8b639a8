"""Looks at the guild: where something happened, what the bot may read, and what is owed since it may not."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import Gone, NotPermitted, Refused, UnexpectedPayload
from crowd_pipelines.integrations.discord.access import Access, RoleGrant
from crowd_pipelines.integrations.discord.api import PRIVATE_THREAD, Channel, DiscordApi, Role, Thread
from crowd_pipelines.integrations.discord.look import Look, day_of
from crowd_pipelines.integrations.discord.places import (
    CONTENTS,
    MEMBERS,
    hidden_channel,
    hidden_contents,
    hidden_members,
    hidden_threads,
    private_key,
)
from crowd_pipelines.integrations.discord.settings import Run
from crowd_pipelines.integrations.discord.streams import GuildMark
from crowd_pipelines.integrations.discord.threads import marks_of
from crowd_pipelines.model.streams import Owed, RejectedRecord, StreamResult

T = TypeVar("T")

_NO_CHANNELS = "the server's list of channels is empty, although it had some"
_MORE_THREADS = "the list of active threads says that there are more, but not where it goes on"


def read_guild(run: Run) -> StreamResult:
    """List channels and active threads, two requests, and return streams for what moved since the last look.

    Once a day permissions are looked up and archives and members are gone through; a quiet guild costs nothing more.
    """
    rejected: list[RejectedRecord] = []
    raw = run.api.channels(run.settings.guild_id)
    raw_threads, has_more = run.api.active_threads(run.settings.guild_id)
    look = _look(run, list(usable(Channel, raw, rejected)), list(usable(Thread, raw_threads, rejected)))
    known = run.read_watermarks(["members", *(place.subject for place, _ in look.places())])
    marks = marks_of(known, (place for place, _ in look.places()))
    emptied = _NO_CHANNELS if look.before.channels and not raw else None
    return StreamResult(
        operations=tuple(look.renamed()),
        new_streams=(*look.members(known), *look.messages(marks), *look.archives(), *look.opened()),
        watermarks={"guild": look.mark().model_dump(mode="json")},
        rejected=tuple(rejected),
        owed=tuple(_debts(look)),
        unread=count_nulls(raw) + count_nulls(raw_threads),
        incomplete=emptied or (_MORE_THREADS if has_more else None),
    )


def _look(run: Run, channels: list[Channel], threads: list[Thread]) -> Look:
    before = GuildMark.model_validate(run.read_watermarks(["guild"]).get("guild", {}))
    known = before.access if before.access and before.access.is_known else None
    daily = run.onboarding or before.day != day_of(run)
    ids = [*(one.id for one in channels), *(one.id for one in threads), *(private_key(one.id) for one in channels)]
    return Look(
        run=run,
        daily=daily or known is None,
        access=look_up(run.api, run.settings.guild_id) if daily or known is None else known,
        channels=channels,
        threads=threads,
        before=before,
        owed=run.read_owed([*ids, MEMBERS, CONTENTS]),
    )


def _debts(look: Look) -> Iterator[Owed]:
    """Yield what is left out for want of a permission, and not told yet."""
    return (one for one in _left_out(look) if one.permission not in look.owed.get(one.place, ()))


def _left_out(look: Look) -> Iterator[Owed]:
    if not look.access.sees_contents:
        yield hidden_contents()
    if not look.access.sees_members:
        yield hidden_members()
    yield from (hidden_channel(channel, missing) for channel, missing in look.hidden())
    private = {one.parent_id for one in look.threads if one.type == PRIVATE_THREAD}
    for channel in look.readable.values():
        if channel.id in private and not look.manages_threads(channel):
            yield hidden_threads(channel)


def look_up(api: DiscordApi, guild_id: str) -> Access:
    """Ask what the bot is permitted. What nobody tells is taken to be permitted, and asked again at the next look.

    Discord denies some servers (10004) whose channels and roles it shows.
    """
    application = _if_told(api.application)
    guild = _if_told(lambda: api.guild(guild_id))
    membership = _if_told(lambda: api.membership(guild_id, application.bot_id)) if application else None
    roles = guild.roles if guild else _if_told(lambda: _roles(api, guild_id)) or ()
    access = Access(
        guild_id=guild_id,
        bot_id=application.bot_id if application else "",
        owner_id=guild.owner_id if guild else None,
        roles={role.id: RoleGrant(role.name, role.permissions) for role in roles},
        own_roles=membership.roles if membership else None,
        sees_members=application is None or application.sees_members,
        sees_contents=application is None or application.sees_contents,
        members=guild.approximate_member_count if guild else None,
    )
    return api.remembered(f"access/{guild_id}", access)


def _roles(api: DiscordApi, guild_id: str) -> Sequence[Role]:
    return list(usable(Role, api.roles(guild_id), []))


def _if_told(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (Gone, NotPermitted, Refused, UnexpectedPayload):
        return None
