"""A platform without a network: as many pages as wanted, of which each gives so many activities at once.

What is measured with it is ours alone: the queue, the runner, the database.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel

from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.integration import Connector, Integration, RunContext
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.http.client import HttpClient
from crowd_pipelines.model.records import Activity, ActivityType, Member
from crowd_pipelines.model.streams import Stream, StreamResult, UpsertActivities
from crowd_pipelines.settings import Settings
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.vault import Vault, new_key

PLATFORM = "mill"
GROUND = ActivityType(name="ground", score=1, is_contribution=False)

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class MillSettings(BaseModel):
    """How much there is; with `document`, every page is read from that path, a JSON list of texts."""

    pages: int = 0
    activities_per_page: int = 0
    document: str = ""


class NoCredentials(BaseModel):
    """None."""


class SackStream(Stream):
    """A page of so many activities, or of those in the integration's document."""

    kind: Literal["sack"] = "sack"
    number: int


class Mill(Integration[MillSettings, NoCredentials, HttpClient]):
    """Gives pages as fast as they are taken."""

    platform = PLATFORM
    title = "Mill"
    description = "Pages without a network, for benchmarks."
    api_url = "http://127.0.0.1:9"
    settings_type = MillSettings
    credentials_type = NoCredentials
    stream_types = (SackStream,)
    activity_types = (GROUND,)
    ticks_between_checks = 20

    def connect(self, connector: Connector, credentials: NoCredentials) -> HttpClient:  # noqa: ARG002
        """Return a client; only pages that are documents need it."""
        return connector.http()

    def check_credentials(self, api: HttpClient, settings: MillSettings) -> None:
        """There is nothing to check."""

    def get_streams(self, run: RunContext[MillSettings, HttpClient]) -> Sequence[Stream]:
        """Return one stream per page."""
        return [SackStream(number=number) for number in range(run.settings.pages)]

    def process_stream(self, stream: SackStream, run: RunContext[MillSettings, HttpClient]) -> StreamResult:
        """Return the page's activities."""
        texts: Sequence[Any] = [""] * run.settings.activities_per_page
        if run.settings.document:
            texts = run.api.get(run.settings.document).json
        records = tuple(activity(stream.number * len(texts) + number, text) for number, text in enumerate(texts))
        return StreamResult(operations=(UpsertActivities(activities=records),) if records else ())


def activity(number: int, body: str = "") -> Activity:
    """Return the activity of this number; every tenth is of a person who was not seen before."""
    who = f"miller-{number // 10}"
    return Activity(
        platform=PLATFORM,
        type=GROUND,
        source_id=str(number),
        timestamp=_EPOCH + timedelta(seconds=number),
        member=Member(platform=PLATFORM, username=who, source_id=who),
        body=body,
        channel="sacks",
    )


def processor(engine: Any) -> IntegrationProcessor:
    """Return a processor that knows this platform only."""
    settings = Settings.load()
    clients = ApiClients(budget=RateBudget(engine=engine), vault=Vault(new_key()), settings=settings)
    return IntegrationProcessor(
        Lifecycle(clients=clients, settings=settings, registry={PLATFORM: Mill()}, owner="benchmark")
    )
