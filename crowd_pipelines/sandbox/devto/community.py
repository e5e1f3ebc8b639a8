"""The state of the simulated DEV: people, organizations, articles, and trees of comments made when first needed."""

import bisect
import random
from collections.abc import Iterator
from typing import Any

from crowd_pipelines.sandbox.devto import text
from crowd_pipelines.sandbox.devto.model import Article, Comment, CommentState, Organization, Person, Vanished

DELETED_SHARE = 0.03
HIDDEN_SHARE = 0.015


class Community:
    """All that is, and its clock (`now`, seconds).

    `owners` are the people and organizations one would connect; `founders` the people who wrote what was planned,
    fixed at the start so that an article reads the same whenever its comments are made.
    """

    def __init__(self, *, seed: int, now: int) -> None:
        self.seed = seed
        self.now = now
        self.tick = 0
        self.people: dict[int, Person] = {}
        self.founders: list[int] = []
        self.organizations: dict[str, Organization] = {}
        self.articles: dict[int, Article] = {}
        self.owners: dict[str, list[str]] = {"organizations": [], "users": []}
        self.cases: dict[str, Any] = {}
        self.vanished: list[Vanished] = []
        self.next_number = 0
        self._homes: dict[int, int] = {}
        self._blocks: list[tuple[int, int]] = []

    def add_article(self, article: Article) -> None:
        self.articles[article.id] = article
        bisect.insort(self._blocks, (article.first_number, article.id))

    def person_named(self, username: str) -> Person | None:
        people = self.people.values()
        return next((person for person in people if person.username == username and not person.gone), None)

    def comments(self, article: Article) -> dict[int, Comment]:
        """The article's comments by number, oldest first."""
        if article.comments is None:
            article.comments = {comment.number: comment for comment in self._planned(article)}
        return article.comments

    def body(self, comment: Comment) -> str:
        return text.comment_body(self.seed, comment.number) if comment.body is None else comment.body

    def append(
        self,
        article: Article,
        *,
        number: int,
        author: int,
        parent: int | None = None,
        body: str | None = None,
    ) -> Comment:
        """A new comment, made now."""
        comment = Comment(number=number, author=author, created=self.now, parent=parent, body=body)
        self.comments(article)[number] = comment
        article.last_comment = max(article.last_comment, comment.created)
        self._homes[number] = article.id
        return comment

    def find(self, number: int) -> tuple[Article, Comment] | None:
        """A comment by its number, with its article."""
        home = self._homes.get(number)
        if home is None:
            place = bisect.bisect_right(self._blocks, (number, 2**63)) - 1
            home = self._blocks[place][1] if place >= 0 else None
        article = self.articles.get(home) if home is not None else None
        comment = self.comments(article).get(number) if article else None
        return (article, comment) if article and comment else None

    def published(self) -> list[Article]:
        """Newest published first; of equal times the later id first."""
        listed = (article for article in self.articles.values() if article.listed)
        return sorted(listed, key=lambda article: (-article.published, -article.id))

    def by_owner(self, kind: str, name: str) -> list[Article]:
        if kind == "organizations":
            return [article for article in self.published() if article.organization == name]
        person = self.person_named(name)
        return [article for article in self.published() if person and article.author == person.id]

    def covered(self) -> dict[int, Article]:
        """The articles that a connection to the owners reads, each once."""
        owned = ((kind, name) for kind, names in self.owners.items() for name in names)
        return {article.id: article for kind, name in owned for article in self.by_owner(kind, name)}

    def _planned(self, article: Article) -> Iterator[Comment]:
        """The comments that were planned: replies mostly to recent ones, the last at `last_comment`."""
        dice = random.Random(f"{self.seed}/{article.id}")
        ids = self.founders
        span = article.last_comment - article.published
        parents: list[int | None] = []
        for place in range(article.planned):
            recent = dice.randrange(max(0, place - 8), place) if place and dice.random() < 0.6 else None
            parents.append(recent)
        answered = set(parents)
        for place, parent in enumerate(parents):
            yield Comment(
                number=article.first_number + place,
                author=ids[int(len(ids) * dice.random() ** 2)],
                created=article.published + span * (place + 1) // article.planned,
                parent=None if parent is None else article.first_number + parent,
                state=_state(dice.random(), answered=place in answered),
            )


def _state(chance: float, *, answered: bool) -> CommentState:
    """A deleted comment without replies would not be there at all."""
    if chance < DELETED_SHARE:
        return CommentState.DELETED if answered else CommentState.LIVE
    return CommentState.HIDDEN if chance < DELETED_SHARE + HIDDEN_SHARE else CommentState.LIVE
