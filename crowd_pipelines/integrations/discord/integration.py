"""Discord: who joined a guild, and what is said in its channels, threads and forums.

A check asks for the guild's channels and active threads, whose `last_message_id` tells where something was said, and
then only there, from the newest message that was read.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import ClassVar

from crowd_pipelines.framework.integration import Connector, Integration, Patch, Place, RunSummary
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.integrations.discord import activities as records
from crowd_pipelines.integrations.discord.api import DiscordApi
from crowd_pipelines.integrations.discord.debts import read_contents, read_place
from crowd_pipelines.integrations.discord.guild import read_guild
from crowd_pipelines.integrations.discord.members import read_members
from crowd_pipelines.integrations.discord.messages import read_messages
from crowd_pipelines.integrations.discord.places import confirm, place_of
from crowd_pipelines.integrations.discord.refusals import REFUSALS, closes_everything
from crowd_pipelines.integrations.discord.settings import DiscordCredentials, DiscordSettings, Run
from crowd_pipelines.integrations.discord.streams import (
    ArchiveStream,
    ContentsStream,
    GuildStream,
    MembersStream,
    MessagesStream,
    PlaceStream,
)
from crowd_pipelines.integrations.discord.threads import read_archive
from crowd_pipelines.model.streams import Stream, StreamResult

USER_AGENT = f"DiscordBot (https://pypi.org/project/crowd-pipelines, {version('crowd-pipelines')})"
"""Discord blocks bots that do not name themselves in this form."""


class DiscordIntegration(Integration[DiscordSettings, DiscordCredentials, DiscordApi]):
    """Discord."""

    platform = records.PLATFORM
    title = "Discord"
    description = "Members of a Discord server, and what is said in its channels, threads and forums."
    api_url = "https://discord.com/api/v10"
    settings_type = DiscordSettings
    credentials_type = DiscordCredentials
    app_credentials = ("token",)
    stream_types = (GuildStream, MessagesStream, ArchiveStream, MembersStream, PlaceStream, ContentsStream)
    activity_types = (records.JOINED_GUILD, records.MESSAGE, records.THREAD_STARTED)
    member_attributes = records.MEMBER_ATTRIBUTES
    ticks_between_checks = 20
    # Only the first is documented. Discord tells the others with every answer; these keep a bot from finding out late.
    rate_limits: ClassVar[Mapping[str, RateLimit]] = {
        "global": RateLimit(requests=50, seconds=1, burst=10),
        "messages": RateLimit(requests=5, seconds=1, burst=5),
        "channel": RateLimit(requests=5, seconds=1, burst=5),
        "threads": RateLimit(requests=5, seconds=1, burst=5),
        "members": RateLimit(requests=1, seconds=1, burst=5),
        "guild": RateLimit(requests=5, seconds=1, burst=5),
        "application": RateLimit(requests=1, seconds=1, burst=5),
    }
    max_concurrency = 8
    refusals = REFUSALS

    def connect(self, connector: Connector, credentials: DiscordCredentials) -> DiscordApi:
        """Return a client for the bot; what it may ask is counted for the bot, in however many guilds it is."""
        token = credentials.token
        http = connector.http(
            headers={"Authorization": token.after("Bot "), "User-Agent": USER_AGENT},
            secrets=(token,),
            budget=token,
            refusals=REFUSALS,
            overall="global",
            is_overall=closes_everything,
        )
        return DiscordApi(http)

    def check_credentials(self, api: DiscordApi, settings: DiscordSettings) -> None:
        """See that the token works and that the bot is in the guild."""
        api.channels(settings.guild_id)

    def get_streams(self, run: Run) -> Sequence[Stream]:
        """Return the guild; it knows what else there is to read."""
        return [GuildStream()]

    def process_stream(self, stream: Stream, run: Run) -> StreamResult:
        """Look at the guild, fetch a page of messages, archived threads or members, or begin with what was owed."""
        match stream:
            case GuildStream():
                return read_guild(run)
            case MessagesStream():
                return read_messages(stream, run)
            case ArchiveStream():
                return read_archive(stream, run)
            case MembersStream():
                return read_members(stream, run)
            case PlaceStream():
                return read_place(stream, run)
            case ContentsStream():
                return read_contents(stream, run)
            case _:
                raise LookupError(f"Discord has no stream of kind {stream.kind!r}")

    def place_of(self, stream: Stream) -> Place | None:
        """Return the channel, thread or list that a stream reads."""
        return place_of(stream)

    def confirm_place(self, stream: Stream, run: Run) -> None:
        """See that the guild answers, and that its lists do not show what was not found."""
        confirm(stream, run)

    def postprocess(self, run: Run, summary: RunSummary) -> Patch:
        """Drop what an earlier version told here: what is hidden is owed, and told as that."""
        return Patch(notices=())
