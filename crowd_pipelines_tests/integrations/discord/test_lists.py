"""Lists that contradict themselves, records that came as null, and what comes back."""

from typing import Any

import pytest

from crowd_pipelines.http.errors import NotPermitted
from crowd_pipelines.integrations.discord.activities import JOINED_GUILD, MESSAGE, THREAD_STARTED
from crowd_pipelines.integrations.discord.guild import read_guild
from crowd_pipelines.integrations.discord.messages import read_messages
from crowd_pipelines.integrations.discord.streams import ArchiveStream, MessagesMark, MessagesStream, NewsMark
from crowd_pipelines.model.streams import RetractActivities, RetractMissing
from crowd_pipelines_tests.http.scripted_server import answer
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
from crowd_pipelines_tests.integrations.discord.test_guild import channel, messages, seen, thread

ARCHIVE = ArchiveStream(channel_id="950", channel="help", posts=True)
LAST = "1103660000000000009"
FIRST, SECOND = POST_ID, "1103640000000000101"


@pytest.mark.parametrize(
    "body",
    [
        {"threads": [], "has_more": True},
        {"threads": [None], "has_more": True},
        {"threads": [{**thread("5", "950"), "thread_metadata": None}], "has_more": True},
        {"threads": ["odd"], "has_more": True},
    ],
    ids=["no threads", "null", "no time", "odd"],
)
def test_an_archive_that_has_more_without_saying_where_neither_ends_nor_moves(guild: Guild, body: Any) -> None:
    result = guild.read(ARCHIVE, body, onboarding=True)
    assert result.incomplete
    assert result.next_page is None


def test_an_archive_that_does_not_say_whether_there_is_more_is_read_until_it_is_empty(guild: Guild) -> None:
    page = guild.read(ARCHIVE, {"threads": [payload("archive")["threads"][0]]}, onboarding=True)
    assert page.next_page is not None
    last = guild.read(page.next_page, {"threads": []}, onboarding=True)
    assert (last.next_page, last.incomplete) == (None, None)
    assert last.watermarks == {ARCHIVE.subject: {"until": "2023-06-01T00:00:00.500000Z"}}


def test_joined_archives_come_by_id_so_all_their_pages_are_read(guild: Guild) -> None:
    joined = ARCHIVE.model_copy(update={"archive": "joined", "posts": False})
    guild.known[joined.subject] = {"until": "2023-07-01T00:00:00Z"}
    path = "/channels/950/users/@me/threads/archived/private"
    guild.server.plays(path, answer(200, payload("archive")))
    guild.refuses("/channels/950/threads/archived/public", 500, "not this one", 0)
    result = guild.read(joined, payload("archive"))
    assert result.next_page == joined.model_copy(
        update={"before": "1103640000000000050", "until": "2023-06-01T00:00:00.500000+00:00"}
    )


def test_active_threads_that_go_on_nowhere_are_not_all(guild: Guild) -> None:
    seen(guild, [channel()])
    guild.server.plays(f"/guilds/{GUILD}/threads/active", answer(200, {"threads": [thread()], "has_more": True}))
    guild.server.plays(f"/guilds/{GUILD}/channels", answer(200, [channel()]))
    result = read_guild(guild.run())
    assert result.incomplete
    assert messages(result) == {"901": "0"}


def test_a_guild_that_lost_all_its_channels_at_once_is_not_believed(guild: Guild) -> None:
    seen(guild, [channel()], [thread()])
    assert guild.look([], []).incomplete
    assert guild.look([channel()], []).incomplete is None


def test_a_last_message_that_is_there_but_not_in_the_list_keeps_the_list_open(guild: Guild) -> None:
    guild.keep(guild.read(MESSAGES.model_copy(update={"last": message()["id"]}), [message()]))
    stale = MESSAGES.model_copy(update={"after": message()["id"], "last": LAST})
    path = f"/channels/900/messages/{LAST}"
    assert guild.read(stale, []).incomplete is None
    guild.server.plays("/channels/900/messages", answer(200, []))
    guild.server.plays(path, answer(200, message(id=LAST)))
    result = _again(guild, stale)
    assert result.incomplete
    assert (result.watermarks, result.next_page, others(result)) == ({}, None, [])


def test_a_history_that_was_closed_shows_by_its_last_message(guild: Guild) -> None:
    guild.server.plays("/channels/900/messages", answer(200, []))
    guild.refuses(f"/channels/900/messages/{LAST}", 403, "Missing Permissions", 50013)
    with pytest.raises(NotPermitted) as refused:
        _again(guild, MESSAGES.model_copy(update={"last": LAST}))
    assert refused.value.permission == "Read Message History"


@pytest.mark.parametrize(("fresh", "believed"), [(9, False), (2, True), (None, True)])
def test_a_thread_that_is_shorter_than_its_count_is_not_whole(guild: Guild, fresh: int | None, believed: bool) -> None:
    stream = POST.model_copy(update={"last": SECOND, "count": 9})
    if fresh is None:
        guild.refuses(f"/channels/{POST_ID}", 404, "Unknown Channel", 10003)
    else:
        guild.server.plays(f"/channels/{POST_ID}", answer(200, {**thread(POST_ID, "950"), "message_count": fresh}))
    result = guild.read(stream, [message(id=SECOND), message(id=FIRST)])
    assert (result.incomplete is None) is believed
    assert len(activities(result)) == 2
    assert [isinstance(one, RetractMissing) for one in others(result)] == ([True, True] if believed else [])
    assert bool(result.watermarks) is believed


def test_a_thread_of_several_pages_is_counted_over_all(guild: Guild) -> None:
    stream = THREAD.model_copy(update={"last": LAST, "count": 3})
    first = guild.read(stream, [message(id="1103650000000000001"), message(id="1103650000000000002")])
    assert isinstance(first.next_page, MessagesStream)
    assert first.next_page.progress is not None
    assert first.next_page.progress.records == 2
    result = guild.read(first.next_page, [message(id=LAST)])
    assert (result.incomplete, others(result)) == (None, [])


def test_a_thread_whose_last_message_was_deleted_is_whole_after_an_empty_page(guild: Guild) -> None:
    first = guild.read(POST.model_copy(update={"last": LAST}), [message(id=SECOND), message(id=FIRST)])
    assert (others(first), first.next_page is None) == ([], False)
    assert isinstance(first.next_page, MessagesStream)
    result = guild.read(first.next_page, [])
    assert [one.present for one in others(result) if isinstance(one, RetractMissing)] == 2 * [
        frozenset({FIRST, SECOND})
    ]
    # Two pages with messages are more than is kept in mind.
    longer = guild.read(first.next_page, [message(id="1103640000000000103")])
    assert isinstance(longer.next_page, MessagesStream)
    assert others(guild.read(longer.next_page, [])) == []


def test_a_thread_that_counts_messages_and_names_no_last_one_is_read(guild: Guild) -> None:
    seen(guild, [channel()])
    assert messages(guild.look([channel()], [thread(last=None, message_count=2)])) == {"901": "0"}
    assert messages(guild.look([channel()], [thread(last=None, message_count=0)])) == {}


@pytest.mark.parametrize("nothing", [[{"id": None}], [None], ["odd"]])
def test_a_page_that_does_not_say_where_it_goes_on_ends_nothing(guild: Guild, nothing: list[Any]) -> None:
    for stream, size in ((MESSAGES, 100), (MEMBERS, 1000)):
        result = guild.read(stream, nothing * size)
        assert result.incomplete
        assert (result.next_page, result.watermarks) == (None, {})
        # A short page is the last one: what it holds is kept apart or unread, and asked for again.
        short = guild.read(stream, nothing)
        assert (short.next_page, short.watermarks, short.incomplete) == (None, {}, None)
        assert len(short.rejected) + short.unread == 1


def test_a_list_of_members_without_the_bot_is_not_whole(guild: Guild) -> None:
    assert guild.read(MEMBERS, []).incomplete


@pytest.mark.parametrize(("seen_before", "whole"), [(5_000, False), (5_400, True), (6_000, True), (0, True)])
def test_a_list_of_members_far_shorter_than_the_guild_counts_is_not_whole(
    guild: Guild, seen_before: int, whole: bool
) -> None:
    counted = {"id": GUILD, "roles": [], "approximate_member_count": 5_800}
    guild.keep(guild.look([channel()], guild=counted))
    result = guild.read(MEMBERS.model_copy(update={"after": "999", "seen": seen_before}), [])
    assert (result.incomplete is None) is whole


def test_a_null_is_an_unread_record_and_nothing_is_retracted(guild: Guild) -> None:
    stream = POST.model_copy(update={"last": SECOND})
    result = guild.read(stream, [None, message(id=SECOND), message(id=FIRST)])
    assert (result.unread, result.rejected, others(result)) == (1, (), [])
    guild.known["messages:900"] = MessagesMark(read="1000", recent=("990", "1000")).model_dump()
    page = guild.read(MESSAGES.model_copy(update={"after": "1"}), [None, message()])
    assert (page.unread, others(page)) == (1, [])
    assert guild.read(MEMBERS, [None, *payload("members")]).unread == 1
    body = {**payload("archive"), "threads": [None, *payload("archive")["threads"]]}
    assert guild.read(ARCHIVE, body).unread == 1
    assert guild.look([None, channel()], [None, thread()], onboarding=True).unread == 2


def test_an_unusable_record_keeps_a_thread_from_being_whole(guild: Guild) -> None:
    stream = POST.model_copy(update={"last": SECOND})
    assert others(guild.read(stream, [message(id=SECOND, author=None), message(id=FIRST)])) == []


def test_what_was_taken_away_and_is_shown_again_is_stored_again(guild: Guild) -> None:
    ids = [str(1103650000000000000 + number) for number in range(3)]
    guild.keep(guild.read(MESSAGES.model_copy(update={"last": ids[2]}), [message(id=id_) for id_ in ids]))
    again = MESSAGES.model_copy(update={"after": str(int(ids[0]) - 1), "last": LAST})
    gone = guild.keep(guild.read(again, [message(id=LAST), message(id=ids[0]), message(id=ids[2])]))
    assert others(gone) == [RetractActivities(type=MESSAGE, source_ids=(ids[1],))]
    back = guild.read(again, [message(id=LAST), *(message(id=id_) for id_ in ids)])
    assert ids[1] in {one.source_id for one in activities(back)}
    assert others(back) == []


def test_a_post_that_was_taken_away_and_is_shown_again_is_stored_again(guild: Guild) -> None:
    stream = POST.model_copy(update={"last": SECOND})
    gone = guild.keep(guild.read(stream, [message(id=SECOND)]))
    assert RetractMissing(type=THREAD_STARTED, thread=POST_ID, present=frozenset({SECOND})) in others(gone)
    back = guild.read(stream, [message(id=SECOND), message(id=FIRST)])
    assert (activities(back)[0].type, activities(back)[0].source_id) == (THREAD_STARTED, POST_ID)


def news(id_: str = "1103650000000000007", name: str = "old name", **changed: Any) -> dict[str, Any]:
    reference = {"channel_id": THREAD_ID, "guild_id": GUILD}
    return message(id=id_, type=18, content=name, message_reference=reference, **changed)


def test_the_start_of_a_thread_has_its_present_name(guild: Guild) -> None:
    seen(guild, [channel()], [thread(THREAD_ID, name="new name")])
    start = only(guild.keep(guild.read(MESSAGES, [news()])))
    assert (start.type, start.title) == (THREAD_STARTED, "new name")
    assert guild.known[NewsMark.subject(THREAD_ID)] == {"message": news()["id"], "name": "new name"}
    guild.known["guild"] = {}
    guild.known[f"messages:{THREAD_ID}"] = MessagesMark(name="from its messages").model_dump()
    assert only(guild.read(MESSAGES, [news()])).title == "from its messages"
    guild.known.clear()
    assert only(guild.read(MESSAGES, [news()])).title == "old name"


def test_a_thread_that_is_renamed_renames_its_start(guild: Guild) -> None:
    guild.keep(guild.read(MESSAGES, [news()]))
    renamed = THREAD.model_copy(update={"place": THREAD.place.model_copy(update={"name": "new name"}), "last": LAST})
    guild.shows("900", news()["id"], news())
    said, start = activities(guild.keep(guild.read(renamed, [message(id=LAST)])))
    assert (said.title, start.title) == ("new name", "new name")
    assert (start.type, start.source_id, start.timestamp) == (
        THREAD_STARTED,
        THREAD_ID,
        only(guild.read(MESSAGES, [news()])).timestamp,
    )
    guild.asked()
    assert [one.type for one in activities(guild.read(renamed, [message(id=LAST)]))] == [MESSAGE]
    assert len(guild.asked()) == 1


@pytest.mark.parametrize("shown", [None, message(type=0)])
def test_news_that_were_deleted_rename_nothing_and_are_asked_for_once(guild: Guild, shown: Any) -> None:
    guild.keep(guild.read(MESSAGES, [news()]))
    renamed = THREAD.model_copy(update={"place": THREAD.place.model_copy(update={"name": "new name"}), "last": LAST})
    guild.shows("900", news()["id"], shown)
    assert [one.type for one in activities(guild.keep(guild.read(renamed, [message(id=LAST)])))] == [MESSAGE]
    assert guild.known[NewsMark.subject(THREAD_ID)]["name"] == "new name"


def forwarding(*snapshots: Any, **changed: Any) -> dict[str, Any]:
    reference = {"type": 1, "channel_id": "5", "message_id": "6", "guild_id": "7"}
    return message(message_reference=reference, message_snapshots=list(snapshots), **changed)


@pytest.mark.parametrize(
    ("said", "snapshots", "body"),
    [
        ("", [{"message": {"content": "theirs"}}], "theirs"),
        ("Look:", [{"message": {"content": "theirs"}}], "Look:\n\ntheirs"),
        ("", [{"message": {"content": "a"}}, {"message": {"content": "b"}}], "a\n\nb"),
        ("", [{"message": {"content": "hi <@9>", "mentions": [{"id": "9", "username": "zoe"}]}}], "hi @zoe"),
        ("", [{"message": {"content": "", "attachments": [{"filename": "x", "url": "https://x/"}]}}], ""),
        ("mine", [{}, None, "odd", {"message": None}], "mine"),
    ],
)
def test_what_is_forwarded_is_stored(guild: Guild, said: str, snapshots: list[Any], body: str) -> None:
    found = only(guild.read(MESSAGES, [forwarding(*snapshots, content=said)]))
    assert (found.body, found.attributes["forwarded"], found.source_parent_id) == (body, True, None)


def test_files_that_are_forwarded_are_listed(guild: Guild) -> None:
    theirs = {"filename": "x.png", "url": "https://cdn.example/x.png?ex=1", "content_type": "image/png", "size": 3}
    found = only(guild.read(MESSAGES, [forwarding({"message": {"content": "", "attachments": [theirs]}})]))
    assert [one["url"] for one in found.attributes["attachments"]] == ["https://cdn.example/x.png"]


POLL = {"question": {"text": "Tea?"}, "answers": []}
STICKER = {"id": "1", "name": "wave", "format_type": 1}


@pytest.mark.parametrize(
    ("shown", "counted"),
    [
        ({}, {}),
        ({"embeds": [{"title": "a preview"}]}, {}),
        ({"content": "", "embeds": [{"title": "a card"}]}, {"embeds": 1}),
        ({"content": "", "components": [{"type": 10, "content": "text"}]}, {"components": 1}),
        ({"content": "", "sticker_items": [STICKER]}, {"sticker_items": 1}),
        ({"poll": POLL}, {"poll": 1}),
        ({"content": "", "poll": POLL}, {"poll": 1}),
        ({"type": 999, "content": "hello"}, {"message of type 999": 1}),
        ({"type": 7, "content": "hello"}, {}),
        ({"type": 999, "content": ""}, {}),
        ({"content": "", "letter": {"pages": [{"text": "Dear all"}]}}, {"field letter": 1}),
        ({"content": "", "letter": {"pages": []}}, {}),
        ({"content": "", "<b>": "x"}, {}),
        ({"content": "", "poll": POLL, "author": {"id": "8", "username": "x", "bot": True}}, {}),
        ({"content": "", "poll": POLL, "webhook_id": "8"}, {}),
        ({"content": "", "message_snapshots": [{"message": {"content": "", "poll": POLL}}]}, {"forwarded poll": 1}),
        ({"content": "", "attachments": [{"filename": "x", "url": "https://x/"}]}, {}),
    ],
    ids=str,
)
def test_text_that_is_stored_nowhere_is_counted_by_its_kind(
    guild: Guild, shown: dict[str, Any], counted: dict[str, int]
) -> None:
    assert guild.read(MESSAGES, [message(**shown)]).uncollected == counted


def test_a_new_form_of_message_is_not_taken_for_a_missing_intent(guild: Guild) -> None:
    guild.keep(guild.look([channel()], onboarding=True))
    assert guild.read(MESSAGES, [message(content="", letter={"text": "Dear all"})]).owed == ()
    assert guild.read(MESSAGES, [message(content="")]).owed != ()


def test_what_was_counted_once_is_not_counted_when_the_window_is_read_again(guild: Guild) -> None:
    asked = message(poll=POLL)
    assert guild.keep(guild.read(MESSAGES, [asked])).uncollected == {"poll": 1}
    assert guild.read(MESSAGES, [message(id=LAST), asked]).uncollected == {}


def test_published_messages_are_stored_where_they_were_said_and_not_where_they_are_shown(guild: Guild) -> None:
    assert only(guild.read(MESSAGES, [message(flags=1)])).source_id == message()["id"]
    copy = message(flags=2, webhook_id="77", author={"id": "77", "username": "Their server", "bot": True})
    assert activities(guild.read(MESSAGES, [copy])) == []


def test_the_starter_of_a_thread_is_one_activity_in_whatever_list_it_comes(guild: Guild) -> None:
    begun = message(id=THREAD_ID, thread={"id": THREAD_ID, "type": 11, "parent_id": "900", "name": "help"})
    in_channel = only(guild.read(MESSAGES, [begun]))
    look_back = message(
        id=LAST, type=21, content="", message_reference={"message_id": THREAD_ID}, referenced_message=begun
    )
    said = only(guild.read(THREAD, [message(id="1103650000000000003"), look_back]))
    assert (in_channel.type, in_channel.source_id) == (MESSAGE, THREAD_ID)
    assert (said.source_parent_type, said.source_parent_id) == (MESSAGE.name, THREAD_ID)


def test_somebody_without_a_name_has_none(guild: Guild) -> None:
    author = {"id": "9", "username": "nameless", "global_name": None}
    found = only(guild.read(MESSAGES, [message(author=author)])).member
    assert (found.username, found.display_name) == ("nameless", None)


@pytest.mark.parametrize(
    ("joined_at", "guests", "joins", "rejected"),
    [(None, 1, 0, 0), ("2021-03-01T12:00:00+00:00", 0, 1, 0), ("yesterday", 0, 0, 1), (7**30, 0, 0, 1)],
)
def test_only_null_says_that_somebody_is_a_guest(
    guild: Guild, joined_at: Any, guests: int, joins: int, rejected: int
) -> None:
    result = guild.read(MEMBERS, [{"user": {"id": "9", "username": "guest"}, "joined_at": joined_at}])
    found = [one for one in activities(result) if one.type is JOINED_GUILD]
    assert (len(members(result)), len(found), len(result.rejected)) == (guests, joins, rejected)


def _again(guild: Guild, stream: MessagesStream) -> Any:
    return read_messages(stream, guild.run())


def test_a_thread_that_is_no_longer_active_is_read_although_the_archive_does_not_show_it_yet(guild: Guild) -> None:
    forum = channel("950", 15)
    seen(guild, [forum], [thread("1001", "950"), thread("1002", "950"), thread("1003", "950")])
    [archive] = guild.look([forum], []).new_streams
    assert isinstance(archive, ArchiveStream)
    assert archive.sought == ("1001", "1002", "1003")
    guild.server.plays("/channels/1002", answer(200, thread("1002", "950", last="2000")))
    guild.refuses("/channels/1003", 404, "Unknown Channel", 10003)
    shown = {"threads": [thread("1001", "950", last="2000")], "has_more": False}
    assert messages(guild.read(archive, shown)) == {"1001": "1000", "1002": "1000"}
    # What may not be seen any more is asked for, refused, and so owed.
    guild.refuses("/channels/1002", 403, "Missing Access", 50001)
    lost = guild.read(archive, shown).new_streams[-1]
    assert isinstance(lost, MessagesStream)
    assert (lost.place.id, lost.place.name) == ("1002", "thread-1002")
