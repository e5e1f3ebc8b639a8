"""The state of the simulated GitHub: accounts, repositories and what happened in them, each findable by its id."""

from typing import Any, TypeVar

from crowd_pipelines.sandbox.github import ids, text
from crowd_pipelines.sandbox.github.model import (
    Account,
    Anything,
    Category,
    Event,
    Item,
    Label,
    Post,
    Remark,
    Repository,
    Team,
    Thread,
    Vanished,
)

SITE = "https://github.com"
FIRST_ID = 2**31 - 1_000  # the ids of every community run past 32 bits, as GitHub's do

Node = TypeVar("Node", bound=Anything)


class Community:
    """All that is, and its clock (`now`, seconds). `connected` is what an integration would be told to read.

    `readers` are the accounts whose tokens it reads with; they do nothing else.
    """

    def __init__(self, *, seed: int, now: int) -> None:
        self.seed = seed
        self.now = now
        self.tick = 0
        self.people: list[Account] = []
        self.bots: list[Account] = []
        self.mannequins: list[Account] = []
        self.organizations: list[Account] = []
        self.readers: list[Account] = []
        self.teams: list[Team] = []
        self.repositories: list[Repository] = []
        self.connected: dict[str, list[str]] = {"organizations": [], "repositories": []}
        self.connected_ids: set[int] = set()
        self.cases: dict[str, Any] = {}
        self.vanished: list[Vanished] = []
        self._nodes: dict[tuple[str, int], Anything] = {}
        self._next_id = FIRST_ID

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def register(self, node: Node) -> Node:
        self._nodes[node.typename, node.id] = node
        return node

    def forget(self, node: Anything) -> None:
        del self._nodes[node.typename, node.id]

    def connect(self, repository: Repository) -> None:
        """Has the integration told to read this one by its name."""
        self.connected["repositories"].append(repository.full_name)
        self.connected_ids.add(repository.id)

    def node(self, node_id: str) -> Anything | None:
        """What an id of either form names, if it can be seen."""
        named = ids.parsed(node_id)
        node = self._nodes.get(named) if named else None
        return node if node is not None and visible(node) else None

    def account(self, login: str, typename: str = "User") -> Account | None:
        everybody = self.organizations if typename == "Organization" else [*self.people, *self.readers]
        found = (one for one in everybody if one.login.lower() == login.lower() and not one.gone)
        return next(found, None)

    def repository(self, full_name: str) -> Repository | None:
        """The one of this name; else the one that had it: GitHub redirects until somebody takes the name."""
        wanted = full_name.lower()
        seen = [repository for repository in self.repositories if repository.hidden is None]
        now = (repository for repository in seen if repository.full_name.lower() == wanted)
        before = (one for one in seen if any(wanted == name.lower() for _, name in one.renames))
        return next(now, None) or next(before, None)

    def of_owner(self, owner: Account) -> list[Repository]:
        return [one for one in self.repositories if one.owner is owner and one.hidden is None]

    def covered(self) -> list[Repository]:
        """The repositories that a connection reads, each once; an organization's own forks are among them."""
        logins = {login.lower() for login in self.connected["organizations"]}
        return [
            one
            for one in self.repositories
            if one.hidden is None and (one.id in self.connected_ids or one.owner.login.lower() in logins)
        ]

    def body(self, post: Post) -> str:
        return text.body(self.seed, post.id) if post.body is None else post.body


def repository_of(node: Anything) -> Repository | None:
    match node:
        case Repository():
            return node
        case Item() | Label() | Category():
            return node.repository
        case Event() | Thread() | Remark():
            return node.item.repository
    return None


def visible(node: Anything) -> bool:
    repository = repository_of(node)
    if isinstance(node, Account):
        return not node.gone
    if isinstance(node, Event | Thread | Remark):
        return node.item.enabled and node.item.repository.hidden is None
    return (repository is None or repository.hidden is None) and (not isinstance(node, Item) or node.enabled)
