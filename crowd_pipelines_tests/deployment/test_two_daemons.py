"""Dagster supports one daemon; a second one, as a deployment may have for a moment, must do no harm."""

import re
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


def minutes_evaluated_twice(deployment: Deployment, since: datetime) -> set[datetime]:
    """Minutes for which both daemons asked DEV's schedule, as their logs tell."""
    asked = re.compile(r"Evaluating schedule `devto_ticks` at (\S+ \S+ \S+)")
    logs = [(deployment.home / "logs" / name).read_text() for name in ("dagster.log", "second-daemon.log")]
    one, other = ({datetime.strptime(at, "%Y-%m-%d %H:%M:%S %z") for at in asked.findall(log)} for log in logs)
    return {minute for minute in one & other if minute > since}


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

        eventually(lambda: minutes_evaluated_twice(deployment, since), "a minute for which both daemons did their work")
        eventually(lambda: len(checks_since(deployment, tenant, since)) >= len(ids), "four checks")
        settled(ui)

    onboardings, checks = runs(deployment.database, tenant, onboarding=True), checks_since(deployment, tenant, since)
    assert Counter(run["name"] for run in onboardings) == Counter(PLACES)
    assert Counter(run["name"] for run in checks) == Counter(PLACES)
    assert {run["state"] for run in (*onboardings, *checks)} == {"processed"}
    assert {run.status for run in ui.runs(platform="devto", tenant=str(onboardings[0]["tenant_id"]))} == {"SUCCESS"}
