"""The commands as people and scripts use them: each in a process of its own."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from crowd_pipelines.model.secrets import revealed
from crowd_pipelines.sandbox.devto.platform import API_KEY
from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.vault import Vault
from crowd_pipelines_tests.cli.conftest import Desk
from crowd_pipelines_tests.deployment.installation import run_command

NOBODY = "0193a5b2-7c1e-7d64-9c0f-2f6d0a4b8e11"


def run(
    desk: Desk, *arguments: str, given: str = "", changes: Mapping[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command with variables changed, or removed where the value is None."""
    changed = {**desk.environment, **(changes or {})}
    return run_command(
        *arguments, environment={key: value for key, value in changed.items() if value is not None}, given=given
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence with which a command refused."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def connect(desk: Desk, *more: str, settings: Any = None, name: str | None = None, given: str = "") -> Any:
    wanted = json.dumps(desk.sandbox.settings("devto") if settings is None else settings)
    return run(desk, "connect", "devto", "--name", name or f"place {uuid4()}", "--settings", wanted, *more, given=given)


def connected(desk: Desk, *more: str, given: str = "") -> str:
    done = connect(desk, "--json", *more, given=given)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


def stored_credentials(desk: Desk, integration_id: str) -> dict[str, Any]:
    engine = database.create(desk.database.url)
    with engine.begin() as conn:
        vault = Vault(desk.environment["CROWD_ENCRYPTION_KEY"])
        opened = integrations.credentials(conn, UUID(integration_id), vault)
    engine.dispose()
    return dict(revealed(opened))


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        ((), "process-integration"),
        (("process-integration",), "--integration"),
        (("continue-run",), "--run"),
        (("keys",), "new"),
    ],
)
def test_without_arguments_a_command_explains_itself(desk: Desk, command: tuple[str, ...], shows: str) -> None:
    done = run(desk, *command)
    assert done.returncode == 2
    assert "Usage: crowd-pipelines" in done.stdout
    assert shows in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("{bad", "--settings is not JSON (Expecting property name enclosed in double quotes)"),
        ("[]", "--settings must be a JSON object such as {}, not list"),
        ('{"orgs": ["forem"]}', "the settings of DEV cannot be used: orgs: Extra inputs are not permitted"),
        ("{}", "name at least one of them"),
        ('{"organizations": ["nobody-here"]}', "there is no organization named 'nobody-here'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_reason(desk: Desk, settings: str, told: str) -> None:
    assert told in refusal(run(desk, "connect", "devto", "--name", "refused", "--settings", settings))
    assert desk.database.rows("SELECT FROM integrations WHERE name = 'refused'") == []


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        ('{"api_key": "wrong-canary"}', "401 Unauthorized"),
        ('{"api_kei": "wrong-canary"}', "the credentials of DEV cannot be used: api_kei: Extra inputs"),
        ('{"api_key": ["wrong-canary"]}', "the credentials of DEV cannot be used: api_key: "),
        ('wrong-canary {"', "--credentials is not JSON (Expecting value)"),
        ('"wrong-canary"', "--credentials must be a JSON object such as {}, not str"),
        ("@no-such-file", "the credentials' file no-such-file cannot be read: No such file or directory"),
        ("env:NO_SUCH_VARIABLE", "the variable NO_SUCH_VARIABLE, where the credentials should be, is not set"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_and_not_repeated(desk: Desk, credentials: str, told: str) -> None:
    refused = refusal(connect(desk, "--credentials", credentials, name="refused"))
    assert told in refused
    assert "canary" not in refused
    assert desk.database.rows("SELECT FROM integrations WHERE name = 'refused'") == []


@pytest.mark.parametrize("where", ["in place", "file", "standard input", "variable"])
def test_credentials_come_from_where_they_are_and_are_sealed(desk: Desk, where: str, tmp_path: Path) -> None:
    text = json.dumps({"api_key": API_KEY})
    (tmp_path / "credentials.json").write_text(text)
    desk.environment["DEV_CREDENTIALS"] = text
    source = {
        "in place": text,
        "file": f"@{tmp_path / 'credentials.json'}",
        "standard input": "-",
        "variable": "env:DEV_CREDENTIALS",
    }[where]
    integration_id = connected(desk, "--credentials", source, given=text if where == "standard input" else "")
    assert stored_credentials(desk, integration_id) == {"api_key": API_KEY}
    assert desk.database.tables_with(API_KEY) == []


@pytest.mark.parametrize("settings", [{"users": ["{secret}"]}, {"users": ["https://ben:{secret}@dev.test"]}])
def test_a_credential_among_the_settings_is_refused_and_not_repeated(
    desk: Desk, settings: dict[str, list[str]]
) -> None:
    secret = "an-api-key-of-no-known-shape"
    given = {"users": [settings["users"][0].replace("{secret}", secret)]}
    refused = refusal(connect(desk, "--credentials", "-", settings=given, given=json.dumps({"api_key": secret})))
    told = "error: settings.users looks like a credential, and settings are not kept secret; take it out"
    assert refused.startswith(told)
    assert secret not in refused


def test_connecting_asks_for_the_onboarding_unless_told_not_to(desk: Desk) -> None:
    asked = "SELECT onboarding_requested_at IS NOT NULL FROM integrations WHERE id = %(id)s"
    assert desk.database.value(asked, id=connected(desk)) is True
    assert desk.database.value(asked, id=connected(desk, "--no-onboarding")) is False


def test_connecting_the_same_place_again_changes_it(desk: Desk) -> None:
    settings = desk.sandbox.settings("devto")
    first = connect(desk, name="same place")
    again = connect(desk, name="same place", settings={"users": settings["users"][:1]})
    assert again.stdout == first.stdout
    stored = desk.database.value("SELECT settings FROM integrations WHERE name = 'same place'")
    assert stored == {"users": settings["users"][:1]}


def test_programs_get_json_and_only_json(desk: Desk) -> None:
    integration_id = connected(desk, "--no-onboarding")
    listed = run(desk, "integrations", "--json")
    [found] = [one for one in json.loads(listed.stdout) if one["id"] == integration_id]
    assert (found["platform"], found["status"], found["activities"], found["error"]) == ("devto", "pending", 0, None)

    done = run(desk, "process-integration", "-i", integration_id, "--onboarding", "--json")
    assert done.returncode == 0, done.stderr
    [summary] = json.loads(done.stdout)
    assert summary["state"] == "processed"
    assert summary["activities"] == len(desk.sandbox.truth("devto").activities)

    [onboarding] = json.loads(run(desk, "runs", "-i", integration_id, "--json").stdout)
    assert (onboarding["kind"], onboarding["state"]) == ("onboarding", "processed")
    streams = json.loads(run(desk, "streams", "-r", onboarding["id"], "-n", "3", "--json").stdout)
    assert [stream["state"] for stream in streams] == ["processed"] * 3

    page = json.loads(run(desk, "process-stream", "-s", streams[0]["id"]).stdout)
    assert page["operations"]
    assert f"integration run {onboarding['id']} is over and nothing of it failed" in refusal(
        run(desk, "continue-run", "-r", onboarding["id"])
    )


def test_people_get_a_table(desk: Desk) -> None:
    connected(desk, "--no-onboarding")
    listed = run(desk, "integrations")
    assert listed.returncode == 0
    assert re.search(r"id\s+platform\s+name\s+status", listed.stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("connect", "gitlab", "--name", "x"), "there is no platform 'gitlab'; there are: devto"),
        (("process-integration", "-p", "gitlab"), "there is no platform 'gitlab'; there are: devto"),
        (("process-integration", "-o"), "name integrations with -i ID[,ID] or all of a platform with -p PLATFORM"),
        (("process-integration", "-i", "x", "-p", "devto"), "one of the two"),
        (("process-integration", "-i", "town"), "'town' is no id; ids look like"),
        (("process-integration", "-i", NOBODY), f"there is no integration {NOBODY}"),
        (("continue-run", "-r", NOBODY), f"there is no integration run {NOBODY}"),
        (("continue-run", "-r", f"{NOBODY},{NOBODY}"), "give one id"),
        (("streams", "-r", NOBODY), f"there is no integration run {NOBODY}"),
        (("process-stream", "-s", NOBODY), f"there is no stream {NOBODY}"),
    ],
)
def test_what_does_not_exist_is_named(desk: Desk, arguments: tuple[str, ...], told: str) -> None:
    assert told in refusal(run(desk, *arguments))


def test_what_is_being_read_is_not_read_twice(desk: Desk) -> None:
    integration_id = connected(desk, "--no-onboarding")
    run_id = desk.database.value(
        "INSERT INTO integration_runs (tenant_id, integration_id, onboarding, state, leased_until) "
        "SELECT tenant_id, id, true, 'processing', now() + interval '1 hour' FROM integrations "
        "WHERE id = %(id)s RETURNING id",
        id=integration_id,
    )
    told = refusal(run(desk, "process-integration", "-i", integration_id))
    assert "is being read already" in told
    assert f"integration run {run_id} is processing" in told
    assert "is being worked on right now" in refusal(run(desk, "continue-run", "-r", str(run_id)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"CROWD_DATABASE_URL": "postgresql://someone:canary@127.0.0.1:1/crowd"},
            "127.0.0.1:1/crowd cannot be reached: connection",
        ),
        ({"CROWD_DATABASE_URL": "mysql://someone:canary@db/crowd"}, "CROWD_DATABASE_URL names mysql"),
        ({"CROWD_DATABASE_URL": "canary"}, "CROWD_DATABASE_URL is no database URL; give postgresql://"),
        ({"CROWD_SLICE_SECONDS": "soon"}, "CROWD_SLICE_SECONDS: Input should be a valid number"),
    ],
)
def test_an_environment_that_does_not_work_is_explained(desk: Desk, changes: dict[str, str], told: str) -> None:
    refused = refusal(run(desk, "integrations", changes=changes))
    assert told in refused
    assert "canary" not in refused


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, "CROWD_ENCRYPTION_KEY is not set; set it to the output of `crowd-pipelines keys new`"),
        ("canary", "CROWD_ENCRYPTION_KEY is not 32 bytes in URL-safe base64"),
    ],
)
def test_without_a_key_nothing_is_connected_or_read(desk: Desk, key: str | None, told: str) -> None:
    integration_id = connected(desk, "--no-onboarding")
    changes = {"CROWD_ENCRYPTION_KEY": key}
    settings = json.dumps(desk.sandbox.settings("devto"))
    for command in (
        ("connect", "devto", "--name", "refused", "--settings", settings),
        ("process-integration", "-i", integration_id),
    ):
        refused = refusal(run(desk, *command, changes=changes))
        assert told in refused
        assert "canary" not in refused
    assert desk.database.rows("SELECT FROM integrations WHERE name = 'refused'") == []


def test_credentials_sealed_with_another_key_are_not_read_with_this_one(desk: Desk) -> None:
    integration_id = connected(desk, "--no-onboarding", "--credentials", json.dumps({"api_key": API_KEY}))
    other_key = run(desk, "keys", "new").stdout.strip()
    done = run(desk, "process-integration", "-i", integration_id, "-o", changes={"CROWD_ENCRYPTION_KEY": other_key})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "which CROWD_ENCRYPTION_KEY does not hold; add that key, or connect the integration again" in done.stderr


def test_a_database_without_our_tables_is_named_and_upgraded(desk: Desk, empty_database_url: str) -> None:
    changes = {"CROWD_DATABASE_URL": empty_database_url}
    assert "run `crowd-pipelines db upgrade`" in refusal(run(desk, "integrations", changes=changes))
    assert run(desk, "db", "upgrade", changes=changes).returncode == 0
    current = run(desk, "db", "current", changes=changes).stdout
    assert re.fullmatch(r"(\w+) \(needed: \1\)\n", current)
    assert "nothing is connected yet" in run(desk, "integrations", changes=changes).stderr
