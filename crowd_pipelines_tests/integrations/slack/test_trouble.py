"""Slack in trouble: credentials and scopes that are refused, records that cannot be used, workers that die."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from crowd_pipelines.integrations.slack import listing
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.truths import assert_members_are_true, assert_true
from crowd_pipelines_tests.integrations.stored import live, told


def refused(error: str, **details: Any) -> str:
    return json.dumps({"ok": False, "error": error, **details})


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth", "account_inactive"])
def test_refused_credentials_cost_one_request_and_tell_what_to_do(slack: Connected, error: str) -> None:
    slack.change("revoke_token", error=error)
    run = slack.onboard()
    assert run.state is RunState.ERROR
    assert len(slack.asked()) == 1
    [integration] = slack.rows("SELECT status, error FROM integrations")
    assert integration["status"] == "error"
    assert error in integration["error"]
    assert "Connect the integration again" in integration["error"]


def due(slack: Connected) -> list[UUID]:
    later = datetime.now(UTC) + timedelta(days=2)
    with slack.engine.begin() as conn:
        return integrations.due_for_check(conn, "slack", interval=timedelta(minutes=20), now=later)


def test_a_token_that_is_revoked_costs_the_next_check_one_request_and_there_is_none_after_it(
    onboarded: Connected,
) -> None:
    assert due(onboarded) == [onboarded.record.id]
    onboarded.change("revoke_token")
    run = onboarded.check()
    assert (run.state, len(onboarded.asked())) == (RunState.DELAYED, 2), "what worked before is asked again"
    assert onboarded.resume(run).state is RunState.ERROR


def test_one_refusal_of_a_token_that_worked_is_no_end(onboarded: Connected) -> None:
    onboarded.change("post")
    onboarded.fault("replace", path="conversations.list", times=1, body=refused("invalid_auth"))
    run = onboarded.check()
    while run.state is RunState.DELAYED:
        run = onboarded.resume(run)
    assert run.state is RunState.PROCESSED
    assert_true(onboarded, onboarded.truth())


def test_a_token_that_is_revoked_in_the_middle_of_an_onboarding_leaves_the_rest_to_the_next(slack: Connected) -> None:
    slack.fault("replace", path="history", after=2, body=refused("token_revoked"))
    slack.fault("replace", path="auth.test", after=1, body=refused("token_revoked"))
    run = slack.onboard()
    for _ in range(3):
        run = slack.resume(run) if run.state is RunState.DELAYED else run
    assert run.state is RunState.ERROR
    assert slack.value("SELECT onboarded_at FROM integrations") is None
    slack.sandbox.clear_faults()
    slack.check()
    assert slack.onboard().state is RunState.PROCESSED
    assert_true(slack, slack.truth())


def test_without_users_read_one_is_told_which_scope_is_missing(slack: Connected) -> None:
    slack.change("scope", scope="users:read")
    assert slack.onboard().state is RunState.ERROR
    assert "users:read" in slack.value("SELECT error FROM integrations")


def debts(slack: Connected) -> str:
    """What is owed, as people are told of it."""
    rows = slack.rows("SELECT label, permission, reason FROM owed_reads ORDER BY id")
    return "\n".join(f"{row['label']} ({row['permission']}): {row['reason']}" for row in rows)


def a_day_passes(slack: Connected) -> None:
    """What is owed is due again."""
    with slack.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE owed_reads SET due_at = now()")


def private_channels(slack: Connected) -> set[str]:
    return {channel for channel, told in slack.truth().coverage["channels"].items() if told["private"]}


@pytest.mark.parametrize("scope", ["groups:read", "groups:history"])
def test_without_scopes_for_private_channels_the_others_are_read_and_one_is_told(slack: Connected, scope: str) -> None:
    slack.change("scope", scope=scope)
    assert slack.onboard().state is RunState.PROCESSED
    hidden = private_channels(slack)
    stored = {row["channel_id"] for row in live(slack).values() if row["channel_id"]}
    assert stored == slack.truth().coverage["channels"].keys() - hidden - {slack.truth().cases["quiet"]}
    assert scope in debts(slack)
    assert "install the app" in debts(slack)
    slack.asked()
    assert slack.check().state is RunState.PROCESSED
    closed = hidden if scope == "groups:history" else {"private_channel"}
    assert not [address for address in slack.asked() if any(name in address for name in closed)]
    slack.change("scope", scope=scope, granted=True)
    a_day_passes(slack)
    assert slack.check().state is RunState.PROCESSED
    assert debts(slack) == ""
    assert live(slack).keys() == told(slack.truth()).keys()


def test_without_any_scope_for_channels_the_run_ends_and_tells_both(slack: Connected) -> None:
    for scope in ("channels:read", "groups:read"):
        slack.change("scope", scope=scope)
    assert slack.onboard().state is RunState.ERROR
    error = slack.value("SELECT error FROM integrations")
    assert "channels:read" in error
    assert "groups:read" in error


def test_one_channel_that_is_forbidden_is_owed_and_told_until_it_can_be_read(slack: Connected) -> None:
    channel = next(iter(private_channels(slack)))
    name = slack.truth().coverage["channels"][channel]["name"]
    slack.fault("replace", path=f"history.*{channel}", body=refused("ekm_access_denied"))
    assert slack.onboard().state is RunState.PROCESSED
    assert f"#{name} (ekm_access_denied)" in debts(slack)
    slack.sandbox.clear_faults()
    a_day_passes(slack)
    slack.check()
    assert debts(slack) == ""
    assert_true(slack, slack.truth())


@pytest.mark.parametrize("error", ["thread_not_found", "a_new_one"])
def test_a_thread_that_its_channel_shows_is_read_later_and_owed_until_then(onboarded: Connected, error: str) -> None:
    thread = onboarded.truth().cases["many_replies"]
    onboarded.change("reply", thread=thread)
    onboarded.fault("replace", path="replies", body=refused(error))
    run = onboarded.check()
    for _ in range(12):
        run = onboarded.resume(run) if run.state is RunState.DELAYED else run
    assert run.state is RunState.PROCESSED
    assert "thread" in debts(onboarded)
    onboarded.sandbox.clear_faults()
    onboarded.check()
    assert debts(onboarded) == ""
    assert_true(onboarded, onboarded.truth())


def test_a_channel_that_is_not_found_in_the_middle_is_owed_whole(slack: Connected) -> None:
    channel = slack.truth().cases["many_replies"].partition(":")[0]
    slack.fault("replace", path=f"(history|replies).*{channel}", body=refused("channel_not_found"), after=3)
    assert slack.onboard().state is RunState.PROCESSED
    assert len(debts(slack).splitlines()) == 1
    assert "(not found)" in debts(slack)
    slack.sandbox.clear_faults()
    for _ in range(2):
        a_day_passes(slack)
        slack.check()
    assert debts(slack) == ""
    assert_true(slack, slack.truth())


WAYS = ["no_id", "null_id", "empty_id", "bad_date", "year_9999", "wrong_type", "null_record", "not_a_record"]


@pytest.mark.parametrize("what", WAYS)
def test_a_record_that_cannot_be_used_is_kept_and_its_page_goes_on(slack: Connected, what: str) -> None:
    slack.fault("poison", path="history", what=what, times=1)
    slack.fault("poison", path="replies", what=what, times=1)
    assert slack.onboard().state is RunState.PROCESSED
    assert [fault["fired"] for fault in slack.sandbox.clear_faults()] == [1, 1]
    kept = 0 if what == "null_record" else 2
    assert slack.value("SELECT sum(quarantined) FROM integration_streams") == kept
    assert slack.value("SELECT sum(unread) FROM integration_streams") == 2 - kept
    # The same evidence from two places is kept once.
    assert slack.value("SELECT count(*) FROM quarantined_records") == (1 if what == "not_a_record" else kept)
    records, stored = told(slack.truth()), live(slack)
    missing = records.keys() - stored.keys()
    # With a head that cannot be used, its thread stays unread.
    assert len([key for key in missing if records[key]["source_parent_id"] is None]) <= 1
    assert slack.onboard().state is RunState.PROCESSED
    assert_true(slack, slack.truth())


def test_somebody_who_cannot_be_used_is_kept_and_the_others_are_stored(slack: Connected) -> None:
    slack.fault("poison", path="users.list", what="no_id", times=1)
    assert slack.onboard().state is RunState.PROCESSED
    assert slack.value("SELECT count(*) FROM quarantined_records") == 1
    assert slack.value("SELECT count(*) FROM members") > 80


def test_a_poisoned_check_retracts_nothing(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.fault("poison", path="history", what="no_id")
    onboarded.check()
    assert onboarded.sandbox.clear_faults()[0]["fired"] > 3
    assert live(onboarded).keys() == before


def test_cursors_that_expire_are_gone_on_from_without(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("slack",), page_size_max=12) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        expired = refused("invalid_cursor")
        for method, after in (("users.list", 3), ("history", 4), ("history", 9), ("replies", 1)):
            slack.fault("replace", path=f"{method}.*cursor=", after=after, times=1, body=expired)
        assert slack.onboard().state is RunState.PROCESSED
        assert [fault["fired"] for fault in slack.sandbox.clear_faults()] == [1, 1, 1, 1]
        assert_true(slack, slack.truth())
        assert_members_are_true(slack, slack.truth())


def test_a_list_of_people_that_wants_smaller_pages_gets_them(slack: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SMALL_PAGE", 20)
    slack.fault("replace", path="users.list", times=1, body=refused("limit_required"))
    assert slack.onboard().state is RunState.PROCESSED
    assert_members_are_true(slack, slack.truth())


def test_a_provider_in_trouble_costs_nothing_but_time(slack: Connected) -> None:
    slack.fault("replace", path="history", times=1, body=refused("internal_error"))
    slack.fault("server_error", path="replies", times=2, status=502)
    slack.fault("truncated", path="history", times=1, after=2)
    slack.fault("reset", path="replies", times=1, halfway=True)
    slack.fault("rate_limit", path="users.list", times=1, retry_after="1")
    assert slack.onboard().state is RunState.PROCESSED
    assert all(fault["fired"] for fault in slack.sandbox.clear_faults())
    assert_true(slack, slack.truth())


def test_a_long_wait_delays_the_run_and_the_next_slice_ends_it(slack: Connected) -> None:
    slack.fault("rate_limit", path="replies", retry_after="3600", after=3, times=1)
    run = slack.onboard()
    assert run.state is RunState.DELAYED
    assert slack.resume(run).state is RunState.PROCESSED
    assert_true(slack, slack.truth())
    assert slack.value("SELECT max(retries) FROM integration_streams") == 0
    asked = slack.asked()
    assert len([address for address in asked if "conversations.list" in address]) == 1, "a resume does not list again"


def test_a_check_that_was_cut_off_in_the_middle_of_the_news_loses_none(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox.start(platforms=("slack",), page_size_max=20) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        slack.onboard()
        channel = slack.truth().cases["markup"].partition(":")[0]
        slack.change("post", channel=channel, times=70)
        slack.fault("replace", path=f"history.*{channel}.*cursor=", after=1, body="{}")
        slack.check()
        with slack.engine.begin() as conn:
            conn.exec_driver_sql(
                "UPDATE integration_runs SET state = 'error', delayed_until = NULL, processed_at = now()"
            )
        assert live(slack).keys() != told(slack.truth()).keys()
        slack.sandbox.clear_faults()
        assert slack.check().state is RunState.PROCESSED
        assert_true(slack, slack.truth())
