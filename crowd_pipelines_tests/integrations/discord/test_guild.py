"""The look at a guild: what moved is asked for, and what is hidden is told."""

from collections.abc import Sequence
from typing import Any

import pytest

from crowd_pipelines.integrations.discord.access import Access, Permission, RoleGrant
from crowd_pipelines.integrations.discord.api import Channel
from crowd_pipelines.integrations.discord.streams import (
    WINDOW,
    ArchiveStream,
    MembersStream,
    MessagesMark,
    MessagesStream,
)
from crowd_pipelines.model.streams import RenameChannel, StreamResult
from crowd_pipelines_tests.integrations.discord.guild import GUILD, Guild, members, message, others

VIEW, HISTORY = int(Permission.VIEW_CHANNEL), int(Permission.READ_MESSAGE_HISTORY)
BOTH = VIEW | HISTORY
EVERYBODY = {"id": GUILD, "name": "@everyone", "permissions": str(BOTH | int(Permission.CONNECT))}


def channel(id_: str = "900", kind: int = 0, last: str | None = "1000", **changed: Any) -> dict[str, Any]:
    return {"id": id_, "type": kind, "name": f"channel-{id_}", "last_message_id": last, **changed}


def thread(id_: str = "901", parent: str = "900", last: str | None = "1000", **changed: Any) -> dict[str, Any]:
    return {"id": id_, "type": 11, "name": f"thread-{id_}", "parent_id": parent, "last_message_id": last, **changed}


def messages(result: StreamResult) -> dict[str, str]:
    """Whose messages are asked for, and after which."""
    return {one.place.id: one.after for one in result.new_streams if isinstance(one, MessagesStream)}


def archives(result: StreamResult) -> list[tuple[str, str]]:
    return [(one.channel_id, one.archive) for one in result.new_streams if isinstance(one, ArchiveStream)]


def seen(guild: Guild, channels: Sequence[Any], threads: Sequence[Any] = (), /, **told: Any) -> None:
    """A guild that was onboarded as it is."""
    guild.keep(guild.look(channels, threads, onboarding=True, **told))
    for one in (*channels, *threads):
        last = one.get("last_message_id") or "0"
        guild.known[f"messages:{one['id']}"] = MessagesMark(read=last, last=last, name=one["name"]).model_dump()
    guild.known["members"] = {"day": guild.known["guild"]["day"]}
    guild.asked()


def test_an_onboarding_asks_for_everything_once(guild: Guild) -> None:
    result = guild.look(
        [channel(), channel("905", 5), channel("902", 2), channel("913", 13), channel("915", 15), channel("904", 4)],
        [thread(), thread("916", "915")],
        onboarding=True,
    )
    assert messages(result) == dict.fromkeys(("900", "905", "902", "913", "901", "916"), "0")
    assert ("915", "public") in archives(result)
    assert ("900", "public") not in archives(result)
    assert [one for one in result.new_streams if isinstance(one, MembersStream)]
    assert len(guild.asked()) == 5


def test_channels_of_unknown_types_and_categories_are_never_asked(guild: Guild) -> None:
    result = guild.look([channel("904", 4), channel("914", 14), channel("999", 99)], onboarding=True)
    assert messages(result) == {}


def test_what_did_not_move_is_not_asked_for(guild: Guild) -> None:
    seen(guild, [channel(), channel("915", 15)], [thread()])
    result = guild.look([channel(), channel("915", 15)], [thread()])
    assert result.new_streams == ()
    assert result.operations == ()
    assert len(guild.asked()) == 2


def test_what_moved_is_asked_for_from_the_window_on(guild: Guild) -> None:
    seen(guild, [channel(), channel("902", 2)], [thread()])
    guild.known["messages:900"] = MessagesMark(read="1000", last="1000", recent=("990", "1000")).model_dump()
    result = guild.look([channel(last="1001"), channel("902", 2)], [thread(last="1002")])
    assert messages(result) == {"900": "989", "901": "1000"}


def test_a_last_message_that_was_deleted_is_asked_for_once(guild: Guild) -> None:
    seen(guild, [channel()])
    [stream] = guild.look([channel(last="2000")]).new_streams
    page = guild.keep(guild.read(stream, []))
    assert (page.next_page, page.incomplete) == (None, None)
    assert guild.asked()[-1] == "/channels/900/messages/2000"
    assert guild.look([channel(last="2000")]).new_streams == ()


def test_a_page_of_what_came_before_leads_to_itself_and_completes_nothing(guild: Guild) -> None:
    seen(guild, [channel()])
    [stream] = guild.look([channel(last="2000")]).new_streams
    page = guild.keep(guild.read(stream, [message(id="990"), message(id="1000")]))
    assert page.next_page is not None
    assert page.next_page.key == stream.key
    assert messages(guild.look([channel(last="2000")])) == {"900": "989"}


def test_a_channel_that_says_nothing_of_its_last_message_is_asked(guild: Guild) -> None:
    silent = {"id": "900", "type": 0, "name": "channel-900"}
    seen(guild, [silent])
    assert messages(guild.look([silent])) == {"900": "0"}
    assert messages(guild.look([{**silent, "last_message_id": None}])) == {}


def test_new_channels_and_threads_are_read_from_their_beginning(guild: Guild) -> None:
    seen(guild, [channel()])
    assert messages(guild.look([channel(), channel("902")], [thread()])) == {"902": "0", "901": "0"}


def test_a_thread_that_left_the_active_ones_leads_to_its_channels_archive(guild: Guild) -> None:
    channels = [channel(), channel("915", 15)]
    seen(guild, channels, [thread(), thread("916", "915"), thread("917", "900", type=12)])
    assert archives(guild.look(channels, [thread("916", "915"), thread("917", "900", type=12)])) == [("900", "public")]
    assert archives(guild.look(channels, [thread(), thread("917", "900", type=12)])) == [("915", "public")]
    assert archives(guild.look(channels, [thread(), thread("916", "915")])) == [("900", "private")]


def test_without_manage_threads_only_joined_private_threads_are_looked_for(guild: Guild) -> None:
    told: dict[str, Any] = {"guild": {"id": GUILD, "roles": [EVERYBODY]}}
    seen(guild, [channel()], [thread("917", "900", type=12)], **told)
    assert archives(guild.look([channel()], [], **told)) == [("900", "joined")]


def test_a_new_post_leads_to_the_archive_too(guild: Guild) -> None:
    seen(guild, [channel("915", 15)])
    assert archives(guild.look([channel("915", 15, last="1001")])) == [("915", "public")]


def test_a_channel_that_speaks_of_a_thread_that_is_not_active_leads_to_its_archive(guild: Guild) -> None:
    seen(guild, [channel()], [thread()])
    stream = MessagesStream(
        place=guild.look([channel(last="2000")], [thread()]).new_streams[0].place,  # type: ignore[attr-defined]
        after="1000",
        last="2000",
    )
    for spoken, expected in (
        ({"thread": thread("901")}, []),
        ({"thread": thread("1500")}, [("900", "public")]),
        ({"type": 18, "message_reference": {"channel_id": "901"}}, []),
        ({"type": 18, "message_reference": {"channel_id": "1500"}}, [("900", "public")]),
    ):
        assert archives(guild.read(stream, [message(id="2000", **spoken)])) == expected
    known = [message(id="2000"), message(id="999", thread=thread("999"))]
    assert archives(guild.read(stream.model_copy(update={"after": "998"}), known)) == []


def test_once_a_day_all_archives_and_the_members_are_gone_through(guild: Guild) -> None:
    seen(guild, [channel(), channel("915", 15), channel("902", 2)])
    guild.known["guild"] = {**guild.known["guild"], "day": "2026-02-01"}
    guild.known["members"] = {"day": "2026-02-01"}
    result = guild.look([channel(), channel("915", 15), channel("902", 2)])
    assert sorted(archives(result)) == [("900", "private"), ("900", "public"), ("915", "public")]
    assert [one for one in result.new_streams if isinstance(one, MembersStream)]
    assert len(guild.asked()) == 5


def test_a_new_name_of_a_channel_is_told_once(guild: Guild) -> None:
    seen(guild, [channel()])
    renamed = guild.keep(guild.look([channel(name="better")]))
    assert renamed.operations == (RenameChannel(channel_id="900", channel="better"),)
    assert guild.look([channel(name="better")]).operations == ()


def test_a_new_name_of_a_thread_has_it_read_again(guild: Guild) -> None:
    seen(guild, [channel()], [thread()])
    assert messages(guild.look([channel()], [thread(name="better")])) == {"901": "0"}


def test_a_bot_that_cannot_be_looked_up_counts_as_permitted_everything(guild: Guild) -> None:
    result = guild.look([channel()], onboarding=True, application=None, guild=None, membership=None)
    assert messages(result) == {"900": "0"}
    assert result.owed == ()
    # What nobody told is asked again by the next look.
    guild.keep(result)
    guild.asked()
    guild.look([channel()])
    assert len(guild.asked()) == 5


@pytest.mark.parametrize(
    ("overwrites", "missing"),
    [
        ([], None),
        ([{"id": GUILD, "type": 0, "allow": "0", "deny": str(VIEW)}], "View Channel"),
        ([{"id": GUILD, "type": 0, "allow": "0", "deny": str(HISTORY)}], "Read Message History"),
        ([None, {"id": "other"}, {"id": GUILD, "type": 0, "allow": "0", "deny": str(VIEW)}], "View Channel"),
        ([{"id": "55", "type": 0, "allow": "0", "deny": str(VIEW)}], None),
        ([{"id": "44", "type": 0, "allow": "0", "deny": str(VIEW)}], "View Channel"),
        ([{"id": "7", "type": 1, "allow": "0", "deny": str(VIEW)}], "View Channel"),
        (
            [
                {"id": "7", "type": 1, "allow": str(VIEW), "deny": "0"},
                {"id": GUILD, "type": 0, "allow": "0", "deny": str(BOTH)},
                {"id": "44", "type": 0, "allow": str(HISTORY), "deny": str(VIEW)},
            ],
            None,
        ),
    ],
    ids=["nothing", "hidden", "no history", "odd", "another role", "its role", "itself", "order"],
)
def test_what_a_channel_overrides_decides(overwrites: list[dict[str, Any]], missing: str | None) -> None:
    access = Access(
        guild_id=GUILD,
        bot_id="7",
        roles={GUILD: RoleGrant("@everyone", BOTH), "44": RoleGrant("Reader", 0), "55": RoleGrant("Other", 0)},
        own_roles=("44",),
    )
    assert access.missing(Channel.model_validate(channel(permission_overwrites=overwrites))) == missing


@pytest.mark.parametrize(
    ("permissions", "owner", "kind", "missing"),
    [
        (0, None, 0, "View Channel"),
        (VIEW, None, 0, "Read Message History"),
        (BOTH, None, 0, None),
        (BOTH, None, 2, "Connect"),
        (int(Permission.ADMINISTRATOR), None, 13, None),
        (0, "7", 0, None),
    ],
)
def test_roles_decide_where_a_channel_says_nothing(
    permissions: int, owner: str | None, kind: int, missing: str | None
) -> None:
    roles = {GUILD: RoleGrant("@everyone", permissions)}
    access = Access(guild_id=GUILD, bot_id="7", owner_id=owner, roles=roles, own_roles=())
    assert access.missing(Channel.model_validate(channel(kind=kind))) == missing


def test_hidden_channels_are_not_asked_and_told_by_what_is_missing(guild: Guild) -> None:
    hidden = [
        channel(str(id_), permission_overwrites=[{"id": GUILD, "type": 0, "allow": "0", "deny": str(VIEW)}])
        for id_ in range(910, 917)
    ]
    told: dict[str, Any] = {"guild": {"id": GUILD, "roles": [EVERYBODY]}}
    result = guild.look([channel(), *hidden], [thread("9001", "910")], onboarding=True, **told)
    assert messages(result) == {"900": "0"}
    assert [(one.place, one.label, one.permission) for one in result.owed] == [
        (str(id_), f"#channel-{id_}", "View Channel") for id_ in range(910, 917)
    ]
    assert all("lacks the permission View Channel there, so nothing of it is read" in one.reason for one in result.owed)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (1 << 15 | 1 << 19, []),
        (1 << 14 | 1 << 18, []),
        (1 << 15, ["Message Content Intent"]),
        (1 << 19, ["Server Members Intent"]),
        (0, ["Message Content Intent", "Server Members Intent"]),
    ],
)
@pytest.mark.parametrize("field", ["flags", "flags_new"])
def test_missing_intents_are_told(guild: Guild, flags: int, expected: list[str], field: str) -> None:
    application = {"id": "7", field: str(flags) if field == "flags_new" else flags}
    result = guild.look([channel()], onboarding=True, application=application)
    assert [one.permission for one in result.owed] == expected
    assert all(one.permission in one.reason for one in result.owed)
    # An onboarding tries once, since flags may be left out; a check believes them.
    assert any(isinstance(one, MembersStream) for one in result.new_streams)
    check = guild.look([channel()], application=application)
    listed = any(isinstance(one, MembersStream) for one in check.new_streams)
    assert listed is ("Server Members Intent" not in expected)


def test_the_window_is_bounded(guild: Guild) -> None:
    mark = MessagesMark().with_page(list(range(1000, 1100)), [])
    assert (len(mark.recent), mark.recent[-1], mark.read) == (WINDOW, "1099", "1099")
    assert mark.resume_from == str(1100 - WINDOW - 1)
    assert mark.with_page([1050], ["1099"]).recent[-1] == "1098"
    assert mark.with_page([5], []).read == "1099"


def test_an_unusable_channel_costs_no_other(guild: Guild) -> None:
    result = guild.look([None, channel(), {"id": "x", "type": 0, "name": "y"}], ["odd", thread()], onboarding=True)
    assert messages(result) == {"900": "0", "901": "0"}
    assert (len(result.rejected), result.unread) == (2, 1)
    assert members(result) == []
    assert others(result) == [RenameChannel(channel_id="900", channel="channel-900")]
