"""Slack's errors, by what must happen next: one case for each row of its table, and the sentences."""

from typing import Any

import pytest

from crowd_pipelines.http import CredentialsRejected, Gone, RateLimited, Retryable, UnexpectedPayload
from crowd_pipelines.integrations.slack.integration import SMALL_PAGE, SlackIntegration, SlackSettings
from crowd_pipelines.integrations.slack.streams import MOST_RESTARTS
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines_tests.http.scripted_server import Behaviour, answer
from crowd_pipelines_tests.integrations.slack.web_api import (
    HISTORY,
    MEMBERS,
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


@every_stream
@pytest.mark.parametrize(
    "error",
    [
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "org_login_required",
        "team_access_not_granted", "not_allowed_token_type",
    ],
)  # fmt: skip
def test_refused_credentials_end_the_run_and_tell_what_to_do(web_api: WebApi, stream: Stream, error: str) -> None:
    with pytest.raises(CredentialsRejected) as rejected:
        web_api.read(stream, refused(error))
    told = str(rejected.value)
    assert error in told
    assert any(remedy in told for remedy in ("Copy", "Install", "Use an app", "Connect it", "Ask"))
    assert "xoxb-nobody" not in told
    assert len(web_api.server.seen) == 1


@every_stream
@pytest.mark.parametrize(
    "error",
    [
        "channel_not_found", "not_in_channel", "is_archived", "thread_not_found", "user_not_found", "user_not_visible",
        "no_permission", "access_denied", "ekm_access_denied",
    ],
)  # fmt: skip
def test_what_is_gone_or_forbidden_is_skipped(web_api: WebApi, stream: Stream, error: str) -> None:
    result = web_api.read(stream, refused(error))
    assert result.skipped is not None
    assert error in result.skipped
    assert result.operations == ()
    assert len(web_api.server.seen) == 1


def test_channels_are_read_even_when_people_may_not_be_listed(web_api: WebApi) -> None:
    result = web_api.read(MEMBERS, refused("no_permission"))
    assert [stream.kind for stream in result.new_streams] == ["history", "history"]
    assert result.watermarks == {}


@every_stream
@pytest.mark.parametrize(
    "error", ["internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"]
)
def test_what_time_may_heal_is_tried_again(web_api: WebApi, stream: Stream, error: str) -> None:
    with pytest.raises(Retryable):
        web_api.read(stream, refused(error))
    assert len(web_api.server.seen) == 3


@every_stream
@pytest.mark.parametrize("error", ["invalid_ts_oldest", "invalid_ts_latest", "invalid_arg_name", "a_new_one", None, 5])
def test_what_repeating_will_not_improve_is_evidence(web_api: WebApi, stream: Stream, error: Any) -> None:
    with pytest.raises(UnexpectedPayload) as unexpected:
        web_api.read(stream, refused(error))
    assert str(error) in unexpected.value.evidence or error is None
    assert len(web_api.server.seen) == 1


@every_stream
@pytest.mark.parametrize("body", [{}, {"ok": "yes"}, {"ok": None}, {"ok": True}, {"ok": True, "messages": {}}, [], "x"])
def test_an_answer_that_says_neither_yes_nor_no_is_evidence(web_api: WebApi, stream: Stream, body: Any) -> None:
    with pytest.raises(UnexpectedPayload):
        web_api.read(stream, body)


def test_a_missing_scope_ends_the_run_where_nothing_can_be_read_without(web_api: WebApi) -> None:
    with pytest.raises(CredentialsRejected, match=r"lacks the scope users:read\. Add it under OAuth & Permissions"):
        web_api.read(MEMBERS, refused("missing_scope", needed="users:read", provided="channels:read"))


@pytest.mark.parametrize("stream", [HISTORY, REPLIES], ids=["history", "replies"])
def test_a_missing_scope_of_one_method_skips_the_stream(web_api: WebApi, stream: Stream) -> None:
    result = web_api.read(stream, refused("missing_scope", needed="groups:history"))
    assert result.skipped is not None
    assert "lacks the scope groups:history" in result.skipped


def test_a_refusal_with_a_status_of_its_own_is_told_by_it(web_api: WebApi) -> None:
    with pytest.raises(CredentialsRejected):
        web_api.read(HISTORY, refused("something_new"), status=401)
    with pytest.raises(RateLimited):
        web_api.read(HISTORY, refused("something_new"), status=429)


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
    with pytest.raises(UnexpectedPayload, match="in a row"):
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
    with pytest.raises(UnexpectedPayload, match="in circles"):
        list(web_api.api.channels("public_channel"))


def test_a_page_that_leads_to_itself_is_a_circle_beside_which_the_channels_are_read(web_api: WebApi) -> None:
    body = {**payload("members"), "response_metadata": {"next_cursor": "again"}}
    first = web_api.read(MEMBERS, body)
    assert first.next_page is not None
    last = web_api.read(first.next_page, body)
    assert last.next_page is not None
    assert last.next_page.key == first.next_page.key
    assert [stream.kind for stream in last.new_streams] == ["history", "history"]
    assert "members" not in last.watermarks
