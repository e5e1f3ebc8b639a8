"""`doctor` over installations in which something is wrong; it tells that, and goes on with the rest."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from crowd_pipelines.cli import app, examination
from crowd_pipelines.cli.examination import examine
from crowd_pipelines.model.health import Verdict
from crowd_pipelines.store import database, integrations, migrations
from crowd_pipelines.store.invariants import INVARIANTS
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.store.tenant import Tenant

NOWHERE = "postgresql://me:hunter22@127.0.0.1:1/nowhere"
KEY, OLD_KEY = new_key(), new_key()
DAGSTER = ("dagster", "storage")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "crowd"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("CROWD_HOME", str(home))
    monkeypatch.setenv("CROWD_ENCRYPTION_KEY", KEY)
    before = dict(os.environ)
    yield home
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def installed(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installation with one integration and its credentials, on whose Dagster database nothing ever ran."""
    monkeypatch.setenv("CROWD_DATABASE_URL", database_url)
    engine = database.create(database_url)
    tenant = Tenant.connect(engine)
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE integrations SET platform = 'devto'")
        sealed = Vault(KEY).seal({"api_key": "hunter22"}, tenant.integration_id)
        integrations.set_credentials(conn, tenant.integration_id, sealed)
    engine.dispose()
    return database_url


def troubles(*, deep: bool = False) -> dict[tuple[str, str], Verdict]:
    """What is not fine; the tests' server is careless, and their Dagster database empty."""
    found = examine(deep=deep).found
    assert not any("hunter22" in finding.seen + finding.remedy for _, finding in found)
    assert all(finding.remedy for _, finding in found if finding.verdict is not Verdict.OK)
    wrong = {(area, finding.name): finding.verdict for area, finding in found if finding.verdict is not Verdict.OK}
    assert wrong.pop(DAGSTER, Verdict.ERROR) is Verdict.ERROR
    wrong.pop(("database", "durability"), None)
    return wrong


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def doctor(*options: str) -> tuple[int, Mapping[str, Any]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *options])
    return done.exit_code, json.loads(done.stdout)


def test_where_there_is_nothing_it_says_how_to_begin(home: Path) -> None:
    assert troubles() == {("machine", "installation"): Verdict.ERROR}
    assert sorted(home.iterdir()) == []


@pytest.mark.parametrize("deep", [False, True])
def test_a_healthy_installation_is_fine(installed: str, deep: bool) -> None:
    assert troubles(deep=deep) == {}


def test_a_database_that_is_away_is_told_and_the_rest_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWD_DATABASE_URL", NOWHERE)
    found = examine(deep=False).found
    assert {(area, finding.name) for area, finding in found if finding.verdict is Verdict.ERROR} == {
        ("database", "reachable"),
        DAGSTER,
    }
    assert ("secrets", "encryption-key") in {(area, finding.name) for area, finding in found}
    assert not any("hunter22" in finding.seen for _, finding in found)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (new_key(), {("secrets", "credentials-open"): Verdict.ERROR}),
        (f"{new_key()},{KEY}", {("secrets", "key-rotation"): Verdict.WARNING}),
        ("no key", {("secrets", "encryption-key"): Verdict.ERROR}),
        ("", {("secrets", "encryption-key"): Verdict.ERROR}),
    ],
    ids=["another", "a new one before it", "none that is one", "none"],
)
def test_the_key_must_open_what_it_sealed(
    key: str, told: dict[tuple[str, str], Verdict], installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWD_ENCRYPTION_KEY", key)
    assert troubles() == told


def test_credentials_that_were_changed_are_told(installed: str) -> None:
    execute(installed, "UPDATE integrations SET credentials = set_byte(credentials, 70, 0)")
    assert troubles() == {("secrets", "credentials-open"): Verdict.ERROR}


def test_a_schema_of_another_version_is_told_and_its_data_left_alone(installed: str) -> None:
    migrations.downgrade(installed, migrations.previous())
    assert troubles(deep=True) == {("database", "migrations"): Verdict.ERROR}


def test_broken_data_is_told_as_deep_as_it_was_looked_for(installed: str) -> None:
    execute(
        installed,
        "UPDATE integrations SET last_check_at = now() + interval '1 day', activity_count = 7",
    )
    assert troubles() == {("data", "the-past-is-past"): Verdict.ERROR}
    assert troubles(deep=True).keys() == {("data", "the-past-is-past"), ("data", "activity-counts-add-up")}


def test_checks_that_do_not_come_are_told(installed: str) -> None:
    execute(
        installed,
        "UPDATE integrations SET onboarded_at = now(), last_check_at = now() - interval '3 hours', status = 'done'",
    )
    assert troubles() == {("work", "checks-come"): Verdict.ERROR}
    execute(installed, "UPDATE integrations SET platform = 'telegraph'")
    assert troubles() == {("work", "platforms"): Verdict.ERROR}


def test_a_folder_that_others_can_open_is_told(installed: str, home: Path) -> None:
    home.chmod(0o755)
    assert troubles() == {("machine", "permissions"): Verdict.ERROR}


def test_the_page_explains_everything_that_is_examined(installed: str, home: Path) -> None:
    (home / "postgres").mkdir()
    told = {finding.name for _, finding in examine(deep=True).found}
    page = (Path(__file__).parents[2] / "docs/how-to/check-health.md").read_text()
    assert {name for name in told if f"`{name}`" not in page} == set()
    assert {invariant.name for invariant in INVARIANTS} <= told


def test_it_changes_nothing(installed: str, home: Path) -> None:
    def state() -> list[Any]:
        with psycopg.connect(installed) as connection:
            return connection.execute(
                "SELECT (SELECT array_agg((xmin, integrations)::text) FROM integrations),"
                " (SELECT count(*) FROM pg_class)"
            ).fetchall()

    before = state()
    assert troubles(deep=True) == {}
    assert state() == before
    assert sorted(home.iterdir()) == []


def test_a_check_cannot_write(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        examination._WORK, "writing", lambda conn: conn.exec_driver_sql("DELETE FROM integrations").all()
    )
    [told] = [finding for _, finding in examine(deep=False).found if finding.name == "writing"]
    assert told.seen == "cannot be examined: cannot execute DELETE in a read-only transaction"


def test_its_exit_code_tells(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crowd_pipelines.cli.examination._examine_dagster", lambda *_: None)
    monkeypatch.setattr("crowd_pipelines.cli.examination._SERVER", {})
    assert doctor()[0] == doctor("--strict")[0] == 0
    execute(installed, "UPDATE integrations SET status = 'error', error = 'closed'")
    code, report = doctor()
    assert (code, report["verdict"], report["counts"]["warning"]) == (0, "warning", 1)
    assert doctor("--strict")[0] == 1
    execute(installed, "UPDATE integrations SET credentials_rejected_at = now()")
    code, report = doctor()
    assert (code, report["verdict"]) == (1, "error")
    assert {finding["name"] for finding in report["findings"] if finding["verdict"] == "error"} == {
        "credentials-accepted"
    }


def test_people_see_what_needs_a_look_and_with_all_the_rest(installed: str) -> None:
    execute(installed, "UPDATE integrations SET last_check_at = now() + interval '1 day'")
    short, long = (CliRunner().invoke(app, ["doctor", *options]).stdout for options in ([], ["--all"]))
    assert "the-past-is-past" in short
    assert "one-open-run" not in short
    assert "one-open-run" in long
    assert short.splitlines()[-1].startswith("error: ")
