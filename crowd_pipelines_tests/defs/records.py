"""Records as the store returns them, with what a test says about them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import Lineage, Root

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def run(**told: Any) -> RunRecord:
    return RunRecord(
        **{
            "id": uuid4(),
            "tenant_id": uuid4(),
            "integration_id": uuid4(),
            "platform": "town",
            "integration_name": "Town",
            "integration_key": "town-1",
            "onboarding": True,
            "state": RunState.PROCESSED,
            "delayed_until": None,
            "delay_reason": None,
            "context": None,
            "streams_planned_at": NOON,
            "processed_at": NOON,
            "error": None,
            "dagster_run_id": "me",
            "attempt": 1,
            "retries": 0,
            "lease_epoch": 1,
            "created_at": NOON,
            **told,
        }
    )


def lineage(of: RunRecord, **told: Any) -> Lineage:
    counts = dict.fromkeys(
        (
            "streams",
            "processed",
            "skipped",
            "failed",
            "unfinished",
            "requests",
            "activities",
            "members",
            "quarantined",
        ),
        0,
    )
    return Lineage(**{"root_id": uuid4(), "run_id": of.id, "label": "a root", "waited_seconds": 0.0, **counts, **told})


def root(of: RunRecord, *, label: str) -> Root:
    return Root(root_id=uuid4(), run_id=of.id, label=label)
