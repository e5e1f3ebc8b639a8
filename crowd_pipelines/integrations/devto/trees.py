"""The tree of an article's comments, and how far it agrees with what the site says of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crowd_pipelines.framework.lists import ListPage
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.devto.api import Comment, CommentPlace, moment_of
from crowd_pipelines.integrations.devto.streams import CommentsMark
from crowd_pipelines.model.streams import RejectedRecord


@dataclass(slots=True, kw_only=True)
class CommentTree:
    """All comments of an article: those that can be used, each with the one that it answers; and the places of others.

    `ids` are those of all places, None for one that does not tell its own. `nulls` counts what came as null: comments,
    and answers to a comment. `newest` is when the youngest was written.
    """

    answers: list[tuple[Comment, str | None]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    nulls: int = 0
    newest: datetime | None = None

    @classmethod
    def of(cls, roots: list[Any]) -> "CommentTree":
        """Return the tree that an answer shows. A comment answers the next one above that can be read, if any.

        A comment that was read is let go, since some articles have ten thousand.
        """
        tree = cls()
        waiting: list[tuple[Any, str | None]] = [(raw, None) for raw in reversed(roots)]
        while waiting:
            raw, above = waiting.pop()
            place, parent = tree._read(raw, above)
            waiting += [(child, parent) for child in tree._children(place)]
        return tree

    def page(self, total: int | None) -> ListPage:
        """Return the tree as a list that ends with it; `total` is how many comments it has to show."""
        return ListPage(ids=tuple(self.ids), unusable=len(self.rejected) + self.nulls, total=total)

    def _read(self, raw: Any, above: str | None) -> tuple[CommentPlace | None, str | None]:
        """Take a comment in; return its place, and what the answers to it answer."""
        if raw is None:
            self.nulls += 1
            self.ids.append(None)
            return None, above
        place = CommentPlace.model_validate(raw if isinstance(raw, dict) else {"children": []})
        self.ids.append(place.id_code)
        self.newest = max(filter(None, (self.newest, place.created_at)), default=None)
        if place.withheld:
            self.withheld += [place.id_code] if place.id_code else []
            return place, above
        for comment in usable(Comment, [_alone(raw)], self.rejected):
            self.answers.append((comment, above))
            return place, comment.id_code
        return place, above

    def _children(self, place: CommentPlace | None) -> Iterator[Any]:
        if place is None:
            return iter(())
        if isinstance(place.children, list):
            return reversed(place.children)
        self.nulls += 1
        return iter(())


def shortage_of(tree: CommentTree, claim: CommentsMark, drift: int) -> int:
    """Return how many comments the site counts that the tree does not show; below zero where the tree shows more.

    `drift` is by how many the count is known to be too high.
    """
    return 0 if claim.comments_count is None else claim.comments_count - drift - len(tree.ids)


def is_much_shorter(tree: CommentTree, claim: CommentsMark) -> bool:
    """Tell whether a tree shows so little of what the site counts that a count gone wrong does not explain it."""
    return len(tree.ids) * 2 < (claim.comments_count or 0)


def is_older(tree: CommentTree, claim: CommentsMark) -> bool:
    """Tell whether the site speaks of something later than all that the tree shows."""
    last = moment_of(claim.last_comment_at)
    return last is not None and (tree.newest is None or tree.newest < last)


def is_newer(tree: CommentTree, claim: CommentsMark) -> bool:
    """Tell whether the tree may show something later than all that the site speaks of: it came meanwhile."""
    last = moment_of(claim.last_comment_at)
    return last is None or (tree.newest is not None and tree.newest > last)


def _alone(item: Any) -> Any:
    """Return a record without the answers to it."""
    return {key: value for key, value in item.items() if key != "children"} if isinstance(item, dict) else item
