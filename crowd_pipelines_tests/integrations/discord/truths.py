"""What is stored of Discord, held against what is true."""

from typing import Any

from crowd_pipelines.model.text import clean_text
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import Key, live, people, told


def accepted(record: dict[str, Any], field: str) -> list[Any]:
    """The true value, and those that a reader may still hold because nothing showed that they changed."""
    values = [record[field], *record["outdated"].get(field, ())]
    return [clean_text(value) if isinstance(value, str) else value for value in values]


def assert_activity_is_true(row: dict[str, Any], record: dict[str, Any]) -> None:
    assert row["author"] == record["member"]
    for field in (
        "source_parent_id",
        "source_parent_type",
        "thread",
        "channel",
        "channel_id",
        "timestamp_source",
        "url",
    ):
        assert row[field] == record[field], (field, record)
    for field in ("title", "body"):
        assert row[field] in accepted(record, field), (field, record)
    assert row["timestamp"].isoformat(timespec="microseconds") == record["timestamp"]
    shown = dict(row["attributes"])
    if "attachments" in shown:
        shown["attachments"] = [one["url"] for one in shown["attachments"]]
    assert record["attributes"].items() <= shown.items()


def assert_parent_is_tied(row: dict[str, Any], stored: set[Key]) -> None:
    """To what was named, where that is stored; a message that was deleted before anyone read it cannot be."""
    named = (row["source_parent_type"], row["source_parent_id"])
    assert (row["parent_type"], row["parent"]) == (named if named in stored else (None, None))


def assert_true(discord: Connected, truth: Truth) -> None:
    stored, records = live(discord), told(truth)
    assert records.keys() - stored.keys() == set()
    unseen = {(gone["type"], gone["source_id"]) for gone in truth.vanished if not gone["signalled"]}
    assert stored.keys() - records.keys() <= unseen
    everything = {(row["type"], row["source_id"]) for row in discord.rows("SELECT type, source_id FROM activities")}
    for key, record in records.items():
        assert_activity_is_true(stored[key], record)
        assert_parent_is_tied(stored[key], everything)


def assert_members_are_true(discord: Connected, truth: Truth) -> None:
    stored = people(discord)
    assert stored.keys() == {member["source_id"] for member in truth.members}
    for member in truth.members:
        row = stored[member["source_id"]]
        assert row["username"] == member["username"]
        assert row["display_name"] == clean_text(member["display_name"])
        picture = (
            member["avatar"] and f"https://cdn.discordapp.com/avatars/{member['source_id']}/{member['avatar']}.png"
        )
        assert row["attributes"].get("avatarUrl", {}).get("default") == picture
