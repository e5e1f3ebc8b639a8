"""What X does not show is owed and told, what it shows by halves is not believed, and nothing is paid for twice."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import live, told
from crowd_pipelines_tests.integrations.twitter.truths import asked, assert_true

HTML = "<html><title>Attention Required!</title></html>"
FOLLOWERS, MENTIONS, TAG = "followers", "mentions", "#crowdsandbox"


@pytest.fixture
def paged(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connected]:
    """Connected, not read, and no page has more than fifty records."""
    with Sandbox.start(platforms=("twitter",), page_size_max=50) as sandbox:
        yield Connected.to(sandbox, "twitter", engine=engine, monkeypatch=monkeypatch)


def owed(x: Connected) -> list[dict[str, Any]]:
    return x.rows("SELECT place, permission, kind, reason FROM owed_reads ORDER BY place, permission")


def a_day_later(x: Connected) -> None:
    """What is owed is due, and the list of followers was read whole two days ago."""
    with x.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE owed_reads SET due_at = now()")
        for name in ("whole_at", "counted_at"):
            conn.exec_driver_sql(
                f"UPDATE watermarks SET value = jsonb_set(value, '{{{name}}}', to_jsonb((value->>'{name}')::timestamptz"
                f" - interval '2 days')) WHERE subject ~ '^followers:[0-9]+$' AND value->>'{name}' IS NOT NULL"
            )


def to_its_end(x: Connected, run: RunRecord) -> RunRecord:
    for _ in range(8):
        if run.state is not RunState.DELAYED:
            break
        run = x.resume(run)
    return run


@pytest.mark.parametrize(
    ("endpoint", "reason", "permission"),
    [
        ("followers", "client-not-enrolled", "plan"),
        ("followers", "app-only", "an account's tokens"),
        ("mentions", "protected", "protected account"),
        ("search", "scope", "scope"),
    ],
)
def test_a_list_that_is_refused_is_owed_and_read_when_it_is_shown(
    x: Connected, endpoint: str, reason: str, permission: str
) -> None:
    x.change("forbid", endpoint=endpoint, reason=reason)
    assert x.onboard().state is RunState.PROCESSED
    debts = owed(x)
    assert {debt["permission"] for debt in debts} == {permission}
    assert len(debts) == (2 if endpoint == "search" else 1)
    refused = {"followers": [FOLLOWERS], "mentions": [MENTIONS], "search": [TAG, "#Gemeinschaft"]}[endpoint]
    asked(x)
    assert x.check().state is RunState.PROCESSED
    assert not set(asked(x)) & set(refused)
    x.change("allow", endpoint=endpoint)
    a_day_later(x)
    assert x.check().state is RunState.PROCESSED
    assert owed(x) == []
    assert_true(x, x.truth())
    x.change("follow")
    x.change("mention")
    x.change("hashtag")
    x.check()
    assert_true(x, x.truth())


@pytest.mark.parametrize("path", ["/followers", "/mentions", "crowdsandbox"])
def test_what_is_owed_goes_on_where_it_stopped(paged: Connected, path: str) -> None:
    body = '{"type": "https://api.x.com/2/problems/client-forbidden", "title": "Client Forbidden"}'
    paged.fault("replace", path=path, status=403, body=body, after=1, times=1)
    assert paged.onboard().state is RunState.PROCESSED
    assert [debt["permission"] for debt in owed(paged)] == ["plan"]
    a_day_later(paged)
    assert paged.check().state is RunState.PROCESSED
    assert owed(paged) == []
    assert_true(paged, paged.truth())
    pages = [
        tuple(sorted(entry["query"].items()))
        for entry in paged.sandbox.requests("twitter")
        if entry["status"] == 200 and entry["path"].endswith(("/followers", "/mentions", "/recent"))
    ]
    # Nothing was shown twice, whichever list it was.
    shown = [query for query in pages if dict(query).get("max_results") != "10"]
    assert len(shown) == len(set(shown))


def test_an_account_that_is_not_there_is_told(x: Connected) -> None:
    with x.engine.begin() as conn:
        conn.exec_driver_sql("""UPDATE integrations SET settings = '{"user_id": "404", "hashtags": []}'""")
    run = x.onboard()
    assert run.state is RunState.ERROR
    assert "X knows no such account" in (run.error or "")
    assert [debt["permission"] for debt in owed(x)] == ["not found", "not found"]


@pytest.mark.parametrize("path", ["/followers", "/mentions", "Gemeinschaft"])
@pytest.mark.parametrize(
    ("status", "body"), [(403, HTML), (404, HTML), (401, '{"error": "proxy"}'), (403, '{"message": "Forbidden"}')]
)
def test_a_refusal_that_is_not_x_s_is_nothing_but_late(x: Connected, path: str, status: int, body: str) -> None:
    x.fault("replace", path=path, status=status, body=body, times=2)
    run = to_its_end(x, x.onboard())
    assert run.state is RunState.PROCESSED
    assert owed(x) == []
    assert live(x).keys() == told(x.truth()).keys()


@pytest.mark.parametrize("spent", ["posts", "credits", "spending"])
def test_what_may_be_spent_is_waited_for(x: Connected, spent: str) -> None:
    x.change("usage_cap", spent=spent)
    run = x.onboard()
    assert run.state is RunState.DELAYED
    assert len(asked(x)) == 1
    assert "developer console" in (run.delay_reason or "")
    x.change("usage_cap", reached=False)
    assert to_its_end(x, run).state is RunState.PROCESSED
    assert owed(x) == []
    assert_true(x, x.truth())


@pytest.mark.parametrize("what", ["no_meta", "lost_place", "short_page", "empty_page", "newer_mark", "unknown_problem"])
@pytest.mark.parametrize("path", ["/followers", "/mentions", "crowdsandbox"])
def test_a_page_that_contradicts_itself_is_read_again(paged: Connected, path: str, what: str) -> None:
    if (path, what) == ("/followers", "newer_mark"):
        pytest.skip("followers are no posts")
    if what == "empty_page" and path != "/followers":
        pytest.skip("X's search and mentions have no count beside them: an empty page is one")
    paged.fault("poison", path=path, what=what, after=1, times=2)
    run = to_its_end(paged, paged.onboard())
    assert run.state is RunState.PROCESSED
    assert owed(paged) == []
    assert live(paged).keys() == told(paged.truth()).keys()


@pytest.mark.parametrize("path", ["/followers", "/mentions", "crowdsandbox"])
def test_a_null_is_read_by_the_next_check(x: Connected, path: str) -> None:
    x.fault("poison", path=path, what="null_record", times=1)
    assert x.onboard().state is RunState.PROCESSED
    assert [debt["kind"] for debt in owed(x)] == ["unread"]
    assert x.value("SELECT count(*) FROM quarantined_records") == 0
    assert len(told(x.truth()).keys() - live(x).keys()) == 1
    assert x.check().state is RunState.PROCESSED
    assert owed(x) == []
    assert_true(x, x.truth())
    x.change("mention")
    x.change("follow")
    x.check()
    assert_true(x, x.truth())


def test_a_record_that_x_leaves_out_is_told(x: Connected) -> None:
    truth = x.truth()
    post = next(one["source_id"] for one in truth.activities if one["type"] == "mention")
    follower = next(one["member"] for one in truth.activities if one["type"] == "follow")
    x.change("withhold", post=int(post), user=int(follower))
    x.change("mention", article="At length")
    assert x.onboard().state is RunState.PROCESSED
    uncollected = x.value("SELECT state->'uncollected' FROM integrations")
    assert uncollected["posts that X does not show"] == 1
    assert uncollected["followers that X does not show"] == 1
    assert uncollected["articles"] == 1
    assert uncollected["options of polls"] == 1
    assert ("mention", post) not in live(x)


def test_a_list_that_lost_its_followers_for_a_moment_loses_none(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.change("shorten_followers", to=0)
    run = onboarded.onboard()
    assert run.state is RunState.DELAYED
    assert "X lists 0 followers, and counts 229" in (run.delay_reason or "")
    assert live(onboarded).keys() == before
    onboarded.change("shorten_followers")
    assert to_its_end(onboarded, run).state is RunState.PROCESSED
    assert live(onboarded).keys() == before


def test_a_list_that_stays_far_too_short_is_owed_and_told(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.change("miscount", by=5_000)
    run = to_its_end(onboarded, onboarded.onboard())
    assert run.state is RunState.PROCESSED
    [debt] = owed(onboarded)
    assert (debt["kind"], debt["reason"]) == ("failure", "X lists 229 followers, and counts 5229")
    assert live(onboarded).keys() == before
    onboarded.change("miscount")
    onboarded.check()
    assert owed(onboarded) == []


def test_an_unfollow_is_seen_by_a_check_once_a_day_has_passed(onboarded: Connected) -> None:
    [user] = onboarded.change("unfollow")["users"]
    key = ("follow", f"{onboarded.truth().settings['user_id']}:{user}")
    onboarded.check()
    assert key in live(onboarded)
    # Nobody was asked for twice: the newest ten, and no count.
    assert [name for name in asked(onboarded) if name in (FOLLOWERS, "users")] == [FOLLOWERS]
    a_day_later(onboarded)
    onboarded.check()
    assert key not in live(onboarded)
    assert asked(onboarded).count(FOLLOWERS) == 2
    assert_true(onboarded, onboarded.truth())
    onboarded.change("follow", user=user)
    onboarded.check()
    assert key in live(onboarded)
    assert asked(onboarded).count(FOLLOWERS) == 1


def test_while_the_count_is_as_it_was_nobody_is_read_again(onboarded: Connected) -> None:
    a_day_later(onboarded)
    onboarded.change("follow", count=3)
    onboarded.check()
    assert sorted(name for name in asked(onboarded) if name in (FOLLOWERS, "users")) == [FOLLOWERS, "users"]
    assert_true(onboarded, onboarded.truth())


def test_one_comes_and_one_goes_and_both_are_seen(onboarded: Connected) -> None:
    onboarded.change("follow")
    [left] = onboarded.change("unfollow")["users"]
    onboarded.check()
    assert_true(onboarded, onboarded.truth())
    a_day_later(onboarded)
    onboarded.check()
    assert ("follow", f"{onboarded.truth().settings['user_id']}:{left}") not in live(onboarded)
    assert_true(onboarded, onboarded.truth())


def test_whom_a_list_shows_is_not_retracted(onboarded: Connected) -> None:
    newest = next(one["source_id"] for one in onboarded.truth().activities if one["type"] == "follow")
    with onboarded.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE activities SET retracted_at = now() WHERE source_id = '{newest}'")
    onboarded.check()
    assert ("follow", newest) in live(onboarded)


def test_who_moves_between_two_pages_has_not_left(paged: Connected) -> None:
    assert paged.onboard().state is RunState.PROCESSED
    follows = [one["member"] for one in paged.truth().activities if one["type"] == "follow"]
    [left] = paged.change("unfollow", user=int(follows[20]))["users"]
    paged.change("overlook", user=int(follows[70]), times=1)
    asked(paged)
    assert paged.onboard().state is RunState.PROCESSED
    assert asked(paged).count(FOLLOWERS) == 10
    account = paged.truth().settings["user_id"]
    assert ("follow", f"{account}:{follows[70]}") in live(paged)
    assert ("follow", f"{account}:{left}") not in live(paged)
    assert paged.rows("SELECT subject FROM watermarks WHERE subject LIKE '%:again:%' OR subject LIKE '%:page:%'") == []


@pytest.mark.parametrize("path", ["/followers", "/mentions", "crowdsandbox"])
def test_page_tokens_that_end_meanwhile_lose_nothing(paged: Connected, path: str) -> None:
    paged.fault("rate_limit", path=path, after=1, times=1, retry_after="3600")
    run = paged.onboard()
    assert run.state is RunState.DELAYED
    paged.change("expire_cursors")
    assert to_its_end(paged, run).state is RunState.PROCESSED
    assert_true(paged, paged.truth())
    posts = [entry for entry in paged.sandbox.requests("twitter") if "until_id" in entry["query"]]
    assert posts or path == "/followers"
    paged.check()
    assert_true(paged, paged.truth())


def test_an_edit_within_the_list_and_a_new_name_are_the_same_thing_and_person(onboarded: Connected) -> None:
    [post] = onboarded.change("mention", tag="crowdsandbox", text="first")["posts"]
    onboarded.check()
    onboarded.change("edit_post", post=post, text="second", after=300)
    onboarded.onboard()
    assert [key for key in live(onboarded) if key[1] == str(post)] == [("mention", str(post)), ("hashtag", str(post))]
    assert_true(onboarded, onboarded.truth())
