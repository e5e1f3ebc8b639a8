"""What all changes need: the community, the hands that write in it, the choice, and the record of what went."""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.sandbox.github import text, truth
from crowd_pipelines.sandbox.github.changes import Who
from crowd_pipelines.sandbox.github.choice import Choice
from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.deeds import Deeds
from crowd_pipelines.sandbox.github.ids import node_id
from crowd_pipelines.sandbox.github.model import Account, Anything, Item, Repository, Vanished

Touched = dict[str, Any]
Known = dict[tuple[str, str], Item | None]


class Stage:
    """The community while things happen in it."""

    def __init__(self, community: Community) -> None:
        self.community = community
        self.deeds = Deeds(community)
        self.choice = Choice(community)

    @property
    def now(self) -> int:
        return self.community.now

    def somebody(self, who: Who) -> Account | None:
        return self._newcomer() if who == "new" else self.choice.somebody(who)

    def lose(self, repository: Repository, why: str, change: Callable[[], None], *, of: Item | None = None) -> None:
        """Makes the change, and remembers what can be read no more in this repository, or (`of`) of one item in it."""
        before = self._readable(repository, of)
        change()
        after = self._readable(repository, of)
        self.community.vanished += [
            Vanished(type=kind, source_id=source_id, why=why, tick=self.community.tick, item=item)
            for (kind, source_id), item in before.items()
            if (kind, source_id) not in after
        ]

    def _readable(self, repository: Repository, of: Item | None) -> Known:
        if repository not in self.community.covered():
            return {}
        told = truth.Told(self.community, repository)
        items = repository.items.values() if of is None else [of] if of.number in repository.items else []
        known: Known = {}
        if of is None:
            known.update({(record["type"], record["source_id"]): None for _, record in told.stars_and_forks()})
        for item in items:
            if item.enabled:
                known.update({(record["type"], record["source_id"]): item for _, record in told.of_item(item)})
        return known

    def _newcomer(self) -> Account:
        community = self.community
        place = len(community.people)
        account = Account(
            typename="User",
            id=max(one.id for one in community.people) + 7,
            login=text.login(place),
            name=text.person_name(place),
            created=community.now,
        )
        community.people.append(community.register(account))
        return account


def touched(*nodes: Anything, noticeable: bool = True, **more: Any) -> Touched:
    return {"ids": [node_id(node) for node in nodes], "noticeable": noticeable, **more}
