"""What `doctor` says of Dagster: an instance of its own, with heartbeats, states and ticks put into it."""

import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, TickData, TickStatus
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs import health
from crowd_pipelines.model.health import Finding, Verdict
from crowd_pipelines.store.database import dagster_url


@pytest.fixture(scope="module")
def shared_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp() as instance:
        yield instance


@pytest.fixture
def instance(shared_instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    yield shared_instance
    shared_instance.wipe_daemon_heartbeats()


def beat(instance: dg.DagsterInstance, kind: str, *, ago: float = 0, by: str = "one", error: str = "") -> None:
    errors = [SerializableErrorInfo(error, [], None)] if error else []
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, kind, by, errors))


def known(instance: dg.DagsterInstance, name: str, *ticks: TickStatus, on: bool = True) -> InstigatorState:
    """A sensor that the daemon has seen, and its ticks, the oldest first."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
    status = InstigatorStatus.DECLARED_IN_CODE if on else InstigatorStatus.STOPPED
    state = InstigatorState(RemoteInstigatorOrigin(repository, name), InstigatorType.SENSOR, status)
    instance.add_instigator_state(state)
    for ago, tick in enumerate(reversed(ticks)):
        error = SerializableErrorInfo("it broke\nhere", [], None) if tick is TickStatus.FAILURE else None
        about = {"selector_id": state.selector_id, "error": error, "timestamp": time.time() - ago}
        instance.create_tick(TickData(state.instigator_origin_id, name, InstigatorType.SENSOR, tick, **about))
    return state


def told(findings: Iterator[Finding]) -> dict[str, Verdict]:
    return {finding.name: finding.verdict for finding in findings if finding.verdict is not Verdict.OK}


def test_a_daemon_that_never_was_is_missed(instance: dg.DagsterInstance) -> None:
    assert told(health.daemon(instance)) == {"daemon": Verdict.ERROR}


def test_a_daemon_that_lives_is_fine(instance: dg.DagsterInstance) -> None:
    for kind in instance.get_required_daemon_types():
        beat(instance, kind)
    assert told(health.daemon(instance)) == {}


def test_one_silent_part_of_the_daemon_is_named(instance: dg.DagsterInstance) -> None:
    for kind in instance.get_required_daemon_types():
        beat(instance, kind, ago=3600 if kind == "SENSOR" else 0)
    [silent] = [finding for finding in health.daemon(instance) if finding.verdict is Verdict.ERROR]
    assert "sensor (for 1:00:0" in silent.seen


def test_a_second_daemon_and_errors_are_told(instance: dg.DagsterInstance) -> None:
    for kind in instance.get_required_daemon_types():
        beat(instance, kind, by="other" if kind == "SENSOR" else "one", error="token=abcdefgh12345678 is wrong\nmore")
    assert told(health.daemon(instance)) == {"daemon-errors": Verdict.WARNING, "one-daemon": Verdict.WARNING}
    assert not any("abcdefgh12345678" in finding.seen for finding in health.daemon(instance))


def test_what_is_switched_off_is_told(instance: dg.DagsterInstance) -> None:
    state = known(instance, "resume_runs", on=False)
    assert told(health.automation(instance, defs)) == {"automation-on": Verdict.ERROR}
    instance.update_instigator_state(state.with_status(InstigatorStatus.RUNNING))
    assert told(health.automation(instance, defs)) == {}


def test_ticks_that_fail_again_and_again_are_told(instance: dg.DagsterInstance) -> None:
    known(instance, "onboarding", TickStatus.SKIPPED, *[TickStatus.FAILURE] * 3)
    known(instance, "lost_workers", TickStatus.FAILURE, TickStatus.SKIPPED, TickStatus.FAILURE)
    known(instance, "somebody_elses", *[TickStatus.FAILURE] * 3)
    [ticks] = [finding for finding in health.automation(instance, defs) if finding.verdict is not Verdict.OK]
    assert (ticks.name, ticks.seen) == ("ticks", "the last 3 ticks failed: onboarding: it broke")


def test_an_instance_without_our_settings_is_told(instance: dg.DagsterInstance) -> None:
    [told] = [one for one in health.settings(instance, slice_seconds=600) if one.name == "dagster.yaml"]
    assert told.verdict is Verdict.WARNING
    assert "run_monitoring.max_runtime_seconds" in told.seen
    assert "crowd/integration" in told.seen


def test_a_storage_without_tables_is_told_and_gets_none(empty_database_url: str) -> None:
    for _ in range(2):
        found = health.storage(dagster_url(empty_database_url), given=None)
        assert found.verdict is Verdict.ERROR
        assert "never run" in found.seen


def test_a_storage_url_that_dagster_cannot_use_is_told(empty_database_url: str) -> None:
    url = dagster_url(empty_database_url)
    found = health.storage(url, given=url.replace("+psycopg2", ""))
    assert found.verdict is Verdict.ERROR
    assert "begins with postgresql://" in found.seen


def test_a_storage_that_is_away_is_told_without_its_password() -> None:
    found = health.storage("postgresql+psycopg2://me:hunter22@127.0.0.1:1/nowhere", given=None)
    assert found.verdict is Verdict.ERROR
    assert "cannot be reached" in found.seen
    assert "hunter22" not in found.seen
