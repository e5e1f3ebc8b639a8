"""What happens in the simulated Slack shows in its API and in its truth; what gives no sign is said to give none."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import SandboxError
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.slack_reader import call, channels, everything, read_everything


def change(sandbox: Sandbox, what: str, **details: Any) -> dict[str, Any]:
    [touched] = sandbox.change("slack", [{"do": what, **details}])
    return touched


def told(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return {activity["source_id"]: activity for activity in sandbox.truth("slack").activities}


def shown(sandbox: Sandbox, source_id: str) -> dict[str, Any] | None:
    return read_everything(sandbox.api_url("slack"), limit=900).get(source_id)


def must_show(sandbox: Sandbox, source_id: str) -> dict[str, Any]:
    message = shown(sandbox, source_id)
    assert message is not None
    return message


def test_a_message_is_the_newest_of_its_channel(lively: Sandbox) -> None:
    [posted] = change(lively, "post", text="news & <more>")["messages"]
    assert told(lively)[posted]["body"] == "news & <more>"
    channel = posted.partition(":")[0]
    newest = call(lively.api_url("slack"), "conversations.history", channel=channel)["messages"][0]
    assert (f"{channel}:{newest['ts']}", newest["text"]) == (posted, "news &amp; &lt;more&gt;")


def test_more_than_a_page_can_be_said_at_once(lively: Sandbox) -> None:
    posted = change(lively, "post", times=120)["messages"]
    assert len(set(posted)) == 120
    assert set(posted) <= told(lively).keys()


def test_a_reply_changes_what_its_head_says(lively: Sandbox) -> None:
    head = lively.truth("slack").cases["many_replies"]
    [reply] = change(lively, "reply", thread=head)["messages"]
    now = must_show(lively, head)
    assert (now["reply_count"], now["latest_reply"]) == (41, reply.partition(":")[2])
    assert told(lively)[reply]["source_parent_id"] == head


def test_a_reply_from_behind_is_to_a_thread_that_nobody_looks_at(lively: Sandbox) -> None:
    touched = change(lively, "reply", behind=True, broadcast=True)
    channel, _, ts = touched["thread"].partition(":")
    newest = call(lively.api_url("slack"), "conversations.history", channel=channel)["messages"][0]
    assert f"{channel}:{newest['ts']}" == touched["messages"][0]
    assert float(newest["ts"]) - float(ts) > 30 * 86_400


def test_an_edit_shows_and_one_of_a_reply_gives_no_sign(lively: Sandbox) -> None:
    [edited] = change(lively, "edit", text="better")["messages"]
    assert must_show(lively, edited)["text"] == "better"
    assert told(lively)[edited]["outdated"] == {}
    [reply] = change(lively, "edit", reply=True, text="better, too")["messages"]
    assert told(lively)[reply]["outdated"]["body"]
    change(lively, "reply", thread=told(lively)[reply]["source_parent_id"])
    assert told(lively)[reply]["outdated"] == {}


def test_what_is_deleted_vanishes_or_leaves_a_tombstone(lively: Sandbox) -> None:
    cases = lively.truth("slack").cases
    change(lively, "delete", message=cases["unanswered"])
    assert shown(lively, cases["unanswered"]) is None
    change(lively, "delete", message=cases["many_replies"])
    assert must_show(lively, cases["many_replies"])["subtype"] == "tombstone"
    assert not {cases["unanswered"], cases["many_replies"]} & told(lively).keys()
    gone = {one["source_id"]: one["signalled"] for one in lively.truth("slack").vanished}
    assert gone == {cases["unanswered"]: True, cases["many_replies"]: True}


def test_a_deleted_reply_changes_what_its_head_says(lively: Sandbox) -> None:
    [reply] = change(lively, "delete", reply=True)["messages"]
    assert shown(lively, reply) is None
    assert reply not in told(lively)


def test_somebody_comes_aloud_or_quietly(lively: Sandbox) -> None:
    aloud, quiet = (change(lively, "join", quiet=quiet)["users"][0] for quiet in (False, True))
    joins = told(lively)
    assert (joins[aloud]["timestamp_source"], joins[quiet]["timestamp_source"]) == ("provider", "observed")
    listed = {person["id"] for person in everything(lively.api_url("slack"), "users.list", "members")}
    assert {aloud, quiet} <= listed


def test_names_change_and_what_was_said_reads_differently(lively: Sandbox) -> None:
    change(lively, "rename_user", user="U0003PSN", name="new.name")
    change(lively, "rename_channel", channel="C000CHANL", name="lobby")
    markup = told(lively)[lively.truth("slack").cases["markup"]]
    assert markup["body"].startswith("hi @new.name @old #lobby @here")
    assert markup["channel"] == "lobby"
    assert len(markup["outdated"]["body"]) == 2


def test_the_deleted_keep_what_they_wrote(lively: Sandbox) -> None:
    before = [a["source_id"] for a in told(lively).values() if a["member"] == "U0003PSN" and a["type"] == "message"]
    change(lively, "delete_user", user="U0003PSN")
    person = call(lively.api_url("slack"), "users.info", user="U0003PSN")["user"]
    assert (person["deleted"], person["is_forgotten"]) == (True, True)
    assert "tz_label" not in person
    assert set(before) <= told(lively).keys()


def test_channels_come_and_go(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    touched = change(lively, "new_channel", private=True, messages=3)
    assert len(touched["messages"]) == 4
    assert touched["channels"][0] in {channel["id"] for channel in channels(api)}
    lost: tuple[tuple[str, dict[str, Any]], ...] = (
        ("leave_channel", {"channel": "C001CHANL"}),
        ("archive_channel", {"channel": "C002CHANL", "ejects": True}),
    )
    for what, options in lost:
        change(lively, what, **options)
        assert options["channel"] not in {found["id"] for found in channels(api)}
        assert not [a for a in told(lively).values() if a["channel_id"] == options["channel"]]


def test_a_channel_that_is_archived_is_shown_to_the_app_that_is_in_it(lively: Sandbox) -> None:
    api, before = lively.api_url("slack"), told(lively).keys()
    change(lively, "archive_channel", channel="C002CHANL")
    [archived] = [channel for channel in channels(api) if channel["id"] == "C002CHANL"]
    assert archived["is_archived"]
    assert call(api, "conversations.history", channel="C002CHANL", limit=5)["messages"]
    assert told(lively).keys() == before


def test_a_private_channel_that_is_shared_gets_another_id(lively: Sandbox) -> None:
    api, before = lively.api_url("slack"), told(lively).keys()
    change(lively, "share_channel", channel="G004CHANL")
    assert "C004CHANL" in {channel["id"] for channel in channels(api)}
    assert call(api, "conversations.history", channel="G004CHANL")["error"] == "channel_not_found"
    assert told(lively).keys() == before, "whoever read it before knows it by its first id"


def test_what_is_hidden_is_there_again_with_its_replies(lively: Sandbox) -> None:
    before, head = told(lively).keys(), lively.truth("slack").cases["many_replies"]
    hidden = change(lively, "hide", message=head)["messages"]
    assert len(hidden) == 41
    assert told(lively).keys() == before - set(hidden)
    change(lively, "restore")
    assert told(lively).keys() == before


def test_the_token_of_an_organization_needs_a_workspace(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    change(lively, "organization")
    assert call(api, "auth.test")["is_enterprise_install"] is True
    assert call(api, "users.list", limit=5)["error"] == "missing_argument"
    assert call(api, "conversations.list", team_id="T0OTHER01")["error"] == "team_access_not_granted"
    [ours, _] = call(api, "auth.teams.list")["teams"]
    assert call(api, "users.list", limit=5, team_id=ours["id"])["ok"] is True


def test_the_token_is_revoked_and_given_back(lively: Sandbox) -> None:
    api = lively.api_url("slack")
    change(lively, "revoke_token", error="account_inactive")
    assert call(api, "auth.test") == {"ok": False, "error": "account_inactive"}
    change(lively, "revoke_token", error=None)
    assert call(api, "auth.test")["ok"] is True


def test_a_week_has_a_bit_of_everything(lively: Sandbox) -> None:
    before = told(lively)
    touched = lively.change("slack", [{"do": "week"}])
    after = told(lively)
    assert len(after.keys() - before.keys()) > 30
    assert before.keys() - after.keys()
    assert len({one["do"] for one in touched}) > 10


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"do": "fly"}, "fly"), ({"do": "post", "channel": "C404"}, "C404"), ({"do": "edit", "message": "x"}, "x"),
        ({"do": "edit", "message": "C000CHANL:abc"}, "abc"), ({"do": "scope", "scope": "all"}, "all"),
        ({"do": "limit", "method": "none", "requests": 1}, "none"), ({"do": "rename_user", "user": "U404"}, "U404"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_happen_is_refused(lively: Sandbox, wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(SandboxError, match=word):
        lively.change("slack", [wrong])


def test_a_poison_that_is_not_known_is_refused(lively: Sandbox) -> None:
    with pytest.raises(SandboxError, match="nightshade"):
        lively.fault("slack", "poison", what="nightshade")


def test_a_workspace_lives_by_itself() -> None:
    with Sandbox.start(platforms=("slack",), evolve=0.05) as sandbox:
        before = told(sandbox)
        for _ in range(200):
            if len(told(sandbox).keys() - before.keys()) > 3:
                return
        pytest.fail("nothing has happened")
