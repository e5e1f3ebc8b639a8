"""An integration that is removed while a Dagster run reads it: the run ends well, and its partition goes."""

from functools import partial
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import Engine

from crowd_pipelines.definitions import defs
from crowd_pipelines.defs.resources import DatabaseResource, LifecycleResource
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations, removals
from crowd_pipelines.store.database import transact
from crowd_pipelines_tests.defs.connected import Connected
from crowd_pipelines_tests.interleaving import Interleaving


def disconnect(engine: Engine, integration_id: str) -> None:
    record = transact(engine, lambda conn: integrations.get(conn, UUID(integration_id)))
    assert record is not None
    removals.disconnect(engine, record)


# Dagster calls what it deprecates when it resolves a resource within a resource.
@pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")
def test_a_dagster_run_ends_well_and_its_partition_goes(
    connected: Connected,
    lifecycle: LifecycleResource,
    instance: dg.DagsterInstance,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox.start() as sandbox:
        monkeypatch.setenv("CROWD_DEVTO_API_URL", sandbox.api_url("devto"))
        monkeypatch.setenv("CROWD_DEVTO_REQUESTS_PER_SECOND", "10000")
        # Before it is taken, while its streams are planned, and among its pages.
        for at in (4, 24, 50):
            one = connected.add(f"place {at}")
            instance.add_dynamic_partitions("devto_integrations", [connected.key(one)])
            removal = partial(disconnect, connected.engine, one)
            engine = DatabaseResource(url=database_url).engine()
            meanwhile = Interleaving(engine=engine, other=removal, at=at)
            meanwhile.run(partial(onboard, lifecycle, instance, one))
            assert meanwhile.happened
            left = "SELECT (SELECT count(*) FROM integration_runs) + (SELECT count(*) FROM watermarks) AS rows"
            assert connected.rows(left) == [{"rows": 0}]
    assert partitions_left(instance, database_url) == []


def onboard(lifecycle: LifecycleResource, instance: dg.DagsterInstance, integration_id: str) -> None:
    start = {"integration_ids": [integration_id], "onboarding": True}
    ended = defs.resolve_job_def("devto").execute_in_process(
        instance=instance,
        resources={"lifecycle": lifecycle, "io_manager": dg.mem_io_manager},
        run_config={"ops": {"start_runs": {"config": start}}},
    )
    assert ended.success


def partitions_left(instance: dg.DagsterInstance, database_url: str) -> list[str]:
    """The partitions that are left when the sensor has looked."""
    context = dg.build_sensor_context(
        instance=instance, definitions=defs, resources={"database": DatabaseResource(url=database_url)}
    )
    answer = defs.resolve_sensor_def("onboarding")(context)
    assert isinstance(answer, dg.SensorResult)
    gone = {key for request in answer.dynamic_partitions_requests or () for key in request.partition_keys}
    return sorted(set(instance.get_dynamic_partitions("devto_integrations")) - gone)
