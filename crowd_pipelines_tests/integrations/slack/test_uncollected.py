"""Messages that carry text of which none is stored are counted by kind, once, when they are new."""

from typing import Any

import pytest

from crowd_pipelines.integrations.slack.people import UserMark
from crowd_pipelines.integrations.slack.streams import RepliesStream
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.web_api import HISTORY, WebApi, message, messages

TS = "1708000200.000100"
SECTION = [{"type": "section", "text": {"type": "mrkdwn", "text": "all is well"}}]
RICH = [
    {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "hi"}]}]}
]


@pytest.fixture
def known(web_api: WebApi) -> WebApi:
    web_api.known["user:U01"] = UserMark(name="egon", listed=True).model_dump()
    web_api.known["user:U0B"] = UserMark(name="helper", person=False, listed=True).model_dump()
    return web_api


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"text": "hello", "blocks": RICH}, None),
        ({"text": "", "blocks": RICH}, "text in blocks only"),
        ({"text": "  \n", "blocks": SECTION}, "text in blocks only"),
        ({"text": None, "attachments": [{"pretext": "look", "title": "t"}]}, "text in attachments only"),
        ({"text": "", "attachments": [{"blocks": SECTION}]}, "text in attachments only"),
        ({"text": "", "attachments": [{"fields": [{"title": "State", "value": "red"}]}]}, "text in attachments only"),
        ({"text": "", "files": [{"name": "a.txt", "preview": "the beginning"}]}, "text in files only"),
        ({"text": "", "files": [{"transcription": {"preview": {"content": "hum"}}}]}, "text in files only"),
        ({"text": "", "files": [{"name": "a.png"}], "blocks": [{"type": "divider"}]}, None),
        ({"text": "", "blocks": "odd", "attachments": [None, 5], "files": {}}, None),
        ({"text": "see https://x.dev", "attachments": [{"text": "a page"}]}, None),
        ({"user": "U0B", "text": "built"}, "messages of bots"),
        ({"user": None, "subtype": "bot_message", "text": "", "attachments": [{"text": "x"}]}, "messages of bots"),
        ({"user": "U0B", "text": ""}, None),
        ({"subtype": "channel_topic", "text": "set the topic"}, None),
        ({"subtype": "tombstone", "text": "This message was deleted."}, None),
        ({"subtype": "huddle_thread", "text": "A huddle happened"}, "messages of the form huddle_thread"),
        ({"subtype": "ekm_access_denied", "text": "suspended"}, "messages of the form ekm_access_denied"),
        ({"subtype": "a_new_one", "text": "", "blocks": SECTION}, "messages of the form a_new_one"),
        ({"subtype": "a_new_one", "text": ""}, None),
    ],
    ids=str,
)
def test_a_message_with_text_of_which_none_is_stored_is_counted(
    known: WebApi, fields: dict[str, Any], kind: str | None
) -> None:
    result = known.read(HISTORY, messages(message(TS, **fields)))
    assert result.uncollected == ({kind: 1} if kind else {})
    reply = message(TS, thread_ts="1708000100.000100", **fields)
    thread = RepliesStream(channel="C01", name="general", thread="1708000100.000100")
    assert known.read(thread, messages(reply)).uncollected == result.uncollected


def test_each_is_counted_when_it_is_new(known: WebApi) -> None:
    page = messages(message("1708000300.000100", user="U0B"), message(TS, user="U0B"))
    assert known.read(HISTORY.model_copy(update={"until": TS}), page).uncollected == {"messages of bots": 1}
    assert known.read(HISTORY, page, onboarding=True).uncollected == {"messages of bots": 2}
    assert known.read(HISTORY.model_copy(update={"sweeping": True}), page).uncollected == {}
    known.known["thread:C01:1708000100.000100"] = {"count": 1, "latest": TS}
    thread = RepliesStream(channel="C01", name="general", thread="1708000100.000100")
    replies = messages(*(message(ts, user="U0B", thread_ts="1708000100.000100") for ts in (TS, "1708000300.000100")))
    assert known.read(thread, replies).uncollected == {"messages of bots": 1}


def test_it_is_told_at_the_end_of_the_run(onboarded: Connected) -> None:
    told = onboarded.value("SELECT state FROM integrations")["uncollected"]
    assert told["messages of bots"] > 3
    assert told["messages of the form huddle_thread"] == 1
    assert "messages of the form channel_topic" not in told
