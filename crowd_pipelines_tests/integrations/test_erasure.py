"""Somebody who was erased stays away however often a platform is read, and everybody else is read as before."""

import os
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import erasures
from crowd_pipelines_tests.integrations.connected import Connected

PLATFORMS = ["slack", "github"]
if os.environ.get("EVERY_INTERLEAVING"):
    PLATFORMS += ["devto", "discord", "twitter"]

BUSIEST = """
    SELECT member_id, identity.source_id, count(*) AS activities
    FROM activities JOIN member_identities AS identity USING (member_id)
    WHERE identity.source_id IS NOT NULL
    GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 1
"""
OTHERS = "SELECT type, source_id, body FROM activities WHERE member_id <> :id ORDER BY type, source_id"
NAMED = """
    SELECT (SELECT count(*) FROM activities WHERE attributes @? CAST(:path AS jsonpath))
         + (SELECT count(*) FROM member_identities WHERE source_id = :id)
         + (SELECT count(*) FROM members WHERE attributes @? CAST(:path AS jsonpath))
"""


def named(connected: Connected, source_id: str) -> int:
    """How many records name an account by its id."""
    path = f'$.** ? (@.type() == "string" && @ == "{source_id}")'
    found: int = connected.value(NAMED, id=source_id, path=path)
    return found


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_erased_person_is_not_read_again_and_all_others_are(
    platform: str, quiet_sandbox: Sandbox, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = Connected.to(quiet_sandbox, platform, engine=engine, monkeypatch=monkeypatch)
    connected.onboard()
    [busiest] = connected.rows(BUSIEST)
    others: list[dict[str, Any]] = connected.rows(OTHERS, id=busiest["member_id"])
    assert named(connected, busiest["source_id"]) > 0

    with engine.begin() as conn:
        person = erasures.find_member(conn, connected.record.tenant_id, busiest["member_id"])
    assert person is not None
    erased = erasures.erase(engine, person, command="a test", read_by={})
    assert erased["removed"]["activities"] == busiest["activities"]

    for read in (connected.check, connected.onboard):
        read()
        assert named(connected, busiest["source_id"]) == 0
        assert connected.rows(OTHERS, id=busiest["member_id"]) == others
        assert connected.value("SELECT sum(activity_count) FROM integrations") == len(others)
    assert connected.value("SELECT sum(left_out) FROM integration_streams") >= busiest["activities"]
