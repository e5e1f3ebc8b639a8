"""A Forem whose answers a test writes down, and the integration that reads them."""

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
from crowd_pipelines.integrations.devto.api import DevtoApi
from crowd_pipelines.integrations.devto.integration import DevtoIntegration
from crowd_pipelines.integrations.devto.settings import DevtoCredentials, DevtoSettings, Run
from crowd_pipelines.integrations.devto.streams import ArticlesStream, ArticleStream, CommentsStream
from crowd_pipelines.model.records import Activity, Member
from crowd_pipelines.model.streams import Json, Operation, Stream, StreamResult, UpsertActivities, UpsertMembers
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, scripted_server

PAYLOADS = Path(__file__).parent / "payloads"
SITE = "https://dev.to"
ARTICLES = ArticlesStream(owner="user", username="mara")
ARTICLE = ArticleStream(article_id=51, owner="user", username="mara")
COMMENTS = CommentsStream(
    article_id=51,
    title="Of gates",
    url=f"{SITE}/mara/of-gates-1f",
    last_comment_at=None,
    comments_count=0,
    owner="user",
    username="mara",
)
NOT_FOUND = {"error": "not found", "status": 404}
PATHS = {"articles": "/articles", "comments": "/comments", "article": "/articles/51", "profile": "/users/7"}


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def activities(result: StreamResult) -> list[Activity]:
    return [a for o in result.operations if isinstance(o, UpsertActivities) for a in o.activities]


def members(result: StreamResult) -> list[Member]:
    return [m for o in result.operations if isinstance(o, UpsertMembers) for m in o.members]


def others(result: StreamResult) -> list[Operation]:
    return [o for o in result.operations if not isinstance(o, UpsertActivities | UpsertMembers)]


@dataclass(frozen=True, kw_only=True)
class Forem:
    """The integration against a server whose answers are scripted, path by path."""

    server: ScriptedServer
    api: DevtoApi
    known: dict[str, Json] = field(default_factory=dict)

    def read(self, stream: Stream, body: Any, *, onboarding: bool = False, status: int = 200) -> StreamResult:
        """What comes of the stream when this is answered."""
        # ASCII throughout, so that lone surrogates travel, too.
        self.server.plays(PATHS[stream.kind], answer(status, body=json.dumps(body).encode()))
        return self.process(stream, onboarding=onboarding)

    def process(self, stream: Stream, *, onboarding: bool = False) -> StreamResult:
        """What comes of the stream with the answers that are scripted."""
        return DevtoIntegration().process_stream(stream, self.context(onboarding=onboarding))

    def context(self, *, onboarding: bool = False) -> Run:
        """What the integration may know of its run."""
        return RunContext(
            integration_id=UUID(int=1),
            onboarding=onboarding,
            started_at=datetime.now(UTC),
            settings=DevtoSettings(users=("mara",)),
            api=self.api,
            read_watermarks=self._known,
        )

    def _known(self, subjects: Sequence[str]) -> Mapping[str, Json]:
        return {subject: self.known[subject] for subject in subjects if subject in self.known}


@contextmanager
def forem() -> Iterator[Forem]:
    with scripted_server() as server:
        pacer = LocalPacer()
        connector = PacedConnector(
            base_url=server.url,
            credentials=GivenCredentials(given={}),
            pacer_of=lambda *_: pacer,
            sleep=lambda _: None,
            max_connections=1,
        )
        api = DevtoIntegration().connect(connector, DevtoCredentials())
        yield Forem(server=server, api=api)
