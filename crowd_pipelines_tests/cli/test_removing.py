"""Forgetting people, places and tenants by command: what is asked, told and done."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from crowd_pipelines.cli import app
from crowd_pipelines.cli.console import CommandError
from crowd_pipelines.store import database
from crowd_pipelines_tests.cli.conftest import Desk
from crowd_pipelines_tests.cli.test_commands import NOBODY
from crowd_pipelines_tests.store.tenant import Tenant, answer, person, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Where commands are typed about one tenant, of DEV members that a test wrote down."""

    environment: dict[str, str]
    tenant: Tenant

    def command(self, *arguments: str, given: str = "") -> Result:
        """A command within this process, where it costs no second."""
        return CliRunner().invoke(app, list(arguments), env=self.environment, input=given)

    def done(self, *arguments: str) -> Any:
        """What a command that went well printed, as JSON."""
        finished = self.command(*arguments, "--json")
        assert finished.exit_code == 0, finished
        return json.loads(finished.stdout)

    def refusal(self, *arguments: str) -> str:
        finished = self.command(*arguments)
        assert isinstance(finished.exception, CommandError)
        assert finished.stdout == ""
        return str(finished.exception)

    def value(self, sql: str) -> Any:
        return self.tenant.value(sql)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database.create(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def counter(desk: Desk, engine: Engine, database_url: str) -> Counter:
    tenant = Tenant.connect(engine, name="default")
    tenant.execute("UPDATE integrations SET platform = 'devto', onboarded_at = now()")
    gone, ben = (person(name, platform="devto") for name in ("gone", "ben"))
    tenant.say(
        said("1", by=gone, platform="devto"),
        answer("2", "1", by=ben, platform="devto"),
        said("3", by=gone, platform="devto"),
    )
    return Counter(environment={**desk.environment, "CROWD_DATABASE_URL": database_url}, tenant=tenant)


def test_a_member_is_erased_listed_and_let_back(counter: Counter) -> None:
    account = ("--platform", "devto", "--username", "GONE")
    assert counter.done("erase-member", *account, "--dry-run")["activities"] == 2
    asked = counter.command("erase-member", *account, given="n\n")
    assert asked.exit_code == 1
    assert "cannot be undone" in asked.stderr
    assert "answers of others" in asked.stdout
    assert counter.value("SELECT count(*) FROM members") == 2

    erased = counter.done("erase-member", *account, "--yes")
    assert (erased["removed"]["members"], erased["removed"]["activities"]) == (1, 2)
    assert counter.value("SELECT count(*) FROM members") == 1
    [listed] = counter.done("erasures", "list")
    assert (listed["id"], listed["by"], listed["lifted"]) == (
        erased["erasure"],
        "erase-member by account on devto",
        None,
    )
    assert "gone" not in json.dumps(listed)

    applied = counter.command("erasures", "apply", "--yes")
    assert (applied.exit_code, applied.stderr) == (0, "0 people who were erased are stored\n")
    assert counter.command("erasures", "lift", "--platform", "devto", "--source-id", "id-gone").exit_code == 0
    assert "is in force" in counter.refusal("erasures", "lift", erased["erasure"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("erase-member", "--tenant", "nobody", NOBODY), "there is no tenant 'nobody'"),
        (("erase-member", NOBODY), f"the tenant has no member {NOBODY}"),
        (("erase-member", "-p", "devto"), "name an account with --platform and --source-id or --username"),
        (("erase-member", NOBODY, "-p", "devto"), "name a member by id, or an account"),
        (
            ("erase-member", "-p", "gitlab", "--username", "x"),
            "there are no accounts of 'gitlab'; there are those of devto",
        ),
        (("erase-member", "-p", "devto", "--username", "x"), "no member is called 'x' on devto"),
        (("disconnect", NOBODY), f"there is no integration {NOBODY}"),
        (("delete-tenant", "nobody"), "there is no tenant 'nobody'"),
    ],
)
def test_who_is_not_there_is_not_removed(counter: Counter, arguments: tuple[str, ...], told: str) -> None:
    assert told in counter.refusal(*arguments)


def test_a_place_is_disconnected_and_connected_again_and_deleted(counter: Counter) -> None:
    integration_id = str(counter.tenant.integration_id)
    assert counter.done("disconnect", integration_id, "--yes")["data"] == "kept"
    assert counter.value("SELECT count(*) FROM activities") == 3
    [listed] = counter.done("integrations")
    assert (listed["id"], listed["status"]) == (integration_id, "disconnected")
    assert "was disconnected" in counter.refusal("process-integration", "-i", integration_id)

    deleted = counter.done("disconnect", integration_id, "--delete-data", "--yes")
    assert deleted["counts"]["activities"] == 3
    assert deleted["counts"]["members"] == 2
    assert counter.done("integrations") == []
    assert counter.value("SELECT count(*) FROM members") == 0


def test_a_tenant_is_deleted(counter: Counter) -> None:
    assert counter.done("delete-tenant", "default", "--dry-run")["members"] == 2
    assert counter.done("delete-tenant", "default", "--yes")["counts"]["activities"] == 3
    assert counter.value("SELECT count(*) FROM tenants") + counter.value("SELECT count(*) FROM members") == 0
