"""What the handbook tells to run after a daemon's clock was ahead, on Dagster's own tables."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_postgres import PostgresScheduleStorage

from crowd_pipelines.store.database import dagster_url
from crowd_pipelines_tests.chaos.clocks import REMEDY
from crowd_pipelines_tests.chaos.deployed_site import CHECKOUT

ORIGIN = RemoteInstigatorOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), "resume_runs")
SENSOR = InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, SensorInstigatorData())
HANDBOOK = CHECKOUT / "docs" / "how-to" / "recover.md"


def test_the_remedy_lets_dagster_begin_anew(empty_database_url: str) -> None:
    storage = PostgresScheduleStorage(dagster_url(empty_database_url))
    ahead = (datetime.now(UTC) + timedelta(hours=2)).timestamp()
    for _ in range(2):
        storage.add_instigator_state(SENSOR)
        storage.create_tick(
            TickData(
                ORIGIN.get_id(),
                "resume_runs",
                InstigatorType.SENSOR,
                TickStatus.SKIPPED,
                ahead,
                selector_id=SENSOR.selector_id,
            )
        )
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            for statement in REMEDY:
                connection.execute(statement.encode())
        assert storage.get_instigator_state(ORIGIN.get_id(), SENSOR.selector_id) is None
        assert not storage.get_ticks(ORIGIN.get_id(), SENSOR.selector_id)


@pytest.mark.parametrize("statement", REMEDY)
def test_the_handbook_tells_the_remedy(statement: str) -> None:
    assert f"{statement};" in HANDBOOK.read_text("utf-8")
