"""Reading posts that name the account, and posts with a hashtag."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from crowd_pipelines.apis.x.api import XApi
from crowd_pipelines.apis.x.payloads import Page, Post
from crowd_pipelines.apis.x.refusals import InvalidParameters
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.integrations.twitter import activities as records
from crowd_pipelines.integrations.twitter.omissions import omissions_of, unstored
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
S = TypeVar("S", bound=PostsStream)


def query_for(tag: str) -> str:
    """Return what to search for: posts with the tag that people wrote themselves."""
    return f"#{tag} -is:retweet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Generic[S]):
    """A page of posts: what was asked for it at last, and of each post its newest version."""

    stream: S
    page: Page
    posts: list[Post]
    rejected: list[RejectedRecord]

    def newest(self, before: PostsMark) -> str | None:
        """Return the highest id so far, never a lower one than is known: an older page may be asked for again.

        Ids that lie ahead of X's clock are no posts, and would hide all that come.
        """
        ids = [self.page.newest_id, before.newest_id, *(post.id for post in self.posts)]
        return self.stream.highest(one for one in ids if one and self.page.is_of_this_time(one))

    def onward(self, **further: Any) -> S | None:
        """Return the next page, if there is one."""
        if not self.page.next_token:
            return None
        oldest_id = self.stream.lowest(post.id for post in self.posts)
        place = {"page": self.stream.page + 1, "token": self.page.next_token, "oldest_id": oldest_id}
        return self.stream.model_copy(update={**place, **further})


def read_mentions(stream: MentionsStream, run: Run) -> StreamResult:
    """Fetch a page of mentions."""

    def ask(asked: MentionsStream) -> Page:
        return run.api.mentions(asked.user_id, since_id=asked.since_id, until_id=asked.until_id, token=asked.token)

    shown = _shown(stream, ask)
    newest = shown.newest(_mark(run, stream))
    parts = _parts(stream, run, shown, ended=PostsMark(newest_id=newest))
    activities = tuple(records.mention_activity(post, shown.page) for post in shown.posts)
    return _result(activities, next_page=shown.onward(newest_id=newest), **parts)


def read_hashtag(stream: HashtagStream, run: Run, *, tags: Sequence[str]) -> StreamResult:
    """Fetch a page of posts with a hashtag. Raises Gone when X does not search for it."""
    shown = _shown(stream, lambda asked: _searched(asked, run))
    known = _mark(run, stream)
    newest, began_at = shown.newest(known), shown.stream.began_at or shown.page.told_at
    ended = known.moved(newest_id=newest, began_at=began_at, asked_at=run.started_at, forgiven=run.onboarding)
    activities = (records.hashtag_activity(post, shown.page, tags=tags, asked=stream.tag) for post in shown.posts)
    return _result(
        tuple(activities),
        next_page=shown.onward(newest_id=newest, began_at=began_at),
        **_parts(stream, run, shown, ended=ended),
    )


def _searched(stream: HashtagStream, run: Run) -> Page:
    try:
        return run.api.search(
            query_for(stream.tag),
            since_id=stream.since_id,
            until_id=stream.until_id,
            start_time=stream.start_time,
            token=stream.token,
        )
    except InvalidParameters as refused:
        if "query" in refused.names:
            raise Gone(f"X does not search for #{stream.tag}: {refused} Take it out of the settings.") from None
        raise


def _shown(stream: S, ask: Callable[[S], Page]) -> Shown[S]:
    """Return a page, asked with less where X cannot take all. Raises InvalidParameters.

    A beginning may lie too far back, and a page token may have ended.
    """
    while True:
        try:
            page = ask(stream)
        except InvalidParameters as refused:
            less = stream.without(refused.names)
            if less is None:
                raise
            stream = less
        else:
            posts, rejected = _versions(page)
            return Shown(stream=stream, page=page, posts=posts, rejected=rejected)


def _versions(page: Page) -> tuple[list[Post], list[RejectedRecord]]:
    """Return the posts that can be used, of each its newest version, and what cannot be used."""
    rejected: list[RejectedRecord] = []
    newest: dict[str, Post] = {}
    for post in usable(Post, page.records, rejected):
        other = newest.setdefault(post.first_id, post)
        newest[post.first_id] = max(other, post, key=lambda version: int(version.id))
    return list(newest.values()), rejected


def _mark(run: Run, stream: PostsStream) -> HashtagMark:
    return HashtagMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))


def _parts(stream: PostsStream, run: Run, shown: Shown[Any], *, ended: PostsMark) -> dict[str, Any]:
    """Return what a result has beside its records; the watermark moves with the last page."""
    page = shown.page
    omissions = omissions_of(page, stream, run, subject=stream.subject, noun="posts")
    moved: dict[str, Json] = {} if page.next_token else {stream.subject: ended.model_dump(mode="json")}
    return {
        "watermarks": {**moved, **omissions.watermarks},
        "rejected": tuple(shown.rejected),
        "unread": omissions.unread,
        "uncollected": {**omissions.uncollected, **unstored(shown.posts)},
        "incomplete": page.flaw,
    }


def _result(activities: tuple[Activity, ...], **parts: Any) -> StreamResult:
    return StreamResult(
        operations=(UpsertActivities(activities=activities),),
        last_record=activities[-1].source_id if activities else None,
        last_record_timestamp=activities[-1].timestamp if activities else None,
        **parts,
    )
