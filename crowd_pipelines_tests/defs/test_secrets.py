"""A bug that puts a credential into an error: Dagster stores and shows the error, and not the credential."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs.resources import ApiClientsResource, DatabaseResource, LifecycleResource, RateBudgetResource
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.http.logs import HiddenError
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.store import integrations, retention, runs
from crowd_pipelines.store.vault import new_key
from crowd_pipelines_tests.canaries import canary, forms
from crowd_pipelines_tests.defs.connected import Connected

pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")

CANARY = canary("bug")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("CROWD_DATABASE_URL", database_url)
    monkeypatch.setenv("CROWD_ENCRYPTION_KEY", new_key())


@pytest.fixture
def held() -> Secret:
    return Secret(CANARY)


def buggy(*_: Any, **__: Any) -> Any:
    try:
        raise ValueError(f"cannot send {CANARY!r}")  # noqa: TRY301  a cause is wanted
    except ValueError as error:
        raise RuntimeError("a bug", {"Authorization": CANARY}) from error


def shows(text: str) -> bool:
    return any(form in text for form in forms(CANARY))


STEPS = ["onboard", "preprocess", "create_member_attributes", "get_streams", "roots", "process_streams", "postprocess"]


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("step", STEPS)
def test_in_an_op(
    step: str, instance: dg.DagsterInstance, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lifecycle, "process_streams", lambda *_: None)  # no provider is asked
    monkeypatch.setattr(IntegrationProcessor if step == "onboard" else Lifecycle, step, buggy)
    config = {"integration_ids": [connected.add("Town")], "onboarding": True}
    done = defs.resolve_job_def("devto").execute_in_process(
        instance=instance, run_config={"ops": {"start_runs": {"config": config}}}, raise_on_error=False
    )
    assert not done.success
    events = instance.all_logs(done.run_id)
    assert not shows("".join(f"{event.user_message} {event.dagster_event}" for event in events))
    [told] = [
        event.dagster_event.step_failure_data.error.to_string()
        for event in events
        if event.dagster_event and event.dagster_event.is_step_failure and event.dagster_event.step_failure_data.error
    ]
    assert "RuntimeError: ('a bug', {'Authorization': '***'})" in told
    assert "ValueError: cannot send '***'" in told


def evaluated(name: str, instance: dg.DagsterInstance) -> None:
    resources = dict(defs.resources or {})
    if name == "retention":
        defs.resolve_job_def(name).execute_in_process(instance=instance)
    elif name.endswith("_ticks"):
        now = datetime.now(UTC)
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=now, resources=resources
        ) as schedule:
            defs.resolve_schedule_def(name).evaluate_tick(schedule)
    else:
        with dg.build_sensor_context(instance=instance, resources=resources, definitions=defs) as sensor:
            defs.resolve_sensor_def(name).evaluate_tick(sensor)


@pytest.mark.usefixtures("held", "database_url")
@pytest.mark.parametrize("name", ["onboarding", "resume_runs", "devto_ticks", "retention"])
def test_in_a_sensor_a_schedule_and_the_retention(
    name: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrations, "requested_onboardings", buggy)
    monkeypatch.setattr(runs, "waiting", buggy)
    monkeypatch.setattr(retention, "prune", buggy)
    monkeypatch.setattr(IntegrationProcessor, "process_tick", buggy)
    with pytest.raises(Exception) as failed:  # noqa: PT011  Dagster wraps some
        evaluated(name, instance)
    chain = list(causes(failed.value))
    assert any(isinstance(error, HiddenError) for error in chain), repr(chain)
    assert [error for error in chain if shows(str(error))] == []


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that led to it; a chain may come back to where it began."""
    seen: list[BaseException] = []
    while error is not None and not any(error is one for one in seen):
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def test_resources_do_not_show_what_they_are_given(held: Secret) -> None:
    database = DatabaseResource(url=f"postgresql://crowd:{held.get_secret_value()}@db.test/crowd")
    clients = ApiClientsResource(rate_budget=RateBudgetResource(database=database), encryption_key=CANARY)
    assert not shows(repr(LifecycleResource(api_clients=clients)) + str(clients) + repr(database))
