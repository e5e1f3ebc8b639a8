"""What can happen to the simulated Slack, on command."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from crowd_pipelines.sandbox.changes import Change, Pass, Week, valid


class Post(Change):
    """A message, or more of them than a page has."""

    do: Literal["post"]
    channel: str | None = None
    author: str | None = None
    text: str | None = None
    times: Annotated[int, Field(ge=1)] = 1


class Reply(Change):
    """An answer in a thread of the last weeks, or in one from `behind` them; a broadcast shows in the channel."""

    do: Literal["reply"]
    channel: str | None = None
    thread: str | None = None
    author: str | None = None
    text: str | None = None
    broadcast: bool = False
    behind: bool = False


class Edit(Change):
    """Of a message of the last weeks; of a `reply` the API gives no sign."""

    do: Literal["edit"]
    message: str | None = None
    text: str | None = None
    reply: bool = False


class Delete(Change):
    """A tombstone stays where there are replies; without, nothing does."""

    do: Literal["delete"]
    message: str | None = None
    reply: bool = False


class React(Change):
    do: Literal["react"]
    message: str | None = None


class Join(Change):
    """Somebody new comes to the workspace; #general says so unless it is `quiet`."""

    do: Literal["join"]
    quiet: bool = False


class RenameUser(Change):
    do: Literal["rename_user"]
    user: str | None = None
    name: str | None = None


class DeleteUser(Change):
    """What they wrote stays; what one knew of them goes."""

    do: Literal["delete_user"]
    user: str | None = None


class RenameChannel(Change):
    do: Literal["rename_channel"]
    channel: str | None = None
    name: str | None = None


class NewChannel(Change):
    """The app is invited to a new channel, in which there is something already."""

    do: Literal["new_channel"]
    name: str | None = None
    private: bool = False
    messages: Annotated[int, Field(ge=0)] = 5


class LeaveChannel(Change):
    """The app is removed from a channel."""

    do: Literal["leave_channel"]
    channel: str | None = None


class ArchiveChannel(Change):
    """A channel is archived, or no longer; with `ejects` bots are out of it by that, as usual."""

    do: Literal["archive_channel"]
    channel: str | None = None
    archived: bool = True
    ejects: bool = False


class ShareChannel(Change):
    """A private channel is shared with another company, and has another id from then on."""

    do: Literal["share_channel"]
    channel: str


class Hide(Change):
    """A message and its replies are not shown for a while, as when a workspace keeps messages for fewer days."""

    do: Literal["hide"]
    message: str


class Restore(Change):
    """What was hidden, or deleted without a tombstone, is there again."""

    do: Literal["restore"]


class Organization(Change):
    """The token is that of a whole organization, or of one workspace again."""

    do: Literal["organization"]
    wide: bool = True


class Note(Change):
    """Slack notes something about a channel: nobody's contribution."""

    do: Literal["note"]
    channel: str | None = None
    subtype: str = "channel_topic"


class Scope(Change):
    """The app loses a scope, or gets it back."""

    do: Literal["scope"]
    scope: str
    granted: bool = False


class RevokeToken(Change):
    """Slack answers everything with this error, or with none again."""

    do: Literal["revoke_token"]
    error: str | None = "token_revoked"


class Limit(Change):
    """Slack lets a method through so often."""

    do: Literal["limit"]
    method: str
    requests: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(gt=0)] = 60.0


class Regime(Change):
    """Slack gives 15 messages at a time, whatever is asked for, or no longer does."""

    do: Literal["regime"]
    limited: bool = True


class ExpireCursors(Change):
    """No cursor that was given is accepted any more."""

    do: Literal["expire_cursors"]


class ShortPages(Change):
    """Pages hold half of what is asked for, and the first of a list nothing."""

    do: Literal["short_pages"]
    short: bool = True


AnyChange = Annotated[
    Post
    | Reply
    | Edit
    | Delete
    | React
    | Join
    | RenameUser
    | DeleteUser
    | RenameChannel
    | NewChannel
    | LeaveChannel
    | ArchiveChannel
    | ShareChannel
    | Hide
    | Restore
    | Organization
    | Note
    | Scope
    | RevokeToken
    | Limit
    | Regime
    | ExpireCursors
    | ShortPages
    | Pass
    | Week,
    Field(discriminator="do"),
]
_ANY: TypeAdapter[AnyChange] = TypeAdapter(AnyChange)


def parsed(change: Any) -> AnyChange:
    """Raises ChangeRefused."""
    return valid(_ANY, change)
