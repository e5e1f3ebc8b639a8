"""The two regimes of Slack's limits: found out, remembered, and left again."""

from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.integrations.slack.integration import SlackIntegration
from crowd_pipelines.integrations.slack.people import UserMark
from crowd_pipelines.integrations.slack.streams import ChannelMark
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.truths import assert_true
from crowd_pipelines_tests.integrations.slack.web_api import HISTORY, REPLIES, WebApi, message, messages
from crowd_pipelines_tests.integrations.stored import live, told

THREAD = REPLIES.model_copy(update={"latest": ""})
"""A thread of which the channel has told nothing that could be older."""


def page(size: int, cursor: str = "c") -> dict[str, Any]:
    return messages(*(message(f"{1708000000 + number}.000100") for number in range(size)), cursor=cursor)


@pytest.fixture
def known(web_api: WebApi) -> WebApi:
    web_api.known["user:U01"] = UserMark(name="egon", listed=True).model_dump()
    return web_api


@pytest.mark.parametrize("stream", [HISTORY, THREAD], ids=["history", "replies"])
@pytest.mark.parametrize(
    ("size", "cursor", "limited"),
    [(15, "c", True), (15, "", None), (14, "c", None), (0, "c", None), (16, "c", None), (999, "c", None)],
)
def test_fifteen_messages_and_more_to_come_tell_of_the_limited_regime(
    known: WebApi, stream: Any, size: int, cursor: str, limited: bool | None
) -> None:
    mark = known.read(stream, page(size, cursor)).watermarks.get("regime")
    assert mark == (None if limited is None else {"limited": limited})


@pytest.mark.parametrize(("size", "expected"), [(16, {"limited": False}), (15, None), (3, None)])
def test_a_larger_page_tells_that_it_is_over(known: WebApi, size: int, expected: Any) -> None:
    known.known["regime"] = {"limited": True}
    assert known.read(HISTORY, page(size)).watermarks.get("regime") == expected


@pytest.mark.parametrize(("regime", "limit"), [("internal", 999), ("limited", 15), ("auto", 999)])
def test_the_settings_may_say_which_it_is(known: WebApi, regime: str, limit: int) -> None:
    result = known.read(HISTORY, page(15), regime=regime)
    assert f"limit={limit}&" in known.server.seen[-1].path + "&"
    assert ("regime" in result.watermarks) is (regime == "auto")


@pytest.mark.parametrize("stream", [HISTORY, THREAD], ids=["history", "replies"])
@pytest.mark.parametrize("regime", ["auto", "limited"])
def test_fifteen_messages_without_a_cursor_are_an_end_only_where_there_is_no_more(
    known: WebApi, stream: Any, regime: str
) -> None:
    ended = known.read(stream, {**page(15, cursor=""), "has_more": False}, regime=regime)
    assert (ended.incomplete, stream.kind == "history") == (None, HISTORY.subject in ended.watermarks)
    more = known.read(stream, {**page(15, cursor=""), "has_more": True}, regime=regime)
    assert (bool(more.incomplete), more.next_page, dict(more.watermarks)) == (True, None, {})


def test_the_regime_may_change_between_two_pages_of_a_channel(known: WebApi) -> None:
    first = known.keep(known.read(HISTORY, page(40), onboarding=True)).next_page
    assert first is not None
    second = known.keep(known.read(first, page(15, "d"), onboarding=True))
    assert known.known["regime"] == {"limited": True}
    assert second.next_page is not None
    assert HISTORY.subject not in second.watermarks or second.watermarks[HISTORY.subject]["newest"] == ""
    known.keep(known.read(second.next_page, page(16, "e"), onboarding=True))
    assert known.known["regime"] == {"limited": False}


def test_old_messages_are_not_looked_at_in_the_limited_regime(known: WebApi) -> None:
    mark = ChannelMark(newest="1708000000.000000", oldest="1600000000.000000", deep=True)
    known.known["members"] = {"read_at": "2024-03-01T11:00:00+00:00"}
    known.known["channel:C01"] = mark.model_dump()
    plan = SlackIntegration().get_streams
    assert [stream.parameters["sweep"] for stream in plan(known.run())] == [True, False]
    assert [stream.parameters["sweep"] for stream in plan(known.run(regime="limited"))] == [False, False]


def budgets(slack: Connected) -> set[str]:
    return {row["key"].rpartition(":")[2] for row in slack.rows("SELECT key FROM rate_budgets")}


def test_the_limited_regime_is_found_out_kept_to_and_read_through(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox.start(platforms=("slack",)) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        slack.change("regime")
        assert slack.onboard().state is RunState.PROCESSED
        assert_true(slack, slack.truth())
        assert {"history-limited", "replies-limited"} <= budgets(slack)
        slack.change("post", times=40)
        slack.check()
        assert live(slack).keys() == told(slack.truth()).keys()
        slack.change("regime", limited=False)
        slack.check()
        slack.change("post")
        slack.check()
        assert slack.value("SELECT value FROM watermarks WHERE subject = 'regime'") == {"limited": False}


def test_a_request_a_minute_delays_the_run_and_costs_no_attempt(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox.start(platforms=("slack",)) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        slack.change("limit", method="conversations.history", requests=3, seconds=3600)
        run = slack.onboard()
        rounds = 0
        while run.state is RunState.DELAYED and rounds < 20:
            slack.change("limit", method="conversations.history", requests=3, seconds=3600)
            run, rounds = slack.resume(run), rounds + 1
        assert (run.state, rounds > 1) == (RunState.PROCESSED, True)
        assert_true(slack, slack.truth())
        assert slack.value("SELECT max(retries) FROM integration_streams") == 0
