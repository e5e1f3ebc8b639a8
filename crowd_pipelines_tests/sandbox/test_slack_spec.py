"""Every kind of simulated body is one that Slack's published description allows."""

from typing import Any

import pytest
from jsonschema import Draft7Validator

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox import slack_spec
from crowd_pipelines_tests.sandbox.slack_reader import call, channels, read_everything


def assert_valid(validator: Draft7Validator, body: Any) -> None:
    assert [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(body)] == []


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("auth.test", {}), ("team.info", {}), ("users.list", {"limit": 999}), ("users.info", {"user": "U0003PSN"}),
        ("users.info", {"user": "U0STRANG1"}), ("conversations.list", {"types": "public_channel,private_channel"}),
    ],
    ids=str,
)  # fmt: skip
def test_lists_and_people(still: Sandbox, method: str, query: dict[str, Any]) -> None:
    body = call(still.api_url("slack"), method, **query)
    assert body["ok"] is True
    assert_valid(slack_spec.validator(method), body)


def test_channels(still: Sandbox) -> None:
    api, validator = still.api_url("slack"), slack_spec.validator("conversations.history")
    bodies = [call(api, "conversations.history", channel=channel["id"], limit=999) for channel in channels(api)]
    assert sum(len(body["messages"]) for body in bodies) > 250
    for body in bodies:
        assert_valid(validator, body)


@pytest.mark.parametrize("case", ["many_replies", "broadcast"])
def test_threads(still: Sandbox, case: str) -> None:
    found = still.truth("slack").cases[case]
    channel, _, ts = (found if isinstance(found, str) else found[0]).partition(":")
    body = call(still.api_url("slack"), "conversations.replies", channel=channel, ts=ts)
    assert_valid(slack_spec.validator("conversations.replies"), body)


@pytest.mark.parametrize(
    ("method", "query"),
    [("conversations.history", {"channel": "C404"}), ("users.info", {"user": "U404"})],
    ids=str,
)
def test_refusals(still: Sandbox, method: str, query: dict[str, Any]) -> None:
    body = call(still.api_url("slack"), method, **query)
    assert body["ok"] is False
    assert_valid(slack_spec.refusal_validator(method), body)


def test_the_validation_can_fail(still: Sandbox) -> None:
    body = call(still.api_url("slack"), "users.list", limit=5)
    for spoiled in ({"name": 5}, {"id": "nobody"}, {"updated": "now"}):
        with pytest.raises(AssertionError):
            assert_valid(slack_spec.validator("users.list"), {**body, "members": [{**body["members"][0], **spoiled}]})


def test_requests_are_held_against_the_description(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    read_everything(api)
    assert list(slack_spec.undeclared(lively.requests("slack"), "/slack/api")) == []
    lively.forget_requests("slack")
    call(api, "users.list", limit="many")
    call(api, "users.list", since=5)
    assert list(slack_spec.undeclared(lively.requests("slack"), "/slack/api")) == [
        "GET /users.list?limit=many", "GET /users.list?since=5",
    ]  # fmt: skip
