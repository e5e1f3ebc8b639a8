"""Each line of the how-to's table of later changes is true."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from crowd_pipelines.integrations.slack.activities import JOINED
from crowd_pipelines.integrations.slack.people import UserMark
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.test_end_to_end import list_is_a_day_old
from crowd_pipelines_tests.integrations.slack.web_api import HISTORY, WebApi, activities, message, messages, web_api
from crowd_pipelines_tests.integrations.stored import live, people

PAGE = Path(__file__).parents[3] / "docs/how-to/connect-slack.md"
Change = Callable[[Connected], None]


def lines() -> list[tuple[str, str]]:
    """Type and change of every line of the table."""
    part = PAGE.read_text("utf-8").partition("### Later changes that are seen")[2].partition("\n###")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]
    return [(kind, change) for kind, change, _ in cells[2:]]


def body(slack: Connected, source_id: str) -> str:
    text: str = live(slack)["message", source_id]["body"]
    return text


def a_reply(slack: Connected) -> tuple[str, str]:
    """A message that was answered, and what was answered."""
    head = slack.truth().cases["unanswered"]
    [reply] = slack.change("reply", thread=head)["messages"]
    slack.check()
    assert ("message", reply) in live(slack)
    return head, reply


def edited(slack: Connected) -> None:
    head = slack.truth().cases["unanswered"]
    slack.change("edit", message=head, text="better")
    slack.change("react", message=head)
    slack.check()
    assert body(slack, head) == "better"
    assert live(slack)["message", head]["attributes"]["reactions"]


def reply_edited(slack: Connected) -> None:
    head, reply = a_reply(slack)
    slack.change("edit", message=reply, text="better")
    slack.check()
    assert body(slack, reply) != "better"
    slack.change("reply", thread=head)
    slack.check()
    assert body(slack, reply) == "better"


def deleted(slack: Connected) -> None:
    head = slack.truth().cases["unanswered"]
    slack.change("delete", message=head)
    slack.check()
    assert ("message", head) not in live(slack)


def reply_deleted(slack: Connected) -> None:
    _, reply = a_reply(slack)
    slack.change("delete", message=reply)
    slack.check()
    assert ("message", reply) not in live(slack)


def there_again(slack: Connected) -> None:
    before, head = live(slack).keys(), slack.truth().cases["many_replies"]
    slack.change("hide", message=head)
    slack.check()
    assert len(live(slack)) == len(before) - 41
    slack.change("restore")
    slack.check()
    assert live(slack).keys() == before


def old_thread_answered(slack: Connected) -> None:
    [reply] = slack.change("reply", behind=True, broadcast=True)["messages"]
    slack.check()
    assert ("message", reply) in live(slack)


def earlier_join(_: Connected) -> None:
    with web_api() as api:
        assert joined_at(api, "1708000900.000000") == 1708000900
        assert joined_at(api, "1708000800.000000") == 1708000800


def joined_at(api: WebApi, ts: str) -> float:
    api.known["user:U01"] = UserMark(name="egon", listed=True).model_dump()
    result = api.keep(api.read(HISTORY, messages(message(ts, subtype="channel_join"))))
    [joined] = [activity for activity in activities(result) if activity.type == JOINED]
    return joined.timestamp.timestamp()


def left_again(slack: Connected) -> None:
    before = live(slack).keys()
    slack.change("note", subtype="channel_leave")
    slack.check()
    assert live(slack).keys() == before


def channel_renamed(slack: Connected) -> None:
    slack.change("rename_channel", channel="C001CHANL", name="elsewhere")
    slack.check()
    names = slack.rows("SELECT DISTINCT channel FROM activities WHERE channel_id = 'C001CHANL'")
    assert names == [{"channel": "elsewhere"}]


def channel_renumbered(slack: Connected) -> None:
    before = live(slack).keys()
    slack.change("share_channel", channel="G004CHANL")
    slack.check()
    slack.onboard()
    assert live(slack).keys() == before


def person_renamed(slack: Connected) -> None:
    [renamed] = slack.change("rename_user", name="brand.new")["users"]
    slack.check()
    assert people(slack)[renamed]["username"] != "brand.new"
    list_is_a_day_old(slack)
    slack.check()
    assert people(slack)[renamed]["username"] == "brand.new"


def mention_renamed(slack: Connected) -> None:
    slack.change("rename_user", user="U0003PSN", name="brand.new")
    list_is_a_day_old(slack)
    slack.check()
    assert "@brand.new" in body(slack, slack.truth().cases["markup"])


CHANGES: dict[tuple[str, str], Change] = {
    ("message", "edited, or has another reaction"): edited,
    ("message", "a reply was edited"): reply_edited,
    ("message", "deleted"): deleted,
    ("message", "a reply was deleted"): reply_deleted,
    ("message", "deleted or hidden, and there again"): there_again,
    ("message", "an old thread is answered"): old_thread_answered,
    ("channel_joined", "an earlier join in the same channel"): earlier_join,
    ("channel_joined", "left again"): left_again,
    ("both", "the channel was renamed"): channel_renamed,
    ("both", "the channel has another id"): channel_renumbered,
    ("both", "the person has another name, picture, title or address"): person_renamed,
    ("message", "somebody who is mentioned has another name"): mention_renamed,
}


def test_every_line_has_its_test() -> None:
    assert lines() == list(CHANGES)


@pytest.mark.parametrize("line", CHANGES, ids=lambda line: re.sub(r"\W+", "_", ": ".join(line)))
def test_a_later_change_is_seen_as_the_how_to_says(onboarded: Connected, line: tuple[str, str]) -> None:
    CHANGES[line](onboarded)
