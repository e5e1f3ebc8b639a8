"""A platform whose answers a test writes down beforehand, and the engine over it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.integration import Connector, Integration, Patch, RunContext, RunSummary
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.model.records import Activity, ActivityType, MemberAttribute
from crowd_pipelines.model.streams import Json, Stream, StreamResult
from crowd_pipelines.settings import Settings
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.store.tenant import PLATFORM, SAID, Tenant, upsert


class PageStream(Stream):
    """A page of something, known by its name."""

    kind: Literal["page"] = "page"
    name: str
    number: int = 1

    @property
    def label(self) -> str:
        """What people see."""
        return f"{self.name}/{self.number}"


def pages(*names: str) -> tuple[PageStream, ...]:
    return tuple(PageStream(name=name) for name in names)


def found(*records: Activity, to_page: PageStream | None = None, **more: Any) -> StreamResult:
    return StreamResult(operations=(upsert(*records),) if records else (), next_page=to_page, **more)


Step = StreamResult | Exception | Callable[[], StreamResult]


@dataclass(kw_only=True)
class Script:
    """What the platform answers, by the label of the stream, and what was asked, in order.

    A list answers one attempt after the other. Whatever is not written down gives an empty page.
    """

    roots: Sequence[Stream] | Exception = field(default_factory=lambda: pages("a"))
    steps: dict[str, Step | list[Step]] = field(default_factory=dict)
    preprocessed: Json | Exception = field(default_factory=dict)
    patch: Patch | Exception = field(default_factory=Patch)
    credentials: Exception | None = None
    asked: list[str] = field(default_factory=list)
    contexts: list[RunContext[Any, Any]] = field(default_factory=list)
    summaries: list[RunSummary] = field(default_factory=list)
    connector: Connector | None = None
    read_until: datetime | None = None
    finished_asked: list[str] = field(default_factory=list)

    @property
    def fetched(self) -> list[str]:
        """The streams that were processed."""
        return [name for name in self.asked if "/" in name]

    def answer(self, label: str) -> StreamResult:
        self.asked.append(label)
        step = self.steps.get(label, StreamResult())
        if isinstance(step, list):
            step = step.pop(0)
        result: StreamResult = answered(step() if callable(step) else step)
        return result

    def tell(self, name: str, answer: Any) -> Any:
        self.asked.append(name)
        return answered(answer)


def answered(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


class TownSettings(BaseModel):
    """Any keys, and one that has to be a number."""

    model_config = ConfigDict(extra="allow")

    number: int = 0


class TownCredentials(BaseModel):
    token: str = ""


class TownIntegration(Integration[TownSettings, TownCredentials, Script]):
    """The platform `town`; a test's subclass changes what it declares."""

    platform = PLATFORM
    title = "Town"
    description = "Answers that a test wrote down."
    api_url = "https://town.example"
    settings_type = TownSettings
    credentials_type = TownCredentials
    stream_types = (PageStream,)
    activity_types: ClassVar[tuple[ActivityType, ...]] = (SAID,)
    member_attributes: ClassVar[tuple[MemberAttribute, ...]] = (MemberAttribute(name="bio", label="Bio"),)
    ticks_between_checks = 20

    def __init__(self, script: Script) -> None:
        self._script = script

    def connect(self, connector: Connector, credentials: TownCredentials) -> Script:
        self._script.connector = connector
        return self._script

    def check_credentials(self, api: Script, settings: TownSettings) -> None:
        api.tell("check_credentials", api.credentials)

    def preprocess(self, run: RunContext[TownSettings, Script]) -> Json:
        result: Json = run.api.tell("preprocess", run.api.preprocessed)
        return result

    def create_member_attributes(self) -> tuple[MemberAttribute, ...]:
        self._script.asked.append("create_member_attributes")
        return super().create_member_attributes()

    def get_streams(self, run: RunContext[TownSettings, Script]) -> Sequence[Stream]:
        roots: Sequence[Stream] = run.api.tell("get_streams", run.api.roots)
        return roots

    def process_stream(self, stream: PageStream, run: RunContext[TownSettings, Script]) -> StreamResult:
        run.api.contexts.append(run)
        return run.api.answer(stream.label)

    def is_processing_finished(
        self, *, stream: Stream, result: StreamResult, run: RunContext[TownSettings, Script]
    ) -> bool:
        run.api.finished_asked.append(stream.label)
        until, last = run.api.read_until, result.last_record_timestamp
        return until is not None and last is not None and last <= until

    def postprocess(self, run: RunContext[TownSettings, Script], summary: RunSummary) -> Patch:
        run.api.summaries.append(summary)
        patch: Patch = run.api.tell("postprocess", run.api.patch)
        return patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The engine over a scripted platform and a real database. Every call is a worker of its own."""

    tenant: Tenant
    script: Script
    integration: TownIntegration
    vault: Vault = field(default_factory=lambda: Vault(new_key()))

    @classmethod
    def of(cls, tenant: Tenant, script: Script, **declared: Any) -> "Town":
        kind = type("DeclaredTown", (TownIntegration,), declared)
        return cls(tenant=tenant, script=script, integration=kind(script))

    def processor(
        self, *, slice_: Slice | None = None, owner: str = "worker", registry: Mapping[str, Any] | None = None
    ) -> IntegrationProcessor:
        settings = Settings()
        clients = ApiClients(budget=RateBudget(engine=self.tenant.engine), vault=self.vault, settings=settings)
        known = {PLATFORM: self.integration} if registry is None else registry
        return IntegrationProcessor(
            Lifecycle(clients=clients, settings=settings, registry=known, owner=owner, slice_=slice_)
        )

    def open(self, *, onboarding: bool = True) -> UUID:
        processor, wanted = self.processor(), self.tenant.integration_id
        run_id = processor.start_onboarding(wanted) if onboarding else processor.process_check([wanted])[0]
        assert run_id is not None
        return run_id

    def work(self, run_id: UUID, *, slice_: Slice | None = None, owner: str = "worker") -> RunRecord:
        run = self.processor(slice_=slice_, owner=owner).process(run_id)
        assert run is not None
        return run

    def onboard(self, *, slice_: Slice | None = None) -> RunRecord:
        return self.work(self.open(), slice_=slice_)

    def check(self) -> RunRecord:
        return self.work(self.open(onboarding=False))

    def resume(self, run: RunRecord) -> RunRecord:
        """What the next worker makes of it when every wait is over."""
        self.tenant.execute("UPDATE integration_runs SET delayed_until = now() WHERE delayed_until IS NOT NULL")
        self.tenant.execute("UPDATE integration_streams SET due_at = now() WHERE due_at IS NOT NULL")
        return self.work(run.id, owner="next worker")

    def stream(self, label: str) -> dict[str, Any]:
        return self.tenant.row("SELECT *, due_at - now() AS due_in FROM integration_streams WHERE label = :l", l=label)

    def stored(self) -> set[str]:
        return {row["source_id"] for row in self.tenant.rows("SELECT source_id FROM activities")}
