"""Every kind of simulated body is one that Discord's published description allows, and so is every request of ours."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox import discord_spec as spec
from crowd_pipelines_tests.sandbox.discord_reader import Bot, read_everything


@pytest.fixture
def bot(still: Sandbox) -> Bot:
    return Bot.of(still)


def assert_valid(bot: Bot, path: str, template: str, **query: str | int) -> Any:
    answer = bot.get(path, **query)
    assert answer.status == 200
    assert spec.problems_of(template, answer.json) == []
    return answer.json


def test_who_the_bot_is(bot: Bot) -> None:
    own = assert_valid(bot, "/applications/@me", "/applications/@me")
    assert_valid(bot, "/users/@me", "/users/@me")
    member = f"/guilds/{bot.guild}/members/{own['bot']['id']}"
    assert_valid(bot, member, "/guilds/{guild_id}/members/{user_id}")


def test_the_guild_and_its_lists(bot: Bot) -> None:
    counted = assert_valid(bot, f"/guilds/{bot.guild}", "/guilds/{guild_id}", with_counts="true")
    assert counted["approximate_member_count"] > 100
    assert assert_valid(bot, f"/guilds/{bot.guild}/roles", "/guilds/{guild_id}/roles") == counted["roles"]
    assert assert_valid(bot, f"/guilds/{bot.guild}/channels", "/guilds/{guild_id}/channels")
    assert assert_valid(bot, f"/guilds/{bot.guild}/threads/active", "/guilds/{guild_id}/threads/active")["threads"]
    assert assert_valid(bot, f"/guilds/{bot.guild}/members", "/guilds/{guild_id}/members", limit=1000)


def test_messages_and_archives_of_every_channel(bot: Bot) -> None:
    kinds = set()
    for room in [*bot.channels(), *bot.threads()]:
        if room["type"] in (4, 15):
            continue
        answer = bot.get(f"/channels/{room['id']}/messages", limit=100)
        if answer.status == 200:
            assert spec.problems_of("/channels/{channel_id}/messages", answer.json) == []
            kinds |= {message["type"] for message in answer.json}
    assert kinds >= {0, 6, 7, 8, 18, 19, 20, 21, 24}
    archives = 0
    for channel in bot.channels():
        answer = bot.get(f"/channels/{channel['id']}/threads/archived/public")
        if answer.status == 200:
            assert spec.problems_of("/channels/{channel_id}/threads/archived/public", answer.json) == []
            archives += len(answer.json["threads"])
    assert archives > 5


def test_one_channel_thread_or_message(bot: Bot) -> None:
    for room in [*bot.channels()[:9], *bot.threads()[:3]]:
        assert_valid(bot, f"/channels/{room['id']}", "/channels/{channel_id}")
    thread = bot.threads()[0]
    path = f"/channels/{thread['id']}/messages/{thread['last_message_id']}"
    assert_valid(bot, path, "/channels/{channel_id}/messages/{message_id}")


def test_refusals(lively: Sandbox) -> None:
    bot = Bot.of(lively)
    path, template = f"/guilds/{bot.guild}/channels", "/guilds/{guild_id}/channels"
    lively.change("discord", [{"do": "limit", "route": "guild", "requests": 1, "seconds": 60}])
    assert bot.get(path).status == 200
    refused = bot.get(path)
    assert (refused.status, spec.problems_of(template, refused.json, "429")) == (429, [])
    lively.change("discord", [{"do": "revoke_token"}])
    refused = bot.get(path)
    assert (refused.status, spec.problems_of(template, refused.json, "4XX")) == (401, [])


def test_the_validation_can_fail(bot: Bot) -> None:
    channels = bot.channels()
    template = "/guilds/{guild_id}/channels"
    assert spec.problems_of(template, [{**channels[0], "surprise": 1}])
    assert spec.problems_of(template, [{**channels[0], "id": "x"}])
    assert spec.problems_of(template, [{name: value for name, value in channels[0].items() if name != "position"}])


def test_requests_are_held_against_the_description(lively: Sandbox) -> None:
    read_everything(Bot.of(lively))
    assert list(spec.undeclared(lively.requests("discord"), "/discord/api/v10")) == []
    lively.forget_requests("discord")
    bot = Bot.of(lively)
    for path, query in (("/channels/5/messages", {"limit": 101}), ("/channels/5/messages", {"cursor": 1})):
        bot.get(path, **query)
    bot.get("/channels/5/pins/all")
    assert list(spec.undeclared(lively.requests("discord"), "/discord/api/v10")) == [
        "GET /channels/5/messages?limit=101",
        "GET /channels/5/messages?cursor=1",
        "GET /channels/5/pins/all",
    ]
