"""Reading the list of people, in bulk and once a day, which leads on to the channels where their names are needed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from crowd_pipelines.framework.integration import Place, RunContext
from crowd_pipelines.framework.lists import NO_CURSOR
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import CredentialsRejected, Gone, NotPermitted
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import CursorExpired, Page, PageTooLarge, SlackApi, User
from crowd_pipelines.integrations.slack.people import UserMark, mark_of, user_subject
from crowd_pipelines.integrations.slack.plan import Plan
from crowd_pipelines.integrations.slack.streams import MEMBERS, ChannelsStream, MembersStream, join_subject
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    Json,
    Owed,
    RejectedRecord,
    Stream,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

Run = RunContext[Any, SlackApi]

FRESH_FOR = timedelta(days=1)
SMALL_PAGE = 200
"""What Slack recommends for people; larger pages save requests, and are given up where it refuses them."""

PEOPLE = Place(key="members", label="the list of people", stream=MembersStream(leads=False))


def are_members_due(run: Run) -> bool:
    """Tell whether to list the people: once a day, unless the app may not, which is tried apart from the channels."""
    if run.onboarding:
        return True
    read_at = _read_at(run)
    if read_at and datetime.fromisoformat(read_at) + FRESH_FOR >= run.started_at:
        return False
    return not run.read_owed([PEOPLE.key])


def _read_at(run: Run) -> str | None:
    return run.read_watermarks([MEMBERS]).get(MEMBERS, {}).get("read_at")


def read_members(stream: MembersStream, run: Run) -> StreamResult:
    """Fetch a page of the list of people."""
    try:
        page = run.api.members(stream.cursor, limit=stream.limit, team=run.settings.team_id)
    except CursorExpired as expired:
        return StreamResult(next_page=stream.again(expired, limit=stream.limit))
    except PageTooLarge as refused:
        return StreamResult(next_page=stream.again(refused, limit=SMALL_PAGE))
    except (Gone, NotPermitted) as refused:
        return _without_people(stream, refused, run)
    return _people(stream, page, run)


def _without_people(stream: MembersStream, refused: Gone | NotPermitted, run: Run) -> StreamResult:
    """Owe the list, and go on to the channels: where people were listed before, they can be read without."""
    permission = refused.permission if isinstance(refused, NotPermitted) else "not found"
    if not stream.leads:
        raise NotPermitted(str(refused), permission=permission)
    if _read_at(run) is None and permission.startswith("users:read"):
        # Nobody could tell people from bots.
        raise CredentialsRejected(str(refused))
    owed = Owed(place=PEOPLE.key, label=PEOPLE.label, permission=permission, reason=str(refused), stream=PEOPLE.stream)
    return StreamResult(owed=(owed,), new_streams=(ChannelsStream(),))


def _people(stream: MembersStream, page: Page, run: Run) -> StreamResult:
    rejected: list[RejectedRecord] = []
    users = list(usable(User, page.items, rejected))
    known = run.read_watermarks([subject(user.id) for user in users for subject in (user_subject, join_subject)])
    marks = {user.id: mark_of(user, Plan.of(run).team, listed=True).model_dump() for user in users}
    changed = [user for user in users if run.onboarding or known.get(user_subject(user.id)) != marks[user.id]]
    members = UpsertMembers(members=tuple(records.user_member(user) for user in changed if user.is_person))
    shown = StreamResult(operations=(members,), rejected=tuple(rejected), unread=page.nulls)
    if problem := _contradiction(stream, page):
        # It is tried again, and then tells who came; the channels can be read all the same.
        return replace(shown, incomplete=problem, new_streams=_onward(stream))
    joins = UpsertActivities(activities=tuple(_observed_joins(changed, known, run)))
    learned = {user_subject(user.id): marks[user.id] for user in changed}
    if page.cursor:
        following = stream.model_copy(update={"cursor": page.cursor})
        return replace(shown, operations=(members, joins), next_page=following, watermarks=learned)
    read = {**learned, MEMBERS: {"read_at": run.started_at.isoformat()}}
    return replace(shown, operations=(members, joins), new_streams=_onward(stream), watermarks=read)


def _contradiction(stream: MembersStream, page: Page) -> str | None:
    """Return what cannot be true of the list: that there is more and no way to it, or nobody, not even the app."""
    if page.has_more and not page.cursor:
        return NO_CURSOR
    return "the list of people is empty" if not (page.items or page.cursor or stream.cursor) else None


def _onward(stream: MembersStream) -> tuple[Stream, ...]:
    return (ChannelsStream(),) if stream.leads else ()


def _observed_joins(users: Sequence[User], known: Mapping[str, Json], run: Run) -> list[Activity]:
    """Return that people are there who were not listed before, as long as no channel tells since when."""
    return [
        records.observed_join(records.user_member(user), run.started_at)
        for user in users
        if user.is_person
        and not user.deleted
        and join_subject(user.id) not in known
        and (run.onboarding or not UserMark.model_validate(known.get(user_subject(user.id), {})).listed)
    ]
