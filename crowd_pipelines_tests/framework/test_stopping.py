"""A worker that is asked to stop: nothing holds it for long, and nothing that it held is lost meanwhile."""

import threading
from collections.abc import Iterator

import pytest

from crowd_pipelines.framework import lifecycle, runner
from crowd_pipelines.framework.integration import Patch
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.framework.workers import Workers
from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import StreamResult
from crowd_pipelines.store import runs
from crowd_pipelines_tests.framework.scripted import Script, Town, pages
from crowd_pipelines_tests.store.tenant import Tenant


@pytest.fixture
def black_hole() -> Iterator[threading.Event]:
    """Whoever waits for it waits until the test is over."""
    end = threading.Event()
    yield end
    end.set()


def test_a_silent_provider_holds_a_stopped_worker_once_and_not_at_every_step(
    town: Town, black_hole: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    slice_, waits = Slice(600), []
    collect = Workers.collect

    def counted(self: Workers[object], **options: float) -> list[object]:
        waits.append(slice_.stopping)
        return collect(self, **options)  # type: ignore[arg-type]

    def silent() -> StreamResult:
        slice_.stop()
        black_hole.wait()
        return StreamResult()

    monkeypatch.setattr(runner, "STOP_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(Workers, "collect", counted)
    town.script.roots = pages("a", "b", "c")
    town.script.steps = {"a/1": silent}
    worker = town.processor(slice_=slice_)
    [run_id] = worker.onboard([town.tenant.integration_id]).run_ids
    worker.lifecycle.get_streams([run_id])
    roots = [root.root_id for root in worker.lifecycle.roots([run_id])]
    worker.lifecycle.process_streams([run_id], roots[:1])
    waited = len(waits)
    assert waited > 0
    for root in roots[1:]:
        worker.lifecycle.process_streams([run_id], [root])
    assert len(waits) == waited
    [run] = worker.lifecycle.postprocess([run_id])
    assert run.state is RunState.DELAYED
    assert town.tenant.value("SELECT max(crashes + retries) FROM integration_streams") == 0


@pytest.mark.parametrize("phase", ["preprocess", "get_streams", "postprocess"])
def test_a_stop_ends_a_phase_that_lasts(tenant: Tenant, black_hole: threading.Event, phase: str) -> None:
    slice_ = Slice(600)

    class Slow(Script):
        def tell(self, name: str, answer: object) -> object:
            if name == phase:
                slice_.stop()
                black_hole.wait()
            return super().tell(name, answer)

    town = Town.of(tenant, Slow())
    run = town.onboard(slice_=slice_)
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "the slice was over")
    black_hole.set()
    assert town.work(run.id, owner="next").state is RunState.PROCESSED


def test_a_batch_keeps_the_leases_of_those_that_wait_for_their_turn(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    extended: list[int] = []
    extend = runs.extend_leases

    def noted(conn: object, held: list[runs.RunRecord]) -> object:
        extended.append(len(held))
        return extend(conn, held)  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle, "heartbeat_seconds", lambda: 0.0)
    monkeypatch.setattr(runs, "extend_leases", noted)
    other = Tenant.connect(town.tenant.engine, integration="Other").integration_id
    worker = town.processor()
    run_ids = worker.onboard([town.tenant.integration_id, other]).run_ids
    assert worker.lifecycle.preprocess(run_ids[:1]) == list(run_ids[:1])
    assert set(extended) == {2}


def test_nothing_is_done_for_an_integration_run_that_another_worker_has_taken(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "heartbeat_seconds", lambda: 0.0)
    town.script.patch = Patch()
    worker = town.processor()
    [run_id] = worker.onboard([town.tenant.integration_id]).run_ids
    town.tenant.execute("UPDATE integration_runs SET lease_epoch = lease_epoch + 1, dagster_run_id = 'other'")
    assert worker.lifecycle.get_streams([run_id]) == []
    assert town.script.asked == []
