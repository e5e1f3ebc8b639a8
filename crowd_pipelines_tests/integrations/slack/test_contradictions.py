"""Answers that contradict themselves, or what was known: nothing ends, is retracted or is noted for them."""

from typing import Any

import pytest

from crowd_pipelines.http.errors import Refused
from crowd_pipelines.integrations.slack.api import MOST_RESTARTS
from crowd_pipelines.integrations.slack.integration import SlackIntegration
from crowd_pipelines.integrations.slack.people import UserMark
from crowd_pipelines.integrations.slack.streams import ChannelMark, ChannelsStream, HistoryStream, RepliesStream
from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import RetractActivities, RetractMissing, ShowActivities, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.truths import assert_true
from crowd_pipelines_tests.integrations.slack.web_api import (
    HISTORY,
    MEMBERS,
    WebApi,
    activities,
    message,
    messages,
    others,
    payload,
)
from crowd_pipelines_tests.integrations.stored import live

HEAD = "1708000100.000100"
THREAD = RepliesStream(channel="C01", name="general", thread=HEAD, count=2, latest="1708000300.000100")
FIRST, SECOND = (message(f"1708000{number}00.000100", thread_ts=HEAD) for number in (2, 3))


@pytest.fixture
def known(web_api: WebApi) -> WebApi:
    web_api.known["user:U01"] = UserMark(name="egon", listed=True).model_dump()
    return web_api


def head(count: Any = 2, latest: str = "1708000300.000100") -> dict[str, Any]:
    return message(HEAD, thread_ts=HEAD, reply_count=count, latest_reply=latest)


def retractions(result: StreamResult) -> list[Any]:
    return [operation for operation in others(result) if isinstance(operation, RetractActivities | RetractMissing)]


def assert_proves_nothing(result: StreamResult) -> None:
    """It is read again: nothing ends by it, and nothing is gone or noted."""
    assert result.incomplete
    assert (result.next_page, retractions(result), dict(result.watermarks)) == (None, [], {})


@pytest.mark.parametrize("stream", [HISTORY, THREAD, MEMBERS], ids=["history", "replies", "members"])
@pytest.mark.parametrize("metadata", [{}, {"response_metadata": {}}, {"response_metadata": {"next_cursor": ""}}])
def test_more_without_a_cursor_is_no_end(known: WebApi, stream: Any, metadata: Any) -> None:
    body = {"ok": True, "messages": [head(), FIRST, SECOND], "members": payload("members")["members"]}
    result = known.read(stream, {**body, "has_more": True, **metadata})
    assert result.incomplete
    assert (result.next_page, retractions(result)) == (None, [])
    assert not {HISTORY.subject, f"thread:C01:{HEAD}", "members"} & result.watermarks.keys()
    assert result.operations, "what it shows is stored"


def test_a_plan_that_hides_what_is_old_says_that_there_is_more_and_it_is_the_end(known: WebApi) -> None:
    body = {"ok": True, "messages": [message(HEAD)], "has_more": True, "is_limited": True}
    result = known.read(HISTORY, body, onboarding=True)
    assert (result.incomplete, result.next_page) == (None, None)
    assert ChannelMark.model_validate(result.watermarks[HISTORY.subject]).newest == HEAD


def test_a_workspace_without_anybody_or_any_channel_is_none(known: WebApi) -> None:
    nobody = known.read(MEMBERS, {"ok": True, "members": [], "response_metadata": {"next_cursor": ""}})
    assert (nobody.incomplete, nobody.watermarks) == ("the list of people is empty", {})
    assert known.read(MEMBERS, {"ok": True, "members": [], "response_metadata": {"next_cursor": "c"}}).next_page
    known.answers("auth.test", {"ok": True, "url": "https://acme.slack.com/", "team_id": "T01"})
    known.answers("conversations.list", {"ok": True, "channels": []})
    with pytest.raises(Refused, match="every workspace has some"):
        SlackIntegration().preprocess(known.run(onboarding=True))


@pytest.mark.parametrize("stream", [HISTORY, THREAD], ids=["history", "replies"])
def test_a_cursor_that_leads_to_its_own_page_is_no_end(known: WebApi, stream: Any) -> None:
    result = known.read(stream.model_copy(update={"cursor": "c"}), messages(FIRST, cursor="c"))
    if isinstance(stream, HistoryStream):
        assert_proves_nothing(result)
    else:
        assert result.next_page == THREAD.model_copy(update={"restarts": 1}), "a thread is begun again"


def test_a_thread_that_is_shorter_than_its_own_count_is_read_again(known: WebApi) -> None:
    result = known.read(THREAD, messages(head(count=3), FIRST, SECOND))
    assert_proves_nothing(result)
    assert len(activities(result)) == 2


def test_a_thread_may_be_longer_than_its_count_since_somebody_may_have_answered(known: WebApi) -> None:
    result = known.read(THREAD, messages(head(count=1), FIRST, SECOND))
    assert result.incomplete is None
    assert len(retractions(result)) == 1


@pytest.mark.parametrize("counted", [{"count": None}, {"count": "many"}])
def test_a_thread_that_does_not_count_is_believed(known: WebApi, counted: dict[str, Any]) -> None:
    assert known.read(THREAD, messages(head(**counted), FIRST, SECOND)).incomplete is None


def test_the_replies_of_all_pages_are_counted(known: WebApi) -> None:
    first = known.read(THREAD, messages(head(count=3), FIRST, cursor="c"))
    assert first.next_page is not None
    last = known.read(first.next_page, messages(head(count=3), SECOND))
    assert last.next_page == THREAD.model_copy(update={"restarts": 1}), "it is begun again"
    tired = first.next_page.model_copy(update={"restarts": MOST_RESTARTS})
    with pytest.raises(Refused):
        known.read(tired, messages(SECOND))
    third = message("1708000250.000100", thread_ts=HEAD)
    assert known.read(first.next_page, messages(third, SECOND)).incomplete is None


def test_a_thread_that_is_older_than_the_channels_word_of_it_is_read_again(known: WebApi) -> None:
    known.answers("conversations.history", messages(head()))
    result = known.read(THREAD, messages(head(count=1, latest="1708000200.000100"), FIRST))
    assert_proves_nothing(result)
    assert "latest=1708000100.000100" in known.server.seen[-1].path


@pytest.mark.parametrize(
    "now",
    [[head(count=1, latest="1708000200.000100")], [], [message(HEAD)], [None]],
    ids=["less", "gone", "alone", "null"],
)
def test_a_reply_that_was_deleted_since_the_channel_was_read_is_gone(known: WebApi, now: list[Any]) -> None:
    known.answers("conversations.history", messages(*now))
    result = known.read(THREAD, messages(head(count=1, latest="1708000200.000100"), FIRST))
    assert result.incomplete is None
    assert len(retractions(result)) == 1
    assert result.watermarks[f"thread:C01:{HEAD}"] == {"count": 1, "latest": "1708000200.000100"}


def test_a_thread_as_it_was_announced_costs_one_request(known: WebApi) -> None:
    known.read(THREAD, messages(head(), FIRST, SECOND))
    assert len(known.server.seen) == 1


KNOWN = ChannelMark(name="general", newest="1708000000.000100", oldest="1700000000.000100")
CHECK = HISTORY.model_copy(update={"oldest": "1705000000.000100", "until": KNOWN.newest})


def empty_then(known: WebApi, *alone: Any) -> StreamResult:
    """A channel that shows nothing, and what it shows of its newest message when that is asked for."""
    known.known[HISTORY.subject] = KNOWN.model_dump()
    known.server.plays("/conversations.history", answer(payload=messages()), answer(payload=messages(*alone)))
    return known.read_as_it_is(CHECK)


def test_an_empty_channel_of_which_messages_are_known_is_asked_for_the_newest(known: WebApi) -> None:
    assert_proves_nothing(empty_then(known, message(KNOWN.newest)))


def test_an_empty_channel_that_does_not_show_the_newest_either_is_believed_and_retracts_nothing(known: WebApi) -> None:
    result = known.keep(empty_then(known))
    assert (result.incomplete, result.operations) == (None, ())
    mark = ChannelMark.model_validate(known.known[HISTORY.subject])
    assert (mark.newest, mark.vacant) == (KNOWN.newest, KNOWN.newest)
    asked = len(known.server.seen)
    known.read_as_it_is(CHECK)
    assert len(known.server.seen) == asked + 1, "it is asked apart once"


def test_a_channel_as_it_was_before_its_newest_message_takes_nothing_away(known: WebApi) -> None:
    newest, older = message("1708000500.000100"), message("1708000000.000100")
    known.keep(known.read(HISTORY, messages(newest, older), onboarding=True))
    known.server.plays("/conversations.history", answer(payload=messages(older)), answer(payload=messages(newest)))
    assert_proves_nothing(known.read_as_it_is(CHECK))
    known.server.plays("/conversations.history", answer(payload=messages(older)), answer(payload=messages()))
    assert len(retractions(known.keep(known.read_as_it_is(CHECK)))) == 2
    asked = len(known.server.seen)
    known.read(CHECK, messages(older))
    assert len(known.server.seen) == asked + 1


def test_an_empty_channel_of_which_nothing_is_known_is_empty(known: WebApi) -> None:
    assert known.read(HISTORY, messages()).incomplete is None
    assert len(known.server.seen) == 1


def test_what_a_page_shows_that_is_known_is_told_to_be_there(known: WebApi) -> None:
    page = messages(message("1708000200.000100"), message("1708000100.000100", "other"))
    known.keep(known.read(HISTORY, page, onboarding=True))
    result = known.read(CHECK, page)
    [shown] = [operation for operation in others(result) if isinstance(operation, ShowActivities)]
    assert {activity.source_id for activity in shown.activities} == {"C01:1708000200.000100", "C01:1708000100.000100"}
    assert activities(result) == []


def test_a_head_that_vanishes_and_is_there_again_has_its_replies_read_anew(known: WebApi) -> None:
    newer, older = message("1708000500.000100"), message("1708000000.000100")
    known.keep(known.read(HISTORY, messages(newer, head(), older), onboarding=True))
    known.keep(known.read(THREAD, messages(head(), FIRST, SECOND)))
    assert known.read(CHECK, messages(newer, head(), older)).new_streams == ()
    assert len(retractions(known.keep(known.read(CHECK, messages(newer, older))))) == 2
    again = known.read(CHECK, messages(newer, head(), older))
    assert [stream.kind for stream in again.new_streams] == ["replies"]
    assert [activity.source_id for activity in activities(again)] == [f"C01:{HEAD}"]


def test_what_administrators_withhold_is_not_gone(known: WebApi) -> None:
    newer, older = message("1708000500.000100"), message("1708000000.000100")
    known.keep(known.read(HISTORY, messages(newer, message(HEAD), older), onboarding=True))
    withheld = message(HEAD, "Your admins have suspended access.", subtype="ekm_access_denied")
    result = known.keep(known.read(CHECK, messages(newer, withheld, older)))
    assert retractions(result) == []
    hidden = {**FIRST, "subtype": "ekm_access_denied"}
    [absent] = retractions(known.read(THREAD, messages(head(), hidden, SECOND)))
    assert {f"C01:{one['ts']}" for one in (FIRST, SECOND)} < absent.present


def test_people_who_come_as_null_are_counted_and_the_others_are_stored(known: WebApi) -> None:
    listed = payload("members")
    listed["members"].append(None)
    result = known.read(MEMBERS, listed)
    assert (result.unread, result.rejected, result.new_streams) == (1, (), (ChannelsStream(),))


@pytest.mark.parametrize("body", [{"ok": True, "user": None}, {"ok": True}, {"ok": False, "error": "access_denied"}])
def test_somebody_whom_slack_could_not_show_is_looked_up_again(known: WebApi, body: Any) -> None:
    known.answers("users.info", body)
    page = messages(message("1708000100.000100", user="U77"))
    result = known.keep(known.read(HISTORY, page))
    assert result.unread == (1 if body["ok"] else 0)
    assert [a.member.username for a in activities(result)] == ["U77"]
    known.answers("users.info", {"ok": True, "user": {"id": "U77", "name": "visitor", "profile": {}}})
    assert [a.member.username for a in activities(known.read(HISTORY, page, onboarding=True))] == ["visitor"]


# With the database: what passes leaves no trace.


PASSING = [
    (path, what)
    for path in ("conversations.list", "users.list", "history", "replies")
    for what in ("no_cursor", "no_list", "error_beside", "number_cursor")
]


@pytest.mark.parametrize(
    ("path", "what"), [*PASSING, *((path, "nothing") for path in ("conversations.list", "users.list", "history"))]
)
def test_a_contradiction_that_passes_leaves_the_truth(onboarded: Connected, path: str, what: str) -> None:
    onboarded.sandbox.change("slack", [{"do": "week", "seed": 2}])
    onboarded.fault("poison", path=path, what=what, times=2)
    finished(onboarded)
    onboarded.sandbox.clear_faults()
    finished(onboarded)
    assert_true(onboarded, onboarded.truth())


def finished(slack: Connected) -> None:
    """A check, with all the waits that it takes."""
    run = slack.check()
    for _ in range(12):
        run = slack.resume(run) if run.state is RunState.DELAYED else run
    assert run.state is RunState.PROCESSED


@pytest.mark.parametrize("what", ["short_thread", "stale_thread"])
def test_a_thread_that_contradicts_its_channel_loses_no_reply(onboarded: Connected, what: str) -> None:
    thread = onboarded.truth().cases["many_replies"]
    before = live(onboarded).keys()
    onboarded.change("reply", thread=thread)
    onboarded.fault("poison", path="replies", what=what, times=1)
    finished(onboarded)
    assert_true(onboarded, onboarded.truth())
    assert before < live(onboarded).keys()


def test_a_lasting_contradiction_is_told_as_owed(onboarded: Connected) -> None:
    thread = onboarded.truth().cases["many_replies"]
    onboarded.change("reply", thread=thread)
    onboarded.fault("poison", path="replies", what="short_thread")
    finished(onboarded)
    [owed] = onboarded.rows("SELECT label, reason FROM owed_reads")
    assert "thread" in owed["label"]
    assert "counts" in owed["reason"]
    onboarded.sandbox.clear_faults()
    finished(onboarded)
    assert onboarded.rows("SELECT * FROM owed_reads") == []
    assert_true(onboarded, onboarded.truth())


def test_what_is_hidden_and_shown_again_is_there_with_its_replies(onboarded: Connected) -> None:
    before, head_id = live(onboarded).keys(), onboarded.truth().cases["many_replies"]
    hidden = {("message", one) for one in onboarded.change("hide", message=head_id)["messages"]}
    onboarded.check()
    assert live(onboarded).keys() == before - hidden
    onboarded.change("restore")
    onboarded.check()
    assert_true(onboarded, onboarded.truth())
    assert live(onboarded).keys() == before


def test_what_was_retracted_and_is_shown_is_stored_again(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    with onboarded.engine.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE activities SET retracted_at = now(), body = NULL WHERE type = 'message' AND channel = 'random'"
        )
    onboarded.check()
    window = {key for key in before if key in live(onboarded)}
    assert len(window) > len(before) / 2
    onboarded.onboard()
    assert live(onboarded).keys() == before
