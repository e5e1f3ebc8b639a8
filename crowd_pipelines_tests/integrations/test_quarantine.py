"""Records in quarantine that are read again: they go when they can be used, and nothing else changes for it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import quarantine
from crowd_pipelines.store.quarantine import Selection
from crowd_pipelines_tests.integrations.connected import Connected

EVERYTHING = Selection()


@pytest.fixture
def dev(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    with Sandbox.start(platforms=("devto",)) as sandbox:
        yield Connected.to(sandbox, "devto", engine=engine, monkeypatch=monkeypatch)


@pytest.fixture
def poisoned(dev: Connected) -> Connected:
    """Onboarded while a comment had no user; the integration run is so old that retention has taken it."""
    dev.fault("poison", path=comments_of(dev), what="no_user")
    assert dev.onboard().state is RunState.PROCESSED
    with dev.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM integration_runs")
    dev.asked()
    return dev


def comments_of(dev: Connected) -> str:
    return rf"/comments\?a_id={dev.truth().cases['many_roots']}$"


def kept(dev: Connected) -> list[dict[str, Any]]:
    return dev.rows("SELECT * FROM quarantined_records ORDER BY id")


def retry(dev: Connected, wanted: Selection = EVERYTHING) -> int:
    with dev.engine.begin() as conn:
        return len(quarantine.request_retry(conn, wanted))


def comments(dev: Connected) -> set[str]:
    return {row["source_id"] for row in dev.rows("SELECT source_id FROM activities WHERE type = 'comment'")}


def true_comments(dev: Connected) -> set[str]:
    return {record["source_id"] for record in dev.truth().activities if record["type"] == "comment"}


def test_a_record_that_can_be_used_now_is_stored_and_leaves(poisoned: Connected) -> None:
    [record] = kept(poisoned)
    assert true_comments(poisoned) - comments(poisoned) == set(record["record_ids"])
    poisoned.sandbox.clear_faults()
    marks = poisoned.rows("SELECT subject, value, updated_at FROM watermarks ORDER BY subject")
    assert retry(poisoned) == 1
    assert poisoned.check().state is RunState.PROCESSED
    assert (kept(poisoned), comments(poisoned)) == ([], true_comments(poisoned))
    assert poisoned.rows("SELECT subject, value, updated_at FROM watermarks ORDER BY subject") == marks
    asked = poisoned.asked()
    assert len([address for address in asked if address.startswith("/comments")]) == 1
    poisoned.check()
    assert [address for address in poisoned.asked() if address.startswith("/comments")] == []


def test_what_was_read_since_is_not_forgotten(poisoned: Connected) -> None:
    poisoned.sandbox.clear_faults()
    poisoned.change("add_comment", article=poisoned.truth().cases["many_roots"])
    poisoned.check()
    marks = poisoned.rows("SELECT subject, value FROM watermarks ORDER BY subject")
    retry(poisoned)
    poisoned.check()
    assert (kept(poisoned), comments(poisoned)) == ([], true_comments(poisoned))
    assert poisoned.rows("SELECT subject, value FROM watermarks ORDER BY subject") == marks


def test_a_record_that_cannot_be_used_stays_and_is_not_asked_for_again(poisoned: Connected) -> None:
    retry(poisoned)
    poisoned.check()
    [record] = kept(poisoned)
    assert (record["seen"], record["retries"], record["retry_requested_at"]) == (2, 1, None)
    poisoned.asked()
    poisoned.check()
    assert [address for address in poisoned.asked() if address.startswith("/comments")] == []


def test_a_stream_that_cannot_be_read_again_spoils_no_check(poisoned: Connected) -> None:
    poisoned.sandbox.clear_faults()
    poisoned.fault("replace", path="/comments", status=400, body="{}")
    retry(poisoned)
    run = poisoned.check()
    assert run.state is RunState.PROCESSED
    [record] = kept(poisoned)
    assert record["retries"] == 1
    with poisoned.engine.begin() as conn:
        [told] = quarantine.retried(conn, [run.id])
    assert "400" in told["error"]


def test_a_record_that_is_gone_from_its_page_stays(poisoned: Connected) -> None:
    [record] = kept(poisoned)
    poisoned.sandbox.clear_faults()
    poisoned.change("delete_comment", comment=record["record_ids"][0])
    retry(poisoned)
    poisoned.check()
    assert len(kept(poisoned)) == 1


def test_an_onboarding_reads_it_again_whether_asked_for_or_not(poisoned: Connected) -> None:
    poisoned.sandbox.clear_faults()
    poisoned.onboard()
    assert (kept(poisoned), comments(poisoned)) == ([], true_comments(poisoned))


def test_a_list_is_read_again_without_its_further_pages(dev: Connected) -> None:
    dev.fault("poison", path=r"/organizations/.*page=1\b", what="bad_created_at")
    dev.onboard()
    [record] = kept(dev)
    dev.sandbox.clear_faults()
    retry(dev)
    dev.check()
    assert (kept(dev), comments(dev)) == ([], true_comments(dev))
    assert record["stream_name"] == "articles"
