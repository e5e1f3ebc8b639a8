"""What the contract tests have to know of Slack."""

from crowd_pipelines.integrations.slack.streams import ChannelsStream, HistoryStream, MembersStream, RepliesStream
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.sandbox.client import Truth

KINDS = ("channels", "history", "members", "replies")

DECIDING = ("thread_ts", "user", "subtype", "type", "bot_id", "deleted", "is_bot", "is_workflow_bot")
"""Fields that tell whether something is a record of ours: a bot's is none, nor a note of Slack's, nor who has left."""


UNAUTHORIZED = '{"ok": false, "error": "invalid_auth"}'

ABSENT = {
    "test_a_subject_that_is_gone_is_skipped": "Slack tells with codes in a 200: test_errors has a test for each",
}


def streams(truth: Truth) -> list[Stream]:
    """One stream of every kind that leads to something."""
    channel, _, thread = truth.cases["many_replies"].partition(":")
    name = truth.coverage["channels"][channel]["name"]
    return [
        MembersStream(),
        ChannelsStream(types="private_channel"),
        HistoryStream(channel=channel, name=name, latest="4102444800.000000"),
        RepliesStream(channel=channel, name=name, thread=thread),
    ]


def QUIET_CHECK(truth: Truth) -> int:  # noqa: N802  the contract's name
    """One request per channel, one for the list of them, and one for a look at old messages."""
    return len(truth.coverage["channels"]) + 2
