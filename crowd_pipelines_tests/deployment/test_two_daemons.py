"""Dagster supports one daemon; a second one, as a deployment may have for a moment, must do no harm."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from crowd_pipelines.stack.processes import Service
from crowd_pipelines_tests.deployment.conftest import settled
from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Deployment, Row, eventually
from crowd_pipelines_tests.deployment.tenancy import runs

PLACES = ("North", "East", "South", "West")


@contextmanager
def second_daemon(deployment: Deployment) -> Iterator[None]:
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "crowd_pipelines.definitions"]
    log = deployment.home / "logs" / "second-daemon.log"
    with Service("the second daemon", command, log=log, environment=deployment.dagster_environment):
        yield


def minutes_evaluated_twice(ui: DagsterUi, since: datetime) -> list[float]:
    times = Counter(tick["timestamp"] for tick in ui.ticks("devto_ticks") if tick["status"] != "STARTED")
    return [minute for minute, count in times.items() if count > 1 and minute > since.timestamp()]


def checks_since(deployment: Deployment, tenant: str, moment: datetime) -> list[Row]:
    return [run for run in runs(deployment.database, tenant, onboarding=False) if run["created_at"] > moment]


def test_a_second_daemon_doubles_nothing(deployment: Deployment, ui: DagsterUi, tenant: str) -> None:
    with second_daemon(deployment):
        ids = [deployment.connect(tenant, name=name) for name in PLACES]
        onboarded = "SELECT count(*) FROM integrations WHERE id = ANY(%(ids)s) AND onboarded_at IS NOT NULL"
        eventually(lambda: deployment.database.value(onboarded, ids=ids) == len(ids), "four onboardings")
        settled(ui)
        since = deployment.database.value("SELECT now()")
        deployment.database.execute(
            "UPDATE integrations SET last_check_at = now() - interval '20 minutes' WHERE id = ANY(%(ids)s)", ids=ids
        )

        eventually(lambda: minutes_evaluated_twice(ui, since), "a minute for which both daemons did their work")
        eventually(lambda: len(checks_since(deployment, tenant, since)) >= len(ids), "four checks")
        settled(ui)

    onboardings, checks = runs(deployment.database, tenant, onboarding=True), checks_since(deployment, tenant, since)
    assert Counter(run["name"] for run in onboardings) == Counter(PLACES)
    assert Counter(run["name"] for run in checks) == Counter(PLACES)
    assert {run["state"] for run in (*onboardings, *checks)} == {"processed"}
    assert {run.status for run in ui.runs(platform="devto", tenant=str(onboardings[0]["tenant_id"]))} == {"SUCCESS"}
