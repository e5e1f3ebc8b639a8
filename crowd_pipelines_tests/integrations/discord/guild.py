"""A Discord whose answers a test writes down, and the integration that reads them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from crowd_pipelines.framework.clients import PacedConnector
from crowd_pipelines.framework.credentials import GivenCredentials
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.http import LocalPacer
from crowd_pipelines.integrations.discord.api import DiscordApi
from crowd_pipelines.integrations.discord.integration import DiscordIntegration
from crowd_pipelines.integrations.discord.settings import DiscordCredentials, DiscordSettings, Run
from crowd_pipelines.integrations.discord.streams import GuildStream, MembersStream, MessagesStream, Place
from crowd_pipelines.model.records import Activity, Member
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.model.streams import Json, Operation, Stream, StreamResult, UpsertActivities, UpsertMembers
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, scripted_server

PAYLOADS = Path(__file__).parent / "payloads"
GUILD = "100"
CHANNEL = Place(id="900", name="general", form="channel", channel_id="900", channel="general")
MESSAGES = MessagesStream(place=CHANNEL)
MEMBERS = MembersStream(day="2026-01-01")
POST_ID = "1103640000000000100"
POST = MessagesStream(place=Place(id=POST_ID, name="How to?", form="post", channel_id="950", channel="help"))
THREAD_ID = "1103640000000000009"
THREAD = MessagesStream(place=Place(id=THREAD_ID, name="help", form="thread", channel_id="900", channel="general"))
PATHS = {"members": f"/guilds/{GUILD}/members", "guild": f"/guilds/{GUILD}/channels"}


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def activities(result: StreamResult) -> list[Activity]:
    return [a for o in result.operations if isinstance(o, UpsertActivities) for a in o.activities]


def members(result: StreamResult) -> list[Member]:
    return [m for o in result.operations if isinstance(o, UpsertMembers) for m in o.members]


def others(result: StreamResult) -> list[Operation]:
    return [o for o in result.operations if not isinstance(o, UpsertActivities | UpsertMembers)]


def only(result: StreamResult) -> Activity:
    [found] = activities(result)
    return found


def message(**changed: Any) -> dict[str, Any]:
    """A message as Discord sends it, with some fields as the test wants them."""
    return {**payload("message"), **changed}


@dataclass(frozen=True, kw_only=True)
class Guild:
    """The integration against a server that answers as it is told."""

    server: ScriptedServer
    api: DiscordApi
    known: dict[str, Json] = field(default_factory=dict)
    owed: dict[str, frozenset[str]] = field(default_factory=dict)

    def run(self, *, onboarding: bool = False) -> Run:
        return RunContext(
            integration_id=UUID(int=1),
            onboarding=onboarding,
            started_at=datetime(2026, 3, 1, tzinfo=UTC),
            settings=DiscordSettings(guild_id=GUILD),
            api=self.api,
            read_watermarks=self._known,
            read_owed=lambda places: {place: self.owed[place] for place in places if place in self.owed},
        )

    def read(
        self,
        stream: Stream,
        body: Any,
        *,
        onboarding: bool = False,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> StreamResult:
        """What comes of the stream when this is answered."""
        path = (
            f"/channels/{stream.place.id}/messages"
            if isinstance(stream, MessagesStream)
            else PATHS.get(stream.kind, "/channels/950/threads/archived/public")
        )
        if isinstance(stream, MessagesStream) and stream.last:
            self.shows(stream.place.id, stream.last, None)
        # ASCII throughout, so that lone surrogates travel, too.
        self.server.plays(path, answer(status, body=json.dumps(body).encode(), headers=headers))
        return DiscordIntegration().process_stream(stream, self.run(onboarding=onboarding))

    def look(
        self, channels: Sequence[Any], threads: Sequence[Any] = (), /, *, onboarding: bool = False, **told: Any
    ) -> StreamResult:
        """What comes of the guild; `told` are the answers about the bot: application, guild, membership."""
        application = {"id": "7", "flags": 1 << 15 | 1 << 19, "bot": {"id": "7", "username": "reader"}}
        everything = {"id": GUILD, "name": "@everyone", "permissions": str((1 << 64) - 1 & ~(1 << 3))}
        self.refuses("/guilds/100/roles", 404, "404: Not Found", 0)
        for path, body in {
            f"/guilds/{GUILD}/channels": channels,
            f"/guilds/{GUILD}/threads/active": {"threads": list(threads), "members": [], "has_more": False},
            "/applications/@me": told.get("application", application),
            f"/guilds/{GUILD}": told.get("guild", {"id": GUILD, "owner_id": "1", "roles": [everything]}),
            f"/guilds/{GUILD}/members/7": told.get("membership", {"roles": []}),
        }.items():
            self.server.plays(path, answer(200, body))
            if body is None:
                self.refuses(path, 404, "404: Not Found", 0)
        return DiscordIntegration().process_stream(GuildStream(), self.run(onboarding=onboarding))

    def refuses(self, path: str, status: int, message: str, code: int) -> None:
        """Answer this from now on as Discord refuses."""
        self.server.plays(path, answer(status, {"message": message, "code": code}))

    def shows(self, channel_id: str, message_id: str, shown: Any) -> None:
        """Answer with a message from now on; with None it was deleted."""
        path = f"/channels/{channel_id}/messages/{message_id}"
        if shown is None:
            self.refuses(path, 404, "Unknown Message", 10008)
        else:
            self.server.plays(path, answer(200, shown))

    def keep(self, result: StreamResult) -> StreamResult:
        """Store the watermarks as the database would."""
        self.known.update(json.loads(json.dumps(dict(result.watermarks))))
        return result

    def asked(self) -> list[str]:
        seen = [request.path for request in self.server.seen]
        self.server.seen.clear()
        return seen

    def _known(self, subjects: Sequence[str]) -> Mapping[str, Json]:
        return {subject: self.known[subject] for subject in subjects if subject in self.known}


@contextmanager
def guild() -> Iterator[Guild]:
    with scripted_server() as server:
        pacer = LocalPacer()
        connector = PacedConnector(
            base_url=server.url,
            credentials=GivenCredentials(given={}),
            pacer_of=lambda *_: pacer,
            sleep=lambda _: None,
            max_connections=1,
        )
        api = DiscordIntegration().connect(connector, DiscordCredentials(token=Secret("fake-token")))
        yield Guild(server=server, api=api)
