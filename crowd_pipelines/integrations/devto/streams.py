"""DEV's units of work, and the watermarks that tell what changed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.integrations.devto.api import Article, CommentNode, OwnerKind
from crowd_pipelines.model.streams import Stream

PATIENCE_WITH_STALE_TREES = 2
"""So many answers that seem older than the list are accepted as they are: the CDN serves old ones for a while."""


class ArticlesStream(Stream):
    """A page of an owner's articles. `previous` is the last article on the page before."""

    kind: Literal["articles"] = "articles"
    owner: OwnerKind
    username: str
    page: int = 1
    previous: int | None = None

    @property
    def label(self) -> str:
        """What people see."""
        return f"articles of {self.owner} {self.username}" + (f", page {self.page}" if self.page > 1 else "")

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"articles:{self.owner}:{self.username}"


class CommentsStream(Stream):
    """All comments of an article, which come in one answer. `stale` counts answers that seemed older than the list."""

    kind: Literal["comments"] = "comments"
    article_id: int
    title: str
    url: str
    last_comment_at: str | None
    comments_count: int | None
    stale: int = 0

    @property
    def label(self) -> str:
        """What people see."""
        return f"comments of article {self.article_id}"

    def outdated(self, nodes: Sequence[CommentNode]) -> bool:
        """Tell whether an answer lacks comments of which the list already spoke."""
        newest = max((node.created_at for node in nodes), default="")
        return len(nodes) < (self.comments_count or 0) and newest < (self.last_comment_at or "")


class ProfileStream(Stream):
    """A person's profile."""

    kind: Literal["profile"] = "profile"
    owed = True  # What the person wrote leads to it only once.
    fresh_for: ClassVar[timedelta | None] = timedelta(days=1)

    user_id: int
    site: str

    @property
    def label(self) -> str:
        """What people see."""
        return f"profile {self.user_id}"


class ListMark(BaseModel):
    """The watermark of an owner's list: the last article before the empty page that ended it.

    Only an empty page ends a list, since a site may lower the page size. Knowing the last article saves asking for it.
    """

    model_config = ConfigDict(frozen=True)

    last: int | None = None

    def ended(self, stream: ArticlesStream) -> "ListMark":
        """Return the watermark after the empty page."""
        return ListMark(last=stream.previous) if stream.page > 1 else self

    def may_go_on(self, last: int | None) -> bool:
        """Tell whether another page may follow one that ends with this article, None for one that cannot be used."""
        return last is None or last != self.last


class CommentsMark(BaseModel):
    """The watermark of an article's comments: what the list said when they were read.

    `stale` counts answers in a row that lacked what the list spoke of.
    """

    model_config = ConfigDict(frozen=True)

    last_comment_at: str | None
    comments_count: int | None
    stale: int = 0

    def agrees(self, article: Article) -> bool:
        """Tell whether nothing has happened since, as far as the list shows."""
        same = (self.last_comment_at, self.comments_count) == (article.last_comment_at, article.comments_count)
        return same and not 0 < self.stale < PATIENCE_WITH_STALE_TREES
