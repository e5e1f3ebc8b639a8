"""Carries changes out."""

import random

from crowd_pipelines.sandbox.devto import changes as ch
from crowd_pipelines.sandbox.devto.article_changes import ArticleChanges
from crowd_pipelines.sandbox.devto.comment_changes import CommentChanges
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.people_changes import PeopleChanges
from crowd_pipelines.sandbox.devto.stage import Stage, Touched


class Happenings:
    """Changes a community, and tells what was touched; `noticeable` is whether an article's list entry shows it."""

    def __init__(self, community: Community) -> None:
        self._stage = Stage(community)
        self._articles = ArticleChanges(self._stage)
        self._comments = CommentChanges(self._stage)
        self._people = PeopleChanges(self._stage, articles=self._articles, comments=self._comments)

    @property
    def dice(self) -> random.Random:
        return self._stage.choice.dice

    def make(self, change: ch.AnyChange) -> Touched:
        """Raises ChangeRefused."""
        self._stage.community.now += change.after
        self._stage.community.tick += 1
        return {"do": change.do, "articles": [], "comments": [], "users": [], **self._made(change)}

    def _made(self, change: ch.AnyChange) -> Touched:  # noqa: C901, PLR0911, PLR0912  one branch for each kind of change
        choice = self._stage.choice
        match change:
            case ch.PublishArticle():
                return self._articles.publish(change)
            case ch.EditArticle():
                return self._articles.edit(change)
            case ch.UnpublishArticle():
                return self._articles.unpublish(choice.article(change.article))
            case ch.RepublishArticle():
                return self._articles.republish(change)
            case ch.MoveArticle():
                return self._articles.move(change)
            case ch.AddComment():
                return self._comments.add(change)
            case ch.DeleteComment():
                return self._comments.delete(*choice.comment(change.comment, answered=change.answered))
            case ch.HideComment():
                return self._comments.hide(change)
            case ch.ShowComment():
                return self._comments.show(change)
            case ch.EditComment():
                return self._comments.edit(change)
            case ch.RenameUser():
                return self._people.rename(change)
            case ch.DeleteUser():
                return self._people.delete(change)
            case ch.SuspendUser():
                return self._people.suspend(change)
            case _:
                return {"noticeable": False}
