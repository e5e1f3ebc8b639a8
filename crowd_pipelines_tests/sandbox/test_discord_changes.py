"""Changes show where Discord shows them, and the truth follows."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.discord_reader import Bot, read_everything


@pytest.fixture
def bot(lively: Sandbox) -> Bot:
    return Bot.of(lively)


def do(sandbox: Sandbox, what: str, **details: object) -> dict[str, Any]:
    [touched] = sandbox.change("discord", [{"do": what, **details}])
    return touched


def told(sandbox: Sandbox) -> dict[tuple[str, str], dict[str, Any]]:
    return {(record["type"], record["source_id"]): record for record in sandbox.truth("discord").activities}


def room(bot: Bot, id_: object) -> dict[str, Any]:
    return next(one for one in [*bot.channels(), *bot.threads()] if one["id"] == str(id_))


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_week_a_reader_finds_the_truth(lively: Sandbox, bot: Bot, seed: int) -> None:
    before = told(lively).keys()
    lively.change("discord", [{"do": "week", "seed": seed}])
    assert read_everything(bot) >= told(lively).keys()
    assert told(lively).keys() - before
    assert read_everything(bot) - told(lively).keys() == set()


def test_a_message_becomes_the_last_one_and_stays_it_when_it_is_deleted(lively: Sandbox, bot: Bot) -> None:
    channel = lively.truth("discord").cases["last_deleted"]
    [sent] = do(lively, "send", room=int(channel), content="hello")["messages"]
    assert room(bot, channel)["last_message_id"] == sent
    assert told(lively)["message", sent]["body"] == "hello"
    do(lively, "delete", message=int(sent))
    assert room(bot, channel)["last_message_id"] == sent
    assert bot.get(f"/channels/{channel}/messages/{sent}").status == 404
    assert ("message", sent) not in told(lively)


def test_an_edit_changes_nothing_but_the_message(lively: Sandbox, bot: Bot) -> None:
    channel = lively.truth("discord").cases["last_deleted"]
    [sent] = do(lively, "send", room=int(channel), content="hello")["messages"]
    was = room(bot, channel)
    do(lively, "edit", message=int(sent), content="goodbye")
    assert room(bot, channel) == was
    message = bot.get(f"/channels/{channel}/messages/{sent}").json
    assert message["content"] == "goodbye"
    assert message["edited_timestamp"] is not None
    assert told(lively)["message", sent]["outdated"]["body"] == ["hello"]
    do(lively, "send", room=int(channel))
    assert "outdated" not in told(lively)["message", sent] or "body" not in told(lively)["message", sent]["outdated"]


def test_a_thread_goes_into_the_archive_and_comes_out_when_somebody_speaks(lively: Sandbox, bot: Bot) -> None:
    post = lively.truth("discord").cases["post"]
    active = f"/guilds/{bot.guild}/threads/active"

    def is_active() -> bool:
        return post in {thread["id"] for thread in bot.get(active).json["threads"]}

    assert is_active()
    do(lively, "archive", thread=int(post))
    assert not is_active()
    assert room(bot, post)["thread_metadata"]["archived"] is True
    do(lively, "send", room=int(post))
    assert is_active()


def test_a_revived_thread_shows_in_the_archive_alone(lively: Sandbox, bot: Bot) -> None:
    thread = lively.truth("discord").cases["thread_without_message"]
    was = bot.get(f"/guilds/{bot.guild}/threads/active").json
    before = room(bot, thread)["thread_metadata"]["archive_timestamp"]
    do(lively, "revive", thread=int(thread))
    assert bot.get(f"/guilds/{bot.guild}/threads/active").json == was
    assert room(bot, thread)["thread_metadata"]["archive_timestamp"] > before


def test_a_thread_from_an_old_message_is_told_in_the_channel(lively: Sandbox, bot: Bot) -> None:
    touched = do(lively, "branch", old=True)
    [thread] = touched["rooms"]
    news, said = touched["messages"]
    channel = room(bot, thread)["parent_id"]
    told_in_channel = bot.get(f"/channels/{channel}/messages/{news}").json
    assert (told_in_channel["type"], told_in_channel["message_reference"]["channel_id"]) == (18, thread)
    assert bot.get(f"/channels/{channel}/messages/{thread}").json["thread"]["id"] == thread
    assert told(lively)["message", said]["source_parent_id"] == thread


def test_names_change_and_ids_do_not(lively: Sandbox, bot: Bot) -> None:
    channel = lively.truth("discord").cases["last_deleted"]
    do(lively, "rename_room", room=int(channel), name="other")
    assert room(bot, channel)["name"] == "other"
    assert {record["channel"] for record in told(lively).values() if record["channel_id"] == channel} == {"other"}
    [user] = do(lively, "rename_user", username="somebody.else")["users"]
    assert user in {one["user"]["id"] for one in bot.members() if one["user"]["username"] == "somebody.else"}


def test_members_come_wait_leave_and_come_back(lively: Sandbox, bot: Bot) -> None:
    def joins(user: str) -> list[str]:
        return [source_id for kind, source_id in told(lively) if kind == "joined_guild" and f":{user}:" in source_id]

    [user] = do(lively, "join", pending=True)["users"]
    assert joins(user) == []
    do(lively, "admit", user=int(user))
    [first] = joins(user)
    do(lively, "rejoin", user=int(user))
    [second] = joins(user)
    assert first != second
    do(lively, "leave", user=int(user))
    assert user not in {one["user"]["id"] for one in bot.members()}
    gone = {record["source_id"] for record in lively.truth("discord").vanished if record["type"] == "joined_guild"}
    assert gone == {first, second}


def test_a_deleted_channel_takes_its_threads_along(lively: Sandbox, bot: Bot) -> None:
    post = room(bot, lively.truth("discord").cases["post"])
    do(lively, "delete_room", room=int(post["parent_id"]))
    assert bot.get(f"/channels/{post['id']}").status == 404
    assert post["id"] not in {record["thread"] for record in told(lively).values()}


def test_permissions_open_and_close_channels(lively: Sandbox, bot: Bot) -> None:
    secret = lively.truth("discord").cases["hidden"]["view"]
    do(lively, "allow", permission="view_channel", channel=int(secret))
    assert bot.get(f"/channels/{secret}/messages").json
    assert secret in {record["channel_id"] for record in told(lively).values()}
    do(lively, "deny", permission="read_message_history", channel=int(secret))
    assert bot.get(f"/channels/{secret}/messages").json == []
    assert secret not in {record["channel_id"] for record in told(lively).values()}
    do(lively, "allow", permission="administrator")
    assert bot.get(f"/channels/{secret}/messages").json


@pytest.mark.parametrize(
    "change",
    [
        {"do": "surprise"}, {"do": "send", "room": 5}, {"do": "delete", "message": 5}, {"do": "leave", "user": 5},
        {"do": "send", "colour": "red"}, {"do": "limit", "route": "messages", "requests": 0, "seconds": 1},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_happen_is_refused(lively: Sandbox, change: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="refused"):
        lively.change("discord", [change])


def test_an_unknown_poison_is_refused(lively: Sandbox) -> None:
    with pytest.raises(SandboxError, match="no poison"):
        lively.fault("discord", "poison", what="arsenic")


def test_time_brings_something_new(lively: Sandbox) -> None:
    with Sandbox.start(platforms=("discord",), evolve=0.05) as sandbox:
        before = told(sandbox).keys()
        for _ in range(200):
            if told(sandbox).keys() - before:
                break
        assert told(sandbox).keys() - before
