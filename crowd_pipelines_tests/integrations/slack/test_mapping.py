"""What Slack's payloads mean to us."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from crowd_pipelines.integrations.slack.activities import JOINED, MESSAGE
from crowd_pipelines.integrations.slack.integration import SlackCredentials, SlackIntegration, SlackSettings
from crowd_pipelines.integrations.slack.people import UserMark
from crowd_pipelines.integrations.slack.speech import Names
from crowd_pipelines.integrations.slack.streams import ChannelsStream, HistoryStream, RepliesStream
from crowd_pipelines.model.records import TimestampSource
from crowd_pipelines.model.streams import RetractMissing
from crowd_pipelines_tests.integrations.slack.web_api import (
    HISTORY,
    MEMBERS,
    NOW,
    REPLIES,
    WebApi,
    activities,
    members,
    message,
    messages,
    others,
    payload,
)


@pytest.fixture
def known(web_api: WebApi) -> WebApi:
    """With the people of the workspace listed, and U04 seen somewhere."""
    web_api.keep(web_api.read(MEMBERS, payload("members")))
    for user_id, name in (("U03", "olaf"), ("U04", "piet")):
        web_api.known[f"user:{user_id}"] = UserMark(name=name, listed=True).model_dump()
    return web_api


def test_what_people_say_is_a_message_of_its_channel(known: WebApi) -> None:
    found = {a.source_id: a for a in activities(known.read(HISTORY, payload("history")))}
    said = {source_id for source_id, a in found.items() if a.type == MESSAGE}
    assert said == {
        f"C01:{ts}" for ts in (
            "1708000500.000100", "1708000400.000200", "1708000100.000100", "1708000040.000050", "1708000030.000000",
            "1708000010.000000",
        )
    }  # fmt: skip
    first = found["C01:1708000500.000100"]
    assert first.body == ("hi @mara @old #far-away #random @here @devs link (https://x.dev/?a=1&b=2) & :tada: ¿vale?")
    assert first.timestamp == datetime(2024, 2, 15, 12, 35, 0, 100, tzinfo=UTC)
    assert first.url == "https://acme.slack.com/archives/C01/p1708000500000100"
    assert (first.channel, first.channel_id, first.title) == ("general", "C01", None)
    assert (first.thread, first.source_parent_id) == ("C01:1708000500.000100", None)
    assert (first.member.source_id, first.member.username) == ("U01", "egon")
    assert first.attributes == {
        "thread": False,
        "reactions": [{"name": "thumbsup", "count": 3, "users": ["U02"]}],
        "attachments": [
            {"title": "A page", "url": "https://x.dev/page"},
            {"title": "notes", "url": "https://acme.slack.com/files/U01/F1/notes.txt"},
        ],
    }
    assert found["C01:1708000040.000050"].body == ""
    assert found["C01:1708000010.000000"].member.source_id == "U02"


def test_a_broadcast_is_the_same_in_its_channel_and_in_its_thread(known: WebApi) -> None:
    [in_channel] = [a for a in activities(known.read(HISTORY, payload("history"))) if a.source_parent_id]
    *_, in_thread = activities(known.read(REPLIES, payload("replies")))
    assert in_channel == in_thread
    assert in_channel.source_parent_id == in_channel.thread == "C01:1708000100.000100"
    assert (in_channel.source_parent_type, in_channel.attributes["thread"]) == ("message", {"id": "1708000100.000100"})


def test_a_thread_gives_its_replies_and_never_its_head_as_its_own_child(known: WebApi) -> None:
    result = known.read(REPLIES, payload("replies"))
    assert [a.source_id for a in activities(result)] == ["C01:1708000150.000100", "C01:1708000400.000200"]
    assert activities(result)[0].body == "an answer to @egon"
    assert others(result) == [
        RetractMissing(
            type=MESSAGE,
            thread="C01:1708000100.000100",
            present=frozenset({"C01:1708000100.000100", "C01:1708000150.000100", "C01:1708000400.000200"}),
        )
    ]
    assert result.incomplete is None
    assert result.watermarks == {"thread:C01:1708000100.000100": {"count": 3, "latest": "1708000400.000200"}}


def test_a_channel_leads_to_threads_that_people_may_have_answered(known: WebApi) -> None:
    result = known.read(HISTORY, payload("history"), onboarding=True)
    threads = [stream for stream in result.new_streams if isinstance(stream, RepliesStream)]
    assert [(stream.thread, stream.count) for stream in threads] == [("1708000100.000100", 3), ("1708000050.000060", 1)]
    further = result.next_page
    assert isinstance(further, HistoryStream)
    assert (further.cursor, further.above) == ("bmV4dF90czoxNzA4MDAwMDA1MDAwMDAw", "1708000005.000000")


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"reply_users": ["U0B"], "reply_users_count": 1}, False),
        ({"reply_users": ["U0B", "U02"], "reply_users_count": 2}, True),
        ({"reply_users": ["U0B"], "reply_users_count": 2}, True),
        ({"reply_users": [], "reply_users_count": 0}, True),
        ({}, True),
        ({"reply_count": 0}, False),
        ({"reply_count": "many"}, False),
    ],
    ids=str,
)
def test_a_thread_is_left_alone_only_where_all_who_answered_are_named_and_bots(
    known: WebApi, fields: dict[str, Any], asked: bool
) -> None:
    head = message("1708000100.000100", thread_ts="1708000100.000100", **{"reply_count": 2, **fields})
    result = known.read(HISTORY, messages(head), onboarding=True)
    assert bool(result.new_streams) is asked


def test_who_came_is_told_with_the_channels_time(known: WebApi) -> None:
    [join] = [a for a in activities(known.read(HISTORY, payload("history"))) if a.type == JOINED]
    assert (join.source_id, join.member.username, join.channel) == ("U03", "olaf", "general")
    assert (join.body, join.timestamp) == (None, datetime(2024, 2, 15, 12, 30, tzinfo=UTC))
    assert join.timestamp_source is TimestampSource.PROVIDER


def joins(web_api: WebApi, channel: str, *moments: str, user: str = "U01", onboarding: bool = False) -> list[str]:
    """At which second somebody came, as far as a page of joins in a channel tells."""
    page = messages(*(message(ts, user=user, subtype="channel_join") for ts in moments))
    stream = HISTORY.model_copy(update={"channel": channel})
    result = web_api.keep(web_api.read(stream, page, onboarding=onboarding))
    return [str(int(a.timestamp.timestamp()))[-3:] for a in activities(result) if a.type == JOINED]


def test_the_first_coming_to_general_counts_whatever_other_channels_say(known: WebApi) -> None:
    assert joins(known, "C02", "1708000100.000000") == []
    assert joins(known, "C01", "1708000900.000000", "1708000800.000000") == ["800"]
    assert joins(known, "C01", "1708000700.000000") == ["700"]
    assert joins(known, "C01", "1708000750.000000") == []
    assert joins(known, "C01", "1708000700.000000") == []
    assert joins(known, "C01", "1708000700.000000", onboarding=True) == ["700"]


def test_guests_who_are_not_in_general_came_to_the_first_channel_that_told(known: WebApi) -> None:
    assert joins(known, "C02", "1708000500.000000", user="U02") == ["500"]
    assert joins(known, "C03", "1708000400.000000", user="U02", onboarding=True) == []
    assert joins(known, "C02", "1708000300.000000", user="U02") == ["300"]


def test_people_are_members_and_bots_are_not(web_api: WebApi) -> None:
    found = {m.source_id: m for m in members(web_api.read(MEMBERS, payload("members")))}
    assert found.keys() == {"U01", "U02", "U05"}
    egon = found["U01"]
    assert (egon.username, egon.display_name, egon.emails) == ("egon", "Egon Quill", ("egon@acme.example",))
    assert egon.attributes == {
        "avatarUrl": "https://pictures.example/egon.png",
        "timezone": "Pacific Daylight Time",
        "jobTitle": "Keeper of keys",
    }
    assert found["U02"].display_name == "mara"
    assert (found["U05"].username, found["U05"].display_name) == ("deactivateduser693438",) * 2


def test_people_of_whom_no_channel_tells_since_when_they_are_there_are_seen_now(web_api: WebApi) -> None:
    web_api.known["join:U02"] = {"channel": "C01", "ts": "1708000100.000000"}
    [join] = activities(web_api.read(MEMBERS, payload("members")))
    assert (join.source_id, join.timestamp, join.timestamp_source) == ("U01", NOW, TimestampSource.OBSERVED)


def test_people_who_look_the_same_are_not_told_again_but_in_an_onboarding(known: WebApi) -> None:
    again = known.read(MEMBERS, payload("members"))
    assert (members(again), activities(again)) == ([], [])
    listed = payload("members")
    listed["members"][0]["profile"]["title"] = "Keeper of doors"
    assert [m.source_id for m in members(known.read(MEMBERS, listed))] == ["U01"]
    assert activities(known.read(MEMBERS, listed)) == []
    assert len(members(known.read(MEMBERS, listed, onboarding=True))) == 3


def test_the_list_of_people_leads_on_to_the_channels_when_it_is_through(web_api: WebApi) -> None:
    listed = payload("members")
    assert web_api.read(MEMBERS, listed).new_streams == (ChannelsStream(),)
    found = SlackIntegration().process_stream(ChannelsStream(), web_api.run())
    assert [stream.kind for stream in found.new_streams] == ["history", "history"]
    listed["response_metadata"]["next_cursor"] = "dXNlcjpVMEc5V0ZYTlo="
    result = web_api.read(MEMBERS, listed)
    assert result.new_streams == ()
    assert "members" not in result.watermarks
    assert result.next_page == MEMBERS.model_copy(update={"cursor": "dXNlcjpVMEc5V0ZYTlo="})


def test_a_stranger_is_looked_up_once_and_told_as_a_member(known: WebApi) -> None:
    stranger = {
        "ok": True,
        "user": {"id": "U77", "team_id": "T9", "name": "visitor", "is_stranger": True, "profile": {}},
    }
    known.answers("users.info", stranger)
    page = messages(message("1708000100.000100", "I am <@U77>", user="U77"))
    result = known.keep(known.read(HISTORY, page))
    assert [m.username for m in members(result)] == ["visitor"]
    assert [a.body for a in activities(result)] == ["I am @visitor"]
    asked = len(known.server.seen)
    known.api._looked_up.clear()
    known.read(HISTORY, page, onboarding=True)
    assert len(known.server.seen) == asked + 1


def test_whoever_is_looked_up_is_seen_to_be_there_when_the_list_tells_of_them(known: WebApi) -> None:
    newcomer = {"id": "U06", "team_id": "T01", "name": "new", "profile": {"real_name": "New Comer"}}
    known.answers("users.info", {"ok": True, "user": newcomer})
    known.keep(known.read(HISTORY, messages(message("1708000100.000100", user="U06"))))
    listed = {"ok": True, "members": [newcomer]}
    assert [a.source_id for a in activities(known.keep(known.read(MEMBERS, listed)))] == ["U06"]
    assert activities(known.read(MEMBERS, listed)) == []


def test_nobody_is_looked_up_for_having_answered(known: WebApi) -> None:
    answered: dict[str, Any] = {
        "reply_count": 1,
        "reply_users": ["U99"],
        "reply_users_count": 1,
        "latest_reply": "1708000200.000000",
    }
    known.read(HISTORY, messages(message("1708000100.000100", thread_ts="1708000100.000100", **answered)))
    assert not [seen for seen in known.server.seen if "users.info" in seen.path]


def test_whoever_may_not_be_seen_keeps_the_id_and_is_not_asked_for_again(known: WebApi) -> None:
    known.answers("users.info", {"ok": False, "error": "user_not_visible"})
    result = known.keep(known.read(HISTORY, messages(message("1708000100.000100", "hm, <@U78>", user="U77"))))
    assert [(a.member.source_id, a.member.username, a.body) for a in activities(result)] == [
        ("U77", "U77", "hm, @mention")
    ]
    assert {"user:U77", "user:U78"} <= known.known.keys()


def test_what_an_app_posts_is_a_persons_only_where_that_person_is_known(known: WebApi) -> None:
    known.answers("users.info", {"ok": False, "error": "user_not_found"})
    posted = [message(f"170800010{n}.000000", user=user, bot_id="B01") for n, user in enumerate(("U01", "U0B", "U99"))]
    result = known.read(HISTORY, messages(*posted))
    assert [a.member.source_id for a in activities(result)] == ["U01"]
    assert result.rejected == ()


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("<@U01>", "@egon"), ("<@U01|label>", "@egon"), ("<@U99>", "@mention"), ("<@U99|x>", "@x"),
        ("<#C02>", "#random"), ("<#C99|name>", "#name"), ("<#C99>", "#channel"), ("<#C02|>", "#random"),
        ("<!here>", "@here"), ("<!here|here>", "@here"), ("<!channel>", "@channel"), ("<!everyone>", "@everyone"),
        ("<!subteam^S1|@devs>", "@devs"), ("<!subteam^S1>", "@group"),
        ("<!date^1392734382^{date}|Feb 18th>", "Feb 18th"),
        ("<https://x.dev>", "https://x.dev"), ("<http://x.dev|x.dev>", "http://x.dev"),
        ("<https://x.dev|a &amp; b>", "a & b (https://x.dev)"), ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("&lt;@U01&gt; &amp;amp;", "<@U01> &amp;"),
        ("&amp;lt;", "&lt;"), ("a < b", "a < b"), ("<>", "<>"), ("", ""), ("<|x>", "x"),
    ],
)  # fmt: skip
def test_markup_reads_as_people_read_it(raw: str, read: str) -> None:
    names = Names(user={"U01": "egon"}.get, channel={"C02": "random"}.get)
    assert names.told(raw) == read


@pytest.mark.parametrize("odd", ["surprise", 5, [], {}, {"ts": "1708000100"}, {"ts": 1708000100.0001}])
def test_what_is_no_message_is_kept_as_evidence(known: WebApi, odd: Any) -> None:
    result = known.read(HISTORY, messages(message("1708000200.000000"), odd))
    assert [record.payload for record in result.rejected] == [odd]
    assert len(activities(result)) == 1


@pytest.mark.parametrize(
    "spoiled",
    [
        {"reply_count": []}, {"reactions": "many"}, {"attachments": {}}, {"files": [5]}, {"latest_reply": {}},
        {"reply_users": "U02"}, {"comment": 7}, {"edited": 5}, {"blocks": None}, {"text": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_message_is_not_refused_for_what_it_can_do_without(known: WebApi, spoiled: dict[str, Any]) -> None:
    result = known.read(HISTORY, messages({**message("1708000200.000000"), **spoiled}))
    assert len(activities(result)) == 1
    assert result.rejected == ()


@pytest.mark.parametrize(
    "spoiled",
    [{"ts": "yesterday"}, {"ts": "9999999999.999999"}, {"user": {}}, {"text": []}, {"thread_ts": 5}, {"subtype": {}}],
    ids=str,
)
def test_a_message_that_cannot_be_used_is_kept_while_its_page_goes_on(known: WebApi, spoiled: dict[str, Any]) -> None:
    result = known.read(HISTORY, messages({**message("1708000200.000000"), **spoiled}, message("1708000100.000000")))
    assert [a.source_id for a in activities(result)] == ["C01:1708000100.000000"]
    [rejected] = result.rejected
    assert rejected.reason.startswith(f"message: {next(iter(spoiled))}")


def test_somebody_without_anything_but_an_id_is_a_member_nevertheless(web_api: WebApi) -> None:
    odd = {"id": "U09", "profile": "none", "name": None, "deleted": "perhaps", "tz_label": 5}
    result = web_api.read(MEMBERS, {"ok": True, "members": [odd, {"name": "nobody"}]})
    assert [(m.source_id, m.username) for m in members(result)] == [("U09", "U09")]
    assert len(result.rejected) == 1


@pytest.mark.parametrize(
    ("given", "channels"),
    [(["general"], ("general",)), (["#general", " general "], ("general",)), (["C024BE91L"], ("C024BE91L",))],
)
def test_channels_may_be_named_in_many_ways(given: list[str], channels: tuple[str, ...]) -> None:
    assert SlackSettings.model_validate({"channels": given}).channels == channels


@pytest.mark.parametrize("given", [{"channels": ["#"]}, {"regime": "fast"}, {"reread_days": 0}, {"channel": "x"}])
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SlackSettings.model_validate(given)


@pytest.mark.parametrize("given", [{}, {"token": " "}, {"token": "Bearer xoxb-1"}, {"token": "xoxb-\n1"}, {"key": "x"}])
def test_what_is_no_token_of_an_app_is_refused_without_showing_it(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        SlackCredentials.model_validate(given)
    assert "Bearer xoxb-1" not in str(refused.value.errors(include_input=False))


def test_what_a_message_can_do_without_may_be_odd(known: WebApi) -> None:
    odd = message(
        "1708000500.000100",
        thread_ts="",
        reply_users=[""],
        reactions=[None, {"name": "eyes", "count": 1}],
        files=[7, {"title": "A page", "permalink": "https://x.dev/page"}],
    )
    result = known.read(HISTORY, messages(odd))
    [first] = activities(result)
    assert result.rejected == ()
    assert [reaction["name"] for reaction in first.attributes["reactions"]] == ["eyes"]
    assert first.attributes["attachments"] == [{"title": "A page", "url": "https://x.dev/page"}]


def test_a_workspace_may_keep_its_address_to_itself(web_api: WebApi) -> None:
    web_api.answers("auth.test", {"ok": True, "url": None, "team_id": None})
    web_api.answers("conversations.list", {"ok": True, "channels": [{"id": "C01"}]})
    plan = SlackIntegration().preprocess(web_api.run(onboarding=True))
    assert (plan["site"], plan["team"]) == ("https://slack.com/", "")
