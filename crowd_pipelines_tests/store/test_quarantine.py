"""What cannot be used is kept once, with the reason, whatever it is."""

from typing import Any

import pytest

from crowd_pipelines.model.streams import RejectedRecord
from crowd_pipelines.store import quarantine
from crowd_pipelines.store.quarantine import MAX_PAYLOAD, Quarantined
from crowd_pipelines_tests.store.tenant import Note, Tenant


def keep(tenant: Tenant, payload: Any, reason: str = "no id") -> dict[str, Any]:
    run = tenant.planned_run(Note(name="a"))
    [claimed] = tenant.claim(run)
    record = Quarantined(
        tenant_id=tenant.id,
        integration_id=tenant.integration_id,
        stream=claimed,
        record=RejectedRecord(reason=reason, payload=payload),
    )
    for _ in range(2):
        with tenant.engine.begin() as conn:
            quarantine.add(conn, [record, record])
    return tenant.row("SELECT * FROM quarantined_records")


def test_a_record_is_kept_once_with_where_it_came_from(tenant: Tenant) -> None:
    row = keep(tenant, {"id": None, "n": [1.5, None]})
    assert (row["reason"], row["payload"], row["stream_name"]) == ("no id", {"id": None, "n": [1.5, None]}, "note")
    assert row["integration_id"] == tenant.integration_id
    assert row["stream_id"] == tenant.value("SELECT id FROM integration_streams")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


PAYLOADS: dict[str, Any] = {
    "text": "text",
    "nothing": None,
    "a number": 5,
    "an empty list": [],
    "texts that cannot be stored": {"a\x00b": "\ud800"},
    "a large number": 2**80,
    "not a number": float("nan"),
    "infinity": [float("inf")],
    "deep": nested(400),
    "deeper than can be read": nested(5000),
    "a set": {"set": {1}},
    "bytes": b"bytes",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_any_payload_can_be_kept(tenant: Tenant, payload: Any) -> None:
    assert keep(tenant, payload, reason="bad\x00 \ud800")["reason"] == "bad� �"


def test_of_a_huge_payload_the_beginning_is_kept(tenant: Tenant) -> None:
    kept = keep(tenant, {"body": "x" * MAX_PAYLOAD})["payload"]
    assert list(kept) == ["cut"]
    assert kept["cut"].startswith('{"body": "xxx')
    assert len(kept["cut"]) == MAX_PAYLOAD


def test_another_reason_or_integration_is_another_record(tenant: Tenant) -> None:
    keep(tenant, 1)
    other = Tenant.connect(tenant.engine, name="other")
    run = other.planned_run(Note(name="a"))
    [claimed] = other.claim(run)
    with tenant.engine.begin() as conn:
        for whose, reason in ((tenant, "other"), (other, "no id")):
            record = RejectedRecord(reason=reason, payload=1)
            kept = Quarantined(tenant_id=whose.id, integration_id=whose.integration_id, stream=claimed, record=record)
            quarantine.add(conn, [kept])
    assert tenant.value("SELECT count(*) FROM quarantined_records") == 3
