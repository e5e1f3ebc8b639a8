import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crowd_pipelines.settings import Settings

CHECKOUT = Path(__file__).parent.parent.parent


def read(name: str) -> str:
    return (CHECKOUT / name).read_text()


TEXT = read("docker-compose.yml")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "code", "webserver", "viewer", "daemon")
SECRET_NAME = re.compile(r"PASSWORD|KEY|TOKEN|SECRET")


def test_the_services_are_the_database_the_migration_and_dagsters_three_and_a_viewer_who_wants_one() -> None:
    assert set(SERVICES) == {"postgres", *OURS}
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["viewer"]
    assert SERVICES["postgres"]["image"] == "postgres:18"


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("migrate", "crowd-pipelines db upgrade"),
        ("code", "dagster api grpc -h 0.0.0.0 -p 4000 -m crowd_pipelines.definitions"),
        ("webserver", "dagster-webserver -h 0.0.0.0 -p 3000 -w /opt/dagster/workspace.yaml"),
        ("viewer", "dagster-webserver --read-only -h 0.0.0.0 -p 3000 -w /opt/dagster/workspace.yaml"),
        ("daemon", "dagster-daemon run -w /opt/dagster/workspace.yaml"),
    ],
)
def test_each_service_runs_its_command(service: str, command: str) -> None:
    assert SERVICES[service]["command"] == command.split()


def test_only_the_web_interfaces_are_published_and_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "webserver": ["127.0.0.1:${CROWD_WEBSERVER_PORT:-3000}:3000"],
        "viewer": ["127.0.0.1:${CROWD_VIEWER_PORT:-3001}:3000"],
    }
    assert not any(service.get("network_mode") for service in SERVICES.values())


def test_there_is_one_image_of_ours_and_it_does_not_run_as_root() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {"crowd-pipelines:${CROWD_IMAGE_TAG:-local}"}
    assert re.findall(r"(?m)^USER (.+)$", read("Dockerfile")) == ["10001:10001"]
    assert SERVICES["postgres"]["user"] == "postgres"
    assert not any("user" in SERVICES[name] for name in OURS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_neither_gain_privileges_nor_write_its_image(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add"} & set(SERVICES[service])
    assert not [volume for volume in SERVICES[service].get("volumes", []) if "docker.sock" in volume]


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    secrets = {(name, rest) for name, rest in used if SECRET_NAME.search(name)}
    assert {name for name, _ in secrets} == {
        "CROWD_ENCRYPTION_KEY",
        "CROWD_MIGRATE_POSTGRES_PASSWORD",
        "CROWD_INGEST_POSTGRES_PASSWORD",
        "CROWD_READ_POSTGRES_PASSWORD",
        "CROWD_DAGSTER_POSTGRES_PASSWORD",
    }
    for name, rest in secrets:
        assert rest == f":?set {name} in .env (see .env.example)"
        assert re.search(rf"(?m)^{name}=$", read(".env.example"))


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            # Without a value it is passed on from .env, if it is there.
            if SECRET_NAME.search(name) and value is not None:
                assert re.fullmatch(r"\$\{\w+:\?[^}]*\}", value)
            elif name.endswith("DATABASE_URL"):
                assert re.fullmatch(r"postgresql(\+psycopg2)?://\w+:\$\{\w+:\?[^}]*\}@postgres:5432/\w+", value)


def test_each_service_gets_only_the_secrets_it_needs() -> None:
    secrets = {
        name: set(re.findall(r"\$\{(\w+):\?", str(service.get("environment", {}))))
        for name, service in SERVICES.items()
    }
    migrate, ingest, read, dagster = (
        f"CROWD_{role}_POSTGRES_PASSWORD" for role in ("MIGRATE", "INGEST", "READ", "DAGSTER")
    )
    assert secrets == {
        "postgres": {migrate, ingest, read, dagster},
        "migrate": {migrate},
        "code": {ingest, dagster, "CROWD_ENCRYPTION_KEY"},
        "webserver": {dagster},
        "viewer": {dagster},
        "daemon": {dagster},
    }


def test_each_service_is_the_database_role_it_needs() -> None:
    roles = {
        name: set(re.findall(r"://(\w+):", str(service.get("environment", {})))) for name, service in SERVICES.items()
    }
    assert roles == {
        "postgres": set(),
        "migrate": {"crowd_migrate"},
        "code": {"crowd_ingest", "dagster"},
        "webserver": {"dagster"},
        "viewer": {"dagster"},
        "daemon": {"dagster"},
    }


def test_no_role_can_take_the_connections_that_others_need() -> None:
    limits = re.findall(
        r"(?m)^ALTER ROLE (\w+) LOGIN CONNECTION LIMIT (\d+)", read("deploy/postgres/create-databases.sh")
    )
    assert {role for role, _ in limits} == {"crowd_migrate", "crowd_ingest", "crowd_read", "dagster"}
    [most] = re.findall(r"max_connections=(\d+)", str(SERVICES["postgres"]["command"]))
    kept_for_the_superuser = 3
    assert sum(int(limit) for _, limit in limits) <= int(most) - kept_for_the_superuser


def test_dagsters_database_url_names_the_driver_its_event_stream_needs() -> None:
    for name in ("code", "webserver", "daemon"):
        assert SERVICES[name]["environment"]["CROWD_DAGSTER_DATABASE_URL"].startswith("postgresql+psycopg2://")


def test_the_database_and_the_unauthenticated_code_port_are_on_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["backend"]
    assert [name for name, service in SERVICES.items() if "egress" in service["networks"]] == ["code"]
    assert [name for name, service in SERVICES.items() if "frontend" in service["networks"]] == ["webserver", "viewer"]


def test_services_start_in_order_and_only_on_a_migrated_database() -> None:
    conditions = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert conditions == {
        "postgres": {},
        "migrate": {"postgres": "service_healthy"},
        "code": {"migrate": "service_completed_successfully"},
        "webserver": {"code": "service_healthy"},
        "viewer": {"code": "service_healthy"},
        "daemon": {"code": "service_healthy"},
    }


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"migrate"}))
def test_what_keeps_running_is_checked_and_restarted(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_the_migration_runs_once() -> None:
    assert SERVICES["migrate"]["restart"] == "no"


def test_the_webservers_see_the_logs_of_the_runs_in_the_code_container() -> None:
    home = re.findall(r"DAGSTER_HOME=(\S+)", read("Dockerfile"))[0]
    for name in ("code", "webserver", "viewer"):
        assert SERVICES[name]["volumes"] == [f"dagster-storage:{home}/storage"]


def test_the_workspace_leads_to_the_code_service() -> None:
    workspace = yaml.safe_load(read("deploy/workspace.yaml"))
    server = workspace["load_from"][0]["grpc_server"]
    command = SERVICES["code"]["command"]
    assert server["host"] in SERVICES
    assert str(server["port"]) == command[command.index("-p") + 1]
    assert SERVICES[server["host"]]["healthcheck"]["test"][-1] == str(server["port"])


def test_the_image_is_built_from_named_files_only() -> None:
    lines = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert not [line for line in lines if line.startswith("!.")]


def test_the_example_names_every_setting() -> None:
    settings = {f"CROWD_{field.upper()}" for field in Settings.model_fields}
    passed_on = set(re.findall(r"CROWD_\w+", TEXT))
    missing = {name for name in settings | passed_on if not re.search(rf"(?m)^#?{name}=", read(".env.example"))}
    assert missing == set()


def test_every_setting_reaches_the_code_container() -> None:
    elsewhere = {"CROWD_HOME"}  # of the embedded database, which a container does not have
    settings = {f"CROWD_{field.upper()}" for field in Settings.model_fields} - elsewhere
    assert settings <= set(SERVICES["code"]["environment"])
