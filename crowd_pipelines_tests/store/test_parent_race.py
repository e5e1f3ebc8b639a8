"""Two transactions that add the same parent at once: the slower one's children must not point to an id nobody has."""

import threading
from functools import partial

from sqlalchemy import Engine

from crowd_pipelines.store import activities
from crowd_pipelines.store.activities import PageRecords
from crowd_pipelines.store.database import transact
from crowd_pipelines_tests.store.tenant import PLATFORM, Tenant, answer, person, said, upsert


def test_a_child_of_a_parent_that_another_transaction_adds_is_tied_to_the_other_ones(
    engine: Engine, tenant: Tenant
) -> None:
    # Known people, so that the transactions meet at the activity.
    tenant.say(said("0"), said("00", by=person("ben")))

    def page(*records: activities.Activity) -> PageRecords:
        return PageRecords(integration_id=tenant.integration_id, platform=PLATFORM, operations=(upsert(*records),))

    with engine.begin() as faster:
        activities.write(faster, tenant.id, [page(said("1"))], priority=())
        slower = threading.Thread(
            target=transact,
            args=(
                engine,
                partial(
                    activities.write,
                    tenant_id=tenant.id,
                    pages=[page(said("1", by=person("ben")), answer("2", "1", by=person("ben")))],
                    priority=(),
                ),
            ),
        )
        slower.start()
        while not tenant.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"):
            pass
    slower.join()
    assert tenant.activity("2")["parent_id"] == tenant.activity("1")["id"]
