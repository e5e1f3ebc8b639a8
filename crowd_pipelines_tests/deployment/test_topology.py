"""The deployment of docker-compose.yml, run as processes: its commands, variables and healthchecks work together."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.stack.processes import StackError, free_port
from crowd_pipelines_tests.deployment import compose, topology
from crowd_pipelines_tests.deployment.compose import ComposeError
from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.topology import Topology

SECRETS = {
    "CROWD_ENCRYPTION_KEY": "key",
    "CROWD_MIGRATE_POSTGRES_PASSWORD": "owners",
    "CROWD_INGEST_POSTGRES_PASSWORD": "ours",
    "CROWD_READ_POSTGRES_PASSWORD": "readers",
    "CROWD_DAGSTER_POSTGRES_PASSWORD": "dagsters",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(requests_per_second=topology.SANDBOX_REQUESTS_PER_SECOND) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def running(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    variables = topology.fresh_secrets() | topology.sandbox_variables(sandbox)
    state = tmp_path_factory.mktemp("topology")
    with Topology(state, variables | {"CROWD_WEBSERVER_PORT": str(free_port())}) as running:
        yield running
    assert not [port for port in running.place.ports.values() if listens(port)], "a service was left behind"
    assert str(state) not in subprocess.run(["ps", "-axo", "args"], capture_output=True, text=True, check=True).stdout


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_community_is_onboarded_through_the_services(running: Topology, sandbox: Sandbox) -> None:
    assert list(running.healthy_after) == ["postgres", "migrate", "code", "webserver", "daemon"]

    onboarded = topology.onboard(running, sandbox, "devto")

    assert (onboarded.status, onboarded.error) == ("done", None)
    assert onboarded.activities == len(sandbox.truth("devto").activities)
    ui = DagsterUi(url=running.url)
    [run] = ui.runs(onboarding="true")
    assert (run.job, ui.over(run.id).status) == ("devto", "SUCCESS")
    assert all(ui.daemons().values())
    assert running.place.written() == []


def test_the_webserver_and_the_daemon_have_no_way_to_the_community(running: Topology) -> None:
    code, webserver, daemon = (running.environment(name) for name in ("code", "webserver", "daemon"))
    assert webserver == daemon
    theirs = {name for name in webserver if name.startswith("CROWD_")}
    assert theirs == {"CROWD_DAGSTER_DATABASE_URL"}
    dagsters = webserver["CROWD_DAGSTER_DATABASE_URL"].replace("+psycopg2", "")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(dagsters, dbname="crowd")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(code["CROWD_DATABASE_URL"], user="dagster")


def test_the_code_location_cannot_change_the_schema(running: Topology) -> None:
    refused = running.execute("code", "crowd-pipelines", "db", "upgrade")
    assert refused.returncode == 1
    assert "the role crowd_ingest may not change the schema" in refused.stderr


def test_a_service_that_does_not_come_up_is_named_and_the_others_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = topology.COMPOSE_FILE.replace('"crowd-pipelines", "db", "upgrade"', '"crowd-pipelines", "db", "upgraed"')
    monkeypatch.setattr(topology, "COMPOSE_FILE", broken)
    unlucky = Topology(tmp_path, SECRETS | {"CROWD_WEBSERVER_PORT": str(free_port())})
    with pytest.raises(StackError, match=r"migrate ended with exit code 2; its log is .*migrate\.log"):
        unlucky.__enter__()
    assert not listens(unlucky.place.ports["postgres"])


@pytest.mark.parametrize("missing", SECRETS)
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_nothing_starts_without_a_secret(missing: str, how: str, tmp_path: Path) -> None:
    variables = {name: value for name, value in SECRETS.items() if name != missing}
    if how == "empty":
        variables[missing] = ""
    with pytest.raises(ComposeError, match=f"required variable {missing} is missing a value: set {missing} in .env"):
        Topology(tmp_path, variables)


def test_every_secret_is_asked_for() -> None:
    refused = topology.refusals(SECRETS)
    assert set(refused) == set(SECRETS)
    assert all(name in (message or "") for name, message in refused.items())


# --- the file is read as Docker reads it ---


def environment(text: str, **variables: str) -> dict[str, str]:
    file = f"services: {{one: {{environment: {{A: '{text}', B: }}}}}}"
    return dict(compose.services(file, variables)["one"].environment)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${GIVEN}", "given"),
        ("${GIVEN:-other}", "given"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${GIVEN:?needed}", "given"),
        ("${UNSET}", ""),
        ("a $$5 note", "a $5 note"),
        ("x${GIVEN}y${GIVEN}", "xgivenygiven"),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    assert environment(text, GIVEN="given", EMPTY="") == {"A": value}


def test_a_variable_without_a_value_is_passed_on_if_it_is_set() -> None:
    assert environment("a", B="given") == {"A": "a", "B": "given"}


def test_a_dollar_that_begins_no_variable_is_refused() -> None:
    with pytest.raises(ComposeError, match="begins no variable"):
        environment("5 $")


def test_merged_keys_give_way_to_a_services_own() -> None:
    file = """
    x-a: &a {stop_grace_period: 90s, environment: {A: a}}
    x-b: &b {A: a, B: b}
    services:
      late: {<<: *a, depends_on: {early: {condition: service_healthy}}}
      early: {<<: *a, environment: {<<: *b, B: own}}
    """
    read = compose.services(file, {})
    assert list(read) == ["early", "late"]
    assert read["early"].environment == {"A": "a", "B": "own"}
    assert (read["late"].environment, read["late"].stop_grace_seconds) == ({"A": "a"}, 90)


def test_the_images_variables_are_those_of_its_last_stage() -> None:
    dockerfile = "FROM a AS b\nENV NOT=this\n\nFROM c\nENV A=1 \\\n    B=$A:2\nENV C=3\nUSER d\n"
    assert compose.image_environment(dockerfile) == {"A": "1", "B": "$A:2", "C": "3"}
