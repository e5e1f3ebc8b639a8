"""What the sensors ask for."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs import tags
from crowd_pipelines.defs.partitions import integrations_of
from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines_tests.defs.connected import Connected

WAITS = "UPDATE integration_runs SET state = 'delayed', delayed_until = now() WHERE id = :id"


Evaluate = Callable[[str], Any]


@pytest.fixture
def evaluate(instance: dg.DagsterInstance, database_url: str) -> Evaluate:
    """What a sensor answers."""

    def answer(name: str) -> Any:
        context = dg.build_sensor_context(
            instance=instance,
            definitions=defs,
            resources={"database": DatabaseResource(url=database_url)},
        )
        return defs.resolve_sensor_def(name)(context)

    return answer


def started(request: dg.RunRequest) -> dict[str, Any]:
    return dict(request.run_config["ops"]["start_runs"]["config"])


def test_an_onboarding_is_asked_for_as_a_partition(
    connected: Connected, evaluate: Evaluate, instance: dg.DagsterInstance
) -> None:
    wanted, other = connected.add("Town"), connected.add("Other")
    connected.request_onboarding(wanted)
    key = connected.key(wanted)
    instance.add_dynamic_partitions("devto_integrations", ["of-a-removed-one"])

    answer = evaluate("onboarding")

    [request] = answer.run_requests
    assert (request.job_name, request.partition_key, started(request)) == ("devto", key, {"requested": True})
    assert {name: value for name, value in request.tags.items() if name.startswith("crowd/")} == {
        "crowd/integration": wanted,
        "crowd/tenant": request.tags["crowd/tenant"],
        "crowd/onboarding": "true",
        "crowd/request": request.tags["crowd/request"],
    }
    assert answer.dynamic_partitions_requests == [
        integrations_of("devto").build_add_request(sorted([key, connected.key(other)])),
        integrations_of("devto").build_delete_request(["of-a-removed-one"]),
    ]


def test_the_same_request_is_asked_for_with_the_same_key_and_a_later_one_with_another(
    connected: Connected, evaluate: Evaluate
) -> None:
    town = connected.add("Town")
    keys = []
    for _ in range(2):
        connected.request_onboarding(town)
        keys.append({evaluate("onboarding").run_requests[0].run_key for _ in range(2)})
    assert [len(same) for same in keys] == [1, 1]
    assert keys[0] != keys[1]


def test_nothing_is_asked_for_while_the_integration_is_being_read(connected: Connected, evaluate: Evaluate) -> None:
    town = connected.add("Town")
    connected.open_run(town, onboarding=False)
    connected.request_onboarding(town)
    assert evaluate("onboarding").skip_reason.skip_message == "no onboarding is asked for"


def test_a_launched_onboarding_is_not_asked_for_again(
    connected: Connected, evaluate: Evaluate, instance: dg.DagsterInstance
) -> None:
    connected.request_onboarding(connected.add("Town"))
    [request] = evaluate("onboarding").run_requests
    instance.create_run_for_job(
        defs.resolve_job_def("devto"),
        tags={tags.REQUEST: request.tags[tags.REQUEST]},
        status=dg.DagsterRunStatus.STARTED,
    )
    answer = evaluate("onboarding")
    assert answer.run_requests == []
    assert answer.skip_reason.skip_message == "1 wait; a Dagster run for each is under way, or died a moment ago"


def test_what_is_due_or_abandoned_is_gone_on_with(connected: Connected, evaluate: Evaluate) -> None:
    names = ("due", "abandoned", "later", "at work", "young")
    found = {name: connected.open_run(connected.add(name), onboarding=True) for name in names}
    connected.execute(WAITS, id=found["due"])
    connected.execute(
        "UPDATE integration_runs SET state = 'processing', leased_until = now() WHERE id = :id", id=found["abandoned"]
    )
    connected.execute(
        "UPDATE integration_runs SET state = 'delayed', delayed_until = now() + interval '1 min' WHERE id = :id",
        id=found["later"],
    )
    connected.execute(
        "UPDATE integration_runs SET state = 'processing', leased_until = now() + interval '1 min' WHERE id = :id",
        id=found["at work"],
    )

    requests = evaluate("resume_runs").run_requests

    assert [started(request) for request in requests] == [
        {"integration_run_ids": [found[name]], "onboarding": True} for name in ("due", "abandoned")
    ]
    assert [request.partition_key.partition("-")[0] for request in requests] == ["due", "abandoned"]
    assert {request.tags["crowd/onboarding"] for request in requests} == {"true"}


def test_checks_are_gone_on_with_in_batches_and_before_onboardings(
    connected: Connected, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_CHECK_BATCH_SIZE", "2")
    towns = [connected.add(f"Town {number}") for number in range(3)]
    connected.execute("UPDATE integrations SET onboarded_at = now()")
    checks = [connected.open_run(town, onboarding=False) for town in towns]
    for run_id in checks:
        connected.execute(WAITS, id=run_id)

    requests = evaluate("resume_runs").run_requests

    assert [started(request)["integration_run_ids"] for request in requests] == [checks[:2], checks[2:]]
    assert {request.tags["dagster/priority"] for request in requests} == {"1"}
    assert ["crowd/integration" in request.tags for request in requests] == [False, True]


def test_an_attempt_that_was_made_gives_the_next_one_another_key(connected: Connected, evaluate: Evaluate) -> None:
    run_id = connected.open_run(connected.add("Town"), onboarding=True)
    connected.execute(WAITS, id=run_id)
    [first] = evaluate("resume_runs").run_requests
    connected.execute("UPDATE integration_runs SET attempt = attempt + 1 WHERE id = :id", id=run_id)
    [second] = evaluate("resume_runs").run_requests
    assert first.run_key != second.run_key


def test_without_anything_that_waits_it_says_so(connected: Connected, evaluate: Evaluate) -> None:
    assert evaluate("resume_runs").skip_reason.skip_message == "no integration run waits for someone to go on with it"
