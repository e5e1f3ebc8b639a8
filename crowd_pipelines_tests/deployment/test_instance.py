import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml
from sqlalchemy import make_url

from crowd_pipelines.settings import Settings

CHECKOUT = Path(__file__).parent.parent.parent
INSTANCE = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())

SHOWS_THE_INSTANCE = """
import dagster as dg
with dg.DagsterInstance.get() as instance:
    queue = instance.get_concurrency_config().run_queue_config
    print(type(instance.run_coordinator).__name__, queue.max_concurrent_runs, len(queue.tag_concurrency_limits))
"""


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", home)
    return home


def test_dagster_accepts_the_instance_and_keeps_its_storage_in_postgresql(
    dagster_home: Path, empty_database_url: str, process_environment: dict[str, str]
) -> None:
    url = make_url(empty_database_url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    shown = subprocess.run(
        [sys.executable, "-c", SHOWS_THE_INSTANCE],
        env=process_environment | {"DAGSTER_HOME": str(dagster_home), "CROWD_DAGSTER_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == ["QueuedRunCoordinator", "10", "4"]
    assert sorted(path.name for path in dagster_home.iterdir()) == ["dagster.yaml"], "a database of its own in a file"
    with psycopg.connect(empty_database_url) as connection:
        tables = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert {"runs", "event_logs", "job_ticks"} <= tables


def test_an_integration_never_has_two_runs_and_neither_a_platform_nor_onboardings_all() -> None:
    runs = INSTANCE["concurrency"]["runs"]
    limits = {limit["key"]: limit["limit"] for limit in runs["tag_concurrency_limits"]}
    values = {limit["key"]: limit["value"] for limit in runs["tag_concurrency_limits"]}
    assert limits["crowd/integration"] == 1
    assert limits["crowd/lane"] < limits["crowd/platform"] < runs["max_concurrent_runs"]
    assert limits["crowd/onboarding"] < runs["max_concurrent_runs"]
    assert values.pop("crowd/onboarding") == "true"
    assert all(value == {"applyLimitPerUniqueValue": True} for value in values.values())


def test_a_run_is_taken_for_hung_only_well_after_its_slice() -> None:
    assert INSTANCE["run_monitoring"]["max_runtime_seconds"] >= 1.5 * Settings.model_fields["slice_seconds"].default


def test_dagster_tells_nobody_and_greets_nobody() -> None:
    assert INSTANCE["telemetry"] == {"enabled": False}
    assert INSTANCE["nux"] == {"enabled": False}


def test_a_failed_op_is_left_to_the_queue_in_the_database() -> None:
    assert INSTANCE["run_retries"]["retry_on_asset_or_op_failure"] is False
