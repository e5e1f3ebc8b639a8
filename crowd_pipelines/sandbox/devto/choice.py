"""What a change is about: as it was told, or chosen by chance (the same chance for the same seed and changes)."""

import random
from collections.abc import Callable

from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import CODE_BASE, Article, Comment, CommentState, Person
from crowd_pipelines.sandbox.platform import ChangeRefused, NothingFits

TRIES = 400


class Choice:
    """Finds articles, comments and people of a community."""

    def __init__(self, community: Community) -> None:
        self._community = community
        self.dice = random.Random(f"{community.seed}/changes")

    def article(self, wanted: int | None) -> Article:
        if wanted is None:
            return self.dice.choice(self._readable())
        article = self._community.articles.get(wanted)
        if article is None or not article.listed:
            raise ChangeRefused(f"there is no published article {wanted}")
        return article

    def comment(self, wanted: str | None, *, answered: bool | None = None) -> tuple[Article, Comment]:
        """A live comment; by chance one with (`answered`) or without replies, if that is told."""
        if wanted is not None:
            return self._told(wanted)
        articles = self._readable()
        for _ in range(TRIES):
            article = self.dice.choice(articles)
            fitting = self._fitting(article, answered)
            if fitting:
                return article, self.dice.choice(fitting)
        raise NothingFits("no fitting comment was found")

    def person(self, wanted: int | None) -> Person:
        """Who was told; by chance anyone with a profile who is not an owner."""
        if wanted is None:
            return self._someone(lambda person: person.username not in self._community.owners["users"])
        person = self._community.people.get(wanted)
        if person is None or person.gone:
            raise ChangeRefused(f"there is no user {wanted}")
        return person

    def commenter(self) -> Person:
        return self._someone(lambda _: True)

    def placed(self, code: str) -> tuple[Article, Comment]:
        """Any comment that is in a tree, placeholders included: people answer those, too."""
        try:
            found = self._community.find(int(code, CODE_BASE))
        except ValueError:
            found = None
        if found is None:
            raise ChangeRefused(f"there is no comment {code!r}")
        return found

    def _told(self, code: str) -> tuple[Article, Comment]:
        article, comment = self.placed(code)
        if comment.state is not CommentState.LIVE:
            raise ChangeRefused(f"comment {code!r} is {comment.state} already")
        return article, comment

    def _someone(self, fits: Callable[[Person], bool]) -> Person:
        people = list(self._community.people.values())
        for _ in range(TRIES):
            person = self.dice.choice(people)
            if person.has_profile and fits(person):
                return person
        raise NothingFits("no fitting user was found")

    def _readable(self) -> list[Article]:
        return [article for article in self._community.covered().values() if article.readable]

    def _fitting(self, article: Article, answered: bool | None) -> list[Comment]:
        comments = self._community.comments(article)
        parents = {comment.parent for comment in comments.values()}
        return [
            comment
            for comment in comments.values()
            if comment.state is CommentState.LIVE and answered in (None, comment.number in parents)
        ]
