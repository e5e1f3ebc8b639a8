"""Whatever happens in a community and in whatever order, and wherever a reading is broken off: the next one brings it.

A machine per platform lets things happen (late, at the same second, edited, deleted, renamed, while a list is being
paged through), breaks readings off (a page that fails, a worker that dies, a wait), and after every check that went
through holds the database against the truth. A watermark that went beyond what is stored would show in the check
after. `make fuzz` takes many steps, the suite some.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from crowd_pipelines.http.transport import Answer, Request, Transport
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import database, integrations, pages, runs
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.chaos.ground import AGEING, LENDERS
from crowd_pipelines_tests.chaos.truth import untruths
from crowd_pipelines_tests.conftest import database_on
from crowd_pipelines_tests.faults.ground import Hasty
from crowd_pipelines_tests.honesty import silent_losses
from crowd_pipelines_tests.integrations.connected import FAST, Connected

MINUTE, HOUR = 60, 3_600
LONGEST_TROUBLE = 8
"""Turns of workers after which every stream is given up that will be."""

WHATEVER = st.integers(0, 999)

# What makes a reading fail without saying anything about what is read.
FAILURES: Sequence[tuple[str, dict[str, Any]]] = (
    ("server_error", {}),
    ("reset", {"halfway": True}),
    ("truncated", {}),
    ("empty", {}),
    ("replace", {"status": 400, "body": "{}"}),
)


class Died(BaseException):
    """The worker is gone, as after SIGKILL: it tells nobody, and what it had in hand stays its own until it expires."""


class Community(RuleBasedStateMachine):
    """A community that is read while it lives."""

    platform: ClassVar[str]
    server_url: ClassVar[str]
    template: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        [provider] = LENDERS.get(self.platform, (self.platform,))
        self.sandbox = self.stack.enter_context(Sandbox.start(platforms=(provider,)))
        url = self.stack.enter_context(database_on(self.server_url, prefix="order", template=self.template))
        engine = database.create(url)
        self.stack.callback(engine.dispose)
        connected = Connected.to(self.sandbox, provider, engine=engine, monkeypatch=self.patch)
        self.read = replace(connected, new_slice=lambda: Hasty(600))
        self.readings = [self.read]
        if provider != self.platform:
            self.readings.append(self._borrower())

    def _borrower(self) -> Connected:
        self.patch.setenv(f"CROWD_{self.platform.upper()}_REQUESTS_PER_SECOND", FAST)
        with self.read.engine.begin() as conn:
            record = integrations.connect(
                conn, tenant_id=self.read.record.tenant_id, platform=self.platform, name="Borrower", settings={}
            )
        return replace(self.read, record=record)

    def teardown(self) -> None:
        self.stack.close()

    @initialize(at=st.none() | st.integers(1, 6))
    def onboarded(self, at: int | None) -> None:
        """Read whole, perhaps after a worker died."""
        for reading in self.readings:
            self._through(reading, reading.onboard, dying_at=at)
        self._assert_true()

    @rule(what=WHATEVER, after=st.sampled_from((0, 0, 1, MINUTE, MINUTE, HOUR, 30 * HOUR)))
    def something_happens(self, what: int, after: int) -> None:
        self._happen(what, after)

    @rule()
    def a_check(self) -> None:
        self._checked()

    @rule(failure=st.sampled_from(FAILURES), after=st.integers(0, 6), for_good=st.booleans())
    def a_check_of_which_pages_fail(self, failure: tuple[str, dict[str, Any]], after: int, for_good: bool) -> None:
        """For a while, or until streams are given up, unless nothing else is read: the next one mends it."""
        kind, options = failure
        self._age()
        for reading in self.readings:
            reading.fault(kind, after=after, **options)
            run = reading.check()
            for _ in range(LONGEST_TROUBLE if for_good else 0):
                run = reading.resume(run) if run.state is RunState.DELAYED else run
            self._assert_honest(reading)
            self.sandbox.clear_faults()
            self._ended(reading, run)
            self._assert_honest(reading)
        self._checked()

    @rule(at=st.integers(1, 4))
    def a_check_whose_worker_dies(self, at: int) -> None:
        for reading in self.readings:
            self._through(reading, reading.check, dying_at=at)
        self._checked()

    @rule(what=WHATEVER, at=st.integers(1, 6), after=st.sampled_from((0, 1, MINUTE)))
    def something_happens_during_a_check(self, what: int, at: int, after: int) -> None:
        """Seen by this check or the next, and never by none."""
        for reading in self.readings:
            with before_request(at, lambda: self._happen(what, after)):
                self._ended(reading, reading.check())
        self._checked()

    @rule(what=WHATEVER, after=st.integers(0, 4))
    def a_check_that_has_to_wait(self, what: int, after: int) -> None:
        """The provider asks for an hour's patience, and meanwhile life goes on."""
        for reading in self.readings:
            reading.fault("rate_limit", after=after, retry_after="3600")
            run = reading.check()
            self.sandbox.clear_faults()
            self._happen(what, HOUR)
            self._ended(reading, run)
        self._checked()

    @rule()
    def another_onboarding(self) -> None:
        for reading in self.readings:
            assert reading.onboard().state is RunState.PROCESSED
        self._assert_true()

    def _happen(self, what: int, after: int) -> None:
        platform = self.read.record.platform
        changes = changes_of(platform)
        try:
            self.sandbox.change(platform, [{"after": after, **changes[what % len(changes)]}])
        except SandboxError as refused:
            # By chance there may be nothing to which it could happen.
            if "was refused" not in str(refused):
                raise

    def _checked(self) -> None:
        """Check once more, undisturbed: everything is there as it is, and reading it again changes nothing."""
        self._age()
        for reading in self.readings:
            assert self._ended(reading, reading.check()).state is RunState.PROCESSED
            owed = "SELECT kind, label, reason FROM owed_reads WHERE kind <> 'permission' AND integration_id = :id"
            assert reading.rows(owed, id=reading.record.id) == []
        self._assert_true()
        before = self.read.records()
        for reading in self.readings:
            reading.check()
        assert self.read.records() == before

    def _age(self) -> None:
        """Let a day pass, where a platform looks at something once a day."""
        for reading in self.readings:
            if reading.record.platform in AGEING:
                with reading.engine.begin() as conn:
                    conn.exec_driver_sql(AGEING[reading.record.platform])

    def _assert_honest(self, reading: Connected) -> None:
        """Nothing is missing without being told; in what happens while it is read, the next check looks."""
        assert silent_losses(reading, self.read.truth()) == []

    def _assert_true(self) -> None:
        reading = self.readings[-1]
        assert list(untruths(reading, reading.truth(), onboarding=False)) == []

    def _ended(self, reading: Connected, run: RunRecord) -> RunRecord:
        """Let later workers go on with an integration run until it is over, one way or the other."""
        for _ in range(10):
            if run.state is not RunState.DELAYED:
                return run
            run = reading.resume(run)
        raise AssertionError(f"the integration run never ends: {run.delay_reason}")

    def _through(self, reading: Connected, read: Callable[[], RunRecord], *, dying_at: int | None) -> None:
        """Read to the end, by a second worker if the first one died."""
        try:
            with dying(dying_at):
                run = read()
        except Died:
            run = reading.resume(self._left_behind(reading))
        assert self._ended(reading, run).state is RunState.PROCESSED
        self._assert_honest(reading)

    def _left_behind(self, reading: Connected) -> RunRecord:
        """Let the lease expire on what a worker had in hand."""
        with reading.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE integration_runs SET leased_until = now() WHERE state = 'processing'")
            [run] = runs.find(conn, integration_ids=[reading.record.id], open_only=True)
        return run


@cache
def changes_of(provider: str) -> list[dict[str, Any]]:
    """What happens in a week of the provider's community."""
    mix = import_module(f"crowd_pipelines.sandbox.{provider}.week").MIX
    return [change for _, change in mix]


@contextmanager
def dying(at: int | None) -> Iterator[None]:
    """Let the worker die instead of its so-many-th commit of pages."""
    commits, commit = 0, pages.commit

    def fatal(*args: Any, **options: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == at:
            raise Died
        return commit(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "commit", fatal)
        yield


@contextmanager
def before_request(at: int, act: Callable[[], None]) -> Iterator[None]:
    """Act once, before the so-many-th request is sent."""
    requests, send = iter(range(1, 1_000_000)), Transport.send

    def sent(transport: Transport, request: Request) -> Answer:
        if next(requests) == at:
            act()
        return send(transport, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "send", sent)
        yield


@pytest.fixture(params=registry())
def machine(
    request: pytest.FixtureRequest, server_url: str, template_database: str, monkeypatch: pytest.MonkeyPatch
) -> type[Community]:
    for name, value in {"platform": request.param, "server_url": server_url, "template": template_database}.items():
        monkeypatch.setattr(Community, name, value, raising=False)
    return Community


def test_each_disturbance_once(machine: type[Community]) -> None:
    community, what = machine(), count(7, 5)
    try:
        community.onboarded(at=2)
        for after in (0, 0, MINUTE, HOUR, 0, 1):
            community.something_happens(what=next(what), after=after)
        community.a_check_whose_worker_dies(at=1)
        community.something_happens(what=next(what), after=MINUTE)
        community.something_happens_during_a_check(what=next(what), at=2, after=0)
        community.something_happens(what=next(what), after=0)
        community.a_check_of_which_pages_fail(failure=FAILURES[-1], after=1, for_good=True)
        community.something_happens(what=next(what), after=30 * HOUR)
        community.a_check_that_has_to_wait(what=next(what), after=1)
    finally:
        community.teardown()


@pytest.mark.skipif(settings.default.max_examples < 1_000, reason="takes minutes; `make fuzz` chooses it")
def test_nothing_is_lost_or_doubled_in_whatever_order_it_happens(machine: type[Community]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=int(os.environ.get("FUZZ_COMMUNITIES", "28")), stateful_step_count=60)
    )
