"""What can happen on the simulated GitHub, on command. Nodes are named by their ids, repositories as `owner/name`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from crowd_pipelines.sandbox import changes
from crowd_pipelines.sandbox.changes import valid

Who = int | Literal["new", "bot", "ghost"] | None
"""A user's number, somebody new, a bot, an account that is deleted; None is somebody by chance."""


class Change(changes.Change):
    """Happens `times` times, too."""

    times: Annotated[int, Field(ge=1, le=2_000)] = 1


class Pass(changes.Pass, Change):
    """Nothing but time."""


class Week(changes.Week, Change):
    """Seven days with a bit of everything."""


class Star(Change):
    """With `torn`, an entry that is null."""

    do: Literal["star"]
    repository: str | None = None
    user: Who = None
    torn: bool = False


class Unstar(Change):
    """Nothing but the number of stars shows it."""

    do: Literal["unstar"]
    repository: str | None = None
    user: int | None = None


class Fork(Change):
    do: Literal["fork"]
    repository: str | None = None
    user: Who = None


class Open(Change):
    """An issue, a pull request or a discussion is begun."""

    do: Literal["open_issue", "open_pull_request", "start_discussion"]
    repository: str | None = None
    author: Who = None
    title: str | None = None
    body: str | None = None


class Comment(Change):
    """A comment on an issue, pull request or discussion, or an answer in a review thread or below a comment there."""

    do: Literal["comment"]
    on: str | None = None
    author: Who = None
    body: str | None = None


class Review(Change):
    do: Literal["review"]
    pull_request: str | None = None
    author: Who = None
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"] = "COMMENTED"
    body: str | None = None
    threads: Annotated[int, Field(ge=0, le=200)] = 0


class Act(Change):
    """Somebody closes, reopens, labels, assigns, or asks for a review (`team`: the first team is asked)."""

    do: Literal["close", "reopen", "merge", "label", "assign", "request_review"]
    item: str | None = None
    actor: Who = None
    user: int | None = None
    team: bool = False


class MarkAnswer(Change):
    do: Literal["mark_answer"]
    comment: str | None = None


class Edit(Change):
    """Anything written. What is edited says so, and so does what it belongs to, unless the edit is `silent`."""

    do: Literal["edit"]
    node: str | None = None
    title: str | None = None
    body: str | None = None
    silent: bool = False


class Delete(Change):
    """A comment, an issue or a discussion. No time moves; a comment with replies stays as one that is deleted."""

    do: Literal["delete"]
    node: str | None = None


class Dismiss(Change):
    """A review."""

    do: Literal["dismiss_review"]
    review: str | None = None
    actor: Who = None


class TransferIssue(Change):
    """To another repository: with another id, as all that is below it."""

    do: Literal["transfer_issue"]
    item: str | None = None
    repository: str


class ConvertIssue(Change):
    """An issue is made a discussion. It `stays` on the list of issues, closed, or is there no more."""

    do: Literal["convert_issue"]
    item: str | None = None
    stays: bool = True


class RenameUser(Change):
    do: Literal["rename_user"]
    user: int | None = None
    login: str | None = None


class DeleteUser(Change):
    """Their stars and forks go; what they wrote stays, as a ghost's."""

    do: Literal["delete_user"]
    user: int | None = None


class RenameRepository(Change):
    """The old name leads to it as long as nobody takes it."""

    do: Literal["rename_repository"]
    repository: str | None = None
    name: str | None = None


class TransferRepository(Change):
    do: Literal["transfer_repository"]
    repository: str
    owner: str


class HideRepository(Change):
    """Deleted or made private for good, or open again."""

    do: Literal["delete_repository", "make_private", "make_public"]
    repository: str


class NewRepository(Change):
    """With a star, an issue, a pull request and a discussion in it."""

    do: Literal["new_repository"]
    owner: str | None = None
    name: str | None = None


class Feature(Change):
    """Issues or discussions of a repository are switched off, or on again."""

    do: Literal["disable", "enable"]
    repository: str
    feature: Literal["issues", "discussions"]


class Order(BaseModel):
    """Not of the community but of the server: how it is to answer. No time passes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Heavy(Order):
    """Queries for more than `above` nodes fail: with a status, a message, or with the rest of the data missing."""

    do: Literal["heavy"]
    above: Annotated[int, Field(ge=0)]
    answer: Literal["502", "504", "timeout", "limits"] = "timeout"
    count: Annotated[int, Field(ge=1)] | None = None


class SecondaryLimit(Order):
    """The next `count` requests are refused, whatever is left of the primary limit."""

    do: Literal["secondary_limit"]
    status: Literal[200, 403, 429] = 403
    retry_after: int | None = None
    count: Annotated[int, Field(ge=1)] = 1
    old_wording: bool = False
    installation: bool = False
    """In the words about an installation's primary limit, although points are left."""


class Limit(Order):
    """The primary limit (`points` in `window` seconds) and the secondary one (`per_minute`, in a window as well)."""

    do: Literal["limit"]
    points: Annotated[int, Field(ge=0)] | None = None
    window: Annotated[float, Field(gt=0)] | None = None
    per_minute: Annotated[int, Field(ge=1)] | None = None


class Spend(Order):
    """A token has no more than `remaining` points left; named by text or place, all if not told."""

    do: Literal["spend"]
    token: str | Annotated[int, Field(ge=0)] | None = None
    resource: Literal["graphql", "core"] = "graphql"
    remaining: Annotated[int, Field(ge=0)] = 0


class RevokeToken(Order):
    do: Literal["revoke_token"]
    token: str | Annotated[int, Field(ge=0)] | None = None


class ExpireTokens(Order):
    """The hour of the installation's tokens is over."""

    do: Literal["expire_tokens"]


class App(Order):
    """Tells the App's id, its installation's, and the key with which it proves itself."""

    do: Literal["app"]


class Forbid(Order):
    """A field (`Repository.discussions`) is not for this token: of one repository, or of all."""

    do: Literal["forbid"]
    field: Annotated[str, Field(pattern=r"^\w+\.\w+$")] = "Query.repository"
    repository: str | None = None
    saml: bool = False


class CloseStars(Order):
    """Who starred a repository, or any, is not for this token, told in one of the ways in which GitHub does.

    A type or none at the field, with `repository` null or (`partial`) without anything else missing; a status; an empty
    list beside the count, or (`nothing`) with a count of nothing of its own.
    """

    do: Literal["close_stars"]
    repository: str | None = None
    way: Literal["forbidden", "not_found", "untyped", "partial", "403", "404", "empty", "nothing"] = "forbidden"


class AllowAddresses(Order):
    """From the request after `after` others on, this machine's address is not on an organization's list."""

    do: Literal["allow_addresses"]
    status: Literal[200, 403] = 200
    after: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1)] | None = None


class HideInLists(Order):
    """A repository comes as null in its owner's list, and nowhere else."""

    do: Literal["hide_in_lists"]
    repository: str


class Contradict(Order):
    """A connection (`Repository.issues`) says of itself what does not agree.

    That it goes on, but not where; more than there is; nothing beside its count; its first record as null.
    """

    do: Literal["contradict"]
    field: Annotated[str, Field(pattern=r"^\w+\.\w+$")]
    way: Literal["no_cursor", "short", "empty", "null"]
    count: Annotated[int, Field(ge=1)] | None = None


class Scopes(Order):
    """Fields that need a scope the tokens lack; `partial` queries are answered without them, others not at all."""

    do: Literal["lack_scopes"]
    fields: dict[Annotated[str, Field(pattern=r"^\w+\.\w+$")], str] = {"User.email": "user:email"}
    partial: bool = False


class Calm(Order):
    """The server is itself again; what was revoked or spent stays so."""

    do: Literal["calm"]


AnyOrder = (
    Heavy | SecondaryLimit | Limit | Spend | RevokeToken | ExpireTokens | App | Forbid | Scopes | CloseStars
    | AllowAddresses | HideInLists | Contradict | Calm
)  # fmt: skip
AnyChange = (
    Star | Unstar | Fork | Open | Comment | Review | Act | MarkAnswer | Edit | Delete | Dismiss | TransferIssue
    | ConvertIssue | RenameUser | DeleteUser | RenameRepository | TransferRepository | HideRepository | NewRepository
    | Feature | Pass | Week
)  # fmt: skip
Any_ = Annotated[AnyChange | AnyOrder, Field(discriminator="do")]
_ANY: TypeAdapter[AnyChange | AnyOrder] = TypeAdapter(Any_)


def parsed(change: Any) -> AnyChange | AnyOrder:
    """Raises ChangeRefused."""
    return valid(_ANY, change)
