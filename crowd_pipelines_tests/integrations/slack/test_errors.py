"""Slack's errors, by what must happen next: one case for each row of its table, and the sentences."""

import re
from pathlib import Path
from typing import Any

import pytest

from crowd_pipelines.http import CredentialsRejected, Gone, RateLimited, Retryable, UnexpectedPayload
from crowd_pipelines.http.errors import NotPermitted, Refused
from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.http.refusals import Refusal
from crowd_pipelines.integrations.slack.api import MOST_RESTARTS
from crowd_pipelines.integrations.slack.integration import SlackIntegration, SlackSettings
from crowd_pipelines.integrations.slack.listing import SMALL_PAGE
from crowd_pipelines.integrations.slack.refusals import REFUSALS
from crowd_pipelines.integrations.slack.streams import ChannelsStream
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines_tests.http.scripted_server import Behaviour, answer
from crowd_pipelines_tests.integrations.slack.web_api import (
    HISTORY,
    MEMBERS,
    METHODS,
    REPLIES,
    WebApi,
    message,
    messages,
    payload,
)

STREAMS = {"members": MEMBERS, "history": HISTORY, "replies": REPLIES}
every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


def refused(error: str, **details: Any) -> dict[str, Any]:
    return {"ok": False, "error": error, **details}


def asked_by(error: str) -> Stream:
    """The stream that can meet an error."""
    return {"thread_not_found": REPLIES, "limit_required": MEMBERS}.get(error, HISTORY)


ERRORS = {
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.GONE: Gone,
    Outcome.CREDENTIALS: CredentialsRejected,
    Outcome.PERMISSION: NotPermitted,
    Outcome.RETRY: Retryable,
    Outcome.REFUSED: Refused,
    Outcome.UNEXPECTED: UnexpectedPayload,
}
ROWS = [
    pytest.param(row, status, id=f"{row.code}-{status}")
    for row in REFUSALS.rows
    for status in row.statuses or (200, 401, 403)
    if row.outcome is not Outcome.OK
]


@pytest.mark.parametrize(("row", "status"), ROWS)
def test_each_row_of_the_table_means_what_it_says(web_api: WebApi, row: Refusal, status: int) -> None:
    with pytest.raises(ERRORS[row.outcome]) as error:
        web_api.read(asked_by(row.code), row.body, status=status)
    assert type(error.value) is ERRORS[row.outcome]
    assert row.code in str(error.value) or row.outcome is Outcome.RATE_LIMITED
    if row.code != "missing_scope":
        assert row.reason in str(error.value)
    assert "xoxb-nobody" not in str(error.value)
    assert len(web_api.server.seen) == (3 if row.outcome is Outcome.RETRY else 1)
    if isinstance(error.value, NotPermitted) and row.code != "missing_scope":
        assert error.value.permission == row.code


def test_each_row_is_one_code_with_its_source() -> None:
    assert len({row.code for row in REFUSALS.rows}) == len(REFUSALS.rows)
    assert all(row.source.startswith("https://docs.slack.dev/") and row.reason for row in REFUSALS.rows)


def test_the_how_to_shows_the_same_table() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/connect-slack.md").read_text("utf-8")
    [table] = re.findall(r"<!-- refusals -->\n(.*?)\n<!-- /refusals -->", page, re.DOTALL)
    assert table == REFUSALS.markdown()


@pytest.mark.parametrize("needed", ["groups:history", "channels:history,groups:history"])
def test_a_missing_scope_is_the_permission_that_is_named(web_api: WebApi, needed: str) -> None:
    with pytest.raises(NotPermitted, match=f"lacks the scope {needed}.*install the app") as refusal:
        web_api.read(HISTORY, refused("missing_scope", needed=needed))
    assert refusal.value.permission == needed


@pytest.mark.parametrize("needed", [None, 7, ["a"], "", "\ud83d", "x" * 500])
def test_a_scope_that_cannot_be_one_is_not_repeated(web_api: WebApi, needed: Any) -> None:
    with pytest.raises(NotPermitted) as refusal:
        web_api.read(HISTORY, refused("missing_scope", needed=needed))
    assert refusal.value.permission == "that this needs"


UNNAMED: list[Any] = [
    refused("a_new_one"), refused(""), {"ok": False}, {"ok": False, "error": None}, {"ok": False, "error": 5},
    {"ok": False, "error": {"code": "channel_not_found"}}, {"error": "channel_not_found"}, {}, {"ok": "yes"},
    {"ok": None}, {"ok": True, "error": "fatal_error", "messages": [], "members": []}, {"status": "down"}, [], 7,
]  # fmt: skip


@every_stream
@pytest.mark.parametrize("body", UNNAMED, ids=str)
def test_a_refusal_that_stands_in_no_row_proves_nothing_and_comes_due_again(
    web_api: WebApi, stream: Stream, body: Any
) -> None:
    with pytest.raises(Refused):
        web_api.read(stream, body)
    assert len(web_api.server.seen) == 1


@every_stream
@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 409, 410, 418, 451])
@pytest.mark.parametrize("body", [{"error": "not found"}, {"message": "Forbidden"}, {"ok": False, "error": "new"}, []])
def test_no_status_means_anything_by_itself(web_api: WebApi, stream: Stream, status: int, body: Any) -> None:
    with pytest.raises(Refused):
        web_api.read(stream, body, status=status)


@every_stream
@pytest.mark.parametrize("status", [200, 401, 403, 404, 503])
def test_a_page_of_a_proxy_comes_due_again(web_api: WebApi, stream: Stream, status: int) -> None:
    page = answer(status, body=b"<html>channel_not_found</html>", content_type="text/html")
    web_api.server.plays(f"/{METHODS[stream.kind]}", page)
    with pytest.raises(Retryable):
        SlackIntegration().process_stream(stream, web_api.run())


@every_stream
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_limit_comes_before_everything_else(web_api: WebApi, stream: Stream, status: int) -> None:
    web_api.answers(METHODS[stream.kind], refused("channel_not_found"), status=status, headers={"Retry-After": "120"})
    with pytest.raises(RateLimited):
        SlackIntegration().process_stream(stream, web_api.run())


@every_stream
@pytest.mark.parametrize("missing", [{"ok": True}, {"ok": True, "messages": None}, {"ok": True, "messages": {}}])
def test_that_all_is_well_without_a_list_is_no_empty_list(web_api: WebApi, stream: Stream, missing: Any) -> None:
    with pytest.raises(Refused, match="but no list of"):
        web_api.read(stream, missing)


@pytest.mark.parametrize("error", ["no_permission", "access_denied", "enterprise_is_restricted", "channel_not_found"])
def test_channels_are_read_even_when_people_may_not_be_listed_and_the_list_is_owed(web_api: WebApi, error: str) -> None:
    result = web_api.read(MEMBERS, refused(error))
    assert result.new_streams == (ChannelsStream(),)
    assert result.watermarks == {}
    [owed] = result.owed
    place = SlackIntegration().place_of(MEMBERS)
    assert place is not None
    assert (owed.place, owed.stream) == (place.key, place.stream)
    with pytest.raises(NotPermitted):
        web_api.read(owed.stream, refused(error))
    assert web_api.read(owed.stream, payload("members")).new_streams == (), "the channels are read apart"


def test_without_a_list_of_people_nobody_could_tell_them_from_bots(web_api: WebApi) -> None:
    lacking = refused("missing_scope", needed="users:read", provided="channels:read")
    with pytest.raises(CredentialsRejected, match=r"lacks the scope users:read\. Add it under OAuth & Permissions"):
        web_api.read(MEMBERS, lacking)
    web_api.known["members"] = {"read_at": "2024-02-01T11:00:00+00:00"}
    assert web_api.read(MEMBERS, lacking).new_streams == (ChannelsStream(),)


@pytest.mark.parametrize("error", ["not_in_channel", "channel_not_found", "ekm_access_denied"])
def test_a_refused_channel_is_one_place_however_it_is_read(web_api: WebApi, error: str) -> None:
    integration = SlackIntegration()
    check = HISTORY.model_copy(update={"latest": "", "oldest": "1708000000.000000", "until": "1708000100.000000"})
    places = [integration.place_of(stream) for stream in (HISTORY, check, check.model_copy(update={"sweep": True}))]
    places.append(integration.place_of(REPLIES))
    assert {place.key for place in places if place} == {"C01"}
    assert {place.stream.key for place in places if place} == {check.key}, "what is asked for once a day"
    with pytest.raises((NotPermitted, Gone)):
        web_api.read(check, refused(error))


def test_what_was_refused_in_a_check_is_read_whole_when_it_opens(web_api: WebApi) -> None:
    web_api.known["user:U01"] = {"name": "egon"}
    check = HISTORY.model_copy(update={"latest": "", "oldest": "1708000000.000000", "until": "1708000100.000000"})
    web_api.read(check, messages(message("1708000050.000000")), onboarding=True)
    assert "oldest=0&" in web_api.server.seen[-1].path


@pytest.mark.parametrize("error", ["not_in_channel", "channel_not_found", "internal_error", "a_new_one"])
def test_a_thread_is_gone_only_while_its_channel_answers(web_api: WebApi, error: str) -> None:
    confirm, run = SlackIntegration().confirm_place, web_api.run()
    web_api.answers("conversations.history", refused(error))
    with pytest.raises((NotPermitted, Gone, Retryable)):
        confirm(REPLIES, run)
    for shown in ([], [message(REPLIES.thread)], [message("1708000099.000000", reply_count=3)]):
        web_api.answers("conversations.history", messages(*shown))
        confirm(REPLIES, run)


def test_a_thread_that_its_channel_shows_is_not_gone(web_api: WebApi) -> None:
    head = message(REPLIES.thread, thread_ts=REPLIES.thread, reply_count=3)
    web_api.answers("conversations.history", messages(head))
    with pytest.raises(Refused, match="shows a thread"):
        SlackIntegration().confirm_place(REPLIES, web_api.run())


def test_nobody_can_invite_an_app_to_an_archived_channel(web_api: WebApi) -> None:
    with pytest.raises(NotPermitted, match=r"It is archived.*unarchive the channel and invite the app") as refusal:
        web_api.read(HISTORY.model_copy(update={"archived": True}), refused("not_in_channel"))
    assert refusal.value.permission == "not_in_channel"


def test_an_expired_cursor_goes_on_without_one_from_where_it_had_led(web_api: WebApi) -> None:
    stream = HISTORY.model_copy(update={"cursor": "old", "above": "1708000100.000000", "top": "1708000200.000000"})
    result = web_api.read(stream, refused("invalid_cursor"))
    assert result == StreamResult(
        next_page=stream.model_copy(update={"cursor": "", "latest": "1708000100.000000", "restarts": 1})
    )
    replies = REPLIES.model_copy(update={"cursor": "old"})
    again = web_api.read(replies, refused("invalid_cursor")).next_page
    assert again == REPLIES.model_copy(update={"restarts": 1})
    people = web_api.read(MEMBERS.model_copy(update={"cursor": "old"}), refused("invalid_cursor")).next_page
    assert people == MEMBERS.model_copy(update={"restarts": 1})


@every_stream
def test_cursors_that_always_expire_are_not_believed_for_ever(web_api: WebApi, stream: Stream) -> None:
    with pytest.raises(Refused, match="in a row"):
        web_api.read(stream.model_copy(update={"cursor": "x", "restarts": MOST_RESTARTS}), refused("invalid_cursor"))


def test_a_page_that_brings_something_makes_the_patience_whole_again(web_api: WebApi) -> None:
    stream = HISTORY.model_copy(update={"restarts": 3})
    web_api.answers("users.info", refused("user_not_found"))
    following = web_api.read(stream, messages(message("1708000100.000000"), cursor="next")).next_page
    assert following is not None
    assert following.parameters["restarts"] == 0


def test_a_list_that_wants_smaller_pages_gets_them(web_api: WebApi) -> None:
    following = web_api.read(MEMBERS, refused("limit_required")).next_page
    assert following == MEMBERS.model_copy(update={"limit": SMALL_PAGE, "restarts": 1})


def channels(*channels: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "channels": list(channels), "response_metadata": {"next_cursor": ""}}


GENERAL = {"id": "C01", "name": "general", "is_member": True, "is_general": True}


def test_naming_a_channel_that_the_app_is_not_in_is_told_at_once(web_api: WebApi) -> None:
    web_api.answers("auth.test", {"ok": True, "url": "https://acme.slack.com/", "team_id": "T01"})
    web_api.answers("conversations.list", channels(GENERAL, {"id": "C02", "name": "random", "is_member": False}))
    check = SlackIntegration().check_credentials
    check(web_api.api, SlackSettings())
    check(web_api.api, SlackSettings(channels=("general", "C01")))
    with pytest.raises(Gone, match=r"#random is not read.*Invite it there"):
        check(web_api.api, SlackSettings(channels=("general", "random")))


def test_a_list_of_channels_that_goes_round_in_circles_ends(web_api: WebApi) -> None:
    def leading_to(cursor: str) -> Behaviour:
        return answer(payload={**channels(GENERAL), "response_metadata": {"next_cursor": cursor}})

    web_api.server.plays("/conversations.list", leading_to("one"), leading_to("two"), leading_to("one"))
    with pytest.raises(Refused, match="in circles"):
        web_api.api.channels("public_channel", team="")


@pytest.mark.parametrize(
    "metadata", [{"next_cursor": 7}, {"next_cursor": ["x"]}, {"next_cursor": {}, "has_more": True}]
)
def test_a_list_of_channels_with_an_end_that_is_none_is_not_whole(web_api: WebApi, metadata: Any) -> None:
    web_api.answers("conversations.list", {**channels(GENERAL), "response_metadata": metadata, "has_more": True})
    with pytest.raises(Refused):
        web_api.api.channels("public_channel", team="")


def test_a_list_of_channels_whose_cursor_expires_is_started_again(web_api: WebApi) -> None:
    onward = answer(payload={**channels(GENERAL), "response_metadata": {"next_cursor": "one"}})
    expired, last = answer(payload=refused("invalid_cursor")), answer(payload=channels({**GENERAL, "id": "C02"}))
    web_api.server.plays("/conversations.list", onward, expired, onward, last)
    assert [one["id"] for one in web_api.api.channels("public_channel", team="")] == ["C01", "C02"]
    web_api.server.plays("/conversations.list", *[onward, expired] * (MOST_RESTARTS + 1))
    with pytest.raises(Refused):
        web_api.api.channels("public_channel", team="")


def test_a_page_that_leads_to_itself_is_not_the_end_and_the_channels_are_read_beside_it(web_api: WebApi) -> None:
    body = {**payload("members"), "response_metadata": {"next_cursor": "again"}}
    first = web_api.read(MEMBERS, body)
    assert first.next_page is not None
    last = web_api.read(first.next_page, body)
    assert (last.next_page, last.new_streams) == (None, (ChannelsStream(),))
    assert last.incomplete is not None
    assert "members" not in last.watermarks
