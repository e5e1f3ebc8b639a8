"""Whatever comes where a record belongs: it is a record or it is not, its page goes on, and PostgreSQL takes it all.

Every kind of stream of every platform reads bodies of its sandbox in which a value was replaced, left out or doubled.
`--hypothesis-profile=fuzz` (`make fuzz`) tries thousands of them instead of some.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from crowd_pipelines.framework.attempts import Attempt, owed_by
from crowd_pipelines.framework.integration import RunContext
from crowd_pipelines.framework.refusals import CredentialTrial
from crowd_pipelines.framework.work import RunWork
from crowd_pipelines.http.errors import ProviderError
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import Stream, StreamResult, UpdateMembers, UpsertMembers
from crowd_pipelines.model.text import clean_json
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import database, integrations, pages, runs, streams
from crowd_pipelines.store.owed import OwedRead
from crowd_pipelines.store.pages import FinishedPage
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.honesty import silent_losses
from crowd_pipelines_tests.integrations.connected import Connected, within
from crowd_pipelines_tests.integrations.played import Played, played
from crowd_pipelines_tests.integrations.test_contract import (
    REGISTRY,
    WITH_KIND,
    Reader,
    activities_of,
    contract_of,
    members_of,
)
from crowd_pipelines_tests.poison import UNRELATED, Dose, doses, places, without

EVERYTHING_ELSE_READ = """
    UPDATE integration_streams SET state = 'processed', due_at = NULL, processed_at = now()
    WHERE run_id = :run AND id <> :page AND due_at IS NOT NULL
"""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

Key = tuple[str, str]


@pytest.fixture(scope="module")
def shared_engine(server_url: str, template_database: str) -> Iterator[Engine]:
    with database_on(server_url, prefix="poison", template=template_database) as url:
        engine = database.create(url)
        yield engine
        engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A stream in a worker's hands, what its page is when nothing is wrong, and a database to write pages to."""

    played: Played
    stream: Stream
    contexts: Mapping[str, RunContext[Any, Any]]
    page: FinishedPage
    community: Truth
    engine: Engine
    cache: dict[Any, frozenset[Key]]

    def bodies(self, context: str) -> list[str]:
        """The requests that lead to the page, in order."""
        self.clean(context)
        return list(dict.fromkeys(self.played.asked))

    def clean(self, context: str) -> StreamResult:
        result = self.played.read(self.stream, self.contexts[context])
        assert isinstance(result, StreamResult)
        return result

    def survivors(self, context: str, name: str, item: tuple[str | int, ...]) -> frozenset[Key]:
        """The records of a page on which an item is not there: no poison in the item may cost one of them."""
        asked = (context, name, item)
        if asked not in self.cache:
            body = without(self.played.body(name), item)
            result = self.played.read(self.stream, self.contexts[context], {name: body})
            self.cache[asked] = kept(result)
        return self.cache[asked]

    def write(self, result: StreamResult) -> None:
        """Commit the page, see that it is there as it was given, and take it back."""
        with self._committed(result) as conn:
            self._see(conn, result)

    def silent_losses(self, result: StreamResult, clean: StreamResult) -> list[str]:
        """What an integration run that consists of this page keeps silent about, where the clean page is the truth."""
        with self._committed(result) as conn:
            conn.execute(text(EVERYTHING_ELSE_READ), {"run": self.page.run.id, "page": self.page.claimed.id})
            # A page that is to be read again lets no integration run end.
            runs.finish(conn, self.page.run)
            return silent_losses(self._within(conn), truth_of(self.stream, clean, self.community))

    @contextmanager
    def _committed(self, result: StreamResult) -> Iterator[Connection]:
        page = replace(
            self.page, result=result, owed=self._owed(result), retry_after=300 if result.incomplete else None
        )
        with self.engine.connect() as conn, conn.begin() as transaction:
            committed = pages.commit(conn, [page], priority=())
            assert committed.accepted == {page.claimed.id}
            conn.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            yield conn
            transaction.rollback()

    def _owed(self, result: StreamResult) -> tuple[OwedRead, ...]:
        """What the engine notes as owed of the page."""
        trial = CredentialTrial(worked_before=True, sleep=lambda _: None)
        integration, context = self.played.reader.integration, self.contexts["check"]
        work = RunWork(run=self.page.run, integration=integration, context=context, limit=None, trial=trial)
        return owed_by(
            Attempt(
                work=work,
                claimed=self.page.claimed,
                stream=self.stream,
                outcome=result,
                follow=True,
                requests=1,
                waited_seconds=0,
            )
        )

    def _within(self, conn: Connection) -> Connected:
        [record] = integrations.find(conn, ids=[self.page.run.integration_id])
        sandbox = self.played.reader.sandbox
        return Connected(engine=within(conn), sandbox=sandbox, record=record, vault=Vault(new_key()))

    def _see(self, conn: Connection, result: StreamResult) -> None:
        given = {(a.type.name, a.source_id): a for a in activities_of({self.stream: result})}
        assert stored_activities(conn, given) == {key: shown(activity) for key, activity in given.items()}
        marks = conn.execute(text("SELECT subject, value FROM watermarks")).all()
        told = {subject: json.loads(json.dumps(clean_json(value))) for subject, value in result.watermarks.items()}
        # A page that contradicts itself moves no watermark.
        wanted = {subject: value for subject, value in told.items() if value and not result.incomplete}
        assert {row.subject: row.value for row in marks if row.subject in wanted} == wanted
        further = text("SELECT name, label, metadata FROM integration_streams WHERE parent_id = :id")
        queued = conn.execute(further, {"id": self.page.claimed.id}).all()
        assert all(len(row.label) <= 400 for row in queued)
        loaded = [self.played.reader.integration.load_stream(row.name, row.metadata) for row in queued]
        assert len({one.key for one in loaded}) == len(loaded)
        refused = conn.execute(text("SELECT count(*) FROM quarantined_records")).scalar_one()
        assert bool(refused) == bool(result.rejected)


def truth_of(stream: Stream, clean: StreamResult, community: Truth) -> Truth:
    """The records of a page as a sandbox would tell them; members where there is nothing else."""
    activities = [
        {
            "type": activity.type.name,
            "source_id": activity.source_id,
            "source_parent_id": activity.source_parent_id,
            "thread": activity.thread,
            "url": activity.url,
            "channel": activity.channel,
            "channel_id": activity.channel_id,
            "hashtag": activity.attributes.get("hashtag"),
            "attributes": activity.attributes,
            "member": activity.member.source_id,
        }
        for activity in activities_of({stream: clean})
    ]
    people = [] if activities else members_of({stream: clean})
    members = [{"source_id": one.source_id, "username": one.username, "shown": True} for one in people]
    return replace(community, activities=activities, members=members)


def stored_activities(conn: Connection, given: Mapping[Key, Activity]) -> dict[Key, tuple[Any, ...]]:
    rows = conn.execute(
        text(
            "SELECT type, source_id, title, body, url, channel, timestamp, attributes FROM activities"
            " WHERE source_id = ANY(:ids)"
        ),
        {"ids": [source_id for _, source_id in given]},
    )
    found = {(row.type, row.source_id): (*row[2:6], row.timestamp, exact(row.attributes)) for row in rows}
    return {key: found[key] for key in given if key in found}


def shown(activity: Activity) -> tuple[Any, ...]:
    attributes = exact(activity.attributes)
    return activity.title, activity.body, activity.url, activity.channel, activity.timestamp, attributes


def exact(value: Any) -> Any:
    """Return a JSON value with its numbers as they are written: PostgreSQL writes 1e300 out, with all its zeros."""
    return json.loads(json.dumps(value), parse_float=Decimal, parse_int=Decimal)


def kept(result: StreamResult | ProviderError) -> frozenset[Key]:
    """The records of a page."""
    if isinstance(result, ProviderError):
        return frozenset()
    told = {(activity.type.name, activity.source_id) for activity in activities_of({Stream(kind=""): result})}
    people = {("member", member.key) for member in members_of({Stream(kind=""): result})}
    return frozenset(told | people)


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, quiet_sandbox: Sandbox, shared_engine: Engine) -> Iterator[Ground]:
    platform, kind = request.param
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_sandbox.environment(REGISTRY[platform].credentials_of or platform).items():
            patch.setenv(name, value)
        reader = Reader(integration=REGISTRY[platform], sandbox=quiet_sandbox)
        truth = quiet_sandbox.truth(platform)
        [stream] = [one for one in contract_of(platform).streams(truth) if one.kind == kind]
        onboarding, check = reader.run, reader.prepared(onboarding=False)
        with played(reader) as playing:
            result = playing.read(stream, onboarding)
            assert isinstance(result, StreamResult)
            marks = dict(result.watermarks)
            later = replace(check, read_watermarks=lambda subjects: {s: marks[s] for s in subjects if s in marks})
            yield Ground(
                played=playing,
                stream=stream,
                contexts={"onboarding": onboarding, "check": check, "later": later},
                page=page_of(shared_engine, platform, stream, result),
                community=truth,
                engine=shared_engine,
                cache={},
            )


def page_of(engine: Engine, platform: str, stream: Stream, result: StreamResult) -> FinishedPage:
    """The page of a stream that a worker has claimed, in a database that knows the page's members."""
    with engine.begin() as conn:
        tenant_id = integrations.ensure_tenant(conn, f"{platform} {stream.kind}")
        record = integrations.connect(conn, tenant_id=tenant_id, platform=platform, name="poison", settings={})
        run_id = runs.begin(conn, record.id, onboarding=True)
        assert run_id is not None
        run = runs.take(conn, run_id, owner="poison")
        assert run is not None
        runs.plan(conn, run, [stream])
        claims = streams.claim(conn, [run_id], owner="poison", limit=1)
    known = tuple(m for o in result.operations if isinstance(o, UpdateMembers) for m in o.members)
    return FinishedPage(
        run=run,
        claimed=claims[0],
        stream=stream,
        result=StreamResult(operations=(UpsertMembers(members=known),)),
        follow=True,
        limit=None,
        requests=1,
        waited_seconds=0.0,
    )


every_parser = pytest.mark.parametrize(
    "ground", WITH_KIND, indirect=True, scope="module", ids=[f"{platform}-{kind}" for platform, kind in WITH_KIND]
)
CONTEXTS = st.sampled_from(("onboarding", "check", "later"))


@every_parser
def test_poison_costs_no_more_than_the_item_it_is_in(ground: Ground) -> None:
    choices = {
        (context, name): doses(ground.played.body(name))
        for context in ground.contexts
        for name in ground.bodies(context)
    }
    clean = {context: ground.clean(context) for context in ground.contexts}

    @given(st.data())
    def reads(data: st.DataObject) -> None:
        where = data.draw(st.sampled_from(sorted(choices)))
        dose = data.draw(choices[where])
        result = ground.played.read(ground.stream, ground.contexts[where[0]], ground.played.dosed(where[1], dose))
        if isinstance(result, StreamResult):
            assert_sound(ground, result)
            assert_nothing_went_silently(ground, dose, result, clean[where[0]])
            if data.draw(st.integers(0, 7)) == 0:
                ground.write(result)
        if item := dose.item_of(ground.played.body(where[1])):
            # A known page has only what is new on it: a record that lost an item is, one with another id in it is not.
            lost = (ground.survivors(*where, item) & kept(clean[where[0]])) - kept(result)
            assert not lost, f"{len(lost)} other records are lost: {result!s:.300}"

    reads()


@every_parser
def test_an_unrelated_body_is_no_record(ground: Ground) -> None:
    names = {context: bodies for context in ground.contexts if (bodies := ground.bodies(context))}
    if not names:
        pytest.skip("what leads to this page was asked a moment ago, and is not asked again")

    @given(st.sampled_from(sorted(names)), st.data(), UNRELATED)
    def reads(context: str, data: st.DataObject, body: Any) -> None:
        instead = {data.draw(st.sampled_from(names[context])): body}
        result = ground.played.read(ground.stream, ground.contexts[context], instead)
        if isinstance(result, StreamResult):
            assert_sound(ground, result)

    reads()


def assert_sound(ground: Ground, result: StreamResult) -> None:
    """Everything is named, in time, and leads on to something else."""
    latest = datetime.now(UTC) + timedelta(days=3)
    activities = activities_of({ground.stream: result})
    assert all(EARLIEST <= activity.timestamp <= latest for activity in activities)
    assert all(activity.source_id and activity.member.username is not None for activity in activities)
    assert all(record.reason for record in result.rejected)
    further = [*result.new_streams, *([result.next_page] if result.next_page else [])]
    assert ground.stream.key not in {one.key for one in further}
    assert all(one.label for one in further)


def assert_nothing_went_silently(ground: Ground, dose: Dose, result: StreamResult, clean: StreamResult) -> None:
    """Fewer records than without poison: then something was put aside, or the poison says that there is none."""
    fewer = len(records_of(ground, result)) < len(records_of(ground, clean))
    contract = contract_of(ground.played.reader.integration.platform)
    deciding = {"id", *getattr(contract, "DECIDING", ())}
    if not fewer or result.skipped or dose.says_nothing or deciding & set(dose.at):
        return
    assert ground.silent_losses(result, clean) == [], f"records are gone and nobody is told of it: {dose}"


def records_of(ground: Ground, result: StreamResult) -> set[Key]:
    """The activities of a page, and of one that has none, its members."""
    found = kept(result)
    return {key for key in found if key[0] != "member"} if activities_of({ground.stream: result}) else set(found)


@pytest.mark.parametrize("ground", [("github", kind) for kind in ("forks", "issues", "pulls")], indirect=True)
@pytest.mark.parametrize("context", ["onboarding", "check"])
def test_a_list_of_nothing_usable_is_told(ground: Ground, context: str) -> None:
    [name] = ground.bodies(context)
    [[path]] = [[at for at in places(ground.played.body(name)) if at[-1:] == ("nodes",) and len(at) == 4]]
    result = ground.played.read(
        ground.stream, ground.contexts[context], ground.played.dosed(name, Dose(at=path, how="twice"))
    )
    assert isinstance(result, StreamResult)
    assert len(result.rejected) == 2
