"""DEV's units of work, and the watermarks that tell what changed."""

import hashlib
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.lists import ListProgress
from crowd_pipelines.integrations.devto.api import Article, Owner, OwnerKind
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.model.text import clean_text

PATIENCE_WITH_STALE_TREES = 2
"""So many answers that seem older than the list are accepted as they are: the CDN serves old ones for a while."""


class ArticlesStream(Stream):
    """A page of an owner's articles.

    `previous` is the last article on the page before, `articles` are all those on the pages before. An onboarding reads
    a list of several pages in two rounds: what is unpublished meanwhile moves the next article to an earlier page.
    """

    kind: Literal["articles"] = "articles"
    carried = frozenset({"previous", "articles", "progress"})

    owner: OwnerKind
    username: str
    page: int = 1
    round: int = 1
    previous: int | None = None
    articles: tuple[int, ...] = ()
    progress: ListProgress = ListProgress()

    @property
    def label(self) -> str:
        """What people see."""
        return f"articles of {self.owner} {self.username}" + (f", page {self.page}" if self.page > 1 else "")

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"articles:{self.owner}:{self.username}"

    @property
    def list_owner(self) -> Owner:
        """Whose articles these are."""
        return self.owner, self.username

    @property
    def root(self) -> "ArticlesStream":
        """The first page of the list."""
        return ArticlesStream(owner=self.owner, username=self.username)


class _BelowList(Stream):
    """What an owner's list led to; the owner is None where an older version queued it. It is one, whoever lists it."""

    carried = frozenset({"owner", "username"})

    owner: OwnerKind | None = None
    username: str | None = None

    @property
    def root(self) -> ArticlesStream | None:
        """The list that led here."""
        if self.owner is None or self.username is None:
            return None
        return ArticlesStream(owner=self.owner, username=self.username)


class ArticleStream(_BelowList):
    """An article that its owner's list does not show any more, asked for by itself."""

    kind: Literal["article"] = "article"

    article_id: int

    @property
    def label(self) -> str:
        """What people see."""
        return f"article {self.article_id}"


class CommentsStream(_BelowList):
    """All comments of an article, which come in one answer. It carries what the list says of the article."""

    # Older versions queued more.
    model_config = ConfigDict(extra="ignore")

    kind: Literal["comments"] = "comments"
    carried = frozenset({"owner", "username", "title", "url", "last_comment_at", "comments_count"})

    article_id: int
    title: str
    url: str
    last_comment_at: str | None
    comments_count: int | None

    @property
    def label(self) -> str:
        """What people see."""
        return f"comments of article {self.article_id}"

    @property
    def subject(self) -> str:
        """The watermark's name."""
        return f"comments:{self.article_id}"


class ProfileStream(_BelowList):
    """A person's profile."""

    kind: Literal["profile"] = "profile"
    fresh_for: ClassVar[timedelta | None] = timedelta(days=1)

    user_id: int
    site: str

    @property
    def label(self) -> str:
        """What people see."""
        return f"profile {self.user_id}"


def heading_of(title: str, url: str) -> str:
    """Return what changes when an article's title or address does, and not when the queue makes them storable."""
    return hashlib.sha256(f"{clean_text(title)}\n{clean_text(url)}".encode("utf-8", "replace")).hexdigest()[:16]


class ListMark(BaseModel):
    """The watermark of an owner's list: its last article, and all articles that it showed when it was read last.

    Only an empty page ends a list, since a site may lower the page size. Knowing the last article saves asking for it.
    """

    model_config = ConfigDict(frozen=True)

    last: int | None = None
    articles: tuple[int, ...] = ()

    def may_go_on(self, last: int | None) -> bool:
        """Tell whether another page may follow one that ends with this article, None for one that cannot be used."""
        return last is None or last != self.last


class CommentsMark(BaseModel):
    """The watermark of an article's comments: what the list said when they were read.

    `stale` counts answers in a row that seemed older than the list. `drift` is by how many the site's count was too
    high when an answer was accepted. `heading` stands for the article's title and address, which its comments carry;
    older versions noted none, and did not tie answers below a deleted comment, so that all comments are read once more.
    """

    model_config = ConfigDict(frozen=True)

    last_comment_at: str | None
    comments_count: int | None
    stale: int = 0
    drift: int = 0
    heading: str | None = None

    @property
    def is_doubted(self) -> bool:
        """Whether the answer may have been older than the list, so that the next check asks again."""
        return 0 < self.stale < PATIENCE_WITH_STALE_TREES

    def agrees(self, article: Article) -> bool:
        """Tell whether nothing has happened since, as far as the list shows."""
        told = (article.last_comment_at, article.comments_count, heading_of(article.title, article.url))
        same = (self.last_comment_at, self.comments_count, self.heading) == told
        return same and not self.is_doubted
