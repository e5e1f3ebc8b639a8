"""Workers that die, are stopped or have to wait: what they leave is gone on with, and nothing is lost or done twice."""

import os
import re
import signal
from datetime import UTC, datetime, timedelta

import pytest

from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Deployment, Row, ancestors, eventually
from crowd_pipelines_tests.deployment.tenancy import records, runs


def only_run(deployment: Deployment, tenant: str) -> Row | None:
    """The tenant's onboarding: there must never be two."""
    found = runs(deployment.database, tenant, onboarding=True)
    assert len(found) <= 1
    return found[0] if found else None


def in_state(deployment: Deployment, tenant: str, state: str) -> Row:
    def look() -> Row | None:
        run = only_run(deployment, tenant)
        return run if run and run["state"] == state else None

    return eventually(look, f"an integration run that is {state}")


def streams(deployment: Deployment, run: Row) -> dict[str, int]:
    counted = "SELECT state, count(*) FROM integration_streams WHERE run_id = %(id)s GROUP BY 1"
    return {row["state"]: row["count"] for row in deployment.database.rows(counted, id=run["id"])}


def worker_of(ui: DagsterUi, dagster_run_id: str) -> int:
    """The process that a Dagster run has, or had."""
    messages = [event["message"] for event in ui.events(dagster_run_id)]
    told = [re.fullmatch(r"Started process for run \(pid: (\d+)\)\.", message) for message in messages]
    [pid] = [int(match[1]) for match in told if match]
    return pid


def send(number: signal.Signals, pid: int) -> None:
    """A signal to a process that descends from this one, and to no other."""
    assert os.getpid() in ancestors(pid)
    os.kill(pid, number)


def in_the_middle(deployment: Deployment, tenant: str) -> Row:
    """An onboarding of a provider that takes its time, some pages of which are committed."""
    deployment.sandbox.fault("devto", "latency", path="/devto/api/(articles|comments|users/\\d)", seconds=0.4)
    deployment.connect(tenant)

    def look() -> Row | None:
        run = only_run(deployment, tenant)
        return run if run and streams(deployment, run).get("processed", 0) >= 8 else None

    run = eventually(look, "an onboarding in the middle")
    assert run["state"] == "processing"
    return run


@pytest.fixture(scope="module")
def undisturbed(deployment: Deployment) -> dict[str, list[Row]]:
    """What an onboarding without any trouble brings."""
    deployment.connect("undisturbed")
    assert in_state(deployment, "undisturbed", "processed")["attempt"] == 1
    found = records(deployment.database, "undisturbed")
    deployment.database.execute("DELETE FROM tenants WHERE name = 'undisturbed'")
    assert len(found["activities"]) == len(deployment.sandbox.truth("devto").activities)
    return found


def one_more_look(ui: DagsterUi) -> None:
    """Wait until the sensor has looked for what it could resume once more."""
    [before, *_] = ui.ticks("resume_runs")
    eventually(lambda: ui.ticks("resume_runs")[1]["timestamp"] > before["timestamp"], "the sensor's next look")


def test_what_a_killed_worker_left_is_continued(
    deployment: Deployment, ui: DagsterUi, tenant: str, undisturbed: dict[str, list[Row]]
) -> None:
    before = in_the_middle(deployment, tenant)
    send(signal.SIGKILL, worker_of(ui, before["dagster_run_id"]))
    killed = ui.over(before["dagster_run_id"])
    left = streams(deployment, before)
    deployment.sandbox.clear_faults()
    # As if the 45 s of the leases had passed.
    deployment.database.execute("UPDATE integration_runs SET leased_until = now() WHERE id = %(id)s", id=before["id"])
    deployment.database.execute(
        "UPDATE integration_streams SET due_at = now() WHERE run_id = %(id)s AND state = 'processing'", id=before["id"]
    )

    after = in_state(deployment, tenant, "processed")

    assert killed.status == "FAILURE"
    assert left["processing"] > 0
    assert (after["id"], after["attempt"], after["error"]) == (before["id"], 2, None)
    assert after["dagster_run_id"] != before["dagster_run_id"]
    assert after["streams_planned_at"] == before["streams_planned_at"]
    assert set(streams(deployment, after)) <= {"processed", "skipped"}
    crashed = "SELECT count(*) FROM integration_streams WHERE run_id = %(id)s AND crashes = 1"
    assert deployment.database.value(crashed, id=after["id"]) == left["processing"]
    assert records(deployment.database, tenant) == undisturbed


def test_sigterm_ends_the_slice_and_the_next_one_goes_on(
    deployment: Deployment, ui: DagsterUi, tenant: str, undisturbed: dict[str, list[Row]]
) -> None:
    before = in_the_middle(deployment, tenant)
    send(signal.SIGTERM, worker_of(ui, before["dagster_run_id"]))
    stopped = ui.over(before["dagster_run_id"])
    deployment.sandbox.clear_faults()

    after = in_state(deployment, tenant, "processed")

    assert stopped.status == "SUCCESS"
    assert stopped.tags["crowd/state"] == "delayed"
    assert (after["id"], after["attempt"]) == (before["id"], 2)
    hurt = "SELECT count(*) FROM integration_streams WHERE run_id = %(id)s AND (crashes > 0 OR retries > 0)"
    assert deployment.database.value(hurt, id=after["id"]) == 0
    assert records(deployment.database, tenant) == undisturbed


def test_a_run_that_was_terminated_in_the_ui_waits_for_a_person(
    deployment: Deployment, ui: DagsterUi, tenant: str, undisturbed: dict[str, list[Row]]
) -> None:
    before = in_the_middle(deployment, tenant)
    ui.terminate(before["dagster_run_id"])
    terminated = ui.over(before["dagster_run_id"])
    deployment.sandbox.clear_faults()
    canceled = in_state(deployment, tenant, "error")
    one_more_look(ui)

    assert terminated.status == "CANCELED"
    assert canceled["error"].startswith("canceled in Dagster")
    assert only_run(deployment, tenant) == canceled
    continued = deployment.command("continue-run", "-r", str(canceled["id"]), "--json")
    assert continued.returncode == 0, continued.stderr
    assert in_state(deployment, tenant, "processed")["id"] == before["id"]
    assert records(deployment.database, tenant) == undisturbed


def test_a_long_wait_holds_no_process_and_ends_when_due(
    deployment: Deployment, ui: DagsterUi, tenant: str, undisturbed: dict[str, list[Row]]
) -> None:
    deployment.sandbox.fault("devto", "rate_limit", path="/api/comments", retry_after="3600", after=10, times=1)
    deployment.connect(tenant)

    dagster_run = ui.over(in_state(deployment, tenant, "delayed")["dagster_run_id"])
    waits = in_state(deployment, tenant, "delayed")
    asked = len(deployment.sandbox.requests("devto"))

    assert dagster_run.status == "SUCCESS"
    assert dagster_run.tags["crowd/state"] == "delayed"
    assert datetime.fromisoformat(dagster_run.tags["crowd/delayed_until"]) == waits["delayed_until"].replace(
        microsecond=0
    )
    assert timedelta(minutes=58) < waits["delayed_until"] - datetime.now(UTC) <= timedelta(minutes=60)
    assert re.search("429|the budget 'default' is used up", waits["delay_reason"])
    assert ui.runs("QUEUED", "STARTING", "STARTED", integration=str(waits["integration_id"])) == []
    gone = worker_of(ui, dagster_run.id)
    eventually(lambda: not ancestors(gone), "the end of the run worker")
    one_more_look(ui)
    assert only_run(deployment, tenant) == waits
    assert len(deployment.sandbox.requests("devto")) == asked

    # As if the hour had passed.
    deployment.database.execute("UPDATE integration_runs SET delayed_until = now() WHERE id = %(id)s", id=waits["id"])
    deployment.database.execute("UPDATE rate_budgets SET closed_until = now(), next_free_at = now()")
    after = in_state(deployment, tenant, "processed")

    assert (after["id"], after["attempt"]) == (waits["id"], 2)
    assert records(deployment.database, tenant) == undisturbed
