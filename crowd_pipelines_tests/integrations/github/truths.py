"""The truth of the simulated GitHub beside what the database holds."""

import json
from collections import Counter
from typing import Any

from crowd_pipelines.model.text import clean_text
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import Key, live, people, told

Record = dict[str, Any]

PROFILE = {
    "bio": "bio",
    "company": "company",
    "location": "location",
    "website": "websiteUrl",
    "is_hireable": "isHireable",
    "url": "url",
    "avatar_url": "avatarUrl",
}


def vanished(truth: Truth) -> set[Key]:
    return {(gone["type"], gone["source_id"]) for gone in truth.vanished}


def asked(github: Connected) -> list[tuple[str, Record]]:
    """The queries since this was asked last, each with its variables; none of them one that GitHub would refuse."""
    log = github.sandbox.requests("github")
    github.sandbox.forget_requests("github")
    assert [entry["violation"] for entry in log if entry["violation"]] == []
    names = [entry["asked"].partition(" ") for entry in log if entry["asked"]]
    return [(name, json.loads(variables)) for name, _, variables in names]


def kinds(queries: list[tuple[str, Record]]) -> Counter[str]:
    return Counter(name for name, _ in queries)


def cleaned(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def accepted(record: Record, field: str) -> list[Any]:
    """The true value, and those that a reader may still hold because nothing showed that they changed."""
    return [cleaned(value) for value in (record[field], *record["outdated"].get(field, ()))]


def assert_activity_is_true(row: Record, record: Record) -> None:
    assert row["author"] == record["member"]
    assert (row["source_parent_type"], row["source_parent_id"]) == (
        record["source_parent_type"],
        record["source_parent_id"],
    )
    assert (row["thread"], row["channel_id"]) == (record["thread"], record["channel_id"])
    assert row["channel"] == record["channel"]
    assert row["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ") == record["timestamp"]
    assert row["timestamp_source"] == "provider"
    for field in ("title", "body", "url"):
        assert row[field] in accepted(record, field), field
    _assert_attributes_are_true(row, record)


def _assert_attributes_are_true(row: Record, record: Record) -> None:
    """What a conversation is like is told of its beginning alone, so that nothing older says otherwise."""
    shown = dict(row["attributes"])
    shown.pop("objectTeam", None)
    assert shown.keys() == record["attributes"].keys()
    if "objectMember" in shown:
        member = shown.pop("objectMember")
        number = member["sourceId"] if member else None
        assert number in [record["attributes"]["objectMember"], *record["outdated"].get("objectMember", ())]
    if "labels" in record["attributes"]:
        assert shown["labels"] == sorted(record["attributes"]["labels"])
    for name in record["attributes"].keys() - {"objectMember", "labels"}:
        assert shown[name] in [record["attributes"][name], *record["outdated"].get(name, ())], name
    if row["type"] == "discussion-comment":
        assert row["score"] == (8 if record["attributes"]["isAnswer"] else 6)


def assert_true(github: Connected, truth: Truth) -> None:
    """Everything is there and as it is, and nothing else but what once was."""
    stored, records = live(github), told(truth)
    assert records.keys() - stored.keys() == set()
    assert stored.keys() - records.keys() <= vanished(truth)
    everything = {(row["type"], row["source_id"]) for row in github.rows("SELECT type, source_id FROM activities")}
    for key, record in records.items():
        assert_activity_is_true(stored[key], record)
        named = (stored[key]["source_parent_type"], stored[key]["source_parent_id"])
        parent = (stored[key]["parent_type"], stored[key]["parent"])
        assert parent == (named if named in everything else (None, None))


def assert_people_are_true(github: Connected, truth: Truth) -> None:
    stored = people(github)
    for member in truth.members:
        row = stored[member["source_id"]]
        shown = {name: values["default"] for name, values in row["attributes"].items()}
        names = [member["username"], *member["formerly"]]
        assert row["username"] in names
        assert row["display_name"] in ([cleaned(member["display_name"])] if member["display_name"] else names)
        assert row["emails"] == ([member["email"]] if member["email"] else [])
        assert row["reach"] == {"github": member["reach"], "total": member["reach"]}
        assert {ours: shown.get(ours) for ours in PROFILE.values()} == {
            ours: member[name] if isinstance(member[name], bool) else cleaned(member[name]) or None
            for name, ours in PROFILE.items()
        }
