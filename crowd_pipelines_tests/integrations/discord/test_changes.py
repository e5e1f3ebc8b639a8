"""Later changes: each line of the how-to's table is what happens."""

from collections.abc import Callable
from pathlib import Path

import pytest

import crowd_pipelines
from crowd_pipelines.integrations.discord.streams import WINDOW
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.discord.test_end_to_end import next_day
from crowd_pipelines_tests.integrations.stored import live, people

HOW_TO = Path(crowd_pipelines.__file__).parents[1] / "docs" / "how-to" / "connect-discord.md"

Story = Callable[[Connected], None]
STORIES: dict[tuple[str, str], Story] = {}


def story(what: str, change: str) -> Callable[[Story], Story]:
    """Hold a line of the table."""

    def keep(happens: Story) -> Story:
        STORIES[what, change] = happens
        return happens

    return keep


def room_of(discord: Connected) -> int:
    return int(discord.truth().cases["last_deleted"])


def body_of(discord: Connected, message: str, kind: str = "message") -> str:
    return str(live(discord)[kind, message]["body"])


@story("`message`", "edited, or other reactions")
def edited(discord: Connected) -> None:
    room = room_of(discord)
    old, *others = discord.change("send", room=room, count=WINDOW)["messages"]
    recent = others[-1]
    discord.check()
    discord.change("edit", message=int(old), content="old, edited")
    discord.change("edit", message=int(recent), content="recent, edited")
    discord.change("react", message=int(recent))
    discord.check()
    assert body_of(discord, recent) != "recent, edited"
    discord.change("send", room=room, count=2)
    discord.check()
    assert body_of(discord, recent) == "recent, edited"
    assert {"emoji": "🔥", "count": 1} in live(discord)["message", recent]["attributes"]["reactions"]
    assert body_of(discord, old) == "old, edited"  # the window is of those that were read before
    older = min((key[1] for key, row in live(discord).items() if row["channel_id"] == str(room)), key=int)
    discord.change("edit", message=int(older), content="long ago")
    discord.change("send", room=room)
    discord.check()
    assert body_of(discord, older) != "long ago"
    discord.onboard()
    assert body_of(discord, older) == "long ago"


@story("`message`", "deleted")
def deleted(discord: Connected) -> None:
    room, post = room_of(discord), int(discord.truth().cases["post"])
    [recent] = discord.change("send", room=room)["messages"]
    [answer] = discord.change("send", room=post)["messages"]
    discord.check()
    older = min((key[1] for key, row in live(discord).items() if row["channel_id"] == str(room)), key=int)
    discord.change("send", room=room, count=2 * WINDOW)
    discord.check()
    for message in (older, answer):
        discord.change("delete", message=int(message))
    discord.check()
    assert {("message", older), ("message", answer)} <= live(discord).keys()
    discord.onboard()
    assert ("message", answer) not in live(discord)
    assert ("message", older) in live(discord)
    [recent] = discord.change("send", room=room)["messages"]
    discord.check()
    discord.change("delete", message=int(recent))
    discord.change("send", room=room)
    discord.check()
    assert ("message", recent) not in live(discord)


@story("`message`", "retracted, and shown again")
def shown_again(discord: Connected) -> None:
    room = room_of(discord)
    [sent] = discord.change("send", room=room, content="here")["messages"]
    discord.check()
    with discord.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE activities SET retracted_at = now(), body = NULL WHERE source_id = %s", (sent,))
    discord.change("send", room=room)
    discord.check()
    assert body_of(discord, sent) == "here"


@story("`message`", "its thread was renamed")
def thread_renamed(discord: Connected) -> None:
    post = discord.truth().cases["post"]
    discord.change("rename_room", room=int(post), name="renamed")
    discord.check()
    assert {row["title"] for row in live(discord).values() if row["thread"] == post} == {"renamed"}


@story("`message`", "its channel was renamed")
def channel_renamed(discord: Connected) -> None:
    room = room_of(discord)
    discord.change("rename_room", room=room, name="renamed")
    discord.check()
    assert {row["channel"] for row in live(discord).values() if row["channel_id"] == str(room)} == {"renamed"}


@story("`message`", "its text was withheld, and is shown")
def text_shown(discord: Connected) -> None:
    discord.change("revoke_intent", intent="message_content")
    [sent] = discord.change("send", room=room_of(discord), content="a secret")["messages"]
    next_day(discord)
    discord.check()
    assert live(discord)["message", sent]["body"] is None
    discord.change("grant_intent", intent="message_content")
    discord.check()
    assert live(discord)["message", sent]["body"] is None
    next_day(discord)
    discord.check()
    assert body_of(discord, sent) == "a secret"


@story("`thread_started`", "a post's first message was edited or deleted")
def first_message(discord: Connected) -> None:
    post = discord.truth().cases["post"]
    discord.change("edit", message=int(post), content="edited")
    discord.check()
    assert body_of(discord, post, "thread_started") != "edited"
    discord.change("send", room=int(post))
    discord.check()
    assert body_of(discord, post, "thread_started") == "edited"
    discord.change("delete", message=int(post))
    discord.change("send", room=int(post))
    discord.check()
    assert ("thread_started", post) not in live(discord)


@story("`thread_started`", "the post or thread was renamed")
def start_renamed(discord: Connected) -> None:
    post = discord.truth().cases["post"]
    thread = discord.change("branch", alone=True)["rooms"][0]
    discord.check()
    for room in (post, thread):
        discord.change("rename_room", room=int(room), name="renamed")
    discord.check()
    assert {live(discord)["thread_started", room]["title"] for room in (post, thread)} == {"renamed"}
    again = discord.onboard()
    assert again.error is None
    assert live(discord)["thread_started", thread]["title"] == "renamed"


@story("`joined_guild`", "left")
def left(discord: Connected) -> None:
    person = next(one["member"] for one in discord.truth().activities if one["type"] == "joined_guild")
    before = live(discord).keys()
    discord.change("leave", user=int(person))
    next_day(discord)
    discord.check()
    assert live(discord).keys() == before


@story("`joined_guild`", "came back")
def came_back(discord: Connected) -> None:
    person = next(one["member"] for one in discord.truth().activities if one["type"] == "joined_guild")
    discord.change("rejoin", user=int(person))
    next_day(discord)
    discord.check()
    joins = [row for row in live(discord).values() if row["type"] == "joined_guild" and row["author"] == person]
    assert len(joins) == 2


@story("`joined_guild`", "a guest became a member")
def guest_became_member(discord: Connected) -> None:
    guest = discord.truth().cases["guest"]
    assert guest in people(discord)
    assert guest not in {row["author"] for row in live(discord).values()}
    discord.change("rejoin", user=int(guest))
    next_day(discord)
    discord.check()
    assert [row["type"] for row in live(discord).values() if row["author"] == guest] == ["joined_guild"]


@story("member", "another username, name or picture")
def member_renamed(discord: Connected) -> None:
    nameless = next(one for one in discord.truth().members if one["display_name"] == one["username"])["source_id"]
    discord.change("rename_user", user=int(nameless), username="another.name")
    discord.check()
    next_day(discord)
    discord.check()
    row = people(discord)[nameless]
    # What stands in for a name follows it.
    assert (row["username"], row["display_name"]) == ("another.name", "another.name")
    [joined] = discord.change("join")["users"]
    discord.change("send", author=int(joined))
    discord.check()
    assert joined in people(discord)


def lines() -> set[tuple[str, str]]:
    page = HOW_TO.read_text("utf-8").partition("<!-- changes -->\n")[2].partition("<!-- /changes -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()[2:]]
    return {(row[0], row[1]) for row in rows}


def test_each_line_of_the_how_to_is_held() -> None:
    assert lines() == STORIES.keys()


@pytest.mark.parametrize("line", STORIES, ids=lambda line: line[1].replace(" ", "_"))
def test_a_later_change_is_seen_when_the_how_to_says(discord: Connected, line: tuple[str, str]) -> None:
    discord.onboard()
    STORIES[line](discord)
