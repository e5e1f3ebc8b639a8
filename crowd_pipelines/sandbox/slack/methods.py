"""The methods of the Web API that read: each gets its parameters, checked, and answers with the body's fields."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from crowd_pipelines.sandbox.slack import bodies
from crowd_pipelines.sandbox.slack.founding import listed
from crowd_pipelines.sandbox.slack.model import Channel, Kind, Message, moment_of
from crowd_pipelines.sandbox.slack.refusals import refused
from crowd_pipelines.sandbox.slack.workspace import Workspace

LIMITED_PAGE = 15
ENDLESS = 10**17
TYPES = frozenset({"public_channel", "private_channel", "mpim", "im"})
T = TypeVar("T")
Params = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method: what it may be asked, its tier's requests a minute, and the scope it needs, if that is always one."""

    answer: Callable[["Methods", Params], dict[str, Any]]
    params: frozenset[str]
    per_minute: int
    scope: str | None = None
    largest: int = 999


class Methods:
    """Answers about a workspace. `page_size_max` is a cap that nobody is told of."""

    def __init__(self, workspace: Workspace, *, page_size_max: int) -> None:
        self._workspace = workspace
        self._page_size_max = page_size_max

    def auth_test(self, _: Params) -> dict[str, Any]:
        workspace = self._workspace
        return {
            "url": workspace.domain,
            "team": "Crowd",
            "user": "crowd",
            "team_id": workspace.team,
            "user_id": "U0CROWDAP",
            "bot_id": "B0CROWDAP",
            **({"enterprise_id": "E0CROWD01", "is_enterprise_install": True} if workspace.organization else {}),
        }

    def auth_teams_list(self, _: Params) -> dict[str, Any]:
        team = {"id": self._workspace.team, "name": "Crowd"}
        return {"teams": [team, {"id": "T0OTHER01", "name": "Others"}], **_next("")}

    def team_info(self, _: Params) -> dict[str, Any]:
        team = {"id": self._workspace.team, "name": "Crowd", "domain": "crowd-sandbox", "email_domain": "", "icon": {}}
        return {"team": {**team, "url": self._workspace.domain}}

    def conversations_list(self, params: Params) -> dict[str, Any]:
        self._in_workspace(params)
        types = set(params.get("types", "public_channel").split(","))
        if unknown := types - TYPES:
            raise refused("invalid_types", violation=f"types {', '.join(unknown)} are not known")
        for kind, scope in (("public_channel", "channels:read"), ("private_channel", "groups:read")):
            if kind in types:
                self._need(scope)
        archived = params.get("exclude_archived") in ("true", "1")
        wanted = [
            channel
            for channel in self._workspace.channels.values()
            if ("private_channel" if channel.private else "public_channel") in types
            and not (archived and channel.archived)
            and (channel.joined or not channel.private)
        ]
        page, cursor = self._page(params, wanted, default=100)
        return {"channels": list(map(bodies.channel, page)), **_next(cursor)}

    def conversations_history(self, params: Params) -> dict[str, Any]:
        channel = self._channel(params)
        oldest, latest, inclusive = _span(params)
        start = self._cursor(params.get("cursor"))
        moments = [m for m in channel.messages if _within(m, oldest, latest, inclusive=inclusive)]
        moments = [m for m in sorted(moments, reverse=True) if start is None or m <= start]
        size = self._size(params, 100, limited=True)
        if "oldest" in params and "latest" not in params and start is None:
            # The page nearest `oldest`, a trap for whoever gives one without the other.
            page, rest = moments[-size:], []
        else:
            page, rest = moments[:size], moments[size:]
        messages = [bodies.message(self._workspace, channel, channel.messages[moment]) for moment in page]
        return {
            "messages": messages,
            "has_more": bool(rest),
            "pin_count": 0,
            "channel_actions_ts": None,
            "channel_actions_count": 0,
            **_next(self._written(rest[0]) if rest else ""),
        }

    def conversations_replies(self, params: Params) -> dict[str, Any]:
        channel = self._channel(params)
        head = channel.find(_moment(params.get("ts", ""), "ts"))
        if head is None:
            raise refused("thread_not_found")
        first = head if head.parent is None else channel.messages.get(head.parent, head)
        replies = channel.threads.get(first.moment, {})
        oldest, latest, inclusive = _span(params)
        moments = sorted(m for m in replies if _within(m, oldest, latest, inclusive=inclusive))
        start = self._cursor(params.get("cursor"))
        moments = [m for m in moments if start is None or m >= start]
        size = max(self._size(params, 1000, limited=True) - 1, 1)
        page, rest = moments[:size], moments[size:]
        messages = [first, *(replies[moment] for moment in page)]
        return {
            "messages": [bodies.message(self._workspace, channel, message) for message in messages],
            "has_more": bool(rest),
            **_next(self._written(rest[0]) if rest else ""),
        }

    def users_list(self, params: Params) -> dict[str, Any]:
        self._in_workspace(params)
        people = listed(self._workspace)
        if "limit" not in params and len(people) > 1000:
            raise refused("limit_required", violation="users.list without a limit in a large workspace")
        page, cursor = self._page(params, people, default=len(people))
        return {
            "members": [bodies.user(self._workspace, person) for person in page],
            "cache_ts": self._workspace.now,
            **_next(cursor),
        }

    def users_info(self, params: Params) -> dict[str, Any]:
        person = self._workspace.people.get(params.get("user", ""))
        if person is None:
            raise refused("user_not_found")
        if person.kind is Kind.HIDDEN:
            raise refused("user_not_visible")
        return {"user": bodies.user(self._workspace, person)}

    def _channel(self, params: Params) -> Channel:
        channel = self._workspace.channels.get(params.get("channel", ""))
        if channel is None or (channel.private and not channel.joined):
            raise refused("channel_not_found")
        self._need("groups:history" if channel.private else "channels:history")
        if not channel.joined:
            raise refused("not_in_channel")
        return channel

    def _in_workspace(self, params: Params) -> None:
        """The token of an organization is good for several workspaces, that of a workspace for this one only."""
        if not self._workspace.organization:
            return
        team = params.get("team_id")
        if not team:
            raise refused("missing_argument", violation="the token of an organization without a team_id")
        if team != self._workspace.team:
            raise refused("team_access_not_granted")

    def _need(self, scope: str) -> None:
        if scope not in self._workspace.scopes:
            raise refused("missing_scope", needed=scope, provided=",".join(sorted(self._workspace.scopes)))

    def _size(self, params: Params, default: int, *, limited: bool = False) -> int:
        size = min(int(params.get("limit", default)), self._page_size_max)
        if limited and self._workspace.limited:
            size = min(size, LIMITED_PAGE)
        return max(size // 2, 1) if self._workspace.short_pages else size

    def _page(self, params: Params, items: Sequence[T], *, default: int) -> tuple[Sequence[T], str]:
        """A page of a list by its place. In a workspace of short pages the first is empty, with a cursor."""
        start = self._cursor(params.get("cursor"))
        if start is None and self._workspace.short_pages:
            return [], self._written(0)
        begin, size = start or 0, self._size(params, default)
        end = begin + size
        return items[begin:end], self._written(end) if end < len(items) else ""

    def _written(self, position: int) -> str:
        return base64.b64encode(f"next_ts:{position}:{self._workspace.cursor_age}".encode()).decode()

    def _cursor(self, given: str | None) -> int | None:
        if not given:
            return None
        try:
            told = base64.b64decode(given, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            told = ""
        match = re.fullmatch(r"next_ts:(\d+):(\d+)", told)
        if match is None:
            raise refused("invalid_cursor", violation=f"cursor {given!r} was never given")
        if int(match[2]) != self._workspace.cursor_age:
            raise refused("invalid_cursor")
        return int(match[1])


METHODS: Mapping[str, Method] = {
    "auth.test": Method(answer=Methods.auth_test, params=frozenset(), per_minute=100),
    "auth.teams.list": Method(
        answer=Methods.auth_teams_list, params=frozenset({"limit", "cursor"}), per_minute=20, largest=1000
    ),
    "team.info": Method(answer=Methods.team_info, params=frozenset({"team"}), per_minute=50, scope="team:read"),
    "conversations.list": Method(
        answer=Methods.conversations_list,
        params=frozenset({"types", "exclude_archived", "limit", "cursor", "team_id"}),
        per_minute=20,
    ),
    "conversations.history": Method(
        answer=Methods.conversations_history,
        params=frozenset({"channel", "oldest", "latest", "inclusive", "limit", "cursor"}),
        per_minute=50,
    ),
    "conversations.replies": Method(
        answer=Methods.conversations_replies,
        params=frozenset({"channel", "ts", "oldest", "latest", "inclusive", "limit", "cursor"}),
        per_minute=50,
        largest=1000,
    ),
    "users.list": Method(
        answer=Methods.users_list,
        params=frozenset({"limit", "cursor", "include_locale", "team_id"}),
        per_minute=20,
        scope="users:read",
        largest=1000,
    ),
    "users.info": Method(
        answer=Methods.users_info,
        params=frozenset({"user", "include_locale"}),
        per_minute=100,
        scope="users:read",
    ),
}


def _span(params: Params) -> tuple[int, int, bool]:
    oldest = _moment(params.get("oldest", "0"), "oldest")
    latest = _moment(params["latest"], "latest") if "latest" in params else ENDLESS
    return oldest, latest, params.get("inclusive") in ("true", "1")


def _within(moment: int, oldest: int, latest: int, *, inclusive: bool) -> bool:
    return oldest <= moment <= latest if inclusive else oldest < moment < latest


def _moment(given: str, name: str) -> int:
    if not re.fullmatch(r"\d{1,10}(\.\d{1,6})?", given):
        raise refused(f"invalid_ts_{name}", violation=f"{name}={given!r} is no moment")
    return moment_of(given)


def _next(cursor: str) -> dict[str, Any]:
    return {"response_metadata": {"next_cursor": cursor}}


def message_of(channel: Channel, ts: str) -> Message | None:
    try:
        return channel.find(moment_of(ts))
    except ValueError:
        return None
