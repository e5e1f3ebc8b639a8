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
class Found:
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
    page = Page.of(_asked(stream, run))
    found = _found(page.articles, stream, run)
    result = StreamResult(
        operations=found.operations,
        last_record=page.last,
        last_record_timestamp=page.articles[-1].published_at if page.articles else None,
        new_streams=found.new_streams,
        watermarks=found.watermarks,
        rejected=page.rejected,
        unread=page.nulls,
        uncollected=found.uncollected,
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
            watermarks={_seen(stream.article_id): {}, _read(stream.article_id): {}},
        )
    found = _found(page.articles, stream.root, run)
    return StreamResult(
        operations=found.operations,
        new_streams=found.new_streams,
        watermarks=found.watermarks,
        rejected=page.rejected,
        uncollected=found.uncollected,
    )


def _asked(stream: ArticlesStream, run: Run) -> list[Any]:
    try:
        return run.api.articles(stream.listed_by, stream.page)
    except Gone as gone:
        raise unknown_owner(stream.listed_by, gone) from None


def _onward(result: StreamResult, page: Page, stream: ArticlesStream, run: Run) -> StreamResult:
    """Return the result with what follows from the page's place in its list."""
    contradiction = _contradiction(page, stream, run)
    if contradiction:
        return replace(result, incomplete=contradiction)
    mark = ListMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    read = {
        "previous": stream.previous if page.empty else page.last,
        "shown": tuple(dict.fromkeys((*stream.shown, *page.ids))),
        "progress": stream.progress.with_page(page.of_list()),
    }
    if not page.empty and (run.onboarding or mark.may_go_on(page.last)):
        return replace(result, next_page=stream.model_copy(update={**read, "page": stream.page + 1}))
    return _ended(result, stream.model_copy(update=read), mark, run)


def _contradiction(page: Page, stream: ArticlesStream, run: Run) -> str | None:
    """Return what a page says that does not agree with the rest of its list. An empty page is asked about once more."""
    if stream.page > 1 and page.ids and set(page.ids) <= set(stream.shown):
        return f"page {stream.page} of the list shows articles of the pages before it, and no other"
    if not page.empty:
        return None
    if stream.page == 1:
        has_articles = run.api.has_articles(stream.listed_by)
        return "the list is empty, but a page of one article is not" if has_articles else None
    if run.api.articles(stream.listed_by, stream.page + 1):
        return f"page {stream.page} of the list is empty, but the page after it is not"
    return None


def _ended(result: StreamResult, stream: ArticlesStream, mark: ListMark, run: Run) -> StreamResult:
    """Return the result of a list's last page. `stream` holds what the whole list showed.

    What the list showed before and does not show now is asked for by itself: absence alone proves nothing.
    """
    shown, whole = stream.shown, stream.progress.whole
    vanished = [known for known in mark.articles if known not in set(shown)] if whole else []
    if stream.page == 1 and len(vanished) * 2 > len(mark.articles) and _is_shown(vanished[0], stream, run):
        told = f"the list does not show {len(vanished)} of {len(mark.articles)} known articles, which are published"
        return replace(result, incomplete=told)
    has_pages = stream.page > 2
    again = run.onboarding and has_pages and stream.round < ROUNDS
    articles = shown if whole else tuple(dict.fromkeys((*shown, *mark.articles)))
    now = ListMark(last=stream.previous, articles=articles)
    return replace(
        result,
        new_streams=(*result.new_streams, *(_by_itself(article, stream) for article in vanished)),
        next_page=stream.root.model_copy(update={"round": stream.round + 1}) if again else None,
        watermarks={**result.watermarks, stream.subject: now.model_dump()},
    )


def _by_itself(article_id: int, stream: ArticlesStream) -> ArticleStream:
    return ArticleStream(article_id=article_id, owner=stream.owner, username=stream.username)


def _is_shown(article_id: int, stream: ArticlesStream, run: Run) -> bool:
    """Tell whether an article is published, and belongs on a list."""
    try:
        raw = run.api.article(article_id)
    except Gone:
        return False
    kind, name = stream.listed_by
    return any((kind, name.lower()) in article.owners for article in usable(Article, [raw], []))


def _found(articles: Sequence[Article], root: ArticlesStream | None, run: Run) -> Found:
    """Return what follows from articles; an onboarding takes nothing for known, so that it mends what is missing."""
    subjects = [subject(article.id) for article in articles for subject in (_seen, _read)]
    known = run.read_watermarks(subjects)
    changed = {a.id for a in articles if run.onboarding or known.get(_seen(a.id)) != _digest(a)}
    site = site_of(articles[0].url) if articles else ""
    told = {a.id: records.article_activity(a, a.user, site) for a in articles if a.user}
    activities = tuple(activity for id_, activity in told.items() if id_ in changed)
    commented = [a for a in articles if _wants_comments(a, known.get(_read(a.id)), run)]
    return Found(
        activities=activities,
        unchanged=tuple(activity for id_, activity in told.items() if id_ not in changed),
        new_streams=(*profiles_of(activities, site, root), *(_comments_of(article, root) for article in commented)),
        watermarks={_seen(article.id): _digest(article) for article in articles if article.id in changed},
        authorless=sum(article.user is None for article in articles),
    )


def _wants_comments(article: Article, known: Json | None, run: Run) -> bool:
    """Tell whether an article's comments are to be read."""
    if not known:
        return article.may_have_comments
    return run.onboarding or not CommentsMark.model_validate(known).agrees(article)


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


def _seen(article_id: int) -> str:
    return f"article:{article_id}"


def _read(article_id: int) -> str:
    return f"comments:{article_id}"
