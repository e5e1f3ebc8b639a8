"""Reading owners' lists of articles, and articles that they do not show any more."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from crowd_pipelines.framework.lists import ListPage
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.devto import activities as records
from crowd_pipelines.integrations.devto.api import Article, unknown_owner
from crowd_pipelines.integrations.devto.people import profiles_of, site_of
from crowd_pipelines.integrations.devto.settings import Run
from crowd_pipelines.integrations.devto.streams import (
    ArticlesStream,
    ArticleStream,
    CommentsMark,
    CommentsStream,
    ListMark,
)
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    RetractActivities,
    RetractMissing,
    ShowActivities,
    Stream,
    StreamResult,
    UpsertActivities,
)

AUTHORLESS = "article without an author"
"""What its text is counted as: there is no member to whom it could belong."""

ROUNDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page of a list holds: the articles that can be used, and those that cannot."""

    articles: tuple[Article, ...]
    rejected: tuple[RejectedRecord, ...] = ()
    nulls: int = 0
    empty: bool = False

    @classmethod
    def of(cls, raw: Sequence[Any]) -> Self:
        """Return an answer's page."""
        rejected: list[RejectedRecord] = []
        articles = tuple(usable(Article, raw, rejected))
        return cls(articles=articles, rejected=tuple(rejected), nulls=count_nulls(raw), empty=not raw)

    @property
    def ids(self) -> tuple[int, ...]:
        """The articles' numbers, in the list's order."""
        return tuple(article.id for article in self.articles)

    @property
    def last(self) -> int | None:
        """The last article, None where none can be used."""
        return self.ids[-1] if self.ids else None

    def of_list(self) -> ListPage:
        """Return the page as its list counts it."""
        unusable = self.nulls + len(self.rejected)
        return ListPage(ids=(*map(str, self.ids), *(None for _ in range(unusable))), unusable=unusable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What follows from articles: what is stored, what is asked for next, and what is noted."""

    activities: tuple[Activity, ...] = ()
    unchanged: tuple[Activity, ...] = ()
    new_streams: tuple[Stream, ...] = ()
    watermarks: Mapping[str, Json] = field(default_factory=dict)
    authorless: int = 0

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is written."""
        shown = (ShowActivities(activities=self.unchanged),) if self.unchanged else ()
        return (UpsertActivities(activities=self.activities), *shown)

    @property
    def uncollected(self) -> Mapping[str, int]:
        """How many articles carry text that is stored nowhere."""
        return {AUTHORLESS: self.authorless} if self.authorless else {}


def read_articles(stream: ArticlesStream, run: Run) -> StreamResult:
    """Return a page of a list, and at the list's end what it does not show any more.

    Raises Gone where there is no such owner.
    """
    page = Page.of(_records_of(stream, run))
    consequences = _consequences(page.articles, stream, run)
    result = StreamResult(
        operations=consequences.operations,
        last_record=page.last,
        last_record_timestamp=page.articles[-1].published_at if page.articles else None,
        new_streams=consequences.new_streams,
        watermarks=consequences.watermarks,
        rejected=page.rejected,
        unread=page.nulls,
        uncollected=consequences.uncollected,
    )
    return _onward(result, page, stream, run)


def read_article(stream: ArticleStream, run: Run) -> StreamResult:
    """Return an article that its owner's list does not show any more: it moved, the list is wrong, or it is gone.

    With an article that is not published its comments cannot be read any more either, so they are retracted, too. What
    was noted of both is forgotten, so that they are read as new when the article is published again.
    """
    try:
        page = Page.of([run.api.article(stream.article_id)])
    except Gone:
        thread = str(stream.article_id)
        return StreamResult(
            operations=(
                RetractActivities(type=records.ARTICLE, source_ids=(thread,)),
                # Two answers agree that there is no such article: its list, which was read whole, and its own.
                RetractMissing(type=records.COMMENT, thread=thread, present=frozenset()),
            ),
            watermarks={_digest_subject(stream.article_id): {}, _comments_subject(stream.article_id): {}},
        )
    consequences = _consequences(page.articles, stream.root, run)
    return StreamResult(
        operations=consequences.operations,
        new_streams=consequences.new_streams,
        watermarks=consequences.watermarks,
        rejected=page.rejected,
        uncollected=consequences.uncollected,
    )


def _records_of(stream: ArticlesStream, run: Run) -> list[Any]:
    try:
        return run.api.articles(stream.list_owner, stream.page)
    except Gone as gone:
        raise unknown_owner(stream.list_owner, gone) from None


def _onward(result: StreamResult, page: Page, stream: ArticlesStream, run: Run) -> StreamResult:
    """Return the result with what follows from the page's place in its list."""
    contradiction = _contradiction(page, stream, run)
    if contradiction:
        return replace(result, incomplete=contradiction)
    mark = ListMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    progress = {
        "previous": stream.previous if page.empty else page.last,
        "articles": tuple(dict.fromkeys((*stream.articles, *page.ids))),
        "progress": stream.progress.with_page(page.of_list()),
    }
    if not page.empty and (run.onboarding or mark.may_go_on(page.last)):
        return replace(result, next_page=stream.model_copy(update={**progress, "page": stream.page + 1}))
    return _ended(result, stream.model_copy(update=progress), mark, run)


def _contradiction(page: Page, stream: ArticlesStream, run: Run) -> str | None:
    """Return what a page says that does not agree with the rest of its list. An empty page is asked about once more."""
    if stream.page > 1 and page.ids and set(page.ids) <= set(stream.articles):
        return f"page {stream.page} of the list shows articles of the pages before it, and no other"
    if not page.empty:
        return None
    if stream.page == 1:
        has_articles = run.api.has_articles(stream.list_owner)
        return "the list is empty, but a page of one article is not" if has_articles else None
    if run.api.articles(stream.list_owner, stream.page + 1):
        return f"page {stream.page} of the list is empty, but the page after it is not"
    return None


def _ended(result: StreamResult, stream: ArticlesStream, mark: ListMark, run: Run) -> StreamResult:
    """Return the result of a list's last page. `stream` holds all articles of the list.

    What the list showed before and does not show now is asked for by itself: absence alone proves nothing.
    """
    absentees = _absentees(stream, mark)
    if stream.page == 1 and len(absentees) * 2 > len(mark.articles) and _is_published_by(absentees[0], stream, run):
        reason = f"the list does not show {len(absentees)} of {len(mark.articles)} known articles, which are published"
        return replace(result, incomplete=reason)
    has_pages = stream.page > 2
    again = run.onboarding and has_pages and stream.round < ROUNDS
    # Of what a list that cannot be relied on does not show, nothing is known.
    remembered = () if stream.progress.whole else mark.articles
    new_mark = ListMark(last=stream.previous, articles=tuple(dict.fromkeys((*stream.articles, *remembered))))
    return replace(
        result,
        new_streams=(*result.new_streams, *(_by_itself(article, stream) for article in absentees)),
        next_page=stream.root.model_copy(update={"round": stream.round + 1}) if again else None,
        watermarks={**result.watermarks, stream.subject: new_mark.model_dump()},
    )


def _absentees(stream: ArticlesStream, mark: ListMark) -> list[int]:
    """Return what the list showed before and does not show now, newest first; nothing where that proves nothing."""
    present = frozenset(stream.articles)
    return [article for article in mark.articles if article not in present] if stream.progress.whole else []


def _by_itself(article_id: int, stream: ArticlesStream) -> ArticleStream:
    return ArticleStream(article_id=article_id, owner=stream.owner, username=stream.username)


def _is_published_by(article_id: int, stream: ArticlesStream, run: Run) -> bool:
    """Tell whether an article is published, and belongs on a list."""
    try:
        raw = run.api.article(article_id)
    except Gone:
        return False
    kind, name = stream.list_owner
    return any((kind, name.lower()) in article.owners for article in usable(Article, [raw], []))


def _consequences(articles: Sequence[Article], root: ArticlesStream | None, run: Run) -> Consequences:
    """Return what follows from articles; an onboarding takes nothing for known, so that it mends what is missing."""
    subjects = [subject(article.id) for article in articles for subject in (_digest_subject, _comments_subject)]
    marks = run.read_watermarks(subjects)
    changed = {a.id for a in articles if run.onboarding or marks.get(_digest_subject(a.id)) != _digest(a)}
    site = site_of(articles[0].url) if articles else ""
    by_id = {a.id: records.article_activity(a, a.user, site) for a in articles if a.user}
    activities = tuple(activity for id_, activity in by_id.items() if id_ in changed)
    trees = [a for a in articles if _wants_comments(a, marks.get(_comments_subject(a.id)), run)]
    return Consequences(
        activities=activities,
        unchanged=tuple(activity for id_, activity in by_id.items() if id_ not in changed),
        new_streams=(*profiles_of(activities, site, root), *(_comments_of(article, root) for article in trees)),
        watermarks={_digest_subject(article.id): _digest(article) for article in articles if article.id in changed},
        authorless=sum(article.user is None for article in articles),
    )


def _wants_comments(article: Article, mark: Json | None, run: Run) -> bool:
    """Tell whether an article's comments are to be read."""
    if not mark:
        return article.may_have_comments
    return run.onboarding or not CommentsMark.model_validate(mark).agrees(article)


def _comments_of(article: Article, root: ArticlesStream | None) -> CommentsStream:
    return CommentsStream(
        article_id=article.id,
        title=article.title,
        url=article.url,
        last_comment_at=article.last_comment_at,
        comments_count=article.comments_count,
        owner=root.owner if root else None,
        username=root.username if root else None,
    )


def _digest(article: Article) -> Json:
    """Return a watermark that changes when what we store of an article does."""
    stored = article.model_dump(mode="json", exclude={"comments_count", "last_comment_at"})
    text = json.dumps(stored, sort_keys=True)
    return {"digest": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]}


def _digest_subject(article_id: int) -> str:
    return f"article:{article_id}"


def _comments_subject(article_id: int) -> str:
    return f"comments:{article_id}"
