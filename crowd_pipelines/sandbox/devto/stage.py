"""What all changes of the simulated DEV need: the community, the choice, and the record of what showed."""

from collections.abc import Iterable
from typing import Any

from crowd_pipelines.sandbox.devto.choice import Choice
from crowd_pipelines.sandbox.devto.community import Community
from crowd_pipelines.sandbox.devto.model import Article, Comment, Vanished

Touched = dict[str, Any]
Signal = tuple[int, int]


def signal(article: Article) -> Signal:
    """What of an article's comments shows in its list entry."""
    return article.comments_count, article.last_comment


class Stage:
    """The community while things happen in it."""

    def __init__(self, community: Community) -> None:
        self.community = community
        self.choice = Choice(community)

    def number(self) -> int:
        self.community.next_number += 1
        return self.community.next_number - 1

    def vanish(self, article: Article, *, why: str, comments: Iterable[Comment], itself: bool = False) -> None:
        """Remembers what could be read until now; call it before the article is taken off the lists."""
        if article.id not in self.community.covered():
            return
        gone = [("article", str(article.id))] if itself else []
        gone += [("comment", comment.code) for comment in comments]
        self.community.vanished += [
            Vanished(type=kind, source_id=source_id, article=article.id, why=why, tick=self.community.tick)
            for kind, source_id in gone
        ]

    def reappear(self, kind: str, source_ids: Iterable[str]) -> None:
        """Forgets that these had vanished."""
        back = set(source_ids)
        self.community.vanished = [
            gone for gone in self.community.vanished if gone.type != kind or gone.source_id not in back
        ]

    def touched(self, article: Article, comment: Comment, before: Signal) -> Touched:
        noticeable = signal(article) != before
        if noticeable:
            article.signalled = self.community.tick
        return {
            "articles": [article.id],
            "comments": [comment.code],
            "users": [comment.author],
            "noticeable": noticeable,
        }
