"""A Slack whose answers a test writes down, and the integration that reads them."""

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
from crowd_pipelines.integrations.slack.api import SlackApi
from crowd_pipelines.integrations.slack.integration import SlackCredentials, SlackIntegration, SlackSettings
from crowd_pipelines.integrations.slack.plan import ChannelPlace, Plan
from crowd_pipelines.integrations.slack.streams import HistoryStream, MembersStream, RepliesStream
from crowd_pipelines.model.records import Activity, Member
from crowd_pipelines.model.streams import Json, Operation, Stream, StreamResult, UpsertActivities, UpsertMembers
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, scripted_server

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
MEMBERS = MembersStream()
HISTORY = HistoryStream(channel="C01", name="general", latest="1709300000.000000")
REPLIES = RepliesStream(channel="C01", name="general", thread="1708000100.000100", count=3, latest="1708000400.000200")
PLAN = Plan(
    site="https://acme.slack.com/",
    team="T01",
    places=(ChannelPlace(id="C01", name="general", hall=True), ChannelPlace(id="C02", name="random")),
    names={"C01": "general", "C02": "random", "C024": "far-away"},
)
METHODS = {
    "members": "users.list",
    "channels": "conversations.list",
    "history": "conversations.history",
    "replies": "conversations.replies",
}


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def activities(result: StreamResult) -> list[Activity]:
    return [a for o in result.operations if isinstance(o, UpsertActivities) for a in o.activities]


def members(result: StreamResult) -> list[Member]:
    return [m for o in result.operations if isinstance(o, UpsertMembers) for m in o.members]


def others(result: StreamResult) -> list[Operation]:
    return [o for o in result.operations if not isinstance(o, UpsertActivities | UpsertMembers)]


def messages(*items: Any, cursor: str = "") -> dict[str, Any]:
    return {"ok": True, "messages": list(items), "response_metadata": {"next_cursor": cursor}}


def message(ts: str, text: str = "hello", user: str = "U01", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": ts, **fields}


@dataclass(frozen=True, kw_only=True)
class WebApi:
    """The integration against a server that gives the same answer to every call of a method."""

    server: ScriptedServer
    api: SlackApi
    known: dict[str, Json] = field(default_factory=dict)

    def read(
        self,
        stream: Stream,
        body: Any,
        *,
        onboarding: bool = False,
        status: int = 200,
        plan: Plan = PLAN,
        **settings: Any,
    ) -> StreamResult:
        """What comes of the stream when this is answered."""
        self.answers(METHODS[stream.kind], body, status=status)
        return SlackIntegration().process_stream(stream, self.run(onboarding=onboarding, plan=plan, **settings))

    def read_as_it_is(self, stream: Stream) -> StreamResult:
        """What comes of the stream in a check when the server answers what it was told before."""
        return SlackIntegration().process_stream(stream, self.run())

    def answers(self, method: str, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        # ASCII throughout, so that lone surrogates travel, too.
        self.server.plays(f"/{method}", answer(status, body=json.dumps(body).encode(), headers=headers))

    def keep(self, result: StreamResult) -> StreamResult:
        """Remembers the watermarks, as a commit would."""
        self.known.update(result.watermarks)
        return result

    def run(self, *, onboarding: bool = False, plan: Plan = PLAN, **settings: Any) -> RunContext[Any, SlackApi]:
        return RunContext(
            integration_id=UUID(int=1),
            onboarding=onboarding,
            started_at=NOW,
            settings=SlackSettings.model_validate(settings),
            api=self.api,
            read_watermarks=self._known,
            preprocessed=json.loads(plan.model_dump_json()),
        )

    def _known(self, subjects: Sequence[str]) -> Mapping[str, Json]:
        return {subject: self.known[subject] for subject in subjects if subject in self.known}


@contextmanager
def web_api() -> Iterator[WebApi]:
    with scripted_server() as server:
        pacer = LocalPacer()
        connector = PacedConnector(
            base_url=server.url,
            credentials=GivenCredentials(given={}, from_environment={}),
            pacer_of=lambda *_: pacer,
            sleep=lambda _: None,
            max_connections=1,
        )
        yield WebApi(
            server=server,
            api=SlackIntegration().connect(connector, SlackCredentials.model_validate({"token": "xoxb-nobody"})),
        )
