"""Whatever fails in a running installation, no surface of it shows a secret; all its secrets are canaries."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest

from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.canaries import MANNERS, STEM, Parrot, canary, forms
from crowd_pipelines_tests.deployment import secrets
from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Database, Deployment, eventually
from crowd_pipelines_tests.http.scripted_server import Behaviour

FAILING = {
    "discord": ({}, "a redirect to itself"),  # with the installation's own token
    "github": ({"token": canary("github")}, "401"),
    "slack": ({"token": canary("slack")}, "400"),
    "twitter": ({"access_token": canary("access"), "refresh_token": canary("refresh")}, "403"),
}
TRACES = forms(STEM)
SETTLED = ("processed", "error", "delayed")


def found(text: str) -> list[str]:
    """What stands around each trace of a canary."""
    return [text[max(0, at - 60) : at + 60] for trace in TRACES if (at := text.find(trace)) >= 0]


def each_in_its_way(heard: str, path: str) -> Behaviour:
    platform = path.split("/")[1]
    return MANNERS[FAILING[platform][1]](heard, path)


@pytest.fixture
def failed(deployment: Deployment, provider: Parrot, tenant: str, ui: DagsterUi) -> list[str]:
    """The Dagster runs of an integration of every platform after what the provider answered, one with a lost key."""
    provider.manner = each_in_its_way
    vault = Vault(secrets.ENCRYPTION_KEY)
    engine = database.create(deployment.database.url)
    with engine.begin() as conn:
        tenant_id = integrations.ensure_tenant(conn, tenant)

        def connect(platform: str, credentials: dict[str, str], sealing: Vault) -> UUID:
            settings = deployment.sandbox.settings(platform)
            record = integrations.connect(
                conn, tenant_id=tenant_id, platform=platform, name=platform, settings=settings
            )
            integrations.set_credentials(conn, record.id, sealing.seal(credentials, record.id))
            return record.id

        ids = [connect(platform, credentials, vault) for platform, (credentials, _) in FAILING.items()]
        ids.append(connect("devto", {"api_key": canary("lost")}, Vault(new_key())))
        integrations.request_onboarding(conn, ids)
    engine.dispose()

    def ended() -> list[str] | None:
        rows = deployment.database.rows(
            "SELECT dagster_run_id AS id, state FROM integration_runs WHERE integration_id = ANY(%(ids)s)", ids=ids
        )
        return [row["id"] for row in rows] if sum(row["state"] in SETTLED for row in rows) == len(ids) else None

    return [ui.over(run_id).id for run_id in eventually(ended, "an end of all onboardings")]


def everything(of: Database) -> Iterator[tuple[str, str]]:
    """Every table, with all that is in it; bytes as digits."""
    for table in of.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"):
        rows = of.rows(f'SELECT t::text AS row FROM "{table["name"]}" AS t')
        yield table["name"], "\n".join(row["row"] for row in rows)


def of_people(deployment: Deployment, tenant: str) -> Iterator[tuple[str, str]]:
    """What the commands print, those that fail, too."""
    credentials, settings = FAILING["twitter"][0], deployment.sandbox.settings("twitter")
    commands = {
        "connect, refused": (
            ("connect", "twitter", "--name", "again", "--settings", json.dumps(settings), "--credentials", "-"),
            json.dumps(credentials),
        ),
        "connect, a secret in the settings": (
            (
                *("connect", "devto", "--name", "x", "--credentials", "-"),
                *("--settings", json.dumps({"users": [canary("in settings")]})),
            ),
            json.dumps({"api_key": canary("in settings")}),
        ),
        "runs": (("runs", "--json"), ""),
        "doctor": (("doctor", "--json"), ""),
        "keys": (("keys", "rotate", "--json"), ""),
    }
    for name, (arguments, given) in commands.items():
        done = deployment.command(*arguments, given=given)
        assert done.returncode != 0 or name in {"runs", "doctor"}, (name, done.stdout)
        yield name, done.stdout + done.stderr


def in_the_ui(ui: DagsterUi, run_ids: list[str]) -> Iterator[tuple[str, str]]:
    yield "runs", repr(ui.runs())
    yield "events", repr([ui.events(run_id) for run_id in run_ids])
    yield "ticks", repr([ui.ticks(name) for name in ("onboarding", "resume_runs", "twitter_ticks", "devto_ticks")])
    yield "instance", json.dumps(ui.instance())
    yield "pages", "".join(ui.page(path) for path in ("/", "/server_info", f"/runs/{quote(run_ids[0])}", "/deployment"))


def command_lines() -> Iterator[tuple[str, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield str(path), path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue  # it has ended


def on_the_disk(home: Path) -> Iterator[tuple[str, str]]:
    for path in home.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("utf-8", "replace")


def test_no_surface_shows_a_secret(
    deployment: Deployment, ui: DagsterUi, provider: Parrot, tenant: str, failed: list[str]
) -> None:
    surfaces: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
        "commands": lambda: of_people(deployment, tenant),
        "our database": lambda: everything(deployment.database),
        "Dagster's database": lambda: everything(deployment.dagster),
        "the UI": lambda: in_the_ui(ui, failed),
        "the disk": lambda: on_the_disk(deployment.home),
        "command lines": command_lines,
    }
    shown = {
        (surface, place): places
        for surface, look in surfaces.items()
        for place, text in look()
        if (places := found(text))
    }
    assert shown == {}
    # Had nothing been sent, nothing could have been shown.
    assert {seen.path.split("/")[1] for seen in provider.seen} >= set(FAILING)
    assert found(str([(seen.headers, seen.body) for seen in provider.seen]))
    told = "\n".join(text for _, text in everything(deployment.database))
    assert "answered 401 Unauthorized" in told
    assert "CROWD_ENCRYPTION_KEY does not hold" in told
