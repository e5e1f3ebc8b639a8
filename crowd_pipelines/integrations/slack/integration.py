"""Slack: what is said in the channels that an app was invited to, in their threads, and who is in the workspace.

A check asks for one page of every channel, whose messages tell by their number of replies which threads have news.
People are listed in bulk once a day, never one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crowd_pipelines.framework.integration import Connector, Integration, Patch, Place, RunContext, RunSummary
from crowd_pipelines.http.errors import Gone, Refused
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.integrations.slack import activities as records
from crowd_pipelines.integrations.slack.api import SlackApi
from crowd_pipelines.integrations.slack.channels import KNOWN, channel_streams, planned, read_channels
from crowd_pipelines.integrations.slack.history import read_history
from crowd_pipelines.integrations.slack.listing import PEOPLE, are_members_due, read_members
from crowd_pipelines.integrations.slack.organization import see_workspace
from crowd_pipelines.integrations.slack.plan import Choice, Plan, listed_channels, notices_of, wanted_places
from crowd_pipelines.integrations.slack.refusals import REFUSALS, judge
from crowd_pipelines.integrations.slack.regime import Pace, Regime
from crowd_pipelines.integrations.slack.replies import read_replies
from crowd_pipelines.integrations.slack.streams import (
    CHANNEL_KINDS,
    ChannelsStream,
    HistoryStream,
    MembersStream,
    RepliesStream,
)
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.model.streams import Json, Stream, StreamResult

Run = RunContext["SlackSettings", SlackApi]


class SlackSettings(BaseModel):
    """Which channels are read, all that the app is in unless some are named; and what Slack allows the app.

    `team_id` names the workspace, for the token of an organization that has several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[str, ...] = ()
    regime: Regime = Regime.AUTO
    reread_days: Annotated[int, Field(ge=1, le=3650)] = 30
    team_id: Annotated[str, Field(pattern=r"^(T[A-Z0-9]{2,30})?$")] = ""

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
    stream_types = (MembersStream, ChannelsStream, HistoryStream, RepliesStream)
    activity_types = (records.MESSAGE, records.JOINED)
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 20
    # Slack counts per method, workspace and app, in a minute: 20, 50 or 100 by tier. With its burst each stays below.
    rate_limits: ClassVar[Mapping[str, RateLimit]] = {
        "auth.test": RateLimit(requests=90, seconds=60, burst=10),
        "auth.teams.list": RateLimit(requests=17, seconds=60, burst=3),
        "conversations.list": RateLimit(requests=17, seconds=60, burst=3),
        "users.list": RateLimit(requests=17, seconds=60, burst=3),
        "conversations.history": RateLimit(requests=45, seconds=60, burst=5),
        "conversations.replies": RateLimit(requests=45, seconds=60, burst=5),
        "users.info": RateLimit(requests=90, seconds=60, burst=10),
        "history-limited": RateLimit(requests=1, seconds=60),
        "replies-limited": RateLimit(requests=1, seconds=60),
    }
    max_concurrency = 4
    refusals = REFUSALS

    def connect(self, connector: Connector, credentials: SlackCredentials) -> SlackApi:
        """Return a client that carries the token."""
        token = credentials.token
        headers = {"Authorization": token.after("Bearer ")}
        client = connector.http(headers=headers, secrets=(token,), budget=token, refusals=REFUSALS, judge=judge)
        return SlackApi(client)

    def check_credentials(self, api: SlackApi, settings: SlackSettings) -> None:
        """See that the token works for a workspace, and that the app is in the channels that are named."""
        see_workspace(api, settings.team_id)
        if settings.channels:
            found = listed_channels(api, list(CHANNEL_KINDS), team=settings.team_id)
            places = wanted_places(found.channels, Choice(named=settings.channels))
            if notices := list(notices_of(found.channels, places, settings.channels)):
                raise Gone(" ".join(notices))

    def preprocess(self, run: Run) -> Json:
        """List the channels, and see in which workspace they are."""
        return planned(run, is_address_due=are_members_due(run)).model_dump(mode="json")

    def get_streams(self, run: Run) -> Sequence[Stream]:
        """Return the list of people, which leads on to the channels; or these at once while the list is fresh."""
        plan = Plan.of(run)
        hidden = [ChannelsStream(types=kind) for kind in plan.hidden]
        if are_members_due(run):
            return [MembersStream(), *hidden]
        return [*channel_streams(plan.places, run), *hidden]

    def process_stream(self, stream: Stream, run: Run) -> StreamResult:
        """Fetch a page of people, of a channel, or of a thread."""
        match stream:
            case MembersStream():
                return read_members(stream, run)
            case ChannelsStream():
                return read_channels(stream, run)
            case HistoryStream():
                return read_history(stream, run)
            case RepliesStream():
                return read_replies(stream, run)
            case _:
                raise LookupError(f"Slack has no stream of kind {stream.kind!r}")

    def postprocess(self, run: Run, summary: RunSummary) -> Patch:
        """Keep which workspace and which channels were read, and tell what cannot be."""
        plan = Plan.of(run)
        known = {place.id: place.name for place in plan.places}
        return Patch(state={"site": plan.site, "team": plan.team, KNOWN: known}, notices=plan.notices)

    def place_of(self, stream: Any) -> Place | None:
        """Return the channel that a page or a thread is in, or the list that a page is of."""
        match stream:
            case HistoryStream():
                return _channel_place(stream.whole)
            case RepliesStream():
                return _channel_place(HistoryStream(channel=stream.channel, name=stream.name, address=stream.address))
            case ChannelsStream() if stream.types:
                return Place(key=stream.types, label=stream.label, stream=stream)
            case MembersStream():
                return PEOPLE
            case _:
                return None

    def confirm_place(self, stream: Any, run: Run) -> None:
        """See that the channel of a thread that is not found can be read, and does not show it either."""
        if not isinstance(stream, RepliesStream):
            return
        bucket = Pace.of(run.settings.regime, run).bucket("history")
        head = run.api.message(stream.address or stream.channel, stream.thread, bucket=bucket)
        if head and head.get("reply_count"):
            raise Refused(f"#{stream.name} shows a thread at {stream.thread}, which is not found when it is asked for.")


def _channel_place(whole: HistoryStream) -> Place:
    return Place(key=whole.channel, label=f"#{whole.name}", stream=whole)
