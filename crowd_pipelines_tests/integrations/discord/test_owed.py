"""What is owed of a guild, and what reads it when the bot may."""

from typing import Any

import pytest

from crowd_pipelines.http import CredentialsRejected, Retryable
from crowd_pipelines.http.errors import Gone, NotPermitted
from crowd_pipelines.integrations.discord.integration import DiscordIntegration
from crowd_pipelines.integrations.discord.streams import (
    ArchiveStream,
    ContentsStream,
    GuildStream,
    MembersStream,
    MessagesStream,
    PlaceStream,
)
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.discord.guild import GUILD, MEMBERS, MESSAGES, POST, THREAD, Guild, message
from crowd_pipelines_tests.integrations.discord.test_guild import (
    BOTH,
    EVERYBODY,
    VIEW,
    archives,
    channel,
    messages,
    seen,
    thread,
)

DISCORD = DiscordIntegration()
CLOSED = {"id": GUILD, "type": 0, "allow": "0", "deny": str(VIEW)}
TOLD: dict[str, Any] = {"guild": {"id": GUILD, "roles": [EVERYBODY]}}
HIDDEN = channel("910", permission_overwrites=[CLOSED])
BLIND = {"id": "7", "flags": 1 << 15, "bot": {"id": "7", "username": "reader"}}


def process(guild: Guild, stream: Stream, *, onboarding: bool = True) -> StreamResult:
    return DISCORD.process_stream(stream, guild.run(onboarding=onboarding))


@pytest.mark.parametrize(
    ("stream", "key", "own"),
    [
        (MESSAGES, "900", PlaceStream(channel_id="900", channel="general")),
        (MESSAGES.model_copy(update={"after": "5"}), "900", PlaceStream(channel_id="900", channel="general")),
        (THREAD, THREAD.place.id, PlaceStream(channel_id="900", channel="general", thread=THREAD.place)),
        (POST, POST.place.id, PlaceStream(channel_id="950", channel="help", thread=POST.place)),
        (ArchiveStream(channel_id="900", channel="x"), "900", PlaceStream(channel_id="900", channel="x")),
        (
            ArchiveStream(channel_id="900", channel="x", archive="joined"),
            "900",
            PlaceStream(channel_id="900", channel="x"),
        ),
        (
            ArchiveStream(channel_id="900", channel="x", archive="private"),
            "private:900",
            PlaceStream(channel_id="900", channel="x", private=True),
        ),
        (MEMBERS, "members", MembersStream()),
        (ContentsStream(channel_id="1", message_id="2"), "contents", ContentsStream()),
    ],
)
def test_every_stream_is_of_the_place_that_is_owed_when_it_is_refused(
    guild: Guild, stream: Stream, key: str, own: Stream
) -> None:
    place = DISCORD.place_of(stream)
    assert place is not None
    assert (place.key, place.stream.key) == (key, own.key)
    again = DISCORD.place_of(place.stream)
    assert again is not None
    assert (again.key, again.stream.key) == (key, own.key)


def test_the_guild_and_a_note_that_a_place_opened_belong_to_no_place() -> None:
    assert DISCORD.place_of(GuildStream()) is None
    opened = PlaceStream(channel_id="900", channel="x", opened=True)
    assert DISCORD.place_of(opened) is None
    assert opened.key == PlaceStream(channel_id="900", channel="renamed").key


def test_what_is_owed_is_told_once_and_not_at_every_look(guild: Guild) -> None:
    onboarding = guild.keep(guild.look([channel(), HIDDEN], onboarding=True, **TOLD))
    [owed] = onboarding.owed
    assert (owed.place, owed.permission, owed.stream) == (
        "910",
        "View Channel",
        PlaceStream(channel_id="910", channel="channel-910"),
    )
    guild.owed["910"] = frozenset({"View Channel"})
    assert guild.look([channel(), HIDDEN], **TOLD).owed == ()


def test_a_channel_that_was_opened_is_noted_and_read_by_what_is_owed(guild: Guild) -> None:
    seen(guild, [channel(), HIDDEN], **TOLD)
    guild.owed["910"] = frozenset({"View Channel"})
    result = guild.look([channel(), channel("910")], [thread("9001", "910")], **TOLD)
    assert result.new_streams == (PlaceStream(channel_id="910", channel="channel-910", opened=True),)
    noted = process(guild, result.new_streams[0], onboarding=False)
    assert (noted, guild.asked()[5:]) == (StreamResult(), [])


def test_an_opened_channel_is_read_whole(guild: Guild) -> None:
    seen(guild, [channel(), HIDDEN], **TOLD)
    guild.look([channel(), channel("910")], [thread("9001", "910")], **TOLD)
    whole = process(guild, PlaceStream(channel_id="910", channel="x"))
    assert messages(whole) == {"910": "0", "9001": "0"}
    assert archives(whole) == [("910", "joined")]


def test_a_channel_that_is_still_closed_is_owed_on_without_a_refusal(guild: Guild) -> None:
    guild.look([channel(), HIDDEN], onboarding=True, **TOLD)
    guild.asked()
    with pytest.raises(NotPermitted) as refused:
        process(guild, PlaceStream(channel_id="910", channel="x"))
    assert refused.value.permission == "View Channel"
    assert guild.asked() == []


def test_a_channel_that_was_deleted_is_owed_no_more(guild: Guild) -> None:
    guild.look([channel()], onboarding=True, **TOLD)
    assert process(guild, PlaceStream(channel_id="910", channel="x")).skipped


@pytest.mark.parametrize(
    ("path", "stream", "permission"),
    [
        ("/channels/900/messages", MESSAGES, "View Channel"),
        ("/channels/900/threads/archived/public", ArchiveStream(channel_id="900", channel="x"), "View Channel"),
        (
            "/channels/900/threads/archived/private",
            ArchiveStream(channel_id="900", channel="x", archive="private"),
            "Manage Threads",
        ),
        (f"/guilds/{GUILD}/members", MEMBERS, "Server Members Intent"),
    ],
)
def test_what_is_refused_is_not_permitted_and_never_gone(
    guild: Guild, path: str, stream: Stream, permission: str
) -> None:
    guild.refuses(path, 403, "Missing Access", 50001)
    with pytest.raises(NotPermitted) as refused:
        process(guild, stream)
    assert refused.value.permission == permission


def test_a_place_that_is_owed_is_asked_for_by_no_check(guild: Guild) -> None:
    seen(guild, [channel(), channel("902")], [thread("901"), thread("905", "902")])
    guild.owed.update({"900": frozenset({"View Channel"}), "905": frozenset({"View Channel"})})
    moved = [channel(last="2000"), channel("902", last="2000")]
    result = guild.look(moved, [thread("901", last="2000"), thread("905", "902", last="2000")])
    assert messages(result) == {"902": "1000"}
    # An onboarding asks for everything.
    guild.owed.clear()
    assert messages(guild.look(moved, onboarding=True)) == {"900": "0", "902": "0"}


def test_an_owed_thread_is_not_asked_for_by_its_archive_either(guild: Guild) -> None:
    guild.owed["1103640000000000050"] = frozenset({"View Channel"})
    body = {"threads": [thread("1103640000000000050", "950")], "has_more": False}
    assert guild.read(ArchiveStream(channel_id="950", channel="help"), body).new_streams == ()


def test_private_threads_that_show_are_a_reason_to_tell_of_manage_threads(guild: Guild) -> None:
    private = thread("917", "900", type=12)
    result = guild.look([channel(), channel("902")], [private], onboarding=True, **TOLD)
    [owed] = result.owed
    assert (owed.place, owed.permission) == ("private:900", "Manage Threads")
    assert archives(result) == [("900", "joined"), ("902", "joined")]
    with pytest.raises(NotPermitted):
        process(guild, owed.stream)
    assert guild.look([channel()], [private], onboarding=True).owed == ()
    [archive] = process(guild, owed.stream).new_streams
    assert archive == ArchiveStream(channel_id="900", channel="channel-900", archive="private")


def test_where_private_archives_refuse_those_that_the_bot_joined_are_read(guild: Guild) -> None:
    seen(guild, [channel()])
    guild.known["guild"] = {**guild.known["guild"], "day": "2026-02-01"}
    guild.owed["private:900"] = frozenset({"two-factor authentication"})
    assert sorted(archives(guild.look([channel()]))) == [("900", "joined"), ("900", "private"), ("900", "public")]


def test_without_the_content_intent_everything_said_is_owed_once(guild: Guild) -> None:
    [owed] = guild.keep(guild.look([channel()], onboarding=True, application=BLIND)).owed
    assert (owed.place, owed.permission, owed.stream) == ("contents", "Message Content Intent", ContentsStream())
    with pytest.raises(NotPermitted):
        process(guild, owed.stream)
    # The page, which knows that it is blind, does not tell of it again.
    assert guild.read(MESSAGES, [message(content="")]).owed == ()
    guild.look([channel(), channel("915", 15)], [thread()])
    whole = process(guild, owed.stream)
    assert messages(whole) == {"900": "0", "901": "0"}
    assert sorted(archives(whole)) == [("900", "private"), ("915", "public")]


def test_contents_that_come_empty_in_spite_of_the_intent_are_owed_until_one_shows(guild: Guild) -> None:
    guild.keep(guild.look([channel()], onboarding=True))
    result = guild.read(MESSAGES, [message(content="")])
    [owed] = result.owed
    assert isinstance(owed.stream, ContentsStream)
    assert (owed.place, owed.stream.message_id) == ("contents", message()["id"])
    guild.shows("900", message()["id"], message(content=""))
    with pytest.raises(NotPermitted):
        process(guild, owed.stream)
    for shown in (message(content="now"), None):
        guild.shows("900", message()["id"], shown)
        assert messages(process(guild, owed.stream)) == {"900": "0"}


def test_one_empty_message_among_others_says_nothing_about_the_intent(guild: Guild) -> None:
    guild.keep(guild.look([channel()], onboarding=True))
    others = [message(id=str(1103650000000000001 + number)) for number in range(3)]
    assert guild.read(MESSAGES, [*others, message(id="1103650000000000009", content="")]).owed == ()
    empty = [{**one, "content": ""} for one in others]
    assert guild.read(MESSAGES, [*empty, message(id="1103650000000000009")]).owed != ()


def test_members_are_listed_when_the_intent_is_there(guild: Guild) -> None:
    blind = {**BLIND, "flags": 1 << 19}
    [owed] = guild.look([channel()], onboarding=True, application=blind).owed
    assert owed.place == "members"
    result = guild.read(owed.stream, [])
    assert result.next_page is None
    page = guild.read(owed.stream, [{"user": {"id": "5", "username": "x"}, "joined_at": None}])
    assert isinstance(page.next_page, MembersStream)
    assert page.next_page.day == "2026-02-28"


@pytest.mark.parametrize("stream", [MESSAGES, THREAD, ArchiveStream(channel_id="900", channel="general")])
def test_what_is_not_found_is_gone_only_if_nothing_else_shows_it(guild: Guild, stream: Stream) -> None:
    run, path = guild.run(), f"/channels/{THREAD.place.id}"
    guild.look([channel(), channel("902")])
    guild.server.plays(path, answer(200, thread(THREAD.place.id)))
    with pytest.raises(Retryable, match="yet shows it elsewhere"):
        DISCORD.confirm_place(stream, run)
    guild.look([channel("902")])
    guild.refuses(path, 404, "Unknown Channel", 10003)
    DISCORD.confirm_place(stream, run)


@pytest.mark.parametrize("odd", [[], [None], [channel("902"), None], [channel("902"), {"id": "x"}]])
def test_a_list_of_channels_that_is_odd_proves_nothing(guild: Guild, odd: list[Any]) -> None:
    guild.look(odd)
    with pytest.raises(Retryable):
        DISCORD.confirm_place(MESSAGES, guild.run())
    result = process(guild, PlaceStream(channel_id="910", channel="x"))
    assert (result.skipped, bool(result.incomplete)) == (None, True)


def test_a_bot_that_was_removed_has_no_gone_channels(guild: Guild) -> None:
    guild.refuses("/channels/900/messages", 404, "Unknown Channel", 10003)
    guild.refuses(f"/guilds/{GUILD}/channels", 404, "Unknown Guild", 10004)
    with pytest.raises(Gone):
        process(guild, MESSAGES)
    with pytest.raises(CredentialsRejected):
        DISCORD.confirm_place(MESSAGES, guild.run())


def test_a_guild_that_discord_denies_is_known_by_its_roles(guild: Guild) -> None:
    guild.look([channel(), HIDDEN], onboarding=True, **TOLD)
    guild.refuses(f"/guilds/{GUILD}", 404, "Unknown Guild", 10004)
    guild.server.plays(f"/guilds/{GUILD}/roles", answer(200, [{**EVERYBODY, "permissions": str(BOTH)}]))
    result = process(guild, GuildStream())
    assert [one.place for one in result.owed] == ["910"]
    assert messages(result) == {"900": "0"}


def test_streams_that_an_earlier_version_queued_are_read(guild: Guild) -> None:
    old = {"place": MESSAGES.place.model_dump(), "after": "5", "last": "9", "permissions": "400"}
    loaded = DISCORD.load_stream("messages", old)
    assert isinstance(loaded, MessagesStream)
    assert loaded.after == "5"
    assert DISCORD.load_stream("archive", {"channel_id": "900", "channel": "x", "permissions": "400"})
    assert DISCORD.load_stream("members", {"after": "5", "day": "2026-01-01"})
