"""Reading who follows an account.

The whole list is read by an onboarding, and by a check when X counts fewer than were read: so it is seen who has left.
A check looks from the newest follow to where the known ones begin, since X bills every account that is shown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crowd_pipelines.apis.x.api import XApi
from crowd_pipelines.apis.x.payloads import ID_PATTERN, Page, User
from crowd_pipelines.apis.x.refusals import InvalidParameters
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.lists import ListPage, ListProgress, absent
from crowd_pipelines.framework.reading import count_nulls, usable
from crowd_pipelines.integrations.twitter import activities as records
from crowd_pipelines.integrations.twitter.omissions import Omissions, omissions_of
from crowd_pipelines.integrations.twitter.streams import PAGE_TOKENS, FollowersMark, FollowersStream, digest
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    ShowActivities,
    StreamResult,
    UpsertActivities,
)

Run = RunContext[Any, XApi]

MOST_TURNS = 3
"""So often the list is begun anew when page tokens end, which X hardly bills: who was shown today is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page of followers: whom it shows, what of it cannot be used, and what it leaves out."""

    page: Page
    users: list[User]
    rejected: list[RejectedRecord]
    omissions: Omissions

    @property
    def ids(self) -> tuple[str | None, ...]:
        """The id of every follower on the page, of whatever shape."""
        return tuple(map(_id_of, self.page.records))

    def listed(self, total: int | None = None) -> ListPage:
        """What the page says of its list; `total` is how many that must have at least."""
        gaps = self.page.left_out + len(self.rejected) + count_nulls(self.page.records)
        return ListPage(ids=self.ids, unusable=gaps, cursor=self.page.next_token, total=total)

    def result(self, **parts: Any) -> StreamResult:
        """Return the result with these parts, and with what every page has."""
        watermarks = {**parts.pop("watermarks", {}), **self.omissions.watermarks}
        return StreamResult(
            last_record=self.users[-1].id if self.users else None,
            rejected=tuple(self.rejected),
            unread=self.omissions.unread,
            uncollected=self.omissions.uncollected,
            watermarks=watermarks,
            **parts,
        )


def read(stream: FollowersStream, run: Run) -> StreamResult:
    """Fetch a page of followers."""
    return _look(stream, run) if stream.look else _whole(stream, run)


def _whole(stream: FollowersStream, run: Run) -> StreamResult:
    if stream.page == 1 and not stream.again:
        counted = {"total": run.api.followers_count(stream.user_id), "started_at": run.started_at}
        stream, is_over = stream.model_copy(update=counted), False
    else:
        is_over = _is_over(stream, run)
    stream, shown = _shown(stream, run)
    follows = UpsertActivities(activities=tuple(_follows(shown.users, stream, run)))
    if shown.page.flaw or is_over:
        return shown.result(operations=(follows,), incomplete=shown.page.flaw)
    progress = stream.progress.with_page(shown.listed())
    if shown.page.next_token:
        return _further(stream, shown, follows, progress)
    return _end(stream, run, shown, follows, progress)


def _is_over(stream: FollowersStream, run: Run) -> bool:
    """Tell whether the list was read to its end or begun again since: then a page that is owed is read alone."""
    begun = run.read_watermarks([stream.begun]).get(stream.begun)
    return not begun or FollowersMark.model_validate(begun).whole_at != stream.started_at


def _further(stream: FollowersStream, shown: Shown, follows: UpsertActivities, progress: ListProgress) -> StreamResult:
    """Return a page that is not the last: its ids wait for that one."""
    watermarks: dict[str, Json] = {stream.listed(): {"ids": list(shown.ids)}, **_beginning(stream, shown)}
    return shown.result(
        operations=(follows,),
        next_page=stream.next(shown.page.next_token or "", progress=progress),
        watermarks=watermarks,
        expected_total=stream.total,
    )


def _end(
    stream: FollowersStream, run: Run, shown: Shown, follows: UpsertActivities, progress: ListProgress
) -> StreamResult:
    """Return the last page, by which it shows who has left, if the list can be relied on."""
    before = run.read_watermarks(list(_names(stream)))
    everybody = frozenset([*_ids_in(before), *filter(None, shown.ids)])
    # What was begun by another integration run does not know who has come since.
    in_one_go = stream.started_at == run.started_at
    remembered = in_one_go and progress.whole and len(before) == len(list(_names(stream)))
    total = stream.total
    if total is not None and max(len(everybody), progress.records) < _fewest(total):
        told = f"X lists {len(everybody)} followers, and counts {total}"
        return shown.result(operations=(follows,), incomplete=told)
    known = run.read_watermarks([stream.subject]).get(stream.subject)
    if remembered and known and not stream.again and total is not None and len(everybody) < total:
        # Between two pages people can move, so that neither shows them: who seems to be gone is looked for once more.
        pages: dict[str, Json] = {stream.listed(): {"ids": list(shown.ids)}, **_beginning(stream, shown)}
        return shown.result(operations=(follows,), next_page=stream.once_more(), watermarks=pages)
    return shown.result(
        operations=(follows, *_unfollows(stream, shown, everybody, whole=remembered)),
        watermarks={**{name: {} for name in before}, **_mark_of(stream, run, shown)},
        expected_total=total,
    )


def _unfollows(
    stream: FollowersStream, shown: Shown, everybody: frozenset[str], *, whole: bool
) -> tuple[Operation, ...]:
    """Return that all others have left; nothing, where X's count does not tell how many there should be."""
    if stream.total is None:
        return ()
    present = (f"{stream.user_id}:{one}" for one in everybody)
    progress = ListProgress(records=max(len(everybody), _fewest(stream.total)), whole=whole)
    return absent(records.FOLLOW, stream.user_id, present, progress=progress, page=shown.listed(_fewest(stream.total)))


def _mark_of(stream: FollowersStream, run: Run, shown: Shown) -> Mapping[str, Json]:
    """Return the watermark when the list was read: what its first page showed."""
    begun = {**run.read_watermarks([stream.begun]), **_beginning(stream, shown)}
    mark = FollowersMark(
        front=FollowersMark.model_validate(begun.get(stream.begun, {})).front,
        count=stream.total,
        whole_at=run.started_at,
        counted_at=run.started_at,
    )
    return {stream.subject: mark.model_dump(mode="json"), stream.begun: {}}


def _beginning(stream: FollowersStream, shown: Shown) -> Mapping[str, Json]:
    """Return what the first page shows, where this is the first one."""
    first = stream.page == 1 and not stream.again
    mark = FollowersMark(whole_at=stream.started_at).before(shown.users)
    return {stream.begun: mark.model_dump(mode="json")} if first else {}


def _fewest(total: int) -> int:
    """Return how many the list must show at least: X counts some whom it does not show, but not many."""
    return max(total - max(3, total // 10), min(total, 1))


def _names(stream: FollowersStream) -> Iterator[str]:
    """Yield under which names the ids of the pages before this one wait."""
    if stream.again:
        yield from (stream.listed(page, again=False) for page in range(1, stream.first_pages + 1))
    yield from (stream.listed(page) for page in range(1, stream.page))


def _ids_in(pages: Mapping[str, Json]) -> Iterator[str]:
    return (one for page in pages.values() for one in page.get("ids", ()) if one is not None)


def _look(stream: FollowersStream, run: Run) -> StreamResult:
    known = run.read_watermarks([stream.subject, FollowersStream(user_id=stream.user_id).begun])
    if stream.subject not in known:
        # Nobody has come to the list's end: who has begun goes on, and what was never begun begins.
        return StreamResult(new_streams=() if any(known.values()) else (FollowersStream(user_id=stream.user_id),))
    mark = FollowersMark.model_validate(known[stream.subject])
    stream, shown = _shown(stream, run)
    operations = _news(stream, run, shown, mark)
    if flaw := shown.page.flaw or _emptiness(stream, run, shown, mark):
        return shown.result(operations=operations, incomplete=flaw)
    before = run.read_watermarks([stream.begun]).get(stream.begun, {}) if stream.page > 1 else {}
    newest = FollowersMark.model_validate(before).before(shown.users)
    if shown.page.next_token and not mark.reached_by(shown.users):
        onward, so_far = stream.next(shown.page.next_token), {stream.begun: newest.model_dump(mode="json")}
        return shown.result(operations=operations, next_page=onward, watermarks=so_far)
    return _looked(stream, run, shown, operations, mark.behind(newest))


def _looked(
    stream: FollowersStream, run: Run, shown: Shown, operations: tuple[Operation, ...], mark: FollowersMark
) -> StreamResult:
    """Return the end of a look; now and then it leads to the whole list, where X counts fewer than were read."""
    left = False
    if mark.is_due(run.started_at):
        count = run.api.followers_count(stream.user_id)
        left, mark = mark.misses_somebody(count), mark.counted(count, run.started_at)
    return shown.result(
        operations=operations,
        new_streams=(FollowersStream(user_id=stream.user_id),) if left else (),
        watermarks={stream.subject: mark.model_dump(mode="json"), stream.begun: {}},
    )


def _news(stream: FollowersStream, run: Run, shown: Shown, mark: FollowersMark) -> tuple[Operation, ...]:
    """Return what a look tells: who is new or shown in another way, and who follows as before, or again."""
    known = mark.known
    same = [user for user in shown.users if known.get(user.id) == digest(user)]
    told = [user for user in shown.users if known.get(user.id) != digest(user)]
    return (
        UpsertActivities(activities=tuple(_follows(told, stream, run))),
        ShowActivities(activities=tuple(_follows(same, stream, run))),
    )


def _emptiness(stream: FollowersStream, run: Run, shown: Shown, mark: FollowersMark) -> str | None:
    """Return that X lists nobody although it counts somebody."""
    if shown.page.records or stream.page > 1 or not mark.front:
        return None
    count = run.api.followers_count(stream.user_id)
    return None if count == 0 else f"X lists no followers, and counts {'some' if count is None else count}"


def _shown(stream: FollowersStream, run: Run) -> tuple[FollowersStream, Shown]:
    """Return a page, and the stream of it: the first one again, where X takes the page token for ended."""
    try:
        page = run.api.followers(stream.user_id, size=stream.size, token=stream.token)
    except InvalidParameters as refused:
        if not (stream.token and refused.names & PAGE_TOKENS) or stream.turn >= MOST_TURNS:
            raise
        stream = stream.anew()
        page = run.api.followers(stream.user_id, size=stream.size, token=None)
    rejected: list[RejectedRecord] = []
    users = list(usable(User, page.records, rejected))
    omissions = omissions_of(page, stream, run, subject=stream.subject, noun="followers")
    return stream, Shown(page=page, users=users, rejected=rejected, omissions=omissions)


def _follows(users: Iterable[User], stream: FollowersStream, run: Run) -> Iterator[Activity]:
    # The integration run's beginning, so that a page that is fetched again gives the same.
    return (records.follow_activity(user, followed=stream.user_id, seen_at=run.started_at) for user in users)


def _id_of(record: Any) -> str | None:
    """Return the id of a follower of any shape."""
    found = str(record.get("id")) if isinstance(record, dict) else ""
    return found if re.match(ID_PATTERN, found) else None
