"""What can happen to the simulated Discord, on command."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from crowd_pipelines.sandbox.changes import Change, Pass, Week, valid


class Send(Change):
    """`count` messages in a channel or thread; an archived thread is thereby taken out of the archive."""

    do: Literal["send"]
    room: int | None = None
    author: int | None = None
    content: str | None = None
    reply_to: int | None = None
    count: Annotated[int, Field(ge=1, le=2000)] = 1


class Edit(Change):
    """The API gives no sign of it."""

    do: Literal["edit"]
    message: int | None = None
    content: str | None = None


class Delete(Change):
    """The room's `last_message_id` goes on pointing at it."""

    do: Literal["delete"]
    message: int | None = None


class React(Change):
    do: Literal["react"]
    message: int | None = None


class Post(Change):
    do: Literal["post"]
    forum: int | None = None
    author: int | None = None
    archived: bool = False


class Branch(Change):
    """A thread from a message, from an old one, or from none (`alone`)."""

    do: Literal["branch"]
    channel: int | None = None
    message: int | None = None
    old: bool = False
    alone: bool = False
    private: bool = False
    archived: bool = False


class Archive(Change):
    do: Literal["archive"]
    thread: int | None = None


class Revive(Change):
    """Somebody writes into an archived thread, which is archived again at once: no list of active ones shows it."""

    do: Literal["revive"]
    thread: int | None = None


class RenameRoom(Change):
    do: Literal["rename_room"]
    room: int | None = None
    name: str | None = None


class CreateChannel(Change):
    do: Literal["create_channel"]
    name: str = "brand-new"


class DeleteRoom(Change):
    """Takes its messages along, and the threads of a channel."""

    do: Literal["delete_room"]
    room: int


class Join(Change):
    """A guest comes for a while: `joined_at` is null."""

    do: Literal["join"]
    pending: bool = False
    guest: bool = False


class Admit(Change):
    """A pending member passes the rules screen."""

    do: Literal["admit"]
    user: int


class Leave(Change):
    do: Literal["leave"]
    user: int | None = None


class Rejoin(Change):
    do: Literal["rejoin"]
    user: int


class RenameUser(Change):
    do: Literal["rename_user"]
    user: int | None = None
    username: str | None = None


class Permit(Change):
    """Allow or deny everybody something in a channel, or the bot everywhere when no channel is named."""

    do: Literal["allow", "deny"]
    permission: Literal["view_channel", "read_message_history", "connect", "manage_threads", "administrator"]
    channel: int | None = None


class SetIntent(Change):
    do: Literal["grant_intent", "revoke_intent"]
    intent: Literal["guild_members", "message_content"]


class Account(Change):
    """What the bot's owner or the guild's admins do to it."""

    do: Literal["revoke_token", "restore_token", "remove_bot", "invite_bot"]


class SetLimit(Change):
    """A window for a family of routes (messages, threads, guild, members, application), for all (global), or for
    refusals before the address is banned (invalid)."""

    do: Literal["limit"]
    route: Literal["global", "invalid", "messages", "threads", "guild", "members", "application"]
    requests: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(gt=0)]


AnyChange = Annotated[
    Send
    | Edit
    | Delete
    | React
    | Post
    | Branch
    | Archive
    | Revive
    | RenameRoom
    | CreateChannel
    | DeleteRoom
    | Join
    | Admit
    | Leave
    | Rejoin
    | RenameUser
    | Permit
    | SetIntent
    | Account
    | SetLimit
    | Pass
    | Week,
    Field(discriminator="do"),
]
_ANY: TypeAdapter[AnyChange] = TypeAdapter(AnyChange)


def parsed(change: Any) -> AnyChange:
    """Raises ChangeRefused."""
    return valid(_ANY, change)
