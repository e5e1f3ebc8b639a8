"""People change their names and go."""

from collections.abc import Iterator

from crowd_pipelines.sandbox.devto import changes as ch
from crowd_pipelines.sandbox.devto.article_changes import ArticleChanges
from crowd_pipelines.sandbox.devto.comment_changes import CommentChanges
from crowd_pipelines.sandbox.devto.model import Article, CommentState, Person
from crowd_pipelines.sandbox.devto.stage import Stage, Touched
from crowd_pipelines.sandbox.platform import ChangeRefused


class PeopleChanges:
    """Changes of people."""

    def __init__(self, stage: Stage, *, articles: ArticleChanges, comments: CommentChanges) -> None:
        self._stage = stage
        self._articles = articles
        self._comments = comments

    def rename(self, change: ch.RenameUser) -> Touched:
        person = self._stage.choice.person(change.user)
        tick = self._stage.community.tick
        wanted = change.username or f"{person.username}_{tick}"
        if self._stage.community.person_named(wanted) not in (None, person):
            raise ChangeRefused(f"the name {wanted!r} is taken")
        person.renames.append((tick, person.username))
        person.username = wanted
        person.name = person.name if change.name is None else change.name
        return {"users": [person.id], "noticeable": False}

    def suspend(self, change: ch.SuspendUser) -> Touched:
        person = self._stage.choice.person(change.user)
        person.suspended = True
        return {"users": [person.id], "noticeable": False}

    def delete(self, change: ch.DeleteUser) -> Touched:
        person = self._stage.choice.person(change.user)
        articles = list(self._stage.community.articles.values())
        touched = [part for article in articles for part in self._erase(article, person)]
        person.gone = True
        return {
            "articles": [article for part in touched for article in part["articles"]],
            "comments": [comment for part in touched for comment in part.get("comments", ())],
            "users": [person.id],
            "noticeable": any(part["noticeable"] for part in touched),
        }

    def _erase(self, article: Article, person: Person) -> Iterator[Touched]:
        """Youngest first, so that an answer of theirs to themselves does not keep the question in place."""
        if not article.listed:
            return
        if article.author == person.id:
            yield self._articles.unpublish(article, why="user_deleted")
        theirs = [
            comment
            for comment in self._stage.community.comments(article).values()
            if comment.author == person.id and comment.state is CommentState.LIVE
        ]
        for comment in reversed(theirs):
            yield self._comments.delete(article, comment, why="user_deleted")
