"""The simulated workspace: the same from the same seed, true to what it says of itself, as nasty as the real one."""

import time
from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.slack_reader import read_everything

SAID = {None, "thread_broadcast", "me_message", "file_share"}


@pytest.fixture(scope="session")
def workspace(still: Sandbox) -> Truth:
    return still.truth("slack")


@pytest.fixture(scope="session")
def found(still: Sandbox) -> dict[str, dict[str, Any]]:
    return read_everything(still.api_url("slack"))


def test_the_truth_is_what_a_reader_finds(workspace: Truth, found: dict[str, dict[str, Any]]) -> None:
    people = {member["source_id"] for member in workspace.members}
    said = {key for key, m in found.items() if m.get("subtype") in SAID and m.get("user") in people}
    told = {a["source_id"]: a for a in workspace.activities if a["type"] == "message"}
    assert told.keys() == said
    for source_id, activity in told.items():
        message = found[source_id]
        above = message.get("thread_ts", message["ts"])
        channel = activity["channel_id"]
        assert activity["member"] == message["user"]
        assert activity["source_parent_id"] == (None if above == message["ts"] else f"{channel}:{above}")


def test_plain_texts_read_as_they_are_sent(workspace: Truth, found: dict[str, dict[str, Any]]) -> None:
    plain = [a for a in workspace.activities if a["type"] == "message" and "<" not in found[a["source_id"]]["text"]]
    assert len(plain) > 150
    for activity in plain:
        sent = found[activity["source_id"]]["text"]
        assert activity["body"] == sent.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_the_same_seed_makes_the_same_workspace() -> None:
    truths = []
    for seed in (7, 7, 8):
        with Sandbox.start(platforms=("slack",), seed=seed) as sandbox:
            sandbox.change("slack", [{"do": "week", "seed": 3}])
            truths.append(sandbox.truth("slack"))
    assert truths[0] == truths[1] != truths[2]


@pytest.mark.parametrize(("size", "least"), [("medium", 4_000), ("large", 19_000), ("records=1000", 900)])
def test_sizes_start_fast(size: str, least: int) -> None:
    began = time.monotonic()
    with Sandbox.start(platforms=("slack",), size=size) as sandbox:
        assert len(sandbox.truth("slack").activities) >= least
    assert time.monotonic() - began < 10


def test_every_case_is_there(workspace: Truth, found: dict[str, dict[str, Any]]) -> None:
    cases = workspace.cases
    head, reply = (found[key] for key in cases["tombstone"])
    assert (head["subtype"], head["hidden"], reply["thread_ts"]) == ("tombstone", True, head["ts"])
    head, loud = (found[key] for key in cases["broadcast"])
    assert (loud["subtype"], loud["root"]["ts"]) == ("thread_broadcast", head["ts"])
    assert "user" not in found[cases["bot_thread"][0]]
    assert set(found[cases["bots_among_themselves"]]["reply_users"]) == {"U0HELPBOT"}
    one, other = (found[key] for key in cases["same_ts"])
    assert one["ts"] == other["ts"]
    assert found[cases["lost_file"]]["files"][0]["mode"] == "tombstone"
    assert "\x00" in found[cases["nul"]]["text"]
    assert "\ud83d" in found[cases["lone_surrogate"]]["text"]
    assert len(found[cases["long"]]["text"]) > 40_000
    assert found[cases["markup"]]["text"].startswith("hi <@U0003PSN> <@W9NOBODY|old> <#C000CHANL|general> <!here>")
    assert "thread_ts" not in found[cases["unanswered"]]
    assert len({found[key]["subtype"] for key in cases["notes"]}) == 12
    assert cases["quiet"] in workspace.coverage["channels"]
    assert cases["secret-plans"] not in workspace.coverage["channels"]


def test_people_are_as_odd_as_they_are(workspace: Truth) -> None:
    members = {member["source_id"]: member for member in workspace.members}
    assert "deactivateduser693438" in {member["username"] for member in members.values()}
    assert {"null", "X"} <= {member["display_name"] for member in members.values()}
    assert [member["source_id"] for member in members.values() if member["looked_up"]] == [
        "U0STRANG1", "U0STRANG2", "U0HIDDEN1",
    ]  # fmt: skip
    assert not {"U0CIBOT01", "U0WORKFLW", "USLACKBOT"} & members.keys()


def test_coming_is_told_by_general_or_only_observed(workspace: Truth) -> None:
    joins = [activity for activity in workspace.activities if activity["type"] == "channel_joined"]
    told = [join for join in joins if join["timestamp_source"] == "provider"]
    assert len({join["source_id"] for join in joins}) == len(joins)
    assert 5 < len(joins) - len(told) < len(told)
    assert {join["timestamp"] is None for join in joins if join not in told} == {True}
