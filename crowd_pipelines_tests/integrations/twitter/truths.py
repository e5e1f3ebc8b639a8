"""What is stored of X, held against what is true."""

from collections.abc import Iterator
from typing import Any

from crowd_pipelines.model.text import clean_text
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import Key, live, people, told


def vanished(truth: Truth) -> set[Key]:
    return {(gone["type"], gone["source_id"]) for gone in truth.vanished}


def asked(x: Connected) -> list[str]:
    """The requests since this was asked last: the endpoint, and the hashtag of a search. None may have been wrong."""
    log = x.sandbox.requests("twitter")
    x.sandbox.forget_requests("twitter")
    assert [entry["violation"] for entry in log if entry["violation"]] == []
    return [_named(entry) for entry in log]


def _named(entry: dict[str, Any]) -> str:
    name = entry["path"].rpartition("/")[2]
    return str(entry["query"]["query"]).split()[0] if name == "recent" else str(name)


def assert_true(x: Connected, truth: Truth) -> None:
    """Everything in reach is stored as it is, and nothing else but what vanished unseen."""
    stored, records = live(x), told(truth)
    assert records.keys() - stored.keys() == set()
    assert stored.keys() - records.keys() <= vanished(truth)
    differing = [problem for key, record in records.items() for problem in _differences(stored[key], record)]
    assert differing == []


def _differences(row: dict[str, Any], record: dict[str, Any]) -> Iterator[str]:
    expected = {
        "author": record["member"],
        "thread": record["thread"],
        "timestamp_source": record["timestamp_source"],
        "source_parent_id": None,
        "title": None,
        "channel": None,
        "body": None if record["body"] is None else clean_text(record["body"]),
    }
    if record["timestamp"]:
        expected["timestamp"] = record["timestamp"]
        row = {**row, "timestamp": row["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    for name, value in expected.items():
        if row[name] != value:
            yield f"{record['type']} {record['source_id']}: {name} is {row[name]!r}, and {value!r} is true"
    if row["url"] not in (record["url"], *record["outdated"].get("url", ())):
        yield f"{record['source_id']}: {row['url']} and not {record['url']}"
    if row["attributes"].get("hashtag") != record["hashtag"]:
        yield f"{record['source_id']}: hashtag {row['attributes'].get('hashtag')} and not {record['hashtag']}"


def assert_people_are_true(x: Connected, truth: Truth) -> None:
    stored = people(x)
    assert {member["source_id"] for member in truth.members} <= stored.keys()
    assert [problem for m in truth.members for problem in _misknown(stored[m["source_id"]], m)] == []


def _misknown(row: dict[str, Any], member: dict[str, Any]) -> Iterator[str]:
    if not member["shown"]:
        if row["username"] not in (member["source_id"], member["username"]):
            yield f"{member['source_id']} is called {row['username']}"
        return
    attributes = {name: values["default"] for name, values in row["attributes"].items()}
    seen = {
        "username": row["username"],
        "display_name": row["display_name"],
        "bio": attributes.get("bio"),
        "location": attributes.get("location"),
        "website": attributes.get("websiteUrl"),
        "reach": row["reach"].get("twitter"),
        "url": attributes["url"],
    }
    expected = {
        **{name: member[name] for name in ("username", "bio", "location", "website", "reach")},
        "display_name": clean_text(member["display_name"]) or member["username"],
        "url": f"https://twitter.com/{member['username']}",
    }
    yield from (f"{member['source_id']}: {n} {seen[n]!r} {v!r}" for n, v in expected.items() if seen[n] != v)
