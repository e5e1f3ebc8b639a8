"""What is stored of a platform and what its sandbox says is true, each by the same key."""

from typing import Any

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected

Key = tuple[str, str]
"""Type and source id of an activity."""

_LIVE = """
    SELECT a.*, p.source_id AS parent, p.type AS parent_type, i.source_id AS author
    FROM activities AS a
    JOIN member_identities AS i ON i.member_id = a.member_id
    LEFT JOIN activities AS p ON p.id = a.parent_id
    WHERE a.retracted_at IS NULL
"""


def live(connected: Connected) -> dict[Key, dict[str, Any]]:
    """Stored activities that are not retracted, with author and parent."""
    return {(row["type"], row["source_id"]): row for row in connected.rows(_LIVE)}


def told(truth: Truth) -> dict[Key, dict[str, Any]]:
    return {(record["type"], record["source_id"]): record for record in truth.activities}


def people(connected: Connected) -> dict[str, dict[str, Any]]:
    """Stored members by the provider's id."""
    rows = connected.rows(
        "SELECT i.source_id, i.username, m.* FROM member_identities AS i JOIN members AS m ON m.id = i.member_id"
    )
    return {row["source_id"]: row for row in rows}
