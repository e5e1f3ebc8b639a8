"""The simulated Slack answers and refuses as the real one does."""

import re
from typing import Any

import pytest

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import fetch
from crowd_pipelines_tests.sandbox.slack_reader import HEADERS, answer, call, channels, everything, pages


@pytest.fixture(scope="session")
def api(still: Sandbox) -> str:
    return still.api_url("slack")


@pytest.fixture(scope="session")
def general(api: str) -> str:
    return next(str(channel["id"]) for channel in channels(api) if channel["is_general"])


def moments(messages: list[dict[str, Any]]) -> list[str]:
    return [message["ts"] for message in messages]


def test_history_is_newest_first_in_pages_of_100_unless_told(api: str, general: str) -> None:
    first = call(api, "conversations.history", channel=general)
    assert len(first["messages"]) == 100
    assert first["has_more"] is True
    whole = everything(api, "conversations.history", "messages", channel=general)
    assert moments(whole) == sorted(moments(whole), reverse=True)
    assert moments(everything(api, "conversations.history", "messages", limit=7, channel=general)) == moments(whole)


def test_history_has_heads_and_broadcasts_and_no_other_replies(api: str, general: str) -> None:
    whole = everything(api, "conversations.history", "messages", channel=general)
    below = [m for m in whole if m.get("thread_ts", m["ts"]) != m["ts"]]
    assert below
    assert {message["subtype"] for message in below} == {"thread_broadcast"}


def test_moments_are_exclusive_unless_told(api: str, general: str) -> None:
    whole = moments(everything(api, "conversations.history", "messages", channel=general))
    span = {"channel": general, "oldest": whole[9], "latest": whole[4], "limit": 99}
    assert moments(call(api, "conversations.history", **span)["messages"]) == whole[5:9]
    assert moments(call(api, "conversations.history", **span, inclusive="true")["messages"]) == whole[4:10]


def test_oldest_without_latest_gives_the_page_that_is_nearest_to_it(api: str, general: str) -> None:
    whole = moments(everything(api, "conversations.history", "messages", channel=general))
    near = call(api, "conversations.history", channel=general, oldest=whole[50], limit=10)
    assert moments(near["messages"]) == whole[40:50]


def test_a_thread_is_oldest_first_and_begins_with_its_head_on_every_page(api: str, still: Sandbox) -> None:
    channel, _, ts = still.truth("slack").cases["many_replies"].partition(":")
    found = list(pages(api, "conversations.replies", "messages", limit=11, channel=channel, ts=ts))
    assert [len(page) for page in found] == [11, 11, 11, 11]
    assert {page[0]["ts"] for page in found} == {ts}
    replies = [reply for page in found for reply in moments(page[1:])]
    assert replies == sorted(replies)
    assert len(set(replies)) == found[0][0]["reply_count"] == 40
    assert found[0][0]["latest_reply"] == replies[-1]


def test_a_reply_leads_to_its_thread(api: str, still: Sandbox) -> None:
    channel, _, ts = still.truth("slack").cases["broadcast"][1].partition(":")
    assert len(call(api, "conversations.replies", channel=channel, ts=ts)["messages"]) == 2


def test_lists_page_to_the_end(api: str, still: Sandbox) -> None:
    people = everything(api, "users.list", "members", limit=30)
    assert len(people) == len({person["id"] for person in people}) == still.truth("slack").coverage["people"]
    public = everything(api, "conversations.list", "channels", limit=3)
    assert not [channel for channel in public if channel["is_private"]]
    assert [channel for channel in public if channel["is_archived"]]
    assert [channel for channel in public if not channel["is_member"]]


def test_people_can_be_looked_up_strangers_too(api: str) -> None:
    assert call(api, "users.info", user="U0STRANG1")["user"]["is_stranger"] is True
    assert call(api, "users.info", user="U0HIDDEN1") == {"ok": False, "error": "user_not_visible"}
    assert call(api, "users.info", user="U404") == {"ok": False, "error": "user_not_found"}


def test_whose_token_it_is(api: str) -> None:
    assert call(api, "auth.test")["url"] == "https://crowd-sandbox.slack.com/"
    assert call(api, "team.info")["team"]["id"] == call(api, "auth.test")["team_id"]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "not_authed"),
        ({"Authorization": "Bearer xoxb-another"}, "invalid_auth"),
        ({"Authorization": HEADERS["Authorization"].replace("Bearer", "token")}, "invalid_auth"),
    ],
    ids=str,
)
def test_without_its_token_nobody_gets_in(api: str, headers: dict[str, str], error: str) -> None:
    refused = fetch(f"{api}/auth.test", headers={"User-Agent": "x", **headers})
    assert (refused.status, refused.json) == (200, {"ok": False, "error": error})


@pytest.mark.parametrize(
    ("path", "error", "word"),
    [
        ("conversations.history?channel=C000CHANL&limit=0", "invalid_limit", "limit"),
        ("conversations.history?channel=C000CHANL&limit=1000", "invalid_limit", "limit"),
        ("conversations.list?limit=1000", "invalid_limit", "limit"),
        ("users.list?limit=many", "invalid_limit", "limit"),
        ("users.list?limit=1001", "invalid_limit", "limit"),
        ("conversations.history?channel=C000CHANL&since=1", "invalid_arg_name", "since"),
        ("users.info?user=U1&user=U2", "invalid_arg_name", "twice"),
        ("auth.test?token=xoxb-1", "invalid_arg_name", "token"),
        ("conversations.history?channel=C000CHANL&oldest=yesterday", "invalid_ts_oldest", "oldest"),
        ("conversations.history?channel=C000CHANL&latest=-1", "invalid_ts_latest", "latest"),
        ("conversations.history?channel=C000CHANL&inclusive=yes", "invalid_arguments", "inclusive"),
        ("conversations.list?types=everything", "invalid_types", "everything"),
        ("conversations.history?channel=C000CHANL&cursor=mine", "invalid_cursor", "mine"),
        ("users.list?cursor=bmV4dF90czox", "invalid_cursor", "never given"),
        ("chat.postMessage?channel=C000CHANL", "unknown_method", "chat.postMessage"),
    ],
)
def test_what_breaks_the_contract_is_refused_and_marked(lively: Sandbox, path: str, error: str, word: str) -> None:
    refused = fetch(f"{lively.api_url('slack')}/{path}", headers=HEADERS)
    assert (refused.status, refused.json) == (200, {"ok": False, "error": error})
    assert [word in request["violation"] for request in lively.requests("slack")] == [True]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"channel": "C404"}, "channel_not_found"),
        ({"channel": "secret-plans"}, "not_in_channel"),
        ({"channel": "C000CHANL", "ts": "1.000000"}, "thread_not_found"),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused_without_a_mark(lively: Sandbox, query: dict[str, str], error: str) -> None:
    cases = lively.truth("slack").cases
    query = {**query, "channel": cases.get(query["channel"], query["channel"])}
    method = "conversations.replies" if "ts" in query else "conversations.history"
    assert call(lively.api_url("slack"), method, **query) == {"ok": False, "error": error}
    assert [request["violation"] for request in lively.requests("slack")] == [None]


def test_a_missing_scope_names_itself(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    lively.change("slack", [{"do": "scope", "scope": scope} for scope in ("groups:history", "users:read.email")])
    private = next(channel["id"] for channel in channels(api) if channel["is_private"])
    refused = call(api, "conversations.history", channel=private)
    assert (refused["error"], refused["needed"]) == ("missing_scope", "groups:history")
    assert "channels:history" in refused["provided"]
    assert not [p for p in everything(api, "users.list", "members") if "email" in p["profile"]]
    lively.change("slack", [{"do": "scope", "scope": "groups:read"}])
    assert call(api, "conversations.list", types="public_channel,private_channel")["needed"] == "groups:read"
    assert call(api, "conversations.list")["ok"] is True


def test_a_limit_refuses_with_429_and_whole_seconds(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    lively.change("slack", [{"do": "limit", "method": "users.list", "requests": 2, "seconds": 3600}])
    answers = [answer(api, "users.list", limit=5) for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 429]
    assert answers[2].json == {"ok": False, "error": "ratelimited"}
    assert re.fullmatch(r"[1-9]\d{0,3}", answers[2].headers["retry-after"])
    assert answer(api, "auth.test").status == 200


def test_each_method_has_its_own_limit_per_second() -> None:
    with Sandbox.start(platforms=("slack",), requests_per_second=2) as sandbox:
        api = sandbox.api_url("slack")
        refused = [answer(api, "auth.test") for _ in range(6)]
        assert 429 in {one.status for one in refused}
        assert answer(api, "team.info").status == 200


def test_the_limited_regime_gives_fifteen_whatever_is_asked_for(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    lively.change("slack", [{"do": "regime"}])
    channel = channels(api)[0]["id"]
    page = call(api, "conversations.history", channel=channel, limit=999)
    assert len(page["messages"]) == 15
    assert page["response_metadata"]["next_cursor"]
    assert len(call(api, "users.list", limit=999)["members"]) > 15


def test_cursors_expire_and_short_pages_go_on(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    cursor = call(api, "users.list", limit=5)["response_metadata"]["next_cursor"]
    lively.change("slack", [{"do": "expire_cursors"}])
    assert call(api, "users.list", limit=5, cursor=cursor) == {"ok": False, "error": "invalid_cursor"}
    whole = everything(api, "users.list", "members")
    lively.change("slack", [{"do": "short_pages"}])
    found = list(pages(api, "users.list", "members", limit=50))
    assert (found[0], len(found[1])) == ([], 25)
    assert [person for page in found for person in page] == whole


def test_a_cap_that_nobody_is_told_of(general: str) -> None:
    with Sandbox.start(platforms=("slack",), page_size_max=4) as sandbox:
        page = call(sandbox.api_url("slack"), "conversations.history", channel=general, limit=999)
        assert (len(page["messages"]), page["has_more"]) == (4, True)


def test_a_form_is_as_good_as_an_address_and_its_token_is_not_logged(lively: Sandbox) -> None:
    address = f"{lively.api_url('slack')}/users.info"
    form = {**HEADERS, "Content-Type": "application/json"}
    assert fetch(address, method="POST", headers=form).json["error"] == "invalid_post_type"
    assert fetch(address, method="DELETE", headers=HEADERS).json["error"] == "invalid_post_type"
