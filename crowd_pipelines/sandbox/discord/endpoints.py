"""The reads of the API: channels, threads, messages, members, and who the bot is."""

from collections.abc import Mapping
from datetime import datetime

from crowd_pipelines.sandbox.discord import bodies
from crowd_pipelines.sandbox.discord.community import Community
from crowd_pipelines.sandbox.discord.model import ANNOUNCEMENT, FORUM, PRIVATE_THREAD, TEXT, Intent, Permission, Room
from crowd_pipelines.sandbox.discord.refusals import (
    invalid,
    missing_access,
    missing_permissions,
    unknown,
    wrong_type,
)
from crowd_pipelines.sandbox.messages import Request, Response, json_response

SNOWFLAKE_DIGITS = 20


class Endpoints:
    """Answers requests whose parameters are known to the API; methods get the request and the ids in its path."""

    def __init__(self, community: Community, *, page_size_max: int) -> None:
        self._community = community
        self._page_size_max = page_size_max

    def application(self, _: Request) -> Response:
        return json_response(bodies.application(self._community))

    def me(self, _: Request) -> Response:
        community = self._community
        own = bodies.user(community.people[community.bot])
        return json_response({**own, "mfa_enabled": False, "locale": "en-US"})

    def guild(self, request: Request, guild: int) -> Response:
        """A guild that the bot is not in is said not to exist, while its lists say that access is missing."""
        if not self._community.bot_in_guild:
            raise unknown("Guild", 10004)
        self._enter(guild)
        counts = bodies.counts(self._community) if request.query.get("with_counts") == "true" else {}
        return json_response({**bodies.guild(self._community), **counts})

    def roles(self, _: Request, guild: int) -> Response:
        self._enter(guild)
        return json_response(bodies.roles(self._community))

    def channels(self, _: Request, guild: int) -> Response:
        """All of them, whether the bot can look into them or not."""
        self._enter(guild)
        return json_response([bodies.channel(self._community, room) for room in self._community.channels()])

    def active(self, _: Request, guild: int) -> Response:
        self._enter(guild)
        rooms = [one for one in self._community.threads() if one.archived is None and self._community.visible(one)]
        return json_response(bodies.threads(self._community, sorted(rooms, key=lambda one: -one.id), more=False))

    def members(self, request: Request, guild: int) -> Response:
        """In the order of user ids."""
        self._enter(guild)
        if not self._community.intents & Intent.GUILD_MEMBERS:
            raise missing_access()
        after, limit = _snowflake(request.query, "after") or 0, self._limit(request.query, 1, 1000, 1)
        people = [one for one in self._community.people.values() if one.joined is not None and one.id > after]
        chosen = sorted(people, key=lambda one: one.id)[:limit]
        return json_response([bodies.member(self._community, person) for person in chosen])

    def member(self, _: Request, guild: int, user: int) -> Response:
        self._enter(guild)
        person = self._community.people.get(user)
        if person is None or person.joined is None:
            raise unknown("Member", 10007)
        return json_response(bodies.member(self._community, person))

    def channel(self, _: Request, channel: int) -> Response:
        room = self._room(channel)
        body = bodies.thread(self._community, room) if room.is_thread else bodies.channel(self._community, room)
        return json_response(body)

    def messages(self, request: Request, channel: int) -> Response:
        """Newest first. Without Read Message History there seems to be nothing."""
        room, query = self._room(channel), request.query
        if not room.speaks:
            raise wrong_type()
        if sum(name in query for name in ("before", "after", "around")) > 1:
            raise invalid("before, after and around exclude each other")
        limit = self._limit(query, 1, 100, 50)
        if not self._community.readable(room):
            return json_response([])
        ids = _window(sorted(room.messages), query, limit)
        return json_response([bodies.message(self._community, room, room.messages[id_]) for id_ in reversed(ids)])

    def message(self, _: Request, channel: int, message: int) -> Response:
        """Where lists are empty for want of Read Message History, one message is refused."""
        room = self._room(channel)
        if not self._community.readable(room):
            raise missing_permissions()
        if message not in room.messages:
            raise unknown("Message", 10008)
        return json_response(bodies.message(self._community, room, room.messages[message]))

    def archived_public(self, request: Request, channel: int) -> Response:
        room = self._room(channel)
        if room.type not in (TEXT, ANNOUNCEMENT, FORUM):
            raise wrong_type()
        return self._archived(request, [one for one in self._archive(room) if one.type != PRIVATE_THREAD])

    def archived_private(self, request: Request, channel: int) -> Response:
        room = self._room(channel)
        if not self._community.permissions(room) & Permission.MANAGE_THREADS:
            raise missing_permissions()
        return self._archived(request, [one for one in self._archive(room) if one.type == PRIVATE_THREAD])

    def archived_joined(self, request: Request, channel: int) -> Response:
        """By id, where the others go by time."""
        room, before = self._room(channel), _snowflake(request.query, "before")
        limit = self._limit(request.query, 2, 100, 50)
        joined = [one for one in self._archive(room) if one.type == PRIVATE_THREAD and one.bot_joined]
        fitting = sorted((one for one in joined if before is None or one.id < before), key=lambda one: -one.id)
        return json_response(bodies.threads(self._community, fitting[:limit], more=len(fitting) > limit))

    def _archive(self, room: Room) -> list[Room]:
        community = self._community
        if not community.readable(room):
            raise missing_access()
        return [one for one in community.threads() if one.parent == room.id and one.archived is not None]

    def _archived(self, request: Request, rooms: list[Room]) -> Response:
        limit = self._limit(request.query, 2, 100, 50)
        before = _moment(request.query, "before")
        fitting = [one for one in rooms if before is None or (one.archived or 0) < before]
        fitting.sort(key=lambda one: (-(one.archived or 0), -one.id))
        return json_response(bodies.threads(self._community, fitting[:limit], more=len(fitting) > limit))

    def _enter(self, guild: int) -> None:
        if guild != self._community.guild:
            raise unknown("Guild", 10004)
        if not self._community.bot_in_guild:
            raise missing_access()

    def _room(self, channel: int) -> Room:
        community, room = self._community, self._community.rooms.get(channel)
        if room is None or room.gone:
            raise unknown("Channel", 10003)
        if not community.bot_in_guild or not community.visible(room):
            raise missing_access()
        return room

    def _limit(self, query: Mapping[str, str], least: int, most: int, default: int) -> int:
        text = query.get("limit", str(default))
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise invalid(f"limit={text!r} is not between {least} and {most}")
        return min(int(text), self._page_size_max)


def _window(ids: list[int], query: Mapping[str, str], limit: int) -> list[int]:
    """The ids that are asked for, in their order: just after one, just before one, around one, or the last."""
    after, before, around = (_snowflake(query, name) for name in ("after", "before", "around"))
    if after is not None:
        return [id_ for id_ in ids if id_ > after][:limit]
    if around is not None:
        place = sum(id_ < around for id_ in ids)
        return ids[max(0, place - limit // 2) :][:limit]
    return [id_ for id_ in ids if before is None or id_ < before][-limit:]


def _snowflake(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < SNOWFLAKE_DIGITS):
        raise invalid(f"{name}={text!r} is not a snowflake")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{name}={text!r} is no ISO 8601 time") from None
    if moment.tzinfo is None:
        raise invalid(f"{name}={text!r} has no time zone")
    return moment.timestamp() * 1000
