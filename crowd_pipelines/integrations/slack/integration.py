"""Slack: what is said in the channels that an app was invited to, in their threads, and who is in the workspace.

A check asks for one page of every channel, whose messages tell by their number of replies which threads have news.
People are listed in bulk once a day, never one by one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crowd_pipelines.framework.integration import Connector, Integration, Patch, RunContext, RunSummary
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.http.errors import Gone
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import CursorExpired, PageTooLarge, SlackApi, User, Workspace
from crowd_pipelines.integrations.slack.history import read_history
from crowd_pipelines.integrations.slack.people import UserMark, mark_of, user_subject
from crowd_pipelines.integrations.slack.plan import Place, Plan, listed_channels, wanted_places
from crowd_pipelines.integrations.slack.refusals import judge
from crowd_pipelines.integrations.slack.regime import Pace, Regime
from crowd_pipelines.integrations.slack.replies import read_replies
from crowd_pipelines.integrations.slack.streams import (
    MEMBERS,
    ChannelMark,
    HistoryStream,
    MembersStream,
    RepliesStream,
    channel_subject,
    join_subject,
)
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.model.streams import (
    Json,
    RejectedRecord,
    Stream,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

Run = RunContext["SlackSettings", SlackApi]

MEMBERS_FRESH_FOR = timedelta(days=1)
SMALL_PAGE = 200
"""What Slack recommends for people; larger pages save requests, and are given up where it refuses them."""

CLOCK_LEEWAY = timedelta(days=1)
"""Messages are asked for up to this long after now, so that a clock that is late hides none."""


class SlackSettings(BaseModel):
    """Which channels are read, all that the app is in unless some are named; and what Slack allows the app."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[str, ...] = ()
    regime: Regime = Regime.AUTO
    reread_days: Annotated[int, Field(ge=1, le=3650)] = 30

    @field_validator("channels")
    @classmethod
    def _names(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = [name.strip().removeprefix("#") for name in given]
        if not all(names):
            raise ValueError('a channel is empty; give names or ids, as in ["general", "C024BE91L"]')
        return tuple(dict.fromkeys(names))


class SlackCredentials(BaseModel):
    """The token of an app that is installed to the workspace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Secret

    @field_validator("token")
    @classmethod
    def _usable(cls, token: Secret) -> Secret:
        text = token.get_secret_value().strip()
        if not (text.isascii() and text.isprintable()) or " " in text or not text:
            raise ValueError("this is no token; copy the bot token, xoxb-..., from OAuth & Permissions of your app")
        return Secret(text)


class SlackIntegration(Integration[SlackSettings, SlackCredentials, SlackApi]):
    """One Slack workspace."""

    platform = records.PLATFORM
    title = "Slack"
    description = "Messages and threads of the channels that an app was invited to, and the people of the workspace."
    api_url = "https://slack.com/api"
    settings_type = SlackSettings
    credentials_type = SlackCredentials
    stream_types = (MembersStream, HistoryStream, RepliesStream)
    activity_types = (records.MESSAGE, records.JOINED)
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 20
    # Slack counts per method, workspace and app, in a minute: 20, 50 or 100 by tier. With its burst each stays below.
    rate_limits: ClassVar[Mapping[str, RateLimit]] = {
        "auth.test": RateLimit(requests=90, seconds=60, burst=10),
        "conversations.list": RateLimit(requests=17, seconds=60, burst=3),
        "users.list": RateLimit(requests=17, seconds=60, burst=3),
        "conversations.history": RateLimit(requests=45, seconds=60, burst=5),
        "conversations.replies": RateLimit(requests=45, seconds=60, burst=5),
        "users.info": RateLimit(requests=90, seconds=60, burst=10),
        "history-limited": RateLimit(requests=1, seconds=60),
        "replies-limited": RateLimit(requests=1, seconds=60),
    }
    max_concurrency = 4

    def connect(self, connector: Connector, credentials: SlackCredentials) -> SlackApi:
        """Return a client that carries the token."""
        token = credentials.token
        headers = {"Authorization": token.after("Bearer ")}
        return SlackApi(connector.http(headers=headers, secrets=(token,), budget=token, judge=judge))

    def check_credentials(self, api: SlackApi, settings: SlackSettings) -> None:
        """See that the token works, and that the app is in the channels that are named."""
        api.workspace()
        if settings.channels:
            channels, _ = listed_channels(api)
            _, notices = wanted_places(channels, settings.channels)
            if notices:
                raise Gone(" ".join(notices))

    def preprocess(self, run: Run) -> Json:
        """List the channels, and see in which workspace they are."""
        channels, notices = listed_channels(run.api)
        places, absent = wanted_places(channels, run.settings.channels)
        workspace = _workspace(run)
        return Plan(
            site=(workspace.url or "https://slack.com").rstrip("/") + "/",
            team=workspace.team_id or "",
            places=tuple(places),
            names={channel.id: channel.name for channel in channels if channel.name},
            notices=(*notices, *absent),
        ).model_dump(mode="json")

    def get_streams(self, run: Run) -> Sequence[Stream]:
        """Return the list of people, which leads on to the channels; or these at once while the list is fresh."""
        return [MembersStream()] if _members_are_due(run) else _channels(run)

    def process_stream(self, stream: Stream, run: Run) -> StreamResult:
        """Fetch a page of people, of a channel, or of a thread."""
        match stream:
            case MembersStream():
                return _members(stream, run)
            case HistoryStream():
                return read_history(stream, run)
            case RepliesStream():
                return read_replies(stream, run)
            case _:
                raise LookupError(f"Slack has no stream of kind {stream.kind!r}")

    def postprocess(self, run: Run, summary: RunSummary) -> Patch:
        """Keep which workspace it is, and tell what cannot be read."""
        plan = Plan.of(run)
        marks = _channel_marks(plan.places, run)
        told = [f"#{p.name} is not read. {marks[p.id].refused}" for p in plan.places if marks[p.id].refused]
        return Patch(state={"site": plan.site, "team": plan.team}, notices=(*plan.notices, *told))


def _workspace(run: Run) -> Workspace:
    """Return the workspace: remembered, and asked for once a day, since its address may change."""
    site, team = run.state.get("site"), run.state.get("team")
    if site and team and not _members_are_due(run):
        return Workspace(url=site, team_id=team)
    return run.api.workspace()


def _members_are_due(run: Run) -> bool:
    read_at = run.read_watermarks([MEMBERS]).get(MEMBERS, {}).get("read_at")
    return run.onboarding or not read_at or datetime.fromisoformat(read_at) + MEMBERS_FRESH_FOR < run.started_at


def _members(stream: MembersStream, run: Run) -> StreamResult:
    try:
        page = run.api.members(stream.cursor, limit=stream.limit)
    except CursorExpired as expired:
        return StreamResult(next_page=stream.again(expired, limit=stream.limit))
    except PageTooLarge as refused:
        return StreamResult(next_page=stream.again(refused, limit=SMALL_PAGE))
    except Gone as gone:
        # The channels can be read without.
        return StreamResult(skipped=str(gone), new_streams=_channels(run))
    rejected: list[RejectedRecord] = []
    users = list(usable(User, page.items, rejected))
    subjects = [user_subject(user.id) for user in users] + [join_subject(user.id) for user in users]
    known = run.read_watermarks(subjects)
    marks = {user.id: mark_of(user, Plan.of(run).team, listed=True) for user in users}
    changed = [
        user for user in users if run.onboarding or known.get(user_subject(user.id)) != marks[user.id].model_dump()
    ]
    return StreamResult(
        operations=(
            UpsertMembers(members=tuple(records.user_member(user) for user in changed if user.is_person)),
            UpsertActivities(activities=tuple(_observed_joins(changed, known, run))),
        ),
        last_record=users[-1].id if users else None,
        # A list that leads to itself ends in an error; the channels can be read all the same.
        new_streams=_channels(run) if page.cursor in ("", stream.cursor) else (),
        next_page=stream.model_copy(update={"cursor": page.cursor}) if page.cursor else None,
        watermarks={
            **{user_subject(user.id): marks[user.id].model_dump() for user in changed},
            **({} if page.cursor else {MEMBERS: {"read_at": run.started_at.isoformat()}}),
        },
        rejected=tuple(rejected),
    )


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


def _channels(run: Run) -> tuple[HistoryStream, ...]:
    plan = Plan.of(run)
    marks = _channel_marks(plan.places, run)
    # In the limited regime a look at 15 old messages would cost a minute, and help little.
    limited = Pace.of(run.settings.regime, run).limited
    deep = [place.id for place in plan.places if marks[place.id].deep and not limited]
    swept = min(deep, key=lambda channel: marks[channel].swept_at, default=None)
    return tuple(_channel(place, marks[place.id], run, sweep=place.id == swept) for place in plan.places)


def _channel(place: Place, mark: ChannelMark, run: Run, *, sweep: bool) -> HistoryStream:
    latest = f"{(run.started_at + CLOCK_LEEWAY).timestamp():.6f}"
    if run.onboarding or not mark.newest:
        return HistoryStream(channel=place.id, name=place.name, latest=latest)
    seconds, _, fraction = mark.newest.partition(".")
    oldest = f"{max(int(seconds) - run.settings.reread_days * 86_400, 0)}.{fraction}"
    return HistoryStream(
        channel=place.id, name=place.name, oldest=oldest, latest=latest, until=mark.newest, sweep=sweep
    )


def _channel_marks(places: Sequence[Place], run: Run) -> dict[str, ChannelMark]:
    known = run.read_watermarks([channel_subject(place.id) for place in places])
    return {place.id: ChannelMark.model_validate(known.get(channel_subject(place.id), {})) for place in places}
