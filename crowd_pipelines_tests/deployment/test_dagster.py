"""The daemon launches what is due, the code location runs it, and the UI shows it."""

from datetime import datetime

from crowd_pipelines.sandbox.devto.platform import API_KEY
from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Deployment, Row, eventually
from crowd_pipelines_tests.deployment.tenancy import records, runs

MOST_EVENTS = {"check": 80, "onboarding": 400}


def ended(deployment: Deployment, tenant: str, *, count: int = 1, onboarding: bool = True) -> list[Row]:
    """The integration runs of the tenant, when there are so many and all are over."""

    def look() -> list[Row] | None:
        found = runs(deployment.database, tenant, onboarding=onboarding)
        return found if len(found) >= count and all(run["processed_at"] for run in found) else None

    return eventually(look, f"{count} integration runs that are over")


def checked_since(deployment: Deployment, tenant: str, moment: datetime) -> Row | None:
    checks = runs(deployment.database, tenant, onboarding=False)
    return next((run for run in checks if run["processed_at"] and run["created_at"] > moment), None)


def events_stored(deployment: Deployment, dagster_run_id: str) -> int:
    counted = "SELECT count(*) FROM event_logs WHERE run_id = %(id)s"
    return int(deployment.dagster.value(counted, id=dagster_run_id))


def test_every_daemon_is_healthy(ui: DagsterUi) -> None:
    eventually(lambda: all(ui.daemons().values()), "health")


def test_the_sensor_onboards_a_newly_connected_integration(deployment: Deployment, ui: DagsterUi, tenant: str) -> None:
    integration_id = deployment.connect(tenant, name="New in town")

    [run] = ended(deployment, tenant)
    dagster_run = ui.over(run["dagster_run_id"])
    events = ui.events(dagster_run.id)

    assert (run["state"], run["error"], run["attempt"]) == ("processed", None, 1)
    truth = deployment.sandbox.truth("devto")
    found = records(deployment.database, tenant)
    assert {(row["type"], row["source_id"], row["source_parent_id"]) for row in found["activities"]} == {
        (one["type"], one["source_id"], one["source_parent_id"]) for one in truth.activities
    }
    assert len(found["members"]) == len(truth.members)
    assert dagster_run.status == "SUCCESS"
    assert {name: value for name, value in dagster_run.tags.items() if name.startswith("crowd/")} == {
        "crowd/platform": "devto",
        "crowd/tenant": str(run["tenant_id"]),
        "crowd/integration": integration_id,
        "crowd/integration_run": str(run["id"]),
        "crowd/onboarding": "true",
        "crowd/lane": "devto/onboarding",
        "crowd/state": "processed",
        "crowd/request": dagster_run.tags["crowd/request"],
    }
    assert dagster_run.tags["dagster/partition"] in ui.partitions("devto")
    assert dagster_run.tags["dagster/partition"].startswith("new-in-town-")
    assert [event["assetKey"]["path"] for event in events if event["__typename"] == "MaterializationEvent"] == [
        ["devto", "activities"],
        ["devto", "members"],
    ]
    assert 0 < events_stored(deployment, dagster_run.id) <= MOST_EVENTS["onboarding"]


def test_the_schedule_checks_when_the_ticks_are_over(deployment: Deployment, ui: DagsterUi, tenant: str) -> None:
    integration_id = deployment.connect(tenant)
    ended(deployment, tenant)
    [said] = deployment.sandbox.change("devto", [{"do": "add_comment"}])
    changed_at = deployment.database.value("SELECT now()")
    deployment.database.execute(
        "UPDATE integrations SET last_check_at = now() - interval '20 minutes' WHERE id = %(id)s", id=integration_id
    )

    check = eventually(lambda: checked_since(deployment, tenant, changed_at), "a check")
    dagster_run = ui.over(check["dagster_run_id"])

    assert (check["state"], check["error"]) == ("processed", None)
    assert said["comments"][0] in {row["source_id"] for row in records(deployment.database, tenant)["activities"]}
    assert dagster_run.status == "SUCCESS"
    assert dagster_run.tags["crowd/onboarding"] == "false"
    assert dagster_run.tags["dagster/schedule_name"] == "devto_ticks"
    assert dagster_run.id in [run_id for tick in ui.ticks("devto_ticks") for run_id in tick["runIds"]]
    assert events_stored(deployment, dagster_run.id) <= MOST_EVENTS["check"]

    twin = ui.over(ui.launch(dagster_run))

    assert (twin.status, twin.tags["crowd/state"]) == ("SUCCESS", "nothing to do")
    assert checked_since(deployment, tenant, check["created_at"]) is None


def test_a_backfill_of_two_partitions_onboards_them(deployment: Deployment, ui: DagsterUi, tenant: str) -> None:
    names = ["North", "South"]
    ids = [deployment.connect(tenant, name=name, onboarding=False) for name in names]
    keys = [deployment.database.value("SELECT key FROM integrations WHERE id = %(id)s", id=id_) for id_ in ids]
    eventually(lambda: set(keys) <= set(ui.partitions("devto")), "the partitions")

    backfill = ui.backfill("devto", keys)

    onboardings = ended(deployment, tenant, count=2)
    assert [run["state"] for run in onboardings] == ["processed", "processed"]
    assert sorted(run["name"] for run in onboardings) == names
    launched = [ui.over(run["dagster_run_id"]) for run in onboardings]
    assert {run.tags["dagster/backfill"] for run in launched} == {backfill}
    assert sorted(run.tags["dagster/partition"] for run in launched) == sorted(keys)
    assert {run.status for run in launched} == {"SUCCESS"}
    statuses = deployment.database.rows("SELECT DISTINCT status FROM integrations WHERE id = ANY(%(ids)s)", ids=ids)
    assert statuses == [{"status": "done"}]


def test_a_launch_that_comes_twice_onboards_once_and_a_person_who_repeats_it_means_it(
    deployment: Deployment, ui: DagsterUi, tenant: str
) -> None:
    deployment.connect(tenant)
    [first] = ended(deployment, tenant)
    original = ui.over(first["dagster_run_id"])

    twin = ui.over(ui.launch(original))

    assert (twin.status, twin.tags["crowd/state"]) == ("SUCCESS", "nothing to do")
    assert runs(deployment.database, tenant, onboarding=True) == [first]

    repeated = ui.over(ui.execute_again(original.id))

    assert (repeated.status, repeated.tags["crowd/state"]) == ("SUCCESS", "processed")
    assert len(ended(deployment, tenant, count=2)) == 2


def test_rejected_credentials_fail_the_dagster_run_with_the_reason_and_show_nowhere(
    deployment: Deployment, ui: DagsterUi, tenant: str
) -> None:
    canary = API_KEY
    integration_id = deployment.connect(tenant, credentials={"api_key": canary}, onboarding=False)
    refusal = {"body": '{"error": "unauthorized", "status": 401}', "headers": {"X-Request-Id": canary}}
    deployment.sandbox.fault("devto", "replace", path="/articles", status=401, **refusal)
    deployment.database.execute(
        "UPDATE integrations SET onboarding_requested_at = now() WHERE id = %(id)s", id=integration_id
    )

    [run] = ended(deployment, tenant)
    dagster_run = ui.over(run["dagster_run_id"])
    failures = [event for event in ui.events(dagster_run.id) if event["__typename"] == "ExecutionStepFailureEvent"]

    assert run["state"] == "error"
    assert dagster_run.status == "FAILURE"
    assert dagster_run.tags["crowd/state"] == "error"
    [failure] = failures
    told = failure["failureMetadata"]["description"]
    assert "1 of 1 integration runs ended in error" in told
    assert "401 Unauthorized" in told
    assert "Connect the integration again with credentials that work." in told
    integration = deployment.database.row("SELECT * FROM integrations WHERE id = %(id)s", id=integration_id)
    assert integration["status"] == "error"
    assert integration["credentials_rejected_at"] is not None
    assert "event_logs" in deployment.dagster.tables_with("401 Unauthorized")
    assert deployment.database.tables_with(canary) == []
    assert deployment.dagster.tables_with(canary) == []
    assert [
        path for path in deployment.home.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()
    ] == []
