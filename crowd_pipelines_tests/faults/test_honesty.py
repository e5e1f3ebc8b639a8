"""The look that every fault is judged by, where it could lie: what is missing and not told is found."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import Stream
from crowd_pipelines_tests.faults.choice import PLATFORMS
from crowd_pipelines_tests.faults.ground import Ground, provider_of
from crowd_pipelines_tests.honesty import COVERS, Debt, silent_losses
from crowd_pipelines_tests.integrations.test_contract import contract_of

OWE = """
    INSERT INTO owed_reads (tenant_id, integration_id, kind, place, label, reason, stream_name, stream_label,
                            stream_metadata, stream_key, whole)
    VALUES (:tenant, :id, 'failure', :key, 'it', 'it failed', :name, 'it', CAST(:about AS jsonb), :key, TRUE)
"""
FAILED = "UPDATE integration_runs SET state = 'error', error = 'x' WHERE integration_id = :id"
UNNAMED = ("profile", "thread_comments")
"""A profile is no activity, and the contract's thread of a review does not say in which pull request it is."""

REACHES = "UPDATE members SET reach = '{}'"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_missing_is_told_by_its_own_place_and_by_no_other(ground: Ground, platform: str) -> None:
    read, truth = ground.connected, ground.connected.sandbox.truth(provider_of(platform))
    assert read.onboard().state is RunState.PROCESSED
    lose_everything(ground)
    everything = silent_losses(read, truth)
    assert everything != []
    for stream in contract_of(platform).streams(truth):
        owe(ground, stream)
        left = silent_losses(read, truth)
        assert len(left) < len(everything) or stream.kind in UNNAMED
        assert platform == "twitter_reach" or left or stream.kind in ("members", "channels", "guild")
        execute(ground, "DELETE FROM owed_reads WHERE stream_key = :key", key=stream.key)
    execute(ground, FAILED, id=read.record.id)
    assert silent_losses(read, truth) == []


@pytest.mark.parametrize("platform", [platform for platform in PLATFORMS if platform in COVERS])
def test_every_kind_of_stream_has_something_that_it_would_read(ground: Ground, platform: str) -> None:
    truth = ground.connected.sandbox.truth(platform)
    streams = contract_of(platform).streams(truth)
    assert {stream.kind for stream in streams} == set(contract_of(platform).KINDS)
    for stream in streams:
        debt = Debt(stream.kind, json.loads(json.dumps(stream.parameters)))
        told = [row for row in truth.activities if COVERS[platform](debt, row, truth)]
        assert told or stream.kind in UNNAMED, stream.kind


def lose_everything(ground: Ground) -> None:
    if ground.connected.record.platform == "twitter_reach":
        execute(ground, REACHES)
    else:
        ground.connected.lose("TRUE")


def owe(ground: Ground, stream: Stream) -> None:
    record = ground.connected.record
    about = json.dumps(stream.parameters)
    execute(ground, OWE, tenant=record.tenant_id, id=record.id, key=stream.key, name=stream.kind, about=about)


def execute(ground: Ground, sql: str, **values: Any) -> None:
    with ground.connected.engine.begin() as conn:
        conn.execute(text(sql), values)
