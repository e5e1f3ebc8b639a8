"""Discord from the provider to the database: what is stored is true, and what is asked is needed."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from crowd_pipelines.benchmarks.originals import discord as original
from crowd_pipelines.framework import refusals
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.discord.truths import assert_members_are_true, assert_true
from crowd_pipelines_tests.integrations.stored import live, people, told
from crowd_pipelines_tests.sandbox import discord_spec as spec


@pytest.fixture
def onboarded(discord: Connected) -> Connected:
    assert discord.onboard().state is RunState.PROCESSED
    discord.asked()
    return discord


@pytest.fixture(params=["medium", pytest.param("large", marks=pytest.mark.large)])
def bigger(request: pytest.FixtureRequest, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    with Sandbox.start(platforms=("discord",), size=request.param) as sandbox:
        yield Connected.to(sandbox, "discord", engine=engine, monkeypatch=monkeypatch)


def next_day(discord: Connected, *, owed_is_due: bool = True) -> None:
    """What a day makes of the watermarks, and of what is owed."""
    with discord.engine.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE watermarks SET value = jsonb_set(value, '{day}', '\"2020-01-01\"')"
            " WHERE subject IN ('guild', 'members')"
        )
        if owed_is_due:
            conn.exec_driver_sql("UPDATE owed_reads SET due_at = now()")


def owed(discord: Connected, kind: str = "permission") -> dict[str, str]:
    """What is owed for want of a permission, or another reason: places with what is missing there."""
    rows = discord.rows("SELECT place, permission FROM owed_reads WHERE kind = :kind", kind=kind)
    return {row["place"]: row["permission"] for row in rows}


def reasons(discord: Connected) -> str:
    return " ".join(row["reason"] for row in discord.rows("SELECT reason FROM owed_reads"))


def message_requests(asked: list[str]) -> list[str]:
    return [found[1] for address in asked if (found := re.match(r"/v10/channels/(\d+)/messages(?:\?|\Z)", address))]


def test_after_the_onboarding_the_database_is_the_truth(onboarded: Connected) -> None:
    truth = onboarded.truth()
    assert live(onboarded).keys() == told(truth).keys()
    assert len(truth.activities) > 700
    assert_true(onboarded, truth)
    assert_members_are_true(onboarded, truth)


def test_larger_guilds_are_read_whole_with_half_the_requests_of_the_original(bigger: Connected) -> None:
    assert bigger.onboard().state is RunState.PROCESSED
    truth = bigger.truth()
    assert live(bigger).keys() == told(truth).keys()
    assert_true(bigger, truth)
    assert_members_are_true(bigger, truth)
    assert 2 * len(bigger.asked()) <= sum(original.requests(truth).values())
    bigger.check()
    assert len(bigger.asked()) == 2


def test_an_onboarding_asks_for_nothing_twice_and_half_as_much_as_the_original(discord: Connected) -> None:
    discord.onboard()
    asked = discord.asked()
    assert len(asked) == len(set(asked))
    assert 2 * len(asked) <= sum(original.requests(discord.truth()).values())


def test_an_onboarding_asks_nothing_that_is_not_permitted(discord: Connected) -> None:
    discord.onboard()
    hidden = discord.truth().cases["hidden"].values()
    refused = [entry["path"] for entry in discord.sandbox.requests("discord") if entry["status"] != 200]
    # Of the last message of a channel, which may have been deleted, nobody knows before.
    assert {path.rsplit("/", 1)[0].rsplit("/", 1)[1] for path in refused} == {"messages"}
    assert set(message_requests(discord.asked())) & set(hidden) == set()


def test_every_request_is_one_that_discord_describes(discord: Connected) -> None:
    discord.change("allow", permission="manage_threads")
    discord.onboard()
    discord.sandbox.change("discord", [{"do": "week", "seed": 6}, {"do": "deny", "permission": "manage_threads"}])
    discord.change("archive", thread=int(discord.truth().cases["private"]))
    next_day(discord)
    discord.check()
    asked = discord.sandbox.requests("discord")
    assert list(spec.undeclared(asked, "/discord/api/v10")) == []
    assert {spec.template_of(entry["path"].removeprefix("/discord/api/v10")) for entry in asked} == {
        "/applications/@me",
        "/guilds/{guild_id}",
        "/guilds/{guild_id}/channels",
        "/guilds/{guild_id}/members",
        "/guilds/{guild_id}/members/{user_id}",
        "/guilds/{guild_id}/threads/active",
        "/channels/{channel_id}/messages",
        "/channels/{channel_id}/messages/{message_id}",
        "/channels/{channel_id}/threads/archived/public",
        "/channels/{channel_id}/threads/archived/private",
        "/channels/{channel_id}/users/@me/threads/archived/private",
    }


def test_a_second_onboarding_changes_no_record(onboarded: Connected) -> None:
    before = onboarded.records()
    assert onboarded.onboard().state is RunState.PROCESSED
    assert onboarded.records() == before


def test_a_second_onboarding_mends_what_is_missing(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.lose("right(source_id, 1) IN ('1', '3')")
    onboarded.onboard()
    assert live(onboarded).keys() == before


def test_a_check_with_nothing_new_makes_two_requests_and_changes_nothing(onboarded: Connected) -> None:
    before, guild_id = onboarded.records(), onboarded.truth().settings["guild_id"]
    assert onboarded.check().state is RunState.PROCESSED
    assert onboarded.asked() == [f"/v10/guilds/{guild_id}/channels", f"/v10/guilds/{guild_id}/threads/active"]
    assert onboarded.records() == before


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_a_week_a_check_brings_exactly_the_news(onboarded: Connected, seed: int) -> None:
    before = live(onboarded).keys()
    onboarded.sandbox.change("discord", [{"do": "week", "seed": seed}])
    next_day(onboarded, owed_is_due=False)
    assert onboarded.check().state is RunState.PROCESSED
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    assert {key for key in live(onboarded) if key not in before} == told(truth).keys() - before
    assert len(told(truth).keys() - before) > 100
    asked = onboarded.asked()
    assert len(asked) == len(set(asked))
    onboarded.check()
    assert len(onboarded.asked()) == 2


def test_a_week_is_seen_on_the_same_day_too_but_for_who_joined(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.sandbox.change("discord", [{"do": "week", "seed": 5}])
    onboarded.check()
    news = {key for key in told(onboarded.truth()).keys() - before if key[0] != "joined_guild"}
    assert {key for key in live(onboarded) if key not in before} == news


def test_a_new_message_costs_one_request_more(onboarded: Connected) -> None:
    room = onboarded.truth().cases["last_deleted"]
    [sent] = onboarded.change("send", room=int(room))["messages"]
    onboarded.check()
    asked = onboarded.asked()
    assert message_requests(asked) == [room]
    assert len(asked) == 3
    assert ("message", sent) in live(onboarded)


def test_more_news_than_a_page_is_all_read(onboarded: Connected) -> None:
    room = onboarded.truth().cases["last_deleted"]
    sent = onboarded.change("send", room=int(room), count=330)["messages"]
    onboarded.check()
    assert {("message", one) for one in sent} <= live(onboarded).keys()
    assert len(message_requests(onboarded.asked())) == 4


def test_a_deleted_last_message_does_not_make_a_channel_asked_at_every_check(onboarded: Connected) -> None:
    room = onboarded.truth().cases["last_deleted"]
    [sent] = onboarded.change("send", room=int(room))["messages"]
    onboarded.change("delete", message=int(sent))
    onboarded.check()
    # The list, its end, and the message itself.
    asked = onboarded.asked()
    assert (message_requests(asked), len(asked)) == ([room, room], 5)
    onboarded.check()
    assert len(onboarded.asked()) == 2


def test_edits_and_deletions_shortly_before_the_news_are_seen(onboarded: Connected) -> None:
    room = int(onboarded.truth().cases["last_deleted"])
    edited, deleted = onboarded.change("send", room=room, count=2)["messages"]
    onboarded.check()
    onboarded.change("edit", message=int(edited), content="better now")
    onboarded.change("delete", message=int(deleted))
    onboarded.change("send", room=room)
    onboarded.asked()
    onboarded.check()
    assert len(onboarded.asked()) == 3
    assert live(onboarded)["message", edited]["body"] == "better now"
    assert ("message", deleted) not in live(onboarded)
    [gone] = onboarded.rows("SELECT body, retracted_at FROM activities WHERE source_id = :id", id=deleted)
    assert gone["body"] is None
    assert gone["retracted_at"] is not None


def test_a_post_that_was_put_away_at_once_is_found(onboarded: Connected) -> None:
    forum = int(live(onboarded)["thread_started", onboarded.truth().cases["post"]]["channel_id"])
    hidden = onboarded.change("post", forum=forum, archived=True)["rooms"][0]
    onboarded.change("post", forum=forum)
    onboarded.check()
    assert ("thread_started", hidden) in live(onboarded)


def test_a_thread_that_was_archived_with_news_is_read_to_its_end(onboarded: Connected) -> None:
    post = onboarded.truth().cases["post"]
    [sent] = onboarded.change("send", room=int(post))["messages"]
    onboarded.change("archive", thread=int(post))
    onboarded.check()
    assert live(onboarded)["message", sent]["parent"] == post
    asked = onboarded.asked()
    assert len([address for address in asked if "archived" in address]) == 1
    onboarded.check()
    assert len(onboarded.asked()) == 2


def test_a_thread_on_an_old_message_that_was_archived_at_once_is_found(onboarded: Connected) -> None:
    touched = onboarded.change("branch", old=True, archived=True)
    onboarded.check()
    stored = live(onboarded)
    said = stored["message", touched["messages"][-1]]
    assert said["thread"] == touched["rooms"][0]
    assert (said["parent_type"], said["parent"]) == ("message", touched["rooms"][0])
    assert stored["thread_started", touched["rooms"][0]]["member_id"] == said["member_id"]


def test_an_archived_thread_that_spoke_in_between_is_found_within_a_day(onboarded: Connected) -> None:
    thread = int(onboarded.truth().cases["thread_without_message"])
    [sent] = onboarded.change("revive", thread=thread)["messages"]
    onboarded.check()
    assert ("message", sent) not in live(onboarded)
    next_day(onboarded)
    onboarded.check()
    assert live(onboarded)["message", sent]["parent"] == str(thread)


@pytest.mark.parametrize("what", ["archive", "archived thread"])
def test_what_the_guilds_lists_lead_to_only_once_is_read_by_the_next_check(discord: Connected, what: str) -> None:
    thread = discord.truth().cases["thread_without_message"]
    post = next(one for one in discord.truth().activities if one["source_id"] == discord.truth().cases["post"])
    archive = f"/channels/{post['channel_id']}/threads/archived/public"
    path = {"archive": archive, "archived thread": f"/channels/{thread}/messages"}[what]
    discord.fault("server_error", path=path)
    run = discord.onboard()
    assert run.state is RunState.DELAYED
    assert discord.rows("UPDATE integration_streams SET retries = 5 WHERE state = 'error' RETURNING id")
    assert discord.resume(run).state is RunState.PROCESSED
    assert owed(discord, "failure")
    assert live(discord).keys() < told(discord.truth()).keys()
    discord.sandbox.clear_faults()
    assert discord.check().state is RunState.PROCESSED
    assert live(discord).keys() == told(discord.truth()).keys()
    assert owed(discord, "failure") == {}


def test_a_private_thread_is_followed_into_the_archive_of_those_that_the_bot_joined(onboarded: Connected) -> None:
    thread = onboarded.truth().cases["private"]
    [sent] = onboarded.change("send", room=int(thread))["messages"]
    onboarded.change("archive", thread=int(thread))
    onboarded.check()
    assert live(onboarded)["message", sent]["parent"] is None
    assert any("/users/@me/threads/archived/private" in address for address in onboarded.asked())


def test_with_manage_threads_private_archives_are_read(discord: Connected) -> None:
    discord.change("allow", permission="manage_threads")
    discord.onboard()
    truth = discord.truth()
    archived = truth.cases["private_archived"]
    assert archived in {row["thread"] for row in live(discord).values()}
    assert_true(discord, truth)
    assert "Manage Threads" not in owed(discord).values()


def test_a_renamed_channel_is_renamed_everywhere(onboarded: Connected) -> None:
    room = onboarded.truth().cases["last_deleted"]
    onboarded.change("rename_room", room=int(room), name="better-name")
    onboarded.check()
    assert len(onboarded.asked()) == 2
    names = onboarded.rows("SELECT DISTINCT channel FROM activities WHERE channel_id = :id", id=room)
    assert names == [{"channel": "better-name"}]


def test_a_renamed_thread_is_read_again(onboarded: Connected) -> None:
    post = onboarded.truth().cases["long_post"]
    onboarded.change("rename_room", room=int(post), name="[solved]")
    onboarded.check()
    assert onboarded.rows("SELECT DISTINCT title FROM activities WHERE thread = :id", id=post) == [
        {"title": "[solved]"}
    ]
    assert len(message_requests(onboarded.asked())) == 2
    onboarded.check()
    assert len(onboarded.asked()) == 2


def test_members_are_listed_once_a_day(onboarded: Connected) -> None:
    pending = onboarded.truth().cases["pending"]
    [joined] = onboarded.change("join")["users"]
    onboarded.change("admit", user=int(pending))
    onboarded.check()
    assert not any("/members" in address for address in onboarded.asked())
    next_day(onboarded)
    onboarded.check()
    came = {row["author"] for row in live(onboarded).values() if row["type"] == "joined_guild"}
    assert {joined, pending} <= came
    assert any("/members" in address for address in onboarded.asked())


def test_whoever_comes_back_joins_again(onboarded: Connected) -> None:
    person = next(record["member"] for record in onboarded.truth().activities if record["type"] == "joined_guild")
    onboarded.change("rejoin", user=int(person))
    next_day(onboarded)
    onboarded.check()
    joins = [row for row in live(onboarded).values() if row["type"] == "joined_guild" and row["author"] == person]
    assert len(joins) == 2


def test_a_new_name_is_the_same_person(onboarded: Connected) -> None:
    person = next(record["member"] for record in onboarded.truth().activities if record["type"] == "message")
    before = people(onboarded)[person]["id"]
    onboarded.change("rename_user", user=int(person), username="new_name")
    onboarded.change("send", author=int(person))
    onboarded.check()
    now = people(onboarded)[person]
    assert (now["id"], now["username"]) == (before, "new_name")


def test_bots_are_no_members_and_what_people_say_below_them_is_kept(onboarded: Connected) -> None:
    cases, stored = onboarded.truth().cases, live(onboarded)
    assert people(onboarded).keys() & set(cases["bots"]) == set()
    for case in ("below_a_bot", "reply_to_bot", "reply_to_a_join"):
        assert stored["message", cases[case]]["source_parent_id"] is None


def test_the_user_is_told_what_is_hidden(onboarded: Connected) -> None:
    hidden = onboarded.truth().cases["hidden"]
    quiet = onboarded.value("SELECT place FROM owed_reads WHERE permission = 'Manage Threads'")
    assert owed(onboarded) == {
        hidden["view"]: "View Channel",
        hidden["history"]: "Read Message History",
        hidden["connect"]: "Connect",
        quiet: "Manage Threads",
    }
    for permission in owed(onboarded).values():
        assert f"lacks the permission {permission}" in reasons(onboarded)


def test_without_the_message_content_intent_what_was_known_stays(onboarded: Connected) -> None:
    room = onboarded.truth().cases["last_deleted"]
    bodies = {key: row["body"] for key, row in live(onboarded).items()}
    onboarded.change("revoke_intent", intent="message_content")
    [sent] = onboarded.change("send", room=int(room), content="a secret")["messages"]
    onboarded.check()
    onboarded.onboard()
    stored = live(onboarded)
    assert {key: stored[key]["body"] for key in bodies} == bodies
    assert stored["message", sent]["body"] is None
    assert owed(onboarded)["contents"] == "Message Content Intent"
    next_day(onboarded)
    assert onboarded.check().state is RunState.PROCESSED
    assert owed(onboarded)["contents"] == "Message Content Intent"
    onboarded.change("grant_intent", intent="message_content")
    next_day(onboarded)
    assert onboarded.check().state is RunState.PROCESSED
    assert live(onboarded)["message", sent]["body"] == "a secret"
    assert "contents" not in owed(onboarded)


def test_without_the_members_intent_nobody_is_listed_and_the_user_is_told(discord: Connected) -> None:
    discord.change("revoke_intent", intent="guild_members")
    assert discord.onboard().state is RunState.PROCESSED
    assert {key[0] for key in live(discord)} == {"message", "thread_started"}
    assert owed(discord)["members"] == "Server Members Intent"
    refused = [entry["path"] for entry in discord.sandbox.requests("discord") if entry["status"] == 403]
    assert [path.rsplit("/", 1)[-1] for path in refused] == ["members"]
    discord.sandbox.forget_requests("discord")
    discord.check()
    assert {entry["status"] for entry in discord.sandbox.requests("discord")} == {200}
    discord.change("grant_intent", intent="guild_members")
    next_day(discord)
    discord.check()
    assert live(discord).keys() == told(discord.truth()).keys()
    assert "members" not in owed(discord)


def test_a_channel_that_is_refused_is_asked_again_only_after_a_day(onboarded: Connected) -> None:
    room = onboarded.truth().cases["last_deleted"]
    body = '{"message": "Missing Access", "code": 50001}'
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.5"}
    onboarded.fault("replace", path=f"/channels/{room}/messages", status=403, body=body, headers=headers)
    [sent] = onboarded.change("send", room=int(room))["messages"]
    for expected in ([room], [], []):
        assert onboarded.check().state is RunState.PROCESSED
        assert message_requests(onboarded.asked()) == expected
    assert owed(onboarded)[room] == "View Channel"
    next_day(onboarded)
    onboarded.check()
    assert message_requests(onboarded.asked()) == [room]
    onboarded.sandbox.clear_faults()
    next_day(onboarded)
    onboarded.check()
    onboarded.check()
    assert ("message", sent) in live(onboarded)
    assert room not in owed(onboarded)


def test_a_channel_that_was_opened_is_read_from_its_beginning(onboarded: Connected) -> None:
    room = onboarded.truth().cases["hidden"]["view"]
    onboarded.change("allow", permission="view_channel", channel=int(room))
    onboarded.asked()
    for _ in range(2):
        assert onboarded.check().state is RunState.PROCESSED
    assert message_requests(onboarded.asked()) == [room]
    assert_true(onboarded, onboarded.truth())
    assert room in {row["channel_id"] for row in live(onboarded).values()}
    assert room not in owed(onboarded)


def test_what_is_owed_is_tried_once_a_day_with_few_requests_and_no_refusal(onboarded: Connected) -> None:
    before = owed(onboarded)
    assert len(before) == 4
    for _ in range(2):
        onboarded.check()
        assert len(onboarded.asked()) == 2
    next_day(onboarded)
    onboarded.sandbox.forget_requests("discord")
    onboarded.check()
    assert {entry["status"] for entry in onboarded.sandbox.requests("discord")} <= {200, 404}
    asked = onboarded.asked()
    assert len(asked) - len(set(asked)) <= 5
    assert owed(onboarded) == before


def test_a_history_that_was_closed_retracts_nothing(onboarded: Connected) -> None:
    room = int(onboarded.truth().cases["last_deleted"])
    before = live(onboarded).keys()
    onboarded.change("send", room=room)
    onboarded.fault("replace", path=f"/channels/{room}/messages", body="[]")
    onboarded.check()
    assert live(onboarded).keys() == before


REJECTED = [("revoke_token", "does not accept the bot's token"), ("remove_bot", "The bot is not in this server")]


@pytest.mark.parametrize(("change", "sentence"), REJECTED)
def test_credentials_that_never_worked_cost_one_request(discord: Connected, change: str, sentence: str) -> None:
    discord.change(change)
    run = discord.onboard()
    assert run.state is RunState.ERROR
    assert sentence in (run.error or "")
    assert len(discord.asked()) == 1
    assert discord.value("SELECT status FROM integrations") == "error"
    assert "sandbox-bot-token" not in str(discord.rows("SELECT * FROM integration_runs"))


@pytest.mark.parametrize(
    ("change", "sentence", "back"), [(*REJECTED[0], "restore_token"), (*REJECTED[1], "invite_bot")]
)
def test_credentials_that_worked_are_tried_again_and_come_back_by_themselves(
    onboarded: Connected, change: str, sentence: str, back: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "SECOND_LOOK_SECONDS", 0)
    before = live(onboarded).keys()
    onboarded.change(change)
    run = onboarded.check()
    assert run.state is RunState.DELAYED
    assert len(onboarded.asked()) == 2
    run = onboarded.resume(run)
    assert run.state is RunState.ERROR
    assert sentence in (run.error or "")
    assert live(onboarded).keys() == before
    onboarded.change(back)
    [sent] = onboarded.change("send", room=int(onboarded.truth().cases["last_deleted"]))["messages"]
    assert onboarded.check().state is RunState.PROCESSED
    assert ("message", sent) in live(onboarded)
    assert onboarded.value("SELECT status FROM integrations") == "done"


@pytest.mark.parametrize("answers", ["token", "server"])
def test_one_odd_refusal_of_credentials_costs_a_few_minutes(
    onboarded: Connected, answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "SECOND_LOOK_SECONDS", 0)
    odd = {"token": (401, '{"message": "401: Unauthorized", "code": 0}'),
           "server": (403, '{"message": "Missing Access", "code": 50001}')}[answers]  # fmt: skip
    onboarded.fault("replace", path="/channels$", status=odd[0], body=odd[1], times=1)
    run = onboarded.check()
    assert run.state is RunState.DELAYED
    assert onboarded.resume(run).state is RunState.PROCESSED


@pytest.mark.parametrize("what", ["no_id", "null_id", "no_author", "wrong_type", "null_type"])
def test_a_poison_message_is_quarantined_once_while_its_page_is_stored(discord: Connected, what: str) -> None:
    room = discord.truth().cases["last_deleted"]
    discord.fault("poison", path=rf"/channels/{room}/messages", what=what)
    assert discord.onboard().state is RunState.PROCESSED
    assert discord.sandbox.clear_faults()[0]["fired"]
    kept = discord.rows("SELECT stream_name, reason FROM quarantined_records")
    assert [row["stream_name"] for row in kept] == ["messages"]
    missing = told(discord.truth()).keys() - live(discord).keys()
    assert len(missing) == 1


@pytest.mark.parametrize("what", ["bad_date", "year_9999", "null_content", "odd_lists"])
def test_a_message_is_not_refused_for_what_it_can_do_without(discord: Connected, what: str) -> None:
    room = discord.truth().cases["last_deleted"]
    discord.fault("poison", path=rf"/channels/{room}/messages\?after=0", what=what)
    discord.onboard()
    assert discord.rows("SELECT reason FROM quarantined_records") == []
    assert told(discord.truth()).keys() == live(discord).keys()


@pytest.mark.parametrize(
    ("path", "what", "stream"),
    [
        (r"/guilds/\d+/members\?after=0", "no_id", "members"),
        (r"/threads/archived/public\?limit=100", "null_id", "archive"),
        (r"/threads/active", "null_id", "guild"),
    ],
)
def test_other_poison_is_quarantined_while_the_rest_is_read(
    discord: Connected, path: str, what: str, stream: str
) -> None:
    discord.fault("poison", path=path, what=what, times=1)
    assert discord.onboard().state is RunState.PROCESSED
    assert [fault["fired"] for fault in discord.sandbox.clear_faults()] == [1]
    assert [row["stream_name"] for row in discord.rows("SELECT stream_name FROM quarantined_records")] == [stream]
    assert len(live(discord)) > 600


@pytest.mark.parametrize(
    "path",
    [r"/messages\?", r"/guilds/\d+/members\?", "/threads/archived/public", "/threads/active", r"/guilds/\d+/channels"],
)
def test_a_null_is_told_as_unread_and_asked_for_by_the_next_check(discord: Connected, path: str) -> None:
    discord.fault("poison", path=path, what="null_record", times=1)
    assert discord.onboard().state is RunState.PROCESSED
    assert [fault["fired"] for fault in discord.sandbox.clear_faults()] == [1]
    assert discord.rows("SELECT reason FROM quarantined_records") == []
    assert set(owed(discord, "unread").values()) == {"null records"}
    for _ in range(2):
        discord.check()
    assert live(discord).keys() == told(discord.truth()).keys()
    assert owed(discord, "unread") == {}


def test_a_long_rate_limit_delays_the_run_and_the_next_slice_ends_it(discord: Connected) -> None:
    body = '{"message": "You are being rate limited.", "retry_after": 3600.5, "global": true}'
    discord.fault("replace", path="/messages", status=429, body=body, after=5, headers={"X-RateLimit-Global": "true"})
    run = discord.onboard()
    assert run.state is RunState.DELAYED
    discord.sandbox.clear_faults()
    assert discord.resume(run).state is RunState.PROCESSED
    assert live(discord).keys() == told(discord.truth()).keys()
    assert discord.value("SELECT max(retries) FROM integration_streams") == 0


def test_a_provider_in_trouble_costs_nothing_but_time(discord: Connected) -> None:
    discord.fault("server_error", path="/messages", share=0.3, seed=3, times=3)
    discord.fault("truncated", path="/members", times=1)
    discord.fault("reset", path="/messages", times=1, halfway=True)
    overloaded = '{"message": "API resource is currently overloaded. Try again a little later", "code": 130000}'
    discord.fault("replace", path="/archived", status=400, body=overloaded, times=1)
    assert discord.onboard().state is RunState.PROCESSED
    assert all(fault["fired"] for fault in discord.sandbox.clear_faults())
    assert live(discord).keys() == told(discord.truth()).keys()


def test_lowered_page_sizes_are_paged_through(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("discord",), page_size_max=7) as sandbox:
        discord = Connected.to(sandbox, "discord", engine=engine, monkeypatch=monkeypatch)
        discord.onboard()
        assert live(discord).keys() == told(discord.truth()).keys()


def test_windows_that_are_used_up_are_waited_for_before_a_refusal(discord: Connected) -> None:
    discord.change("limit", route="messages", requests=2, seconds=1)
    discord.change("limit", route="guild", requests=2, seconds=1)
    run = discord.onboard()
    assert run.delay_reason is None
    assert run.state is RunState.PROCESSED
    assert live(discord).keys() == told(discord.truth()).keys()
    assert 429 not in {entry["status"] for entry in discord.sandbox.requests("discord")}


PASSING = {
    "a proxy's page": (403, "<html>Access denied</html>"),
    "another service": (404, '{"error": "not found"}'),
    "an unknown code": (403, '{"message": "Something else", "code": 50999}'),
    "a channel that is there": (404, '{"message": "Unknown Channel", "code": 10003}'),
}


@pytest.mark.parametrize("answers", PASSING.values(), ids=PASSING)
def test_a_refusal_that_passes_loses_nothing(discord: Connected, answers: tuple[int, str]) -> None:
    thread = discord.truth().cases["thread_without_message"]
    status, body = answers
    discord.fault("replace", path=f"/channels/{thread}/messages", status=status, body=body, times=1)
    run = discord.onboard()
    assert run.state is RunState.DELAYED
    assert discord.resume(run).state is RunState.PROCESSED
    assert live(discord).keys() == told(discord.truth()).keys()
    assert owed(discord, "failure") == {}


def test_what_is_counted_and_not_stored_is_told(onboarded: Connected) -> None:
    counts = onboarded.rows("SELECT uncollected FROM integration_streams WHERE uncollected IS NOT NULL")
    total: dict[str, int] = {}
    for row in counts:
        for kind, count in row["uncollected"].items():
            total[kind] = total.get(kind, 0) + int(count)
    assert total == {"poll": 1, "sticker_items": 1}


def test_a_server_that_discord_denies_is_read_by_its_channels_and_roles(discord: Connected) -> None:
    body = '{"message": "Unknown Guild", "code": 10004}'
    discord.fault("replace", path=r"/guilds/\d+\?with_counts", status=404, body=body)
    assert discord.onboard().state is RunState.PROCESSED
    assert live(discord).keys() == told(discord.truth()).keys()
    assert set(discord.truth().cases["hidden"].values()) <= owed(discord).keys()
