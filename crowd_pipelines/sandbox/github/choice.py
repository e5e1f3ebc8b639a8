"""What a change is about: as it was told, or chosen by chance (the same chance for the same seed and changes)."""

import random
from collections.abc import Iterable
from typing import TypeVar

from crowd_pipelines.sandbox.github.changes import Who
from crowd_pipelines.sandbox.github.community import Community, repository_of
from crowd_pipelines.sandbox.github.model import (
    Account,
    Comment,
    Discussion,
    DiscussionComment,
    Issue,
    Item,
    PullRequest,
    Repository,
    ReviewComment,
    Thread,
)
from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits

TRIES = 400
Kind = TypeVar("Kind")
Place = Issue | PullRequest | Discussion | Thread | DiscussionComment
Said = Comment | ReviewComment | DiscussionComment


class Choice:
    """Finds people, repositories, and what is in them."""

    def __init__(self, community: Community) -> None:
        self._community = community
        self.dice = random.Random(f"{community.seed}/changes")

    def repository(self, full_name: str | None) -> Repository:
        if full_name is None:
            return self._one_of(self._community.covered(), "repository")
        named = (one for one in self._community.repositories if one.full_name == full_name)
        found = next(named, None) or self._community.repository(full_name)
        if found is None:
            raise ChangeRefused(f"there is no repository {full_name!r}")
        return found

    def somebody(self, who: Who) -> Account | None:
        """Whoever was told, None for a ghost."""
        match who:
            case "ghost":
                return None
            case "bot":
                return self.dice.choice(self._community.bots)
            case None:
                return self.dice.choice(self._present())
            case "new":
                raise ValueError("somebody new is made, not found")
        return self.person(who)

    def person(self, number: int | None, *, modest: bool = False) -> Account:
        """A user by number; by chance anybody, or (`modest`) anybody who owns nothing that is read."""
        if number is None:
            owners = {one.owner for one in self._community.covered()} if modest else set()
            return self._one_of([one for one in self._present() if one not in owners], "user")
        found = next((one for one in self._present() if one.id == number), None)
        if found is None:
            raise ChangeRefused(f"there is no user {number}")
        return found

    def item(self, node_id: str | None, kind: type[Kind]) -> Kind:
        """An item of the kind by id, or by chance; the newer ones more often."""
        if node_id is not None:
            return self.node(node_id, kind)
        found = [one for one in self.items() if isinstance(one, kind)]
        if not found:
            raise ChangeRefused(f"there is no {kind}")
        return found[int(len(found) * (1 - self.dice.random() ** 2))]

    def items(self) -> list[Item]:
        return [one for repository in self._community.covered() for one in repository.items.values() if one.enabled]

    def place(self, node_id: str | None) -> Place:
        """Where one can comment."""
        if node_id is not None:
            return self.node(node_id, Place)  # type: ignore[arg-type]
        item: Issue | PullRequest | Discussion = self.item(None, Issue | PullRequest | Discussion)  # type: ignore[arg-type]
        if isinstance(item, PullRequest) and item.threads and self.dice.random() < 0.4:
            return self.dice.choice(item.threads)
        if isinstance(item, Discussion) and item.talk and self.dice.random() < 0.5:
            return self.dice.choice(item.talk)
        return item

    def remark(self, node_id: str | None) -> Said:
        """A comment of any kind that is not deleted."""
        if node_id is not None:
            return self.node(node_id, Said)  # type: ignore[arg-type]
        for _ in range(TRIES):
            if found := [one for one in _remarks(self.item(None, Item)) if one.writer is not None]:
                return self.dice.choice(found)
        raise NothingFits("no fitting comment was found")

    def node(self, node_id: str, kind: type[Kind]) -> Kind:
        found = self._community.node(node_id)
        if found is None or repository_of(found) is None or not isinstance(found, kind):
            raise ChangeRefused(f"there is nothing fitting with the id {node_id!r}")
        return found

    def _present(self) -> list[Account]:
        return [one for one in self._community.people if not one.gone]

    def _one_of(self, found: Iterable[Kind], what: str) -> Kind:
        choices = list(found)
        if not choices:
            raise NothingFits(f"no fitting {what} was found")
        return self.dice.choice(choices)


def _remarks(item: Item) -> list[Said]:
    match item:
        case PullRequest():
            return [*item.comments, *(one for thread in item.threads for one in thread.comments)]
        case Discussion():
            return [*item.talk, *(reply for one in item.talk for reply in one.replies)]
    return list(item.comments)
