"""The database of a connected workspace, held against the truth of its sandbox."""

from datetime import datetime
from typing import Any

from crowd_pipelines.model.text import clean_text
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import live, people, told


def assert_true(slack: Connected, truth: Truth) -> None:
    """Everything that is true is stored as it is, and whatever else is stored has gone without a sign."""
    stored, records = live(slack), told(truth)
    unseen = {(gone["type"], gone["source_id"]) for gone in truth.vanished if not gone["signalled"]}
    assert records.keys() - stored.keys() == set()
    assert stored.keys() - records.keys() <= unseen
    everything = {(row["type"], row["source_id"]) for row in slack.rows("SELECT type, source_id FROM activities")}
    for key, record in records.items():
        row = stored[key]
        assert _stored(row) == _true(record)
        assert row["body"] in [clean_text(body) for body in _bodies(record)] if record["body"] else not row["body"]
        named = (row["source_parent_type"], row["source_parent_id"])
        assert (row["parent_type"], row["parent"]) == (named if named in everything else (None, None))


def assert_nobody_joined_after_they_came(slack: Connected, truth: Truth) -> None:
    """Whoever was observed before a channel told of them has the earlier moment."""
    joined = {user_id: row["joined_at"] for user_id, row in people(slack).items()}
    came = [a for a in truth.activities if a["type"] == "channel_joined" and a["timestamp"]]
    assert len(came) > 50
    assert [a for a in came if joined[a["member"]] > datetime.fromisoformat(a["timestamp"])] == []


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    names = ("source_parent_id", "source_parent_type", "thread", "url", "channel", "channel_id", "timestamp_source")
    observed = row["timestamp_source"] == "observed"
    return {
        **{name: row[name] for name in names},
        "member": row["author"],
        "attributes": row["attributes"],
        "timestamp": None if observed else row["timestamp"].isoformat(timespec="microseconds"),
    }


def _true(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in (*_stored_names(), "member", "attributes", "timestamp")}


def _stored_names() -> tuple[str, ...]:
    return ("source_parent_id", "source_parent_type", "thread", "url", "channel", "channel_id", "timestamp_source")


def _bodies(record: dict[str, Any]) -> list[str]:
    return [record["body"], *record["outdated"].get("body", ())]


def assert_members_are_true(slack: Connected, truth: Truth) -> None:
    stored = people(slack)
    assert stored.keys() == {member["source_id"] for member in truth.members}
    for member in truth.members:
        row = stored[member["source_id"]]
        shown = {name: values["default"] for name, values in row["attributes"].items()}
        assert (row["username"], row["display_name"]) == (member["username"], clean_text(member["display_name"]))
        if not member["username"].startswith("deactivated"):
            # Of those who left, what was known once stays known.
            assert row["emails"] == ([member["email"]] if member["email"] else [])
            assert shown.get("timezone") == member["timezone"]
        assert shown.get("jobTitle") == member["title"]
        assert shown.get("avatarUrl") == member["picture"]
