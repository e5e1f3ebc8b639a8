"""Reading who follows an account.

An onboarding reads the whole list, and so sees who has left. A check reads from the newest follow to where the known
ones begin.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from crowd_pipelines.apis.x.api import LARGEST_PAGE_OF_USERS, XApi
from crowd_pipelines.apis.x.payloads import ID_PATTERN, Page, User
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.twitter import activities as records
from crowd_pipelines.integrations.twitter.streams import FollowersMark, FollowersStream, digest
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    RetractMissing,
    StreamResult,
    UpdateMembers,
    UpsertActivities,
)

Run = RunContext[Any, XApi]


def read(stream: FollowersStream, run: Run) -> StreamResult:
    """Fetch a page of followers."""
    page = run.api.followers(stream.user_id, size=stream.size, token=stream.token)
    rejected: list[RejectedRecord] = []
    users = list(usable(User, page.records, rejected))
    return (_whole if run.onboarding else _news)(stream, run, page, users, rejected)


def _whole(
    stream: FollowersStream, run: Run, page: Page, users: list[User], rejected: list[RejectedRecord]
) -> StreamResult:
    operations: list[Operation] = [_follows(users, stream, run)]
    watermarks: dict[str, Json] = {}
    if page.next_token:
        watermarks[stream.listed()] = {"ids": [_id_of(record) for record in page.records]}
        if stream.page == 1:
            watermarks[stream.begun] = FollowersMark().behind(users).model_dump(mode="json")
    else:
        before = run.read_watermarks([stream.listed(number) for number in range(1, stream.page)])
        operations += _unfollows(stream, before, page)
        watermarks = {**{name: {} for name in before}, **_ended(stream, run, FollowersMark().behind(users))}
    return StreamResult(
        operations=tuple(operations),
        last_record=users[-1].id if users else None,
        next_page=stream.next(page.next_token) if page.next_token else None,
        watermarks=watermarks,
        rejected=tuple(rejected),
    )


def _news(
    stream: FollowersStream, run: Run, page: Page, users: list[User], rejected: list[RejectedRecord]
) -> StreamResult:
    mark = FollowersMark.model_validate(run.read_watermarks([stream.subject]).get(stream.subject, {}))
    known = mark.known
    changed = [user for user in users if known.get(user.id, digest(user)) != digest(user)]
    onward = None if mark.reached_by(users) else _onward(stream, page)
    fresh = mark.behind(users)
    if onward is None:
        watermarks = _ended(stream, run, fresh)
    else:
        watermarks = {stream.begun: fresh.model_dump(mode="json")} if stream.page == 1 else {}
    return StreamResult(
        operations=(
            _follows([user for user in users if user.id not in known], stream, run),
            UpdateMembers(members=tuple(map(records.user_member, changed))),
        ),
        last_record=users[-1].id if users else None,
        next_page=onward,
        watermarks=watermarks,
        rejected=tuple(rejected),
    )


def _onward(stream: FollowersStream, page: Page) -> FollowersStream | None:
    if not page.next_token:
        return None
    return stream.next(page.next_token) if stream.size == LARGEST_PAGE_OF_USERS else stream.from_the_start()


def _ended(stream: FollowersStream, run: Run, mark: FollowersMark) -> Mapping[str, Json]:
    """Return the watermark when all pages were read: what the first of them showed."""
    if stream.page > 1:
        mark = FollowersMark.model_validate(run.read_watermarks([stream.begun]).get(stream.begun, {}))
    return {stream.subject: mark.model_dump(mode="json")}


def _follows(users: Iterable[User], stream: FollowersStream, run: Run) -> UpsertActivities:
    # The integration run's beginning, so that a page that is fetched again gives the same.
    seen_at, followed = run.started_at, stream.user_id
    return UpsertActivities(
        activities=tuple(records.follow_activity(user, followed=followed, seen_at=seen_at) for user in users)
    )


def _unfollows(stream: FollowersStream, before: Mapping[str, Json], page: Page) -> list[Operation]:
    """Return that everybody else has left; nothing, where somebody may be listed whom we cannot tell."""
    ids = [*(one for listed in before.values() for one in listed.get("ids", [None])), *map(_id_of, page.records)]
    if None in ids or len(before) < stream.page - 1:
        return []
    present = frozenset(f"{stream.user_id}:{one}" for one in ids)
    return [RetractMissing(type=records.FOLLOW, thread=stream.user_id, present=present)]


def _id_of(record: Any) -> str | None:
    """Return the id of a follower of any shape."""
    found = str(record.get("id")) if isinstance(record, dict) else ""
    return found if re.match(ID_PATTERN, found) else None
