"""Slack from the provider to the database: what is stored is true, and what is asked is needed."""

import re
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.benchmarks.originals import slack as original
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.slack.truths import (
    assert_members_are_true,
    assert_nobody_joined_after_they_came,
    assert_true,
)
from crowd_pipelines_tests.integrations.stored import live, people, told


def methods(slack: Connected) -> Counter[str]:
    """How often each method was called since this was asked last."""
    return Counter(re.sub(r"^/slack/api/|^/|\?.*", "", address) for address in slack.asked())


def open_channels(slack: Connected) -> list[str]:
    """The channels in which somebody may write."""
    return [one for one, told_of in slack.truth().coverage["channels"].items() if not told_of["archived"]]


def channel_of(source_id: str) -> str:
    return source_id.partition(":")[0]


def ts_of(source_id: str) -> str:
    return source_id.partition(":")[2]


def test_after_the_onboarding_the_database_is_the_truth(onboarded: Connected) -> None:
    truth = onboarded.truth()
    assert live(onboarded).keys() == told(truth).keys()
    assert len(truth.activities) > 400
    assert_true(onboarded, truth)
    assert_members_are_true(onboarded, truth)
    assert_nobody_joined_after_they_came(onboarded, truth)
    assert onboarded.value("SELECT count(*) FROM quarantined_records") == 0


@pytest.mark.parametrize("size", ["medium", pytest.param("large", marks=pytest.mark.large)])
def test_larger_workspaces_are_read_as_they_are(engine: Engine, monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    with Sandbox.start(platforms=("slack",), size=size) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        assert slack.onboard().state is RunState.PROCESSED
        truth = slack.truth()
        assert_true(slack, truth)
        assert_members_are_true(slack, truth)
        assert sum(methods(slack).values()) <= sum(original.requests(truth).values()) / 3
        before = slack.records()
        assert slack.check().state is RunState.PROCESSED
        assert sum(methods(slack).values()) <= original.quiet_check(truth)
        assert slack.records() == before


def test_an_onboarding_asks_for_nothing_twice_and_for_a_third_of_what_crowd_dev_does(slack: Connected) -> None:
    slack.onboard()
    asked, truth = slack.asked(), slack.truth()
    assert len(asked) == len(set(asked))
    assert len(asked) <= sum(original.requests(truth).values()) / 3
    looked_up = {address for address in asked if "users.info" in address}
    assert len(looked_up) == len([member for member in truth.members if member["looked_up"]])


def test_a_second_onboarding_changes_no_record(onboarded: Connected) -> None:
    before = onboarded.records()
    assert onboarded.onboard().state is RunState.PROCESSED
    assert onboarded.records() == before
    assert "users.info" not in methods(onboarded)


def test_a_second_onboarding_mends_what_is_missing(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.lose("type = 'channel_joined' OR right(source_id, 1) = '1'")
    onboarded.onboard()
    assert live(onboarded).keys() == before


def test_a_check_with_nothing_new_asks_once_per_channel_and_changes_nothing(onboarded: Connected) -> None:
    before, channels = onboarded.records(), len(open_channels(onboarded))
    assert onboarded.check().state is RunState.PROCESSED
    assert methods(onboarded) == {"conversations.list": 1, "conversations.history": channels}
    assert onboarded.check().state is RunState.PROCESSED
    again = methods(onboarded)
    assert again["conversations.history"] == channels + 1, "a look at old messages"
    assert again.total() == channels + 2
    assert onboarded.records() == before


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_after_a_week_a_check_brings_exactly_the_news(onboarded: Connected, seed: int) -> None:
    before = live(onboarded).keys()
    onboarded.sandbox.change("slack", [{"do": "week", "seed": seed}])
    assert onboarded.check().state is RunState.PROCESSED
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    news = live(onboarded).keys() - before
    assert news == told(truth).keys() - before
    assert len(news) > 25
    asked = onboarded.asked()
    assert len(asked) == len(set(asked))
    gone = [
        gone["source_id"] for gone in truth.vanished if gone["signalled"] and ("message", gone["source_id"]) in before
    ]
    assert len(gone) > 2
    onboarded.check()
    assert "conversations.replies" not in methods(onboarded)


def test_after_a_week_an_onboarding_changes_nothing_but_what_gave_no_sign(onboarded: Connected) -> None:
    onboarded.sandbox.change("slack", [{"do": "week", "seed": 7}])
    onboarded.check()
    rows = live(onboarded)
    onboarded.onboard()
    truth = onboarded.truth()
    for key, row in live(onboarded).items():
        record = told(truth).get(key)
        if record is None or not record["outdated"]:
            assert row["updated_at"] == rows[key]["updated_at"]
    assert_members_are_true(onboarded, truth)


def test_more_news_than_a_page_are_all_read_and_no_more(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("slack",), page_size_max=20) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        assert slack.onboard().state is RunState.PROCESSED
        assert_true(slack, slack.truth())
        slack.asked()
        channel = channel_of(slack.truth().cases["markup"])
        slack.change("post", channel=channel, times=70)
        assert slack.check().state is RunState.PROCESSED
        assert_true(slack, slack.truth())
        pages = [address for address in slack.asked() if f"channel={channel}" in address]
        assert len([page for page in pages if "conversations.history" in page]) == 4


def test_a_late_reply_is_seen_for_one_request(onboarded: Connected) -> None:
    head = onboarded.truth().cases["unanswered"]
    [reply] = onboarded.change("reply", thread=head, author="U0003PSN")["messages"]
    onboarded.check()
    assert live(onboarded)["message", reply]["parent"] == head
    assert methods(onboarded)["conversations.replies"] == 1
    onboarded.check()
    assert methods(onboarded)["conversations.replies"] == 0


def test_a_late_reply_to_an_old_thread_is_seen_when_it_shows_in_the_channel(onboarded: Connected) -> None:
    touched = onboarded.change("reply", behind=True, broadcast=True)
    onboarded.check()
    assert live(onboarded)["message", touched["messages"][0]]["parent"] == touched["thread"]
    assert methods(onboarded)["conversations.replies"] == 1
    onboarded.check()
    assert methods(onboarded)["conversations.replies"] == 0


def test_a_late_reply_behind_the_last_weeks_is_seen_when_its_turn_comes(onboarded: Connected) -> None:
    reply, *_ = onboarded.change("reply", behind=True)["messages"]
    channels = len(onboarded.truth().coverage["channels"])
    checks = 0
    while ("message", reply) not in live(onboarded):
        onboarded.check()
        checks += 1
        assert checks < 3 * channels
    assert checks > 1


def test_old_messages_are_looked_at_again_channel_by_channel_page_by_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox.start(platforms=("slack",), page_size_max=25) as sandbox:
        slack = Connected.to(sandbox, "slack", engine=engine, monkeypatch=monkeypatch)
        slack.onboard()
        truth = slack.truth()
        of_channel = [a for a in truth.activities if a["type"] == "message" and a["channel"] == "general"]
        old = sorted(
            (a for a in of_channel if not a["source_parent_id"]), key=lambda activity: str(activity["timestamp"])
        )
        slack.change("edit", message=old[3]["source_id"], text="corrected")
        slack.change("delete", message=old[5]["source_id"])
        slack.asked()
        bound = original.quiet_check(truth)
        for _ in range(60):
            slack.check()
            assert methods(slack).total() <= bound
        rows = live(slack)
        assert rows["message", old[3]["source_id"]]["body"] == "corrected"
        assert ("message", old[5]["source_id"]) not in rows
        assert_true(slack, slack.truth())


def test_an_edit_and_a_reaction_of_the_last_weeks_are_seen(onboarded: Connected) -> None:
    head = onboarded.truth().cases["unanswered"]
    onboarded.change("edit", message=head, text="somebody has <answered> & thanks")
    onboarded.change("react", message=head)
    onboarded.check()
    row = live(onboarded)["message", head]
    assert row["body"] == "somebody has <answered> & thanks"
    assert [reaction["name"] for reaction in row["attributes"]["reactions"]] == ["eyes"]


def test_a_deleted_message_is_retracted_and_keeps_that_it_happened(onboarded: Connected) -> None:
    head = onboarded.truth().cases["unanswered"]
    onboarded.change("delete", message=head)
    onboarded.check()
    [gone] = onboarded.rows("SELECT body, retracted_at FROM activities WHERE source_id = :id", id=head)
    assert gone["body"] is None
    assert gone["retracted_at"] is not None


def test_a_deleted_head_leaves_its_replies_until_they_are_deleted_too(onboarded: Connected) -> None:
    head = onboarded.truth().cases["unanswered"]
    [reply] = onboarded.change("reply", thread=head)["messages"]
    onboarded.check()
    onboarded.change("delete", message=head)
    onboarded.check()
    rows = live(onboarded)
    assert ("message", head) not in rows
    assert ("message", reply) in rows
    onboarded.change("delete", message=reply)
    onboarded.change("post", channel=channel_of(head))
    onboarded.check()
    assert ("message", reply) not in live(onboarded)
    assert_true(onboarded, onboarded.truth())


def test_the_last_reply_that_is_deleted_is_retracted_when_the_thread_shows_so(
    onboarded: Connected,
) -> None:
    head = onboarded.truth().cases["unanswered"]
    [reply] = onboarded.change("reply", thread=head)["messages"]
    onboarded.check()
    onboarded.change("delete", message=reply)
    onboarded.asked()
    onboarded.check()
    assert ("message", reply) not in live(onboarded)
    assert ("message", head) in live(onboarded)
    assert methods(onboarded)["conversations.replies"] == 1
    onboarded.check()
    assert methods(onboarded)["conversations.replies"] == 0


def test_whoever_comes_is_looked_up_once_and_joined_when_the_channel_says(onboarded: Connected) -> None:
    [newcomer] = onboarded.change("join")["users"]
    onboarded.check()
    row = live(onboarded)["channel_joined", newcomer]
    assert (row["timestamp_source"], row["channel"]) == ("provider", "general")
    assert methods(onboarded)["users.info"] == 1
    assert_members_are_true(onboarded, onboarded.truth())
    onboarded.change("post", author=newcomer)
    onboarded.check()
    assert methods(onboarded)["users.info"] == 0


def list_is_a_day_old(slack: Connected) -> None:
    with slack.engine.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE watermarks SET value = jsonb_build_object('read_at', (now() - interval '25 hours')::text)"
            " WHERE subject = 'members'"
        )


def test_the_list_of_people_is_read_once_a_day_and_tells_of_new_names_and_of_those_who_came_quietly(
    onboarded: Connected,
) -> None:
    [newcomer] = onboarded.change("join", quiet=True)["users"]
    [renamed] = onboarded.change("rename_user", name="brand.new")["users"]
    onboarded.change("delete_user")
    before = people(onboarded)[renamed]["id"]
    onboarded.check()
    assert "users.list" not in methods(onboarded)
    list_is_a_day_old(onboarded)
    onboarded.check()
    assert methods(onboarded)["users.list"] == 1
    assert live(onboarded)["channel_joined", newcomer]["timestamp_source"] == "observed"
    now = people(onboarded)[renamed]
    assert (now["id"], now["username"]) == (before, "brand.new")
    for member in onboarded.truth().members:
        assert people(onboarded)[member["source_id"]]["username"] == member["username"]
    seen_at = live(onboarded)["channel_joined", newcomer]["timestamp"]
    list_is_a_day_old(onboarded)
    onboarded.check()
    assert live(onboarded)["channel_joined", newcomer]["timestamp"] == seen_at


def test_a_new_name_is_told_in_what_was_said_lately(onboarded: Connected) -> None:
    head = onboarded.truth().cases["markup"]
    onboarded.change("rename_user", user="U0003PSN", name="new.name")
    list_is_a_day_old(onboarded)
    onboarded.check()
    assert "hi @new.name @old" in live(onboarded)["message", head]["body"]


def test_a_new_channel_is_read_from_its_beginning(onboarded: Connected) -> None:
    touched = onboarded.change("new_channel", private=True, messages=5)
    onboarded.check()
    assert {("message", source_id) for source_id in touched["messages"]} <= live(onboarded).keys()


def test_a_renamed_channel_has_its_new_name_on_everything_that_was_said_there(onboarded: Connected) -> None:
    channel = channel_of(onboarded.truth().cases["markup"])
    onboarded.change("rename_channel", channel=channel, name="everybody")
    onboarded.check()
    names = onboarded.rows("SELECT DISTINCT channel FROM activities WHERE channel_id = :id", id=channel)
    assert names == [{"channel": "everybody"}]


def test_a_channel_that_the_app_has_left_keeps_what_was_read_and_is_owed(onboarded: Connected) -> None:
    channel = channel_of(onboarded.truth().cases["stranger"])
    before = live(onboarded).keys()
    onboarded.change("leave_channel", channel=channel)
    assert onboarded.check().state is RunState.PROCESSED
    assert live(onboarded).keys() == before
    assert len([address for address in onboarded.asked() if channel in address]) == 1
    [owed] = debts(onboarded)
    assert (owed["place"], owed["permission"]) == (channel, "not_in_channel")
    assert "Invite it there" in owed["reason"]
    onboarded.check()
    assert not [address for address in onboarded.asked() if channel in address], "it is asked for once a day"


def debts(slack: Connected) -> list[dict[str, Any]]:
    """What is owed, as people are told of it."""
    return slack.rows("SELECT kind, place, permission, label, reason FROM owed_reads ORDER BY id")


@pytest.mark.parametrize("case", ["secret-plans", "long-gone"])
def test_channels_without_the_app_are_not_asked_for(slack: Connected, case: str) -> None:
    slack.onboard()
    channel = slack.truth().cases[case]
    assert not [address for address in slack.asked() if channel in address]


def test_only_the_channels_that_are_named_are_read(slack: Connected) -> None:
    with slack.engine.begin() as conn:
        conn.exec_driver_sql("""UPDATE integrations SET settings = '{"channels": ["random", "nowhere"]}'""")
    slack.onboard()
    assert slack.rows("SELECT DISTINCT channel FROM activities WHERE type = 'message'") == [{"channel": "random"}]
    assert any("#nowhere" in notice for notice in notices(slack))


def notices(slack: Connected) -> list[str]:
    state = slack.value("SELECT state FROM integrations")
    return list(state["notices"])


def cases(onboarded: Connected) -> dict[str, Any]:
    return dict(onboarded.truth().cases)


def body(slack: Connected, case: str) -> str:
    text: str = live(slack)["message", cases(slack)[case]]["body"]
    return text


def test_markup_reads_as_people_read_it(onboarded: Connected) -> None:
    assert body(onboarded, "markup") == (
        f"hi @{people(onboarded)['U0003PSN']['username']} @old #general @here @devs link (https://x.dev)"
        " & <b> &amp; :tada: ¿vale?"
    )
    assert body(onboarded, "typed_markup") == "typed <@U0001PSN> and <!here> by hand, not meant"


def test_odd_texts_are_stored_as_well_as_can_be(onboarded: Connected) -> None:
    assert body(onboarded, "nul") == "before\ufffdafter"
    assert body(onboarded, "lone_surrogate") == "half \ufffd of an emoji"
    assert len(body(onboarded, "long")) > 39_000
    assert body(onboarded, "empty") == body(onboarded, "lost_file") == ""
    assert body(onboarded, "me") == "waves"


def test_a_broadcast_is_an_answer_that_is_stored_once(onboarded: Connected) -> None:
    head, loud = cases(onboarded)["broadcast"]
    assert live(onboarded)["message", loud]["parent"] == head
    assert live(onboarded)["message", head]["source_parent_id"] is None


def test_what_people_say_below_a_tombstone_or_a_bot_is_kept(onboarded: Connected) -> None:
    for case in ("tombstone", "bot_thread"):
        head, answer = cases(onboarded)[case]
        rows = live(onboarded)
        assert ("message", head) not in rows
        assert (rows["message", answer]["source_parent_id"], rows["message", answer]["parent"]) == (head, None)


def test_bots_are_nobody_and_their_threads_are_not_asked_for(slack: Connected) -> None:
    slack.onboard()
    asked = [address for address in slack.asked() if "conversations.replies" in address]
    for case in ("bots_among_themselves", "only_a_bot_answered"):
        assert not [address for address in asked if ts_of(cases(slack)[case]) in address]
    bots = {"U0CIBOT01", "U0HELPBOT", "U0WORKFLW", "USLACKBOT"}
    assert people(slack).keys() & bots == set()


def test_strangers_are_looked_up_and_those_whom_nobody_may_see_keep_their_id(onboarded: Connected) -> None:
    stored = people(onboarded)
    assert stored["U0STRANG1"]["display_name"] == "Visitor"
    assert live(onboarded)["channel_joined", "U0STRANG1"]["timestamp_source"] == "provider"
    assert (stored["U0HIDDEN1"]["username"], stored["U0HIDDEN1"]["display_name"]) == ("U0HIDDEN1", "U0HIDDEN1")


def test_the_deleted_are_themselves_with_whatever_is_left_of_their_names(onboarded: Connected) -> None:
    one, other = cases(onboarded)["deleted_people"]
    rows = live(onboarded)
    assert rows["message", one]["author"] != rows["message", other]["author"]
    assert people(onboarded)[rows["message", other]["author"]]["username"] == "deactivateduser693438"


def test_the_same_moment_in_two_channels_is_two_messages(onboarded: Connected) -> None:
    one, other = cases(onboarded)["same_ts"]
    assert {("message", one), ("message", other)} <= live(onboarded).keys()
    assert ts_of(one) == ts_of(other)


def test_notes_of_what_happened_to_a_channel_are_no_contributions(onboarded: Connected) -> None:
    assert not {("message", note) for note in cases(onboarded)["notes"]} & live(onboarded).keys()


def test_the_scores_and_totals_agree_with_what_is_stored(onboarded: Connected) -> None:
    wrong = onboarded.rows(
        "SELECT m.id FROM members AS m LEFT JOIN activities AS a ON a.member_id = m.id"
        " GROUP BY m.id HAVING m.score <> coalesce(sum(a.score), 0)"
    )
    assert wrong == []
    kinds = onboarded.rows("SELECT DISTINCT type, score, is_contribution FROM activities ORDER BY type")
    assert kinds == [
        {"type": "channel_joined", "score": 3, "is_contribution": False},
        {"type": "message", "score": 6, "is_contribution": True},
    ]


def test_short_pages_and_empty_ones_are_no_ends(slack: Connected) -> None:
    slack.change("short_pages")
    assert slack.onboard().state is RunState.PROCESSED
    assert_true(slack, slack.truth())
    assert_members_are_true(slack, slack.truth())


def test_without_an_app_in_any_channel_one_is_told_what_to_do(slack: Connected) -> None:
    for channel in slack.truth().coverage["channels"]:
        slack.change("leave_channel", channel=channel)
    assert slack.onboard().state is RunState.PROCESSED
    assert [notice for notice in notices(slack) if "/invite" in notice]
    assert len(people(slack)) > 80
