"""Reading the comments of an article: the whole tree, held against what the site says of it."""

from dataclasses import dataclass

from crowd_pipelines.framework.lists import ListProgress, absent
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.devto import activities as records
from crowd_pipelines.integrations.devto.api import Article
from crowd_pipelines.integrations.devto.people import profiles_of, site_of
from crowd_pipelines.integrations.devto.settings import Run
from crowd_pipelines.integrations.devto.streams import (
    CommentsMark,
    CommentsStream,
    heading_of,
)
from crowd_pipelines.integrations.devto.trees import CommentTree, is_much_shorter, is_newer, is_older, shortage_of
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import Operation, RetractActivities, StreamResult, UpsertActivities


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How far a tree is believed: how many comments were announced and are not there, and the watermark after it."""

    unread: int
    mark: CommentsMark


def read_comments(stream: CommentsStream, run: Run) -> StreamResult:
    """Return an article's comments. What the tree does not show is retracted only where it shows all that is counted.

    A comment that the site counts and does not show is unread: told, and asked for again by the next checks.
    """
    before = _mark_before(stream, run)
    try:
        tree = CommentTree.of(run.api.comments(stream.article_id))
    except Gone as gone:
        run.api.confirm(stream.root.list_owner if stream.root else run.settings.owners[0])
        # Unpublished since the list was read, or never to be had: asked again when the list shows a change.
        return StreamResult(skipped=str(gone), watermarks={stream.subject: _claim(stream).model_dump()})
    judgement = _judged(tree, _agreed_claim(tree, stream, before, run), before)
    activities = _activities(tree, stream)
    return StreamResult(
        operations=(UpsertActivities(activities=activities), *_retractions(tree, stream, before, judgement.mark)),
        last_record=activities[-1].source_id if activities else None,
        last_record_timestamp=activities[-1].timestamp if activities else None,
        new_streams=tuple(profiles_of(activities, site_of(stream.url), stream.root)),
        watermarks={stream.subject: judgement.mark.model_dump()},
        rejected=tuple(tree.rejected),
        unread=tree.nulls + judgement.unread,
    )


def _mark_before(stream: CommentsStream, run: Run) -> CommentsMark:
    mark = run.read_watermarks([stream.subject]).get(stream.subject)
    return CommentsMark.model_validate(mark) if mark else CommentsMark(last_comment_at=None, comments_count=None)


def _claim(stream: CommentsStream) -> CommentsMark:
    """Return what the list says of the comments."""
    return CommentsMark(
        last_comment_at=stream.last_comment_at,
        comments_count=stream.comments_count,
        heading=heading_of(stream.title, stream.url),
    )


def _agreed_claim(tree: CommentTree, stream: CommentsStream, before: CommentsMark, run: Run) -> CommentsMark:
    """Return what the site says of the comments: the list, or, where the tree contradicts it, the article itself.

    The list was read before the tree, and a stream that is owed carries what it said long ago.
    """
    claim = _claim(stream)
    if shortage_of(tree, claim, before.drift) <= 0 or not (is_much_shorter(tree, claim) or is_older(tree, claim)):
        return claim
    try:
        article = next(usable(Article, [run.api.article(stream.article_id)], []), None)
    except Gone:
        return claim
    if article is None:
        return claim
    return claim.model_copy(
        update={"last_comment_at": article.last_comment_at, "comments_count": article.comments_count}
    )


def _judged(tree: CommentTree, claim: CommentsMark, before: CommentsMark) -> Judgement:
    """Return how far a tree is believed that does not show as many comments as the site counts.

    Forem's counts go wrong at times, and stay so. Of a tree that shows a few less, or more although nothing came
    meanwhile, nobody can tell whether it is older than the count, or the count wrong. If the next answer is the same,
    it is the count: that is its drift.
    """
    shortage = shortage_of(tree, claim, before.drift)
    if shortage > 0 and is_much_shorter(tree, claim):
        return Judgement(unread=shortage, mark=claim.model_copy(update={"drift": before.drift}))
    came_meanwhile = shortage < 0 and is_newer(tree, claim)
    stale = 0
    if (shortage > 0 and is_older(tree, claim)) or (shortage < 0 and not came_meanwhile):
        stale = 1 + (before.stale if before.comments_count == claim.comments_count else 0)
    mark = claim.model_copy(update={"drift": before.drift, "stale": stale})
    if mark.is_doubted:
        return Judgement(unread=max(shortage, 0), mark=mark)
    drift = before.drift if came_meanwhile else before.drift + shortage
    return Judgement(unread=0, mark=mark.model_copy(update={"drift": drift}))


def _activities(tree: CommentTree, stream: CommentsStream) -> tuple[Activity, ...]:
    article, site = (stream.article_id, stream.title, stream.url), site_of(stream.url)
    return tuple(
        records.comment_activity(comment, parent=parent, article=article, site=site) for comment, parent in tree.answers
    )


def _retractions(
    tree: CommentTree, stream: CommentsStream, before: CommentsMark, claim: CommentsMark
) -> tuple[Operation, ...]:
    """Return what the tree no longer shows; one that does not show all is believed only in what it says outright."""
    outright = (RetractActivities(type=records.COMMENT, source_ids=tuple(tree.withheld)),)
    if claim.is_doubted:
        return outright
    total = None if claim.comments_count is None else claim.comments_count - before.drift
    page = tree.page(total)
    present = [comment.id_code for comment, _ in tree.answers]
    progress = ListProgress().with_page(page)
    return absent(records.COMMENT, str(stream.article_id), present, progress=progress, page=page) or outright
