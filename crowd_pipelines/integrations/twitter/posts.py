"""Reading posts that name the account, and posts with a hashtag."""

from collections.abc import Sequence
from typing import Any

from crowd_pipelines.apis.x.api import XApi
from crowd_pipelines.apis.x.payloads import Page, Post
from crowd_pipelines.apis.x.verdicts import InvalidParameters
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.twitter import activities as records
from crowd_pipelines.integrations.twitter.streams import (
    HashtagMark,
    HashtagStream,
    MentionsStream,
    PostsMark,
    PostsStream,
)
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import Json, RejectedRecord, StreamResult, UpsertActivities

Run = RunContext[Any, XApi]

_TOO_OLD = frozenset({"since_id", "start_time"})


def query_for(tag: str) -> str:
    """Return what to search for: posts with the tag that people wrote themselves."""
    return f"#{tag} -is:retweet"


def read_mentions(stream: MentionsStream, run: Run) -> StreamResult:
    """Fetch a page of mentions."""
    try:
        page = run.api.mentions(stream.user_id, since_id=stream.since_id, token=stream.token)
    except InvalidParameters as refused:
        if not refused.names & _TOO_OLD or not stream.since_id:
            raise
        stream = MentionsStream(user_id=stream.user_id)
        page = run.api.mentions(stream.user_id, since_id=None, token=None)
    posts, rejected = _versions(page)
    newest = _newest(stream, page, posts)
    return _result(
        stream,
        page,
        [records.mention_activity(post, page) for post in posts],
        rejected,
        further={"newest_id": newest},
        ended=PostsMark(newest_id=newest).model_dump(mode="json"),
    )


def read_hashtag(stream: HashtagStream, run: Run, *, tags: Sequence[str]) -> StreamResult:
    """Fetch a page of posts with a hashtag."""
    try:
        page = _searched(stream, run)
    except InvalidParameters as refused:
        if not refused.names & _TOO_OLD or not (stream.since_id or stream.start_time):
            raise
        # X's search goes less far back than we thought; without a beginning it goes as far as it can.
        stream = HashtagStream(tag=stream.tag)
        page = _searched(stream, run)
    posts, rejected = _versions(page)
    newest, began_at = _newest(stream, page, posts), stream.began_at or page.told_at
    known = HashtagMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    mark = HashtagMark(
        newest_id=newest,
        began_at=began_at,
        asked_at=run.started_at,
        gap=known.gap_before(began_at, forgiven=run.onboarding),
    )
    return _result(
        stream,
        page,
        [records.hashtag_activity(post, page, tags=tags, asked=stream.tag) for post in posts],
        rejected,
        further={"newest_id": newest, "began_at": began_at},
        ended=mark.model_dump(mode="json"),
    )


def _searched(stream: HashtagStream, run: Run) -> Page:
    query = query_for(stream.tag)
    try:
        return run.api.search(query, since_id=stream.since_id, start_time=stream.start_time, token=stream.token)
    except InvalidParameters as refused:
        if "query" in refused.names:
            raise Gone(f"X does not search for #{stream.tag}: {refused}") from None
        raise


def _versions(page: Page) -> tuple[list[Post], list[RejectedRecord]]:
    """Return the posts that can be used, of each its newest version, and what cannot be used."""
    rejected: list[RejectedRecord] = []
    newest: dict[str, Post] = {}
    for post in usable(Post, page.records, rejected):
        other = newest.setdefault(post.first_id, post)
        newest[post.first_id] = max(other, post, key=lambda version: int(version.id))
    return list(newest.values()), rejected


def _newest(stream: PostsStream, page: Page, posts: Sequence[Post]) -> str | None:
    return stream.highest([page.newest_id, *(post.id for post in posts)])


def _result(
    stream: PostsStream,
    page: Page,
    activities: Sequence[Activity],
    rejected: Sequence[RejectedRecord],
    *,
    further: dict[str, Any],
    ended: Json,
) -> StreamResult:
    """Return what a page brings; the watermark moves with the last one."""
    onward = {**further, "page": stream.page + 1, "token": page.next_token}
    return StreamResult(
        operations=(UpsertActivities(activities=tuple(activities)),),
        last_record=activities[-1].source_id if activities else None,
        last_record_timestamp=activities[-1].timestamp if activities else None,
        next_page=stream.model_copy(update=onward) if page.next_token else None,
        watermarks={} if page.next_token else {stream.subject: ended},
        rejected=tuple(rejected),
    )
