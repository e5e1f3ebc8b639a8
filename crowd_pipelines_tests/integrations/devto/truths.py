"""What is stored of DEV, held against what is true."""

from collections.abc import Iterable
from typing import Any

from crowd_pipelines.model.text import clean_html, clean_text
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import Key, live, people, told


def defaults(member: dict[str, Any]) -> dict[str, Any]:
    return {name: values["default"] for name, values in member["attributes"].items()}


def accepted(record: dict[str, Any], field: str) -> list[Any]:
    """The true value, and those that a reader may still hold because nothing showed that they changed."""
    return [record[field], *record["outdated"].get(field, ())]


def assert_activity_is_true(row: dict[str, Any], record: dict[str, Any]) -> None:
    assert row["author"] == record["member"]
    assert_parent_is_true(row, record)
    assert row["thread"] == record["thread"]
    assert row["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ") == record["timestamp"]
    assert row["timestamp_source"] == "provider"
    assert row["url"] in accepted(record, "url")
    if record["type"] == "article":
        assert (row["title"], row["body"]) == (clean_text(record["title"]), record["description"])
    else:
        assert row["body"] in [clean_html(body) for body in accepted(record, "body_html")]
        assert row["attributes"]["articleUrl"] == record["article_url"]
        assert row["attributes"]["articleTitle"] == clean_text(record["article_title"])
        assert row["attributes"]["thread"] is (row["source_parent_type"] == "comment")


def assert_parent_is_true(row: dict[str, Any], record: dict[str, Any]) -> None:
    named, true = ((one["source_parent_type"], one["source_parent_id"]) for one in (row, record))
    outdated = [tuple(parent.split(":")) for parent in record["outdated"].get("parent", ())]
    assert named in [true, *outdated]


def assert_parent_is_tied(row: dict[str, Any], stored: Iterable[Key]) -> None:
    """To what was named, which is stored."""
    named = (row["source_parent_type"], row["source_parent_id"])
    assert named in {*stored, (None, None)}
    assert (row["parent_type"], row["parent"]) == named


def assert_true(dev: Connected, truth: Truth) -> None:
    stored, records = live(dev), told(truth)
    unseen = {(gone["type"], gone["source_id"]) for gone in truth.vanished if not gone["signalled"]}
    assert records.keys() - stored.keys() == set()
    gone = {source_id for kind, source_id in vanished(truth) if kind == "article"}
    assert {key for key in stored.keys() - records.keys() if stored[key]["thread"] not in gone} <= unseen
    everything = {(row["type"], row["source_id"]) for row in dev.rows("SELECT type, source_id FROM activities")}
    for key, record in records.items():
        assert_activity_is_true(stored[key], record)
        assert_parent_is_tied(stored[key], everything)


def vanished(truth: Truth) -> list[Key]:
    """What could be read once. Of an article that is gone it stays known what was said there."""
    return [(gone["type"], gone["source_id"]) for gone in truth.vanished]


def assert_members_are_true(dev: Connected, truth: Truth) -> None:
    stored = people(dev)
    assert stored.keys() == {member["source_id"] for member in truth.members}
    for member in truth.members:
        row, shown = stored[member["source_id"]], defaults(stored[member["source_id"]])
        assert (row["username"], row["display_name"]) == (member["username"], clean_text(member["display_name"]))
        assert shown["url"] == f"https://dev.to/{member['username']}"
        assert shown.get("bio") == (member["summary"] or None)
        assert shown.get("location") == (member["location"] or None)
        assert shown.get("platformJoinedAt") == member["joined_at"]
