"""A worker whose clock is wrong neither waits for hours nor forgets to wait: the database's clock counts."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import Engine, text

from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.errors import Retryable
from crowd_pipelines.http.pacing import utc_now
from crowd_pipelines.integrations.discord.api import Reference, moment_of
from crowd_pipelines.model import clock
from crowd_pipelines.model.moments import in_utc
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.database import current_time, follow_clock, transact
from crowd_pipelines_tests.framework.scripted import Town
from crowd_pipelines_tests.framework.test_runner import pages

WAIT = "SELECT extract(epoch FROM delayed_until - now())::float AS seconds FROM integration_runs"


@pytest.fixture(params=[-2, 2], ids=["two hours behind", "two hours ahead"], autouse=True)
def wrong(request: pytest.FixtureRequest) -> Iterator[time_machine.Traveller]:
    """This machine's clock is wrong; nobody has told this process the time yet."""
    clock.forget()
    with time_machine.travel(clock.now() + timedelta(hours=request.param), tick=True) as traveller:
        yield traveller
    clock.forget()


def test_what_a_stopped_worker_leaves_is_due_at_once(town: Town) -> None:
    run_id = town.open()
    stopped = town.processor(owner="stopped")
    assert stopped.lifecycle.take([run_id]) == [run_id]
    stopped.lifecycle.hand_over(canceled=False)
    assert town.processor(owner="next").lifecycle.take([run_id]) == [run_id]


def test_a_slice_that_is_over_is_gone_on_with_at_once(town: Town) -> None:
    town.script.roots = pages("a")
    run = town.onboard(slice_=Slice(0))
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "the slice was over")
    assert town.work(run.id, owner="next").state is RunState.PROCESSED


def test_a_plan_that_failed_is_tried_again_in_five_minutes(town: Town) -> None:
    town.script.roots = Retryable("503: later")
    assert town.onboard().state is RunState.DELAYED
    assert 290 < town.tenant.value(WAIT) <= 300


def test_a_worker_goes_by_the_database_s_clock_wherever_it_asks_for_the_time(
    engine: Engine, town: Town, wrong: time_machine.Traveller
) -> None:
    town.onboard()
    before, ours, after = (transact(engine, current_time), utc_now(), transact(engine, current_time))
    leeway = timedelta(seconds=5)
    assert before - leeway < ours < after + leeway
    wrong.shift(timedelta(days=-1))
    assert before - leeway < utc_now()


def test_what_happened_now_is_of_the_future_for_no_worker(engine: Engine, wrong: time_machine.Traveller) -> None:
    follow_clock(engine)
    now = transact(engine, current_time)
    wrong.shift(timedelta(days=-30))
    assert in_utc(now) == now
    snowflake = str((now - moment_of("0")) // timedelta(milliseconds=1) << 22)
    assert Reference(message_id=snowflake).message_id == snowflake


def test_the_time_goes_on_between_two_looks(engine: Engine) -> None:
    follow_clock(engine)
    told = clock.now()
    with engine.connect() as conn:
        conn.execute(text("SELECT pg_sleep(0.05)"))
    assert clock.now() - told >= timedelta(seconds=0.05)
