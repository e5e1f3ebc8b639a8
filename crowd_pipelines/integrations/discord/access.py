"""What the bot may read: permissions as Discord computes them, from roles and from what a channel overrides.

Without them Discord answers with empty lists as if there were nothing, so we have to know.
"""

from collections.abc import Mapping, Sequence
from enum import IntFlag
from functools import reduce
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.integrations.discord.api import SPOKEN, Channel, Overwrite
from crowd_pipelines.integrations.discord.refusals import CONNECT, READ_MESSAGE_HISTORY, VIEW_CHANNEL

_OF_A_ROLE, _OF_A_MEMBER = 0, 1


class Permission(IntFlag):
    """The permissions that reading takes, with Discord's bits."""

    ADMINISTRATOR = 1 << 3
    VIEW_CHANNEL = 1 << 10
    READ_MESSAGE_HISTORY = 1 << 16
    CONNECT = 1 << 20
    MANAGE_THREADS = 1 << 34


_LABELS = {
    Permission.VIEW_CHANNEL: VIEW_CHANNEL,
    Permission.READ_MESSAGE_HISTORY: READ_MESSAGE_HISTORY,
    Permission.CONNECT: CONNECT,
}
_EVERYTHING = (1 << 64) - 1


class RoleGrant(NamedTuple):
    """A role's name and permissions."""

    name: str
    permissions: int


class Access(BaseModel):
    """Who the bot is in its guild. Where that could not be learned (`roles` empty), everything counts as permitted.

    `members` is how many people the guild says that it has, roughly.
    """

    model_config = ConfigDict(frozen=True)

    guild_id: str
    bot_id: str = ""
    owner_id: str | None = None
    roles: Mapping[str, RoleGrant] = {}
    own_roles: tuple[str, ...] | None = None
    sees_members: bool = True
    sees_contents: bool = True
    members: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether Discord told what the bot may read."""
        return self.own_roles is not None and self.guild_id in self.roles

    def permits(self, channel: Channel, permission: Permission) -> bool:
        """Tell whether the bot has a permission in a channel and its threads."""
        return bool(self._in(channel) & permission)

    def missing(self, channel: Channel) -> str | None:
        """Name the permission without which the messages of a channel and its threads stay hidden."""
        needed = [Permission.VIEW_CHANNEL, Permission.READ_MESSAGE_HISTORY]
        if channel.type in SPOKEN:
            needed.append(Permission.CONNECT)
        return next((_LABELS[one] for one in needed if not self.permits(channel, one)), None)

    def _in(self, channel: Channel) -> int:
        if self.own_roles is None or not self.is_known:
            return _EVERYTHING
        mine = {self.guild_id, *self.own_roles}
        base = reduce(int.__or__, (grant.permissions for id_, grant in self.roles.items() if id_ in mine), 0)
        if base & Permission.ADMINISTRATOR or self.owner_id == self.bot_id:
            return _EVERYTHING
        return self._overridden(base, [one for one in channel.permission_overwrites or () if one], mine)

    def _overridden(self, base: int, held: Sequence[Overwrite], mine: set[str]) -> int:
        """Apply what a channel says: to everybody, then to the bot's roles together, then to the bot itself."""
        everybody = [one for one in held if one.type == _OF_A_ROLE and one.id == self.guild_id]
        roles = [one for one in held if one.type == _OF_A_ROLE and one.id in mine - {self.guild_id}]
        itself = [one for one in held if one.type == _OF_A_MEMBER and one.id == self.bot_id]
        for group in (everybody, roles, itself):
            for one in group:
                base &= ~one.deny
            for one in group:
                base |= one.allow
        return base
