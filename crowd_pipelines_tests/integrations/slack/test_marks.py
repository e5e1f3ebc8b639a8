"""The watermarks of Slack: what a check may leave out, what it sees to be gone, and where it goes on."""

from typing import Any

import pytest

from crowd_pipelines.integrations.slack.activities import MESSAGE
from crowd_pipelines.integrations.slack.integration import SlackIntegration
from crowd_pipelines.integrations.slack.people import UserMark
from crowd_pipelines.integrations.slack.plan import Plan
from crowd_pipelines.integrations.slack.streams import ChannelMark, HistoryStream, RepliesStream
from crowd_pipelines.model.streams import (
    Operation,
    RenameChannel,
    RetractActivities,
    RetractMissing,
    ShowActivities,
    StreamResult,
)
from crowd_pipelines_tests.integrations.slack.web_api import (
    HISTORY,
    PLAN,
    WebApi,
    activities,
    message,
    messages,
    others,
)

DAY = 86_400
START = 1_708_000_000


def at(day: int, second: int = 0) -> str:
    return f"{START + day * DAY + second}.000100"


@pytest.fixture
def known(web_api: WebApi) -> WebApi:
    web_api.known["user:U01"] = UserMark(name="egon", listed=True).model_dump()
    return web_api


def onboarded(web_api: WebApi, *days: int, **fields: Any) -> WebApi:
    """With a message on each of these days, read from the channel's beginning."""
    page = messages(*(message(at(day), f"day {day}", **fields) for day in sorted(days, reverse=True)))
    web_api.keep(web_api.read(HISTORY, page, onboarding=True))
    return web_api


def check(web_api: WebApi, *items: Any, cursor: str = "", **changes: Any) -> StreamResult:
    """What a check makes of a page that goes back behind what is known."""
    stream = next(iter(streams(web_api)))
    return web_api.read(stream.model_copy(update=changes), messages(*items, cursor=cursor))


def streams(web_api: WebApi, plan: Plan = PLAN) -> list[HistoryStream]:
    web_api.known.setdefault("members", {"read_at": "2024-03-01T11:00:00+00:00"})
    return [s for s in SlackIntegration().get_streams(web_api.run(plan=plan)) if isinstance(s, HistoryStream)]


def gone(result: StreamResult) -> set[str]:
    retracted = [o for o in others(result) if isinstance(o, RetractActivities)]
    return {source_id.partition(":")[2] for operation in retracted for source_id in operation.source_ids}


def test_a_message_that_looks_the_same_is_not_told_again_but_in_an_onboarding(known: WebApi) -> None:
    onboarded(known, 1, 2, 3)
    same = [message(at(day), f"day {day}") for day in (3, 2, 1)]
    assert activities(check(known, *same)) == []
    assert len(activities(known.read(HISTORY, messages(*same), onboarding=True))) == 3


@pytest.mark.parametrize(
    "changed",
    [{"text": "edited"}, {"reactions": [{"name": "eyes", "count": 1}]}, {"files": [{"title": "f", "permalink": "x"}]}],
    ids=str,
)
def test_a_message_that_changed_is_told_again_and_then_known(known: WebApi, changed: dict[str, Any]) -> None:
    onboarded(known, 1, 2, 3)
    page = [message(at(3), "day 3"), {**message(at(2), "day 2"), **changed}, message(at(1), "day 1")]
    assert [a.source_id for a in activities(known.keep(check(known, *page)))] == [f"C01:{at(2)}"]
    assert activities(check(known, *page)) == []


def test_what_a_page_no_longer_shows_between_its_messages_is_retracted_once(known: WebApi) -> None:
    onboarded(known, 1, 2, 3, 5)
    page = [message(at(5), "day 5"), message(at(1), "day 1")]
    result = known.keep(check(known, *page))
    assert gone(result) == {at(2), at(3)}
    threads = {o.thread for o in others(result) if isinstance(o, RetractMissing) and not o.present}
    assert threads == {f"C01:{at(2)}", f"C01:{at(3)}"}, "their replies are gone with them"
    assert gone(check(known, *page)) == set()


def test_the_newest_message_may_be_gone(known: WebApi) -> None:
    onboarded(known, 1, 2, 3)
    assert gone(check(known, message(at(2), "day 2"), message(at(1), "day 1"))) == {at(3)}


def test_below_a_pages_last_message_nothing_is_missing_since_plans_hide_what_is_old(known: WebApi) -> None:
    onboarded(known, 1, 2, 3)
    assert gone(check(known, message(at(3), "day 3"))) == set()
    assert gone(check(known)) == set()
    assert gone(check(known, message(at(3), "day 3"), cursor="more")) == set()


def test_below_a_pages_last_message_nothing_is_missing_on_the_same_day_either(known: WebApi) -> None:
    page = messages(*(message(at(1, second), f"second {second}") for second in (30, 20, 10)))
    known.keep(known.read(HISTORY, page, onboarding=True))
    assert gone(check(known, message(at(1, 20), "second 20"))) == {at(1, 30)}


def test_what_lies_above_where_a_page_begins_is_not_missing_from_it(known: WebApi) -> None:
    onboarded(known, 1, 2, 3, 4)
    page = [message(at(2), "day 2"), message(at(1), "day 1")]
    assert gone(check(known, *page, above=at(4))) == {at(3)}
    assert gone(check(known, *page, above=at(3))) == set()


@pytest.mark.parametrize(
    ("odd", "unread"), [({"ts": at(2), "user": {}}, 0), ({"user": {}}, 0), ("surprise", 0), (None, 1)]
)
def test_from_a_page_with_a_record_that_cannot_be_used_nothing_is_missing(known: WebApi, odd: Any, unread: int) -> None:
    onboarded(known, 1, 2, 3, 4)
    result = check(known, message(at(4), "day 4"), odd, message(at(1), "day 1"))
    assert (len(result.rejected), result.unread) == (1 - unread, unread)
    assert gone(result) == set()


@pytest.mark.parametrize("odd", [{"ts": at(2), "user": {}}, {"user": {}}, None], ids=str)
def test_what_could_not_be_read_at_the_end_of_a_page_is_not_missing_from_the_next(known: WebApi, odd: Any) -> None:
    onboarded(known, 0, 1, 2, 3, 4)
    first = check(known, message(at(4), "day 4"), message(at(3), "day 3"), odd, cursor="c", until="")
    assert isinstance(first.next_page, HistoryStream)
    second = known.read(first.next_page, messages(message(at(0), "day 0")))
    assert gone(second) == set(), "day 2 may be what could not be read, and day 1 is between it and the page"
    third = first.next_page.model_copy(update={"gap": False})
    assert gone(known.read(third, messages(message(at(0), "day 0")))) == {at(1), at(2)}


@pytest.mark.parametrize("becomes", [{"subtype": "tombstone", "user": "USLACKBOT"}, {"user": "U0B"}], ids=str)
def test_what_nobody_says_any_more_is_retracted_and_its_replies_stay(known: WebApi, becomes: dict[str, Any]) -> None:
    known.known["user:U0B"] = UserMark(name="helper", person=False).model_dump()
    onboarded(known, 1, 2, 3)
    buried = {**message(at(2), thread_ts=at(2), reply_count=1, latest_reply=at(2, 9)), **becomes}
    result = check(known, message(at(3), "day 3"), buried, message(at(1), "day 1"))
    assert gone(result) == {at(2)}
    assert not [o for o in others(result) if isinstance(o, RetractMissing)]


def test_days_that_two_pages_share_are_remembered_whole(known: WebApi) -> None:
    first = known.keep(
        known.read(HISTORY, messages(message(at(2, 30)), message(at(1, 20)), cursor="c"), onboarding=True)
    )
    assert first.next_page is not None
    known.keep(known.read(first.next_page, messages(message(at(1, 10)), message(at(0))), onboarding=True))
    assert gone(check(known, message(at(2, 40)), message(at(0)))) == {at(2, 30), at(1, 20), at(1, 10)}


def test_a_watermark_moves_when_the_channel_is_read_through_and_not_before(known: WebApi) -> None:
    first = known.keep(known.read(HISTORY, messages(message(at(9)), message(at(8)), cursor="c"), onboarding=True))
    assert ChannelMark.model_validate(known.known[HISTORY.subject]) == ChannelMark(name="general")
    assert first.next_page is not None
    known.keep(known.read(first.next_page, messages(message(at(7))), onboarding=True))
    mark = ChannelMark.model_validate(known.known[HISTORY.subject])
    assert (mark.newest, mark.oldest) == (at(9), at(7))


def test_an_empty_page_with_a_cursor_is_no_end(known: WebApi) -> None:
    result = known.read(HISTORY, messages(cursor="c"), onboarding=True)
    assert result.next_page == HISTORY.model_copy(update={"cursor": "c"})
    mark = ChannelMark.model_validate(result.watermarks[HISTORY.subject])
    assert mark.newest == ""


def test_a_check_reaches_back_behind_what_is_known_and_stops_where_it_meets_it(known: WebApi) -> None:
    onboarded(known, 1, 50)
    [stream, _] = streams(known)
    assert (stream.until, stream.oldest, stream.latest) == (at(50), at(20), "")
    assert check(known, message(at(52)), message(at(51)), cursor="c").next_page is not None
    assert check(known, message(at(51)), message(at(50), "day 50"), cursor="c").next_page is None
    assert check(known, message(at(51)), message(at(49)), cursor="c").next_page is None


def test_a_channel_of_which_nothing_is_known_is_read_from_its_beginning_by_a_check(known: WebApi) -> None:
    onboarded(known, 1)
    assert [(s.oldest, s.until) for s in streams(known)][1] == ("0", "")


def test_old_messages_are_looked_at_one_channel_a_check_where_it_was_longest_ago(known: WebApi) -> None:
    for channel, swept_at in (("C01", "2"), ("C02", "1")):
        mark = ChannelMark(name="x", newest=at(90), oldest=at(0), deep=True, swept_at=swept_at)
        known.known[f"channel:{channel}"] = mark.model_dump()
    assert [stream.channel for stream in streams(known) if stream.sweep] == ["C02"]


def test_an_onboarding_sees_everything_and_looks_at_nothing_twice(known: WebApi) -> None:
    known.known["channel:C01"] = ChannelMark(name="x", newest=at(90), oldest=at(0), deep=True).model_dump()
    known.answers("users.list", {"ok": True, "members": []})
    [members] = SlackIntegration().get_streams(known.run(onboarding=True))
    [channels] = SlackIntegration().process_stream(members, known.run(onboarding=True)).new_streams
    found = SlackIntegration().process_stream(channels, known.run(onboarding=True)).new_streams
    assert [(stream.parameters["oldest"], stream.parameters["sweep"]) for stream in found] == [("0", False)] * 2


def test_a_look_at_old_messages_goes_on_where_the_last_one_ended(known: WebApi) -> None:
    onboarded(known, 1, 2, 3, 90)
    mark = ChannelMark.model_validate(known.known[HISTORY.subject])
    known.known[HISTORY.subject] = mark.model_copy(update={"deep": True}).model_dump()
    result = known.keep(check(known, message(at(90), "day 90")))
    [sweep] = result.new_streams
    assert isinstance(sweep, HistoryStream)
    assert (sweep.sweeping, sweep.latest, sweep.oldest) == (True, at(90), "0")
    looked = known.keep(known.read(sweep, messages(message(at(3), "day 3"), message(at(2), "edited"), cursor="c")))
    assert [a.body for a in activities(looked)] == ["edited"]
    assert (looked.next_page, ChannelMark.model_validate(known.known[HISTORY.subject]).swept) == (None, at(2))
    [again] = known.keep(check(known, message(at(90), "day 90"))).new_streams
    assert isinstance(again, HistoryStream)
    assert again.latest == at(2)
    known.keep(known.read(again, messages(message(at(1), "day 1"))))
    assert ChannelMark.model_validate(known.known[HISTORY.subject]).swept == ""


def test_a_look_at_old_messages_passes_an_empty_page(known: WebApi) -> None:
    sweep = HISTORY.model_copy(update={"sweeping": True, "latest": at(5)})
    result = known.read(sweep, messages(cursor="c"))
    assert result.next_page == sweep.model_copy(update={"cursor": "c"})
    assert HISTORY.subject not in result.watermarks


def head(count: int = 2, latest: str = at(2, 9), **fields: Any) -> dict[str, Any]:
    return message(at(2), thread_ts=at(2), reply_count=count, latest_reply=latest, **fields)


def threads(result: StreamResult) -> list[RepliesStream]:
    return [stream for stream in result.new_streams if isinstance(stream, RepliesStream)]


def thread_known(web_api: WebApi, count: int = 2, latest: str = at(2, 9)) -> WebApi:
    onboarded(web_api, 1, 2)
    web_api.known[f"thread:C01:{at(2)}"] = {"count": count, "latest": latest}
    return web_api


@pytest.mark.parametrize(
    ("told", "asked"),
    [({}, False), ({"count": 3}, True), ({"count": 1}, True), ({"latest": at(3)}, True)],
    ids=str,
)
def test_a_thread_is_read_again_when_its_head_tells_of_a_change(
    known: WebApi, told: dict[str, Any], asked: bool
) -> None:
    thread_known(known)
    assert bool(threads(check(known, head(**told)))) is asked
    assert threads(known.read(HISTORY, messages(head(**told)), onboarding=True))


@pytest.mark.parametrize("shown", [{}, {"reply_count": 0}, {"reply_count": "many", "thread_ts": at(2)}], ids=str)
def test_a_thread_without_replies_any_more_is_emptied_by_the_thread_alone(known: WebApi, shown: dict[str, Any]) -> None:
    thread_known(known)
    result = known.keep(check(known, message(at(2), **shown)))
    [stream] = threads(result)
    assert not [o for o in others(result) if isinstance(o, RetractMissing)]
    read = known.keep(known.read(stream, messages(message(at(2)))))
    assert RetractMissing(type=MESSAGE, thread=f"C01:{at(2)}", present=frozenset({f"C01:{at(2)}"})) in others(read)
    assert threads(check(known, message(at(2), **shown))) == []


def test_a_broadcast_tells_of_news_in_a_thread_that_is_not_on_the_page(known: WebApi) -> None:
    thread_known(known)
    loud = message(at(8), subtype="thread_broadcast", thread_ts=at(2))
    [stream] = threads(check(known, loud))
    assert (stream.thread, stream.latest) == (at(2), at(8))
    assert threads(known.read(HISTORY, messages(loud), onboarding=True)) == [], "its head is still to come"
    known.known[f"thread:C01:{at(2)}"] = {"count": 3, "latest": at(8)}
    assert threads(check(known, loud)) == []


def test_a_very_long_thread_is_read_from_the_last_known_reply_on(known: WebApi) -> None:
    thread_known(known, count=2_000, latest=at(2, 9))
    [stream] = threads(check(known, head(count=2_001, latest=at(3))))
    assert stream.oldest == at(2, 9)
    known.read(stream, messages(head(), message(at(3), thread_ts=at(2))))
    assert f"oldest={at(2, 9)}" in known.server.seen[-1].path
    assert "inclusive=true" in known.server.seen[-1].path


def missing(result: StreamResult) -> list[Operation]:
    return [o for o in others(result) if isinstance(o, RetractMissing)]


def test_only_a_thread_that_came_whole_tells_what_is_gone_from_it(known: WebApi) -> None:
    stream = RepliesStream(channel="C01", name="general", thread=at(2), count=1, latest=at(2, 9))
    page = [head(count=1), message(at(2, 9), thread_ts=at(2))]
    assert missing(known.read(stream, messages(*page)))
    assert not missing(known.read(stream, messages(*page, cursor="c")))
    assert not missing(known.read(stream.model_copy(update={"cursor": "c"}), messages(*page)))
    assert not missing(known.read(stream.model_copy(update={"oldest": at(2)}), messages(*page)))
    assert not missing(known.read(stream, messages(*page, {"user": {}})))
    with_null = known.read(stream, messages(*page, None))
    assert (missing(with_null), with_null.unread, with_null.rejected) == ([], 1, ())


def test_a_thread_is_marked_as_its_head_was_when_it_was_read_and_when_it_is_read_through(known: WebApi) -> None:
    stream = RepliesStream(channel="C01", name="general", thread=at(2), count=1, latest=at(2, 5))
    first = known.read(stream, messages(head(count=2), message(at(2, 5), thread_ts=at(2)), cursor="c"))
    assert first.watermarks == {}
    assert first.next_page is not None
    last = known.read(first.next_page, messages(message(at(2, 9), thread_ts=at(2))))
    assert last.watermarks == {f"thread:C01:{at(2)}": {"count": 2, "latest": at(2, 9)}}


def test_a_channel_with_another_name_is_renamed_once(known: WebApi) -> None:
    onboarded(known, 1)
    renamed = HISTORY.model_copy(update={"name": "everybody"})
    result = known.keep(known.read(renamed, messages(message(at(1), "day 1"))))
    assert RenameChannel(channel_id="C01", channel="everybody") in others(result)
    assert activities(result) == []
    again = others(known.read(renamed, messages(message(at(1), "day 1"))))
    assert not [operation for operation in again if not isinstance(operation, ShowActivities)]
