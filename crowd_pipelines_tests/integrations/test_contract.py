"""What holds for every platform. One that is new needs a sandbox and `contract.py` in its folder of tests.

`KINDS` are the stable names of its streams, sorted; `streams(truth)` is one stream of every kind that leads to
something. Optional: `ABSENT`, a reason for each test here that cannot apply; `QUIET_CHECK`, the most requests that a
check with nothing new may take, or a function of the truth; `known_members(truth)`, whom the database would know;
`DECIDING`, fields whose value may say that something is no record; `UNAUTHORIZED`, the body in which a provider refuses
credentials, where the platform's table of refusals asks for its own words.
"""

import importlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import crowd_pipelines.integrations
from crowd_pipelines.framework.clients import PacedConnector, connected, parse_settings
from crowd_pipelines.framework.credentials import GivenCredentials, app_credentials
from crowd_pipelines.framework.integration import Integration, RunContext
from crowd_pipelines.http import (
    CredentialsRejected,
    Gone,
    LocalPacer,
    RateLimit,
    RateLimited,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.http.errors import Refused
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.records import Activity, KnownMember, Member
from crowd_pipelines.model.streams import Json, Stream, StreamResult, UpdateMembers, UpsertActivities, UpsertMembers
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.settings import Settings
from crowd_pipelines_tests.http.scripted_server import redirect, scripted_server

REGISTRY = registry()


def contract_of(platform: str) -> Any:
    return importlib.import_module(f"crowd_pipelines_tests.integrations.{platform}.contract")


WITH_KIND = [(platform, kind) for platform in REGISTRY for kind in contract_of(platform).KINDS]

every_platform = pytest.mark.parametrize("platform", REGISTRY)
every_kind = pytest.mark.parametrize(("platform", "kind"), WITH_KIND)


@dataclass(kw_only=True)
class Reader:
    """Reads a platform's sandbox through its integration, without a database: watermarks are kept in memory."""

    integration: Integration[Any, Any, Any]
    sandbox: Sandbox
    run: RunContext[Any, Any] = field(init=False)
    watermarks: dict[str, Json] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.run = self.prepared()

    @property
    def api(self) -> Any:
        return connected(self.integration, self.connector)

    @property
    def connector(self) -> PacedConnector:
        platform = self.integration.platform
        pacer = LocalPacer()
        lender = self.integration.credentials_of or platform
        return PacedConnector(
            base_url=self.sandbox.api_url(platform),
            credentials=GivenCredentials(
                given=self.sandbox.credentials(lender),
                from_environment=app_credentials(self.integration, Settings()),
            ),
            pacer_of=lambda *_: pacer,
            sleep=lambda _: None,
            max_connections=2,
        )

    def context(self, *, onboarding: bool = True) -> RunContext[Any, Any]:
        return RunContext(
            integration_id=UUID(int=1),
            onboarding=onboarding,
            started_at=self.started_at,
            settings=parse_settings(self.integration, self.sandbox.settings(self.integration.platform)),
            api=self.api,
            read_watermarks=self._known,
            known_members=self._members,
        )

    def prepared(self, *, onboarding: bool = True) -> RunContext[Any, Any]:
        """The context of an integration run after its preprocess, as it comes back from the database."""
        run = self.context(onboarding=onboarding)
        return replace(run, preprocessed=json.loads(json.dumps(self.integration.preprocess(run))))

    def process(self, stream: Stream) -> StreamResult:
        return self.integration.process_stream(stream, self.run)

    def read(self, *, onboarding: bool = True) -> dict[Stream, StreamResult]:
        """Every stream with its result, as the runner would follow them."""
        run, results = self.prepared(onboarding=onboarding), dict[Stream, StreamResult]()
        waiting = list(self.integration.get_streams(run))
        while waiting:
            stream = waiting.pop()
            if stream not in results:
                results[stream] = result = self._result(stream, run)
                self.watermarks |= result.watermarks
                waiting += [*result.new_streams, *([result.next_page] if result.next_page else [])]
        return results

    def _result(self, stream: Stream, run: RunContext[Any, Any]) -> StreamResult:
        try:
            return self.integration.process_stream(stream, run)
        except Gone as gone:
            return StreamResult(skipped=str(gone))

    def _members(self, *, after: str | None, limit: int, unseen_for: timedelta) -> Sequence[KnownMember]:
        contract = contract_of(self.integration.platform)
        known: Sequence[KnownMember] = contract.known_members(self.sandbox.truth(self.integration.platform))
        return sorted((m for m in known if m.source_id > (after or "")), key=lambda m: m.source_id)[:limit]

    def _known(self, subjects: Sequence[str]) -> Mapping[str, Json]:
        return {subject: self.watermarks[subject] for subject in subjects if subject in self.watermarks}


@pytest.fixture(autouse=True)
def applicable(request: pytest.FixtureRequest) -> None:
    """Skip what a platform's contract gives a reason against."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if "platform" in parameters:
        absent = getattr(contract_of(parameters["platform"]), "ABSENT", {})
        if reason := absent.get(request.node.originalname):
            pytest.skip(reason)


@pytest.fixture
def reader(platform: str, quiet_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    for name, value in quiet_sandbox.environment(REGISTRY[platform].credentials_of or platform).items():
        monkeypatch.setenv(name, value)
    quiet_sandbox.forget_requests()
    yield Reader(integration=REGISTRY[platform], sandbox=quiet_sandbox)
    unused = [fault for fault in quiet_sandbox.clear_faults() if not fault["fired"]]
    assert unused == []


@pytest.fixture
def stream(reader: Reader, platform: str, kind: str) -> Stream:
    [found] = [
        stream for stream in contract_of(platform).streams(reader.sandbox.truth(platform)) if stream.kind == kind
    ]
    assert isinstance(found, Stream)
    return found


def unauthorized(reader: Reader) -> str:
    body: str = getattr(contract_of(reader.integration.platform), "UNAUTHORIZED", '{"error": "unauthorized"}')
    return body


def activities_of(results: Mapping[Stream, StreamResult]) -> list[Activity]:
    return [
        activity
        for result in results.values()
        for operation in result.operations
        if isinstance(operation, UpsertActivities)
        for activity in operation.activities
    ]


def members_of(results: Mapping[Stream, StreamResult]) -> list[Member]:
    told = [
        member
        for result in results.values()
        for operation in result.operations
        if isinstance(operation, UpsertMembers | UpdateMembers)
        for member in operation.members
    ]
    return told + [activity.member for activity in activities_of(results)]


def test_every_folder_is_registered() -> None:
    [place] = crowd_pipelines.integrations.__path__
    folders = {found.parent.name for found in Path(place).glob("*/integration.py")}
    modules = {type(integration).__module__.split(".")[-2] for integration in REGISTRY.values()}
    assert folders <= modules
    assert folders <= REGISTRY.keys()


@every_platform
def test_it_declares_what_its_job_and_its_page_need(platform: str) -> None:
    integration = REGISTRY[platform]
    assert integration.platform == platform
    assert platform.isidentifier()
    assert platform == platform.lower()
    assert integration.title
    assert len(integration.description) > 20
    assert integration.api_url.startswith("https://")
    assert isinstance(integration.ticks_between_checks, int)
    assert integration.max_concurrency >= 1
    assert 0 < integration.onboarding_limit_factor <= 1
    assert integration.rate_limits
    assert all(isinstance(limit, RateLimit) for limit in integration.rate_limits.values())


@every_platform
def test_its_credentials_stay_at_its_own_host(reader: Reader, platform: str) -> None:
    with scripted_server() as provider, scripted_server() as other:
        provider.script = defaultdict(lambda: [redirect(f"{other.url}/a")])
        api = connected(reader.integration, replace(reader.connector, base_url=provider.url))
        with pytest.raises(UnexpectedPayload, match="was redirected to"):
            reader.integration.check_credentials(api, reader.run.settings)
        assert len(provider.seen) == 1
        assert other.seen == []


@every_platform
def test_its_kinds_are_the_ones_that_are_in_databases(platform: str) -> None:
    kinds = [kind.model_fields["kind"].default for kind in REGISTRY[platform].stream_types]
    assert tuple(sorted(kinds)) == tuple(kind for name, kind in WITH_KIND if name == platform)


@every_platform
def test_its_activity_types_are_unique_and_have_scores(platform: str) -> None:
    types = REGISTRY[platform].activity_types
    assert len({kind.name for kind in types}) == len(types)
    assert types or REGISTRY[platform].member_platform
    assert all(kind.score > 0 for kind in types)


@every_platform
def test_its_member_attributes_are_unique_and_have_labels(platform: str) -> None:
    declared = REGISTRY[platform].create_member_attributes()
    assert len({attribute.name for attribute in declared}) == len(declared)
    assert all(attribute.label for attribute in declared)


@every_platform
def test_its_credentials_are_checked_with_a_call(reader: Reader) -> None:
    reader.integration.check_credentials(reader.api, reader.context().settings)
    reader.sandbox.fault(reader.integration.platform, "replace", status=401, body=unauthorized(reader))
    with pytest.raises(CredentialsRejected):
        reader.integration.check_credentials(reader.api, reader.context().settings)


@every_platform
def test_an_onboarding_ends_with_every_kind_of_stream_and_what_it_declares(reader: Reader) -> None:
    results = reader.read()
    assert {stream.kind for stream in results} == {
        kind for name, kind in WITH_KIND if name == reader.integration.platform
    }
    declared = {kind.name for kind in reader.integration.activity_types}
    assert {activity.type.name for activity in activities_of(results)} == declared
    produced = {
        name for member in members_of(results) for name, value in member.attributes.items() if value is not None
    }
    assert produced == {attribute.name for attribute in reader.integration.create_member_attributes()}


@every_platform
def test_every_stream_comes_back_from_the_queue_as_it_was(reader: Reader) -> None:
    for stream in reader.read():
        stored = json.loads(json.dumps(stream.parameters))
        again = reader.integration.load_stream(stream.kind, stored)
        assert (again, again.key, type(again)) == (stream, stream.key, type(stream))
        assert 0 < len(stream.label) < 200


@every_platform
def test_every_record_can_be_stored(reader: Reader) -> None:
    results = reader.read()
    for activity in activities_of(results):
        assert activity.platform == activity.member.platform == reader.integration.platform
        assert bool(activity.channel_id) <= bool(activity.channel)
        assert activity.timestamp.utcoffset() is not None
        assert activity.source_id
        assert activity.type.name in {kind.name for kind in reader.integration.activity_types}
        assert json.dumps(activity.attributes, allow_nan=False)
        parent_types = {kind.name for kind in reader.integration.activity_types}
        assert activity.source_parent_type in {None, *parent_types}
    assert all(json.dumps(member.attributes, allow_nan=False) for member in members_of(results))
    assert all(json.dumps(result.watermarks, allow_nan=False) for result in results.values())


@every_platform
def test_reading_everything_twice_gives_the_same(reader: Reader) -> None:
    first = reader.read()
    reader.watermarks.clear()
    assert reader.read() == first


@every_platform
def test_a_check_with_nothing_new_ends_and_asks_less_than_an_onboarding(reader: Reader) -> None:
    onboarding = reader.read()
    reader.sandbox.forget_requests(reader.integration.platform)
    check = reader.read(onboarding=False)
    asked = len(reader.sandbox.requests(reader.integration.platform))
    assert activities_of(check) == []
    bound = getattr(contract_of(reader.integration.platform), "QUIET_CHECK", None)
    if bound is None:
        assert len(check) < len(onboarding) / 4
    else:
        assert asked <= (bound(reader.sandbox.truth(reader.integration.platform)) if callable(bound) else bound)


@every_kind
def test_the_same_page_twice_gives_equal_results(reader: Reader, stream: Stream) -> None:
    first, second = reader.process(stream), reader.process(stream)
    assert first == second
    assert first.operations or first.new_streams


@every_kind
def test_a_rate_limit_is_told_with_its_end(reader: Reader, stream: Stream) -> None:
    reader.sandbox.fault(reader.integration.platform, "rate_limit", retry_after="120")
    with pytest.raises(RateLimited) as refused:
        reader.process(stream)
    assert 100 < (refused.value.until - datetime.now(UTC)).total_seconds() <= 120


@every_kind
def test_refused_credentials_are_told(reader: Reader, stream: Stream) -> None:
    reader.sandbox.fault(reader.integration.platform, "replace", status=401, body=unauthorized(reader))
    with pytest.raises(CredentialsRejected):
        reader.process(stream)


@every_kind
@pytest.mark.parametrize("status", [404, 410])
def test_a_subject_that_is_gone_is_skipped(reader: Reader, stream: Stream, status: int) -> None:
    reader.sandbox.fault(reader.integration.platform, "replace", status=status, body='{"error": "not found"}')
    try:
        result = reader.process(stream)
    except Gone:
        return
    assert result.skipped
    assert result.operations == ()


@every_kind
@pytest.mark.parametrize(
    ("kind_of_fault", "options"),
    [
        ("server_error", {"status": 500}), ("server_error", {"status": 502}), ("server_error", {"status": 503}),
        ("truncated", {}), ("empty", {}), ("wrong_content_type", {}), ("reset", {}),
    ],
    ids=["500", "502", "503", "truncated", "empty", "HTML", "reset"],
)  # fmt: skip
def test_what_time_may_heal_is_tried_again_later(
    reader: Reader, stream: Stream, kind_of_fault: str, options: dict[str, Any]
) -> None:
    reader.sandbox.fault(reader.integration.platform, kind_of_fault, **options)
    with pytest.raises(Retryable):
        reader.process(stream)


@every_kind
@pytest.mark.parametrize(
    "body", ['"a text"', "7", "null", "true", '{"error": "surprise"}', '[{"surprise": [1]}, 5, null]']
)
def test_an_answer_of_another_shape_is_evidence_and_never_a_record(reader: Reader, stream: Stream, body: str) -> None:
    reader.sandbox.fault(reader.integration.platform, "replace", body=body)
    try:
        result = reader.process(stream)
    except (UnexpectedPayload, Refused):
        return
    assert result.rejected
    assert activities_of({stream: result}) == []
    assert members_of({stream: result}) == []
