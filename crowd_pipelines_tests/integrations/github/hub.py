"""A GitHub whose answers a test writes down, and the integration that reads them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from crowd_pipelines.framework.clients import PacedConnector, connected
from crowd_pipelines.framework.credentials import GivenCredentials
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.http import LocalPacer
from crowd_pipelines.integrations.github.api import GithubApi
from crowd_pipelines.integrations.github.integration import GithubIntegration
from crowd_pipelines.integrations.github.settings import GithubSettings
from crowd_pipelines.integrations.github.streams import RepositoryStream, StargazersStream
from crowd_pipelines.model.records import Activity, Member
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    ShowActivities,
    Stream,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)
from crowd_pipelines_tests.http.scripted_server import Behaviour, ScriptedServer, answer, scripted_server

PAYLOADS = Path(__file__).parent / "payloads"
GRAPHQL = "/graphql"
TOKEN = "ghp_aTokenThatOpensNothing00000001"
REPOSITORY = RepositoryStream(owner="octo", name="app")
STARS = StargazersStream(repository="R_1", name="octo/app")
UPDATED = "2024-01-01T00:00:00Z"
PLACE = {"id": "R_1", "url": "https://github.com/octo/app", "nameWithOwner": "octo/app"}


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def of_repository(**connections: Any) -> dict[str, Any]:
    """The answer to the query of a repository; the lists that are not told are empty."""
    empty = {"forks": page(), "issues": page(), "pullRequests": page(), "discussions": page()}
    about = {**PLACE, "stargazerCount": 0, "updatedAt": UPDATED}
    return {"data": {"repository": {**about, **empty, **connections}, "rateLimit": budget()}}


def budget(remaining: int = 4000) -> dict[str, Any]:
    return {"cost": 1, "remaining": remaining, "resetAt": "2026-11-24T12:00:00Z"}


def of_stars(*edges: Any, count: int | None = None, **details: Any) -> dict[str, Any]:
    """The answer to the query of a page of stars."""
    listed = {**page(*edges, **details)}
    listed["edges"] = listed.pop("nodes")
    count = listed["totalCount"] if count is None else count
    return {"data": {"node": {**PLACE, "stargazerCount": count, "updatedAt": UPDATED, "stargazers": listed}}}


def star(number: int, at: str = "2024-01-01T00:00:00Z") -> dict[str, Any]:
    return {"starredAt": at, "node": user(number)}


def page(*nodes: Any, more: str | None = None, total: int | None = None) -> dict[str, Any]:
    return {
        "totalCount": len(nodes) if total is None else total,
        "pageInfo": {"hasNextPage": more is not None, "endCursor": more},
        "nodes": list(nodes),
    }


def last_page(*nodes: Any, more: str | None = None) -> dict[str, Any]:
    """A page that is read backwards."""
    return {"pageInfo": {"hasPreviousPage": more is not None, "startCursor": more}, "nodes": list(nodes)}


def user(number: int, **details: Any) -> dict[str, Any]:
    return {"__typename": "User", "databaseId": number, "login": f"user{number}", **details}


def issue(number: int, updated: str = "2024-05-01T10:00:00Z", **details: Any) -> dict[str, Any]:
    return {
        "id": f"I_{number}",
        "title": f"Issue {number}",
        "bodyText": "",
        "state": "OPEN",
        "url": f"https://github.com/octo/app/issues/{number}",
        "createdAt": "2024-05-01T10:00:00Z",
        "updatedAt": updated,
        "author": user(1),
        "comments": page(),
        "timelineItems": last_page(),
        **details,
    }


def comment(name: str, at: str = "2024-05-02T10:00:00Z", **details: Any) -> dict[str, Any]:
    return {"id": name, "bodyText": name, "createdAt": at, "updatedAt": at, "author": user(2), **details}


def activities(result: StreamResult) -> list[Activity]:
    return [a for o in result.operations if isinstance(o, UpsertActivities) for a in o.activities]


def members(result: StreamResult) -> list[Member]:
    return [m for o in result.operations if isinstance(o, UpsertMembers) for m in o.members]


def others(result: StreamResult) -> list[Operation]:
    return [o for o in result.operations if not isinstance(o, UpsertActivities | UpsertMembers | ShowActivities)]


def shown(result: StreamResult) -> list[str]:
    return [a.source_id for o in result.operations if isinstance(o, ShowActivities) for a in o.activities]


@dataclass(frozen=True, kw_only=True)
class Hub:
    """The integration against a server that plays a script."""

    server: ScriptedServer
    api: GithubApi
    known: dict[str, Json] = field(default_factory=dict)
    owed: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, stream: Stream, *bodies: Any, onboarding: bool = False) -> StreamResult:
        """What comes of the stream when these are the answers, one after the other."""
        # ASCII throughout, so that lone surrogates travel, too.
        return self.plays(stream, *(answer(body=json.dumps(body).encode()) for body in bodies), onboarding=onboarding)

    def plays(self, stream: Stream, *behaviours: Behaviour, onboarding: bool = False) -> StreamResult:
        self.server.plays(GRAPHQL, *behaviours)
        result = GithubIntegration().process_stream(stream, self.context(onboarding=onboarding))
        self.known.update(result.watermarks)
        return result

    def context(self, *, onboarding: bool = False) -> RunContext[GithubSettings, GithubApi]:
        return RunContext(
            integration_id=UUID(int=1),
            onboarding=onboarding,
            started_at=datetime.now(UTC),
            settings=GithubSettings(repositories=("octo/app",)),
            api=self.api,
            read_watermarks=self._known,
            read_owed=lambda places: {place: self.owed[place] for place in places if place in self.owed},
        )

    def asked(self) -> list[dict[str, Any]]:
        """The variables of all queries so far."""
        return [json.loads(seen.body)["variables"] for seen in self.server.seen if seen.path == GRAPHQL]

    def _known(self, subjects: Sequence[str]) -> Mapping[str, Json]:
        return {subject: self.known[subject] for subject in subjects if subject in self.known}


def api(server: ScriptedServer, credentials: Mapping[str, Any], *, path: str = "") -> GithubApi:
    pacers: dict[str | SecretStr | None, LocalPacer] = {}
    connector = PacedConnector(
        base_url=f"{server.url}{path}",
        credentials=GivenCredentials(given=dict(credentials)),
        pacer_of=lambda _, budget: pacers.setdefault(budget, LocalPacer()),
        sleep=lambda _: None,
        max_connections=4,
    )
    found = connected(GithubIntegration(), connector)
    assert isinstance(found, GithubApi)
    return found


@contextmanager
def hub(credentials: Mapping[str, Any] | None = None) -> Iterator[Hub]:
    with scripted_server() as server:
        yield Hub(server=server, api=api(server, credentials or {"token": TOKEN}))
