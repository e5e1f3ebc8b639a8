"""What Discord's payloads become: messages, threads, members; over payloads as Discord sends them."""

from typing import Any

import pytest
from pydantic import ValidationError

from crowd_pipelines.integrations.discord.activities import JOINED_GUILD, MESSAGE, THREAD_STARTED
from crowd_pipelines.integrations.discord.settings import DiscordCredentials, DiscordSettings
from crowd_pipelines.integrations.discord.streams import ArchiveStream
from crowd_pipelines.integrations.discord.text import Names, readable
from crowd_pipelines.model.streams import RetractActivities, RetractMissing, ShowActivities
from crowd_pipelines_tests.integrations.discord.guild import (
    GUILD,
    MEMBERS,
    MESSAGES,
    POST,
    POST_ID,
    THREAD,
    THREAD_ID,
    Guild,
    activities,
    members,
    message,
    only,
    others,
    payload,
)

BOT = {"id": "88", "username": "GitHub", "bot": True}
ANSWER = {"message_reference": {"channel_id": "900", "message_id": "1103640000000000001"}}


def test_a_channel_full_of_nasty_cases(guild: Guild) -> None:
    result = guild.read(MESSAGES, payload("channel"))
    found = {activity.source_id: activity for activity in activities(result)}
    assert {id_: activity.type for id_, activity in found.items()} == {
        "1103650000000000001": MESSAGE,
        "1103640000000000009": MESSAGE,
        "1103640000000000010": THREAD_STARTED,
    }
    assert result.rejected == ()
    reply = found["1103650000000000001"]
    assert (reply.source_parent_id, reply.source_parent_type) == ("1103640000000000000", "message")
    assert reply.body == "hi @unknown-user @bob #unknown-channel :pepe: 🎉 @everyone"
    assert reply.url == f"https://discord.com/channels/{GUILD}/900/1103650000000000001"
    assert (reply.channel, reply.channel_id, reply.title, reply.thread) == ("general", "900", None, None)
    assert reply.timestamp.isoformat() == "2023-05-04T10:00:00.123000+00:00"
    assert reply.attributes == {
        "thread": False,
        "forum": False,
        "attachments": [
            {
                "name": "x.png",
                "url": "https://cdn.discordapp.com/attachments/900/1/x.png",
                "type": "image/png",
                "size": 1,
            }
        ],
        "reactions": [{"emoji": "👍", "count": 2}],
    }
    assert (reply.member.source_id, reply.member.username, reply.member.display_name) == ("123", "alice", "Alice 🦊")


def test_somebody_who_deleted_their_account_is_one_person(guild: Guild) -> None:
    found = activities(guild.read(MESSAGES, payload("channel")))
    deleted = next(one.member for one in found if one.source_id == THREAD_ID)
    assert (deleted.source_id, deleted.username) == ("456043", "Deleted User")


def test_a_message_without_a_time_has_that_of_its_id(guild: Guild) -> None:
    found = only(guild.read(MESSAGES, [message(id="1103650000000000001", timestamp="never")]))
    assert found.timestamp.isoformat() == "2023-05-04T11:51:04.825000+00:00"


def test_the_news_of_a_thread_starts_it_for_those_who_answer(guild: Guild) -> None:
    news = next(one for one in activities(guild.read(MESSAGES, payload("channel"))) if one.type is THREAD_STARTED)
    assert (news.source_id, news.thread, news.title, news.body) == (*["1103640000000000010"] * 2, "help", None)
    assert news.url == f"https://discord.com/channels/{GUILD}/1103640000000000010"
    assert news.source_parent_id is None


def test_the_first_message_of_a_post_starts_it_and_the_others_answer_it(guild: Guild) -> None:
    first = message(id=POST_ID)
    second = message(id="1103640000000000101")
    result = guild.read(POST, [second, first])
    start, rest = activities(result)
    assert (start.type, start.source_id, start.source_parent_id) == (THREAD_STARTED, POST_ID, None)
    assert (rest.type, rest.source_parent_id, rest.source_parent_type) == (MESSAGE, POST_ID, "thread_started")
    assert {(one.title, one.thread, one.channel, one.channel_id) for one in (start, rest)} == {
        ("How to?", POST_ID, "help", "950")
    }
    assert rest.attributes["forum"] is rest.attributes["thread"] is True
    assert rest.attributes["childChannel"] == "How to?"


@pytest.mark.parametrize("author", [BOT, {"id": "9", "username": "Clyde", "system": True}])
def test_a_post_by_a_bot_has_no_start_to_answer(guild: Guild, author: dict[str, Any]) -> None:
    found = only(guild.read(POST, [message(id="1103640000000000101"), message(id=POST_ID, author=author)]))
    assert found.source_parent_id is None


def test_an_answer_to_the_first_message_of_a_post_answers_the_start(guild: Guild) -> None:
    answer = message(id="1103640000000000101", type=19, message_reference={"message_id": POST_ID})
    found = activities(guild.read(POST, [answer, message(id=POST_ID)]))[-1]
    assert (found.source_parent_id, found.source_parent_type) == (POST_ID, "thread_started")


def look_back(**changed: Any) -> dict[str, Any]:
    reference = {"channel_id": "900", "message_id": THREAD_ID}
    return message(id="1103640000000000020", type=21, content="", message_reference=reference, **changed)


@pytest.mark.parametrize(
    ("changed", "parent"),
    [
        ({"referenced_message": message(id=THREAD_ID)}, (THREAD_ID, "message")),
        ({}, (THREAD_ID, "message")),
        ({"referenced_message": None}, (None, None)),
        ({"referenced_message": message(id=THREAD_ID, author=BOT)}, (None, None)),
        ({"referenced_message": message(id=THREAD_ID, webhook_id="88")}, (None, None)),
    ],
    ids=["a person's message", "not loaded", "deleted", "a bot's message", "a webhook's message"],
)
def test_what_is_said_in_a_thread_answers_the_message_it_was_made_from(
    guild: Guild, changed: dict[str, Any], parent: tuple[str | None, str | None]
) -> None:
    said = only(guild.read(THREAD, [message(id="1103640000000000021"), look_back(**changed)]))
    assert (said.source_parent_id, said.source_parent_type) == parent


def test_a_thread_without_a_look_back_was_started_by_the_news_of_it(guild: Guild) -> None:
    said = only(guild.read(THREAD, [message(id="1103640000000000021")]))
    assert (said.source_parent_id, said.source_parent_type) == (THREAD_ID, "thread_started")


def test_a_private_thread_has_no_news_to_answer(guild: Guild) -> None:
    private = THREAD.model_copy(update={"place": THREAD.place.model_copy(update={"form": "private"})})
    said = only(guild.read(private, [message(id="1103640000000000021")]))
    assert (said.source_parent_id, said.thread) == (None, THREAD_ID)


def test_what_a_thread_began_with_is_remembered_when_it_is_deleted(guild: Guild) -> None:
    guild.keep(guild.read(THREAD, [look_back(referenced_message=message(id=THREAD_ID))]))
    gone = [message(id="1103640000000000021"), look_back(referenced_message=None)]
    assert only(guild.read(THREAD, gone, onboarding=True)).source_parent_id == THREAD_ID


@pytest.mark.parametrize(
    ("original", "parent"),
    [
        (message(id="1103640000000000001"), "1103640000000000001"),
        (None, "1103640000000000001"),
        ("left out", "1103640000000000001"),
        (message(author=BOT), None),
        (message(type=7, content=""), None),
        (message(webhook_id="88"), None),
    ],
    ids=["said", "deleted", "not loaded", "a bot's", "a join", "a webhook's"],
)
def test_a_reply_answers_what_it_refers_to_if_that_is_an_activity(
    guild: Guild, original: Any, parent: str | None
) -> None:
    told = {} if original == "left out" else {"referenced_message": original}
    found = only(guild.read(MESSAGES, [message(type=19, **ANSWER, **told)]))
    assert found.source_parent_id == parent


def test_a_reply_to_a_bot_in_a_post_answers_the_post(guild: Guild) -> None:
    reply = message(id="1103640000000000101", type=19, **ANSWER, referenced_message=message(author=BOT))
    assert activities(guild.read(POST, [reply, message(id=POST_ID)]))[-1].source_parent_id == POST_ID


def test_something_forwarded_is_no_answer(guild: Guild) -> None:
    forwarded = message(
        content="", message_reference={"type": 1, **ANSWER["message_reference"]}, message_snapshots=[{}]
    )
    found = only(guild.read(MESSAGES, [forwarded]))
    assert (found.source_parent_id, found.body) == (None, "")


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 23, 24, 46, 999])
def test_what_nobody_said_is_no_activity_whatever_its_shape(guild: Guild, kind: int) -> None:
    result = guild.read(MESSAGES, [{"id": "1103650000000000001", "type": kind, "author": None}])
    assert activities(result) == []
    assert result.rejected == ()


@pytest.mark.parametrize(
    "author", [BOT, {"bot": True}, {"id": "9", "username": "Discord", "system": True}], ids=["a bot", "odd", "system"]
)
def test_bots_are_nobody(guild: Guild, author: dict[str, Any]) -> None:
    result = guild.read(MESSAGES, [message(author=author)])
    assert (activities(result), result.rejected) == ([], ())


def test_texts_that_no_database_takes_are_made_storable(guild: Guild) -> None:
    body = only(guild.read(MESSAGES, [message(content="a\x00b\ud800")])).body
    assert body == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({"content": ""}, None),
        ({"content": None}, None),
        ({"content": "", "attachments": [{"filename": "x", "url": "https://x.example/?a"}]}, ""),
        ({"content": "", "sticker_items": [{"id": "1", "name": "wave", "format_type": 1}]}, ""),
        ({"content": "", "poll": {"question": {"text": "?"}}}, ""),
    ],
    ids=["withheld", "null", "a file", "a sticker", "a poll"],
)
def test_a_bare_message_was_withheld_and_one_with_something_else_says_nothing(
    guild: Guild, changed: dict[str, Any], body: str | None
) -> None:
    assert only(guild.read(MESSAGES, [message(**changed)])).body == body


@pytest.mark.parametrize("shown", [{"content": ""}, {"content": "", "sticker_items": [{"name": "wave"}]}])
def test_what_was_known_is_not_told_anew_when_it_is_withheld(guild: Guild, shown: dict[str, Any]) -> None:
    guild.keep(guild.read(MESSAGES, [message()]))
    blind = {"id": "7", "flags": 0, "bot": {"id": "7", "username": "reader"}}
    guild.keep(guild.look([], application=blind))
    newer = message(id="1103660000000000001", **shown)
    for onboarding in (True, False):
        result = guild.read(MESSAGES, [newer, message(**shown)], onboarding=onboarding)
        assert [(one.source_id, one.body) for one in activities(result)] == [(newer["id"], None)]
        [kept] = others(result)
        assert isinstance(kept, ShowActivities)
        assert [one.source_id for one in kept.activities] == [message()["id"]]


def test_markup_is_shown_by_name() -> None:
    names = Names(users={"1": "ada"}, roles={"2": "helpers", "9": "@everyone"}, channels={"3": "general"})
    text = (
        "<@1> <@!1> <@&2> <@&9> <#3> <:wave:4> <a:dance:5> </roll dice:6> <t:1700000000> <t:1700000000:R> <b> <@x> <3"
    )
    shown = "@ada @ada @helpers @everyone #general :wave: :dance: /roll dice 2023-11-14 22:13 UTC 2023-11-14 22:13 UTC"
    assert readable(text, names) == f"{shown} <b> <@x> <3"
    assert readable("<@8> <@&8> <#8>", names) == "@unknown-user @unknown-role #unknown-channel"
    assert readable("<t:9999999999999:F>", names) == "<t:9999999999999:F>"


def test_names_of_channels_threads_and_roles_come_from_the_last_look(guild: Guild) -> None:
    helpers = {"id": "55", "name": "Helpers", "permissions": "0"}
    everybody = {"id": GUILD, "name": "@everyone", "permissions": "66560"}
    channels = [{"id": "900", "type": 0, "name": "general"}]
    threads = [{"id": "901", "type": 11, "name": "a thread", "parent_id": "900"}]
    guild.keep(guild.look(channels, threads, guild={"id": GUILD, "roles": [everybody, helpers]}))
    found = only(guild.read(MESSAGES, [message(content="<#900> <#901> <@&55>")]))
    assert found.body == "#general #a thread @Helpers"


def test_members_join_once_per_coming_and_only_people_do(guild: Guild) -> None:
    result = guild.read(MEMBERS, payload("members"))
    joined = only(result)
    assert (joined.type, joined.source_id) == (JOINED_GUILD, f"{GUILD}:123:2021-03-01T12:00:00.000000+00:00")
    assert joined.timestamp.isoformat() == "2021-03-01T12:00:00+00:00"
    assert joined.member.attributes == {
        "url": "https://discord.com/users/123",
        "avatarUrl": "https://cdn.discordapp.com/avatars/123/a_1f.png",
    }
    [guest] = members(result)
    assert (guest.source_id, guest.display_name) == ("789", "Lurker")
    assert result.next_page == MEMBERS.model_copy(update={"after": "999", "seen": 4})
    assert result.watermarks == {}


def test_only_an_empty_page_ends_the_list_of_members(guild: Guild) -> None:
    result = guild.read(MEMBERS.model_copy(update={"after": "999", "seen": 4}), [])
    assert (result.next_page, result.watermarks) == (None, {"members": {"day": MEMBERS.day}})
    assert result.incomplete is None


def test_members_who_came_before_lead_to_themselves_and_end_nothing(guild: Guild) -> None:
    further = MEMBERS.model_copy(update={"after": "999"})
    result = guild.read(further, payload("members"))
    assert result.next_page is not None
    assert (result.next_page.key, result.watermarks) == (further.key, {})


def test_an_archive_leads_to_its_threads_and_its_next_page(guild: Guild) -> None:
    archive = ArchiveStream(channel_id="950", channel="help", posts=True)
    result = guild.read(archive, payload("archive"))
    assert [(one.place.name, one.place.form, one.last) for one in result.new_streams] == [  # type: ignore[attr-defined]
        ("How to?", "post", "1103640000000000200"),
        ("Older", "post", "1103640000000000060"),
    ]
    newest = "2023-06-01T00:00:00.500000+00:00"
    following = {"before": "2023-05-01T00:00:00.001000+00:00", "until": newest}
    assert result.next_page == archive.model_copy(update=following)
    assert result.watermarks == {}
    last = guild.read(archive.model_copy(update=following), {"threads": [], "has_more": False})
    assert last.watermarks == {"archive:public:950": {"until": "2023-06-01T00:00:00.500000Z"}}


def test_a_check_of_an_archive_ends_where_the_last_one_began(guild: Guild) -> None:
    archive = ArchiveStream(channel_id="950", channel="help", posts=True)
    guild.known["archive:public:950"] = {"until": "2023-05-15T00:00:00Z"}
    guild.known["messages:1103640000000000050"] = {"last": "1103640000000000060"}
    result = guild.read(archive, payload("archive"))
    assert result.next_page is None
    assert [one.place.name for one in result.new_streams] == ["How to?"]  # type: ignore[attr-defined]


def test_what_is_no_record_at_all_is_kept_as_evidence(guild: Guild) -> None:
    oddities: tuple[Any, ...] = ("surprise", 5, [])
    for odd in oddities:
        for stream, good in ((MESSAGES, [message()]), (MEMBERS, payload("members"))):
            result = guild.read(stream, [odd, *good])
            assert [record.payload for record in result.rejected] == [odd]
            assert len(activities(result)) == 1


@pytest.mark.parametrize(
    "spoiled",
    [
        {"id": None},
        {"id": "abc"},
        {"id": "9" * 30},
        {"id": "9" * 19},
        {"author": None},
        {"author": {"username": "x"}},
        {"type": "x"},
    ],
    ids=str,
)
def test_a_message_that_cannot_be_used_is_kept_while_its_page_goes_on(guild: Guild, spoiled: dict[str, Any]) -> None:
    other = message(id="1103660000000000001")
    result = guild.read(MESSAGES, [message(**spoiled), other])
    assert [one.source_id for one in activities(result)] == [other["id"]]
    [rejected] = result.rejected
    assert rejected.reason.startswith(f"message: {next(iter(spoiled))}")


def test_an_id_of_the_future_hides_nothing(guild: Guild) -> None:
    guild.keep(guild.read(MESSAGES, [message(id="5" * 19), message()]))
    assert guild.known["messages:900"]["read"] == message()["id"]


def test_a_page_of_nothing_but_nameless_records_moves_nothing(guild: Guild) -> None:
    result = guild.read(MESSAGES, [message(id=None)])
    assert (result.watermarks, result.next_page, len(result.rejected)) == ({}, None, 1)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"mentions": [None, 5]}, {"attachments": ["x"]}, {"reactions": [{"emoji": None}]}, {"timestamp": 10**18},
        {"message_reference": 7}, {"referenced_message": "x"}, {"content": 5}, {"embeds": {}}, {"poll": 3},
    ],
    ids=str,
)  # fmt: skip
def test_a_message_is_not_refused_for_what_it_can_do_without(guild: Guild, spoiled: dict[str, Any]) -> None:
    result = guild.read(MESSAGES, [message(**spoiled)])
    assert only(result).source_id == "1103650000000000001"
    assert result.rejected == ()


def test_a_thread_that_was_read_whole_retracts_what_it_no_longer_holds(guild: Guild) -> None:
    stream = POST.model_copy(update={"last": "1103640000000000101"})
    result = guild.read(stream, [message(id="1103640000000000101"), message(id=POST_ID)])
    present = frozenset({"1103640000000000101", POST_ID})
    assert others(result) == [
        RetractMissing(type=kind, thread=POST_ID, present=present) for kind in (MESSAGE, THREAD_STARTED)
    ]


def test_a_thread_with_a_message_that_does_not_say_which_it_is_retracts_nothing(guild: Guild) -> None:
    stream = POST.model_copy(update={"last": POST_ID})
    assert others(guild.read(stream, [message(id=None), message(id=POST_ID)])) == []


def test_what_is_missing_among_the_recent_is_retracted(guild: Guild) -> None:
    ids = [str(1103650000000000000 + number) for number in range(5)]
    first = guild.keep(guild.read(MESSAGES.model_copy(update={"last": ids[4]}), [message(id=id_) for id_ in ids]))
    assert first.next_page is None
    again = MESSAGES.model_copy(update={"after": str(int(ids[0]) - 1), "last": "1103660000000000001"})
    page = [message(id="1103660000000000001"), *(message(id=id_) for id_ in ids if id_ not in ids[1:3])]
    result = guild.keep(guild.read(again, page))
    assert others(result) == [RetractActivities(type=MESSAGE, source_ids=tuple(ids[1:3]))]
    assert guild.known["messages:900"]["recent"] == [ids[0], ids[3], ids[4], "1103660000000000001"]


def test_an_empty_page_retracts_nothing(guild: Guild) -> None:
    guild.keep(guild.read(MESSAGES.model_copy(update={"last": "1103650000000000001"}), [message()]))
    result = guild.read(MESSAGES.model_copy(update={"after": "1", "last": "1103660000000000001"}), [])
    assert others(result) == []


@pytest.mark.parametrize("given", ["100", 100])
def test_a_guild_is_named_by_its_id(given: Any) -> None:
    assert DiscordSettings(guild_id=given).guild_id == "100"


@pytest.mark.parametrize("given", [{}, {"guild_id": ""}, {"guild_id": "my server"}, {"guild_id": "1", "channels": []}])
def test_settings_without_a_guild_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DiscordSettings.model_validate(given)


@pytest.mark.parametrize("given", ["abc", "Bot abc", " abc\n"])
def test_a_token_may_come_with_its_scheme(given: str) -> None:
    assert DiscordCredentials.model_validate({"token": given}).token.get_secret_value() == "abc"


@pytest.mark.parametrize("given", ["", "Bot ", "  "])
def test_an_empty_token_is_refused_without_being_shown(given: str) -> None:
    with pytest.raises(ValidationError):
        DiscordCredentials.model_validate({"token": given})


def test_without_a_token_both_places_for_one_are_named() -> None:
    with pytest.raises(ValidationError, match="CROWD_DISCORD_TOKEN"):
        DiscordCredentials.model_validate({})


def test_a_list_of_roles_without_everyone_hides_nothing(guild: Guild) -> None:
    channel = {"id": "900", "type": 0, "name": "general", "last_message_id": "1103650000000000001"}
    roles = [{"id": "77", "name": "mods", "permissions": "0"}]
    result = guild.look([channel], onboarding=True, guild={"id": GUILD, "owner_id": "1", "roles": roles})
    assert "messages" in {stream.kind for stream in result.new_streams}


def test_an_onboarding_asks_for_the_members_even_where_no_intent_is_shown(guild: Guild) -> None:
    told: dict[str, Any] = {"application": {"id": "7", "flags": 8192, "bot": {"id": "7", "username": "reader"}}}
    onboarding = guild.look([], onboarding=True, **told)
    check = guild.look([], **told)
    assert [[stream.kind for stream in look.new_streams] for look in (onboarding, check)] == [["members"], []]


@pytest.mark.parametrize("name", [None, 7, ["general"]])
def test_a_channel_without_a_name_is_called_by_its_id_and_read(guild: Guild, name: Any) -> None:
    channel = {"id": "900", "type": 0, "name": name, "last_message_id": "1103650000000000001"}
    result = guild.look([channel], onboarding=True)
    [messages] = [stream for stream in result.new_streams if stream.kind == "messages"]
    assert messages.label == "messages of #900"
    assert result.rejected == ()
