"""An X whose answers a test writes down, and the integration that reads them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from crowd_pipelines.apis.x.api import XApi
from crowd_pipelines.framework.clients import PacedConnector, connected
from crowd_pipelines.framework.credentials import GivenCredentials
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.http import LocalPacer
from crowd_pipelines.integrations.twitter.integration import TwitterIntegration, TwitterSettings
from crowd_pipelines.integrations.twitter.streams import FollowersStream, HashtagStream, MentionsStream
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import Json, StreamResult, UpsertActivities
from crowd_pipelines_tests.http.scripted_server import Behaviour, ScriptedServer, answer, scripted_server

PAYLOADS = Path(__file__).parent / "payloads"
USER = "4001"
FOLLOWERS = FollowersStream(user_id=USER)
LOOK = FollowersStream(user_id=USER, size=10, look=True)
MENTIONS = MentionsStream(user_id=USER)
HASHTAG = HashtagStream(tag="gates")
PATHS = {
    "followers": f"/2/users/{USER}/followers",
    "mentions": f"/2/users/{USER}/mentions",
    "hashtag": "/2/tweets/search/recent",
    "token": "/2/oauth2/token",
    "users": "/2/users",
}
STARTED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
CREDENTIALS = {
    "access_token": "made-up-access",
    "refresh_token": "made-up-refresh",
    "client_id": "made-up-client",
    "client_secret": "made-up-secret",
}


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def problem(status: int, kind: str = "", **more: Any) -> Behaviour:
    """A refusal in X's words; without a kind, the generic one of the status."""
    phrase = HTTPStatus(status).phrase
    if not kind:
        return answer(status, {"title": phrase, "detail": phrase, "type": "about:blank", "status": status})
    named = f"https://api.twitter.com/2/problems/{kind}"
    return answer(status, {"title": "Refused", "detail": "For a reason.", "type": named, **more})


def invalid(*parameters: str) -> Behaviour:
    errors = [{"parameters": {name: ["odd"]}, "message": f"{name} is odd"} for name in parameters]
    return problem(400, "invalid-request", errors=errors)


def activities(result: StreamResult) -> list[Activity]:
    return [a for o in result.operations if isinstance(o, UpsertActivities) for a in o.activities]


@dataclass(frozen=True, kw_only=True)
class ScriptedX:
    """The integration against a server that answers what it is told to."""

    server: ScriptedServer
    api: XApi
    known: dict[str, Json] = field(default_factory=dict)

    def read(
        self,
        stream: Any,
        *answers: Any,
        onboarding: bool = False,
        hashtags: Sequence[str] = ("gates",),
        count: int | None = 2,
        started_at: datetime = STARTED_AT,
    ) -> StreamResult:
        """What comes of the stream when this is answered: behaviours, or bodies of a 200; `count` are the followers."""
        self.plays(stream.kind, *answers)
        account = {"id": USER, "username": "gate_keepers", "public_metrics": {"followers_count": count}}
        self.plays("users", {"data": [account]})
        context = RunContext(
            integration_id=UUID(int=1),
            onboarding=onboarding,
            started_at=started_at,
            settings=TwitterSettings(user_id=USER, hashtags=tuple(hashtags)),
            api=self.api,
            read_watermarks=self._known,
        )
        return TwitterIntegration().process_stream(stream, context)

    def plays(self, kind: str, *answers: Any) -> None:
        # ASCII throughout, so that lone surrogates travel, too.
        played = [one if callable(one) else answer(body=json.dumps(one).encode()) for one in answers]
        self.server.plays(PATHS[kind], *played)

    def asked(self) -> list[dict[str, str]]:
        """The query of every request so far."""
        return [{n: v[0] for n, v in parse_qs(urlsplit(seen.path).query).items()} for seen in self.server.seen]

    def _known(self, subjects: Sequence[str]) -> Mapping[str, Json]:
        return {subject: self.known[subject] for subject in subjects if subject in self.known}


@contextmanager
def scripted_x(credentials: Mapping[str, str] = CREDENTIALS, *, pacer: LocalPacer | None = None) -> Iterator[ScriptedX]:
    with scripted_server() as server:
        shared = pacer or LocalPacer()
        connector = PacedConnector(
            base_url=server.url,
            credentials=GivenCredentials(given=dict(credentials)),
            pacer_of=lambda *_: shared,
            sleep=lambda _: None,
            max_connections=1,
        )
        api = connected(TwitterIntegration(), connector)
        yield ScriptedX(server=server, api=api)
