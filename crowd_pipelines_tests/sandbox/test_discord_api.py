"""What the simulated Discord answers and refuses, as Discord does."""

from dataclasses import replace
from typing import Any

import pytest

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import fetch
from crowd_pipelines_tests.sandbox.discord_reader import AGENT, Bot, read_everything


@pytest.fixture
def bot(still: Sandbox) -> Bot:
    return Bot.of(still)


def told(sandbox: Sandbox) -> set[tuple[str, str]]:
    return {(record["type"], record["source_id"]) for record in sandbox.truth("discord").activities}


def test_a_reader_that_knows_only_the_api_finds_the_truth(still: Sandbox, bot: Bot) -> None:
    assert read_everything(bot) == told(still)


def test_the_same_seed_makes_the_same_guild_and_another_one_another() -> None:
    made = []
    for seed in (3, 3, 4):
        with Sandbox.start(platforms=("discord",), seed=seed) as sandbox:
            sandbox.change("discord", [{"do": "week", "seed": 1}])
            made.append(sandbox.truth("discord"))
    assert made[0] == made[1]
    assert made[0].activities != made[2].activities


@pytest.mark.parametrize(("size", "least", "most"), [("medium", 3_000, 7_000), ("records=600", 450, 1_100)])
def test_sizes(size: str, least: int, most: int) -> None:
    with Sandbox.start(platforms=("discord",), size=size) as sandbox:
        assert least < len(sandbox.truth("discord").activities) < most


def test_who_does_not_say_who_they_are_is_refused(still: Sandbox, bot: Bot) -> None:
    address = f"{bot.api}/guilds/{bot.guild}/channels"
    right = {"User-Agent": AGENT, "Authorization": f"Bot {bot.token}"}
    for headers, status, code in (
        (right, 200, None),
        ({**right, "Authorization": f"Bearer {bot.token}"}, 401, 0),
        ({**right, "Authorization": "Bot wrong"}, 401, 0),
        ({"User-Agent": AGENT}, 401, 0),
        ({**right, "User-Agent": "python-requests/2"}, 403, 40333),
    ):
        answer = fetch(address, headers=headers)
        assert answer.status == status
        if code is not None:
            assert answer.json["code"] == code


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/channels/{quiet}/messages", {"limit": 101}, 400),
        ("/channels/{quiet}/messages", {"limit": 0}, 400),
        ("/channels/{quiet}/messages", {"limit": "ten"}, 400),
        ("/channels/{quiet}/messages", {"after": "yesterday"}, 400),
        ("/channels/{quiet}/messages", {"after": 1, "before": 2}, 400),
        ("/channels/{quiet}/messages", {"page": 2}, 400),
        ("/channels/{forum}/messages", {}, 400),
        ("/channels/{quiet}/threads/archived/public", {"limit": 1}, 400),
        ("/channels/{quiet}/threads/archived/public", {"before": "1500"}, 400),
        ("/channels/{quiet}/threads/archived/public", {"before": "2024-01-01T00:00:00"}, 400),
        ("/channels/abc/messages", {}, 400),
        ("/guilds/{guild}/members", {"limit": 1001}, 400),
        ("/guilds/{guild}/bans", {}, 404),
        ("/nowhere", {}, 404),
    ],
)
def test_what_the_contract_forbids_is_refused_and_marked(
    lively: Sandbox, path: str, query: dict[str, Any], status: int
) -> None:
    bot, truth = Bot.of(lively), lively.truth("discord")
    forum = next(a["channel_id"] for a in truth.activities if a["source_id"] == truth.cases["post"])
    where = path.format(quiet=truth.cases["last_deleted"], forum=forum, guild=bot.guild)
    assert bot.get(where, **query).status == status
    assert lively.requests("discord")[-1]["violation"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/channels/5/messages", 404, 10003),
        ("/channels/{quiet}/messages/5", 404, 10008),
        ("/guilds/5/channels", 404, 10004),
        ("/guilds/{guild}/members/5", 404, 10007),
        ("/channels/{secret}/messages", 403, 50001),
        ("/channels/{closed}/messages", 403, 50001),
        ("/channels/{secret}/threads/archived/public", 403, 50001),
        ("/channels/{quiet}/threads/archived/private", 403, 50013),
    ],
)
def test_what_is_not_there_or_not_permitted(still: Sandbox, bot: Bot, path: str, status: int, code: int) -> None:
    cases = still.truth("discord").cases
    hidden = {"secret": cases["hidden"]["view"], "closed": cases["hidden"]["connect"]}
    answer = bot.get(path.format(quiet=cases["last_deleted"], guild=bot.guild, **hidden))
    assert (answer.status, answer.json["code"]) == (status, code)


def test_a_history_that_may_not_be_read_seems_empty(still: Sandbox, bot: Bot) -> None:
    answer = bot.get(f"/channels/{still.truth('discord').cases['hidden']['history']}/messages")
    assert (answer.status, answer.json) == (200, [])


def test_after_gives_what_follows_and_before_what_comes_first_newest_first(still: Sandbox, bot: Bot) -> None:
    channel = still.truth("discord").cases["long_post"]
    ids = sorted(int(message["id"]) for message in bot.messages(channel))

    def page(**query: str | int) -> list[int]:
        return [int(message["id"]) for message in bot.get(f"/channels/{channel}/messages", limit=3, **query).json]

    assert page(after=0) == ids[2::-1]
    assert page(after=ids[4]) == ids[7:4:-1]
    assert page(before=ids[4]) == ids[3:0:-1]
    assert page() == ids[:-4:-1]
    assert page(around=ids[4]) == ids[5:2:-1]


def test_members_come_by_id(bot: Bot) -> None:
    ids = [int(member["user"]["id"]) for member in bot.members()]
    assert ids == sorted(ids)
    assert len(bot.get(f"/guilds/{bot.guild}/members").json) == 1


def test_windows_are_told_and_kept(lively: Sandbox) -> None:
    bot = Bot.of(lively)
    lively.change("discord", [{"do": "limit", "route": "messages", "requests": 2, "seconds": 30}])
    room = lively.truth("discord").cases["last_deleted"]
    first, second, third = (bot.get(f"/channels/{room}/messages") for _ in range(3))
    assert [answer.headers["x-ratelimit-remaining"] for answer in (first, second, third)] == ["1", "0", "0"]
    assert (third.status, third.json["global"], third.headers["x-ratelimit-scope"]) == (429, False, "user")
    assert 0 < third.json["retry_after"] <= 30
    assert float(third.headers["x-ratelimit-reset-after"]) <= 30
    assert int(third.headers["retry-after"]) >= 1
    other = lively.truth("discord").cases["long_post"]
    assert bot.get(f"/channels/{other}/messages").status == 200


def test_the_overall_window_is_for_everything(lively: Sandbox) -> None:
    bot = Bot.of(lively)
    lively.change("discord", [{"do": "limit", "route": "global", "requests": 1, "seconds": 30}])
    assert bot.get("/users/@me").status == 200
    refused = bot.get(f"/guilds/{bot.guild}/channels")
    assert (refused.status, refused.json["global"]) == (429, True)
    assert refused.headers["x-ratelimit-global"] == "true"


def test_who_is_refused_too_often_is_banned(lively: Sandbox) -> None:
    bot = Bot.of(lively)
    lively.change("discord", [{"do": "limit", "route": "invalid", "requests": 3, "seconds": 60}])
    assert [replace(bot, token="wrong").get("/users/@me").status for _ in range(3)] == [401] * 3
    banned = bot.get("/users/@me")
    assert (banned.status, banned.body[:9]) == (429, b"<!DOCTYPE")
    assert 0 < int(banned.headers["retry-after"]) <= 60


def test_a_limited_sandbox_refuses_who_is_faster() -> None:
    with Sandbox.start(platforms=("discord",), requests_per_second=5) as sandbox:
        bot = Bot.of(sandbox)
        statuses = {bot.get("/users/@me").status for _ in range(30)}
    assert statuses == {200, 429}


@pytest.mark.parametrize("change", ["revoke_token", "remove_bot"])
def test_what_is_taken_from_the_bot_can_be_given_back(lively: Sandbox, change: str) -> None:
    bot = Bot.of(lively)
    back = {"revoke_token": "restore_token", "remove_bot": "invite_bot"}[change]
    lively.change("discord", [{"do": change}])
    refused = bot.get(f"/guilds/{bot.guild}/channels")
    assert (refused.status, refused.json["code"]) in ((401, 0), (403, 50001))
    lively.change("discord", [{"do": back}])
    assert bot.get(f"/guilds/{bot.guild}/channels").status == 200


def test_without_intents_contents_are_empty_and_members_refused(lively: Sandbox) -> None:
    bot, cases = Bot.of(lively), lively.truth("discord").cases
    lively.change("discord", [{"do": "revoke_intent", "intent": name} for name in ("message_content", "guild_members")])
    page = bot.get(f"/channels/{cases['last_deleted']}/messages").json
    assert {message["content"] for message in page} == {""}
    assert not any(message["attachments"] for message in page)
    assert bot.get(f"/guilds/{bot.guild}/members", limit=5).json["code"] == 50001
    assert bot.get("/applications/@me").json["flags"] == 0


def test_the_token_is_checked_against_the_bot_that_was_given(bot: Bot) -> None:
    assert replace(bot, token=bot.token[:-1]).get("/users/@me").status == 401


def test_a_message_of_a_closed_history_is_refused_where_the_list_is_empty(still: Sandbox, bot: Bot) -> None:
    room = still.truth("discord").cases["hidden"]["history"]
    assert bot.get(f"/channels/{room}/messages").json == []
    last = next(one["last_message_id"] for one in bot.channels() if one["id"] == room)
    refused = bot.get(f"/channels/{room}/messages/{last}")
    assert (refused.status, refused.json["code"]) == (403, 50013)


def test_a_removed_bot_lacks_access_to_lists_and_the_guild_is_unknown(lively: Sandbox) -> None:
    bot = Bot.of(lively)
    lively.change("discord", [{"do": "remove_bot"}])
    lists, guild = bot.get(f"/guilds/{bot.guild}/channels"), bot.get(f"/guilds/{bot.guild}")
    assert (lists.status, lists.json["code"]) == (403, 50001)
    assert (guild.status, guild.json["code"]) == (404, 10004)


def test_guests_came_at_no_time_that_is_told(still: Sandbox, bot: Bot) -> None:
    guest = still.truth("discord").cases["guest"]
    joined = {member["user"]["id"]: member["joined_at"] for member in bot.members()}
    assert joined[guest] is None
    assert all(moment for id_, moment in joined.items() if id_ != guest)


def test_forwards_polls_and_published_messages_are_as_discord_sends_them(still: Sandbox, bot: Bot) -> None:
    cases = still.truth("discord").cases
    general = next(one["channel_id"] for one in still.truth("discord").activities if one["source_id"] == cases["poll"])
    shown = {message["id"]: message for message in bot.messages(general)}
    assert shown[cases["poll"]]["poll"]["question"] == {"text": "Tea or coffee?"}
    forwarded = shown[cases["forwarded_with_words"]]
    assert (forwarded["content"], forwarded["message_reference"]["type"]) == ("Look at this:", 1)
    assert forwarded["message_snapshots"][0]["message"]["content"] == "what a third one said"
    assert [message["content"] for message in shown.values() if message["flags"] == 1] == ["For everybody."]


def test_private_archives_show_those_that_the_bot_joined(still: Sandbox, bot: Bot) -> None:
    cases = still.truth("discord").cases
    joined = {thread["id"] for one in bot.channels() for thread in bot.joined(one["id"])}
    assert cases["private_archived_joined"] in joined
    assert cases["private_archived"] not in joined
