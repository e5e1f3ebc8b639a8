"""Failpoints: armed by the environment only, noted, and unknown ones refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from crowd_pipelines import failpoints
from crowd_pipelines.failpoints import FailpointReached, names
from crowd_pipelines.settings import SettingsError
from crowd_pipelines.store import database, runs, streams
from crowd_pipelines_tests.store.tenant import Tenant


@pytest.fixture(autouse=True)
def disarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_armed", None)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROWD_FAILPOINTS_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def tenant(database_url: str) -> Iterator[Tenant]:
    engine = database.create(database_url)
    yield Tenant.connect(engine)
    engine.dispose()


@pytest.fixture
def armed(database_url: str, monkeypatch: pytest.MonkeyPatch, log: Path) -> Iterator[Any]:
    engines: list[Engine] = []

    def arm(orders: str) -> Engine:
        monkeypatch.setenv("CROWD_FAILPOINTS", orders)
        engines.append(database.create(database_url))
        return engines[-1]

    yield arm
    for engine in engines:
        engine.dispose()


def noted(log: Path) -> list[tuple[str, str]]:
    return [(line["name"], line["action"]) for line in map(json.loads, log.read_text().splitlines())]


def begin(engine: Engine, tenant: Tenant) -> Any:
    return database.transact(engine, lambda conn: runs.begin(conn, tenant.integration_id, onboarding=True))


def test_nothing_is_armed_unless_the_environment_says_so(tenant: Tenant) -> None:
    assert begin(tenant.engine, tenant) is not None
    assert failpoints._armed is None


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        ("page_written=kill", "'page_written', which is no failpoint"),
        ("fetch.before=explode", "the action 'explode'"),
        ("fetch.before", "give NAME=ACTION"),
        ("fetch.before=kill@0", "give NAME=ACTION"),
        ("fetch.before=disconnect", "no connection at fetch.before"),
    ],
)
def test_what_is_unknown_is_refused_at_the_start(armed: Any, orders: str, told: str) -> None:
    with pytest.raises(SettingsError, match="CROWD_FAILPOINTS") as refused:
        armed(orders)
    assert told in str(refused.value)


def test_a_step_has_points_around_its_statements_and_its_commit(armed: Any, tenant: Tenant, log: Path) -> None:
    assert begin(armed("*=note"), tenant) is not None
    first = ("integrations_hold", "insert_integration_runs", "update_integrations")
    assert set(first) <= set(failpoints.STEPS["begin"])
    assert [name for name, _ in noted(log)] == [
        f"begin.{what}.{when}" for what in (*first, "commit") for when in ("before", "after")
    ]


def test_the_turn_that_is_ordered_fails_and_its_transaction_leaves_nothing(
    armed: Any, tenant: Tenant, log: Path
) -> None:
    engine = armed("begin.commit.before=raise@2")
    run_id = begin(engine, tenant)
    with engine.begin() as conn:
        conn.execute(text("UPDATE integration_runs SET state = 'error', error = 'over', processed_at = now()"))
    with pytest.raises(FailpointReached, match=r"begin\.commit\.before"):
        begin(engine, tenant)
    assert noted(log) == [("begin.commit.before", "raise")]
    with engine.begin() as conn:
        assert conn.scalars(text("SELECT id FROM integration_runs")).all() == [run_id]


@pytest.mark.parametrize("point", ["begin.insert_integration_runs.before", "begin.commit.before"])
def test_a_connection_that_breaks_is_replaced_and_the_step_repeated(
    armed: Any, tenant: Tenant, log: Path, point: str
) -> None:
    assert begin(armed(f"{point}=disconnect"), tenant) is not None
    assert noted(log) == [(point, "disconnect")]


def test_a_statement_that_no_step_lists_is_noted(armed: Any, tenant: Tenant, log: Path) -> None:
    @failpoints.step("claim")
    def odd(conn: Any) -> None:
        conn.execute(text("DELETE FROM watermarks"))

    database.transact(armed("fetch.before=note"), odd)
    assert noted(log) == [("claim.delete_watermarks.before", "unknown"), ("claim.delete_watermarks.after", "unknown")]


def test_a_step_within_a_step_belongs_to_the_outer_one(armed: Any, tenant: Tenant, log: Path) -> None:
    @failpoints.step("retry")
    def outer(conn: Any) -> None:
        streams.release(conn, [])
        streams.claim(conn, [], owner="me", limit=1)

    database.transact(armed("*=note"), outer)
    assert {name.partition(".")[0] for name, _ in noted(log)} == {"retry"}


def test_every_name_is_there_once() -> None:
    assert len(names()) == len(set(names())) > 80
