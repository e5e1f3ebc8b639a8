"""What can happen to the simulated DEV, on command."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from crowd_pipelines.sandbox.changes import Change, Pass, Week, valid

Author = int | Literal["new"] | None


class PublishArticle(Change):
    do: Literal["publish_article"]
    owner: str | None = None
    organization: str | None = None
    title: str | None = None


class EditArticle(Change):
    do: Literal["edit_article"]
    article: int | None = None
    title: str | None = None


class UnpublishArticle(Change):
    do: Literal["unpublish_article"]
    article: int | None = None


class RepublishArticle(Change):
    """An article that was unpublished is there again, as it was."""

    do: Literal["republish_article"]
    article: int


class MoveArticle(Change):
    """To an organization, or from it to its author alone: its address changes."""

    do: Literal["move_article"]
    article: int
    organization: str | None = None


class AddComment(Change):
    """A comment on the article, or an answer to the comment `parent`, at whatever depth that one is."""

    do: Literal["add_comment"]
    article: int | None = None
    parent: str | None = None
    author: Author = None
    body: str | None = None


class DeleteComment(Change):
    """Without replies it vanishes and the count drops; with replies a placeholder stays, and nothing shows it."""

    do: Literal["delete_comment"]
    comment: str | None = None
    answered: bool = False


class HideComment(Change):
    do: Literal["hide_comment"]
    comment: str | None = None


class ShowComment(Change):
    """One that was hidden is shown again; the API gives no sign of it."""

    do: Literal["show_comment"]
    comment: str


class EditComment(Change):
    """The API gives no sign of it."""

    do: Literal["edit_comment"]
    comment: str | None = None
    body: str | None = None


class RenameUser(Change):
    do: Literal["rename_user"]
    user: int | None = None
    username: str | None = None
    name: str | None = None


class DeleteUser(Change):
    """Takes their articles and comments along; where others answered, a placeholder stays."""

    do: Literal["delete_user"]
    user: int | None = None


class SuspendUser(Change):
    """Their comments stay, their profile answers 404."""

    do: Literal["suspend_user"]
    user: int | None = None


AnyChange = Annotated[
    PublishArticle
    | EditArticle
    | UnpublishArticle
    | RepublishArticle
    | MoveArticle
    | AddComment
    | DeleteComment
    | HideComment
    | ShowComment
    | EditComment
    | RenameUser
    | DeleteUser
    | SuspendUser
    | Pass
    | Week,
    Field(discriminator="do"),
]
_ANY: TypeAdapter[AnyChange] = TypeAdapter(AnyChange)


def parsed(change: Any) -> AnyChange:
    """Raises ChangeRefused."""
    return valid(_ANY, change)
