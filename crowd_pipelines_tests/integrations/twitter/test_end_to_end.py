"""X from the provider to the database: what is stored is true, and what is asked is needed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.benchmarks.originals import twitter as original
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import live, people, told
from crowd_pipelines_tests.integrations.twitter.truths import asked, assert_people_are_true, assert_true, vanished
from crowd_pipelines_tests.sandbox import x_spec

TAGS = ["#crowdsandbox", "#Gemeinschaft"]
QUIET = ["followers", "mentions", *TAGS]


@pytest.mark.parametrize(
    ("size", "activities"), [("small", 500), ("medium", 5_000), pytest.param("large", 20_000, marks=pytest.mark.large)]
)
def test_after_the_onboarding_the_database_is_the_truth(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, size: str, activities: int
) -> None:
    with Sandbox.start(platforms=("twitter",), size=size) as sandbox:
        x = Connected.to(sandbox, "twitter", engine=engine, monkeypatch=monkeypatch)
        assert x.onboard().state is RunState.PROCESSED
        truth = x.truth()
        assert len(truth.activities) > activities
        assert live(x).keys() == told(truth).keys()
        assert_true(x, truth)
        assert_people_are_true(x, truth)
        assert people(x).keys() == {member["source_id"] for member in truth.members}
        requests = asked(x)
        assert len(requests) <= sum(original.requests(truth).values())
        assert requests.count("followers") == -(-truth.coverage["followers"] // 1000)
        assert "token" not in requests
        before = x.records()
        assert x.onboard().state is RunState.PROCESSED
        assert x.records() == before
        assert x.rows("SELECT reason FROM quarantined_records") == []


def test_a_follow_is_dated_by_when_it_was_first_seen(onboarded: Connected) -> None:
    follows = [row for key, row in live(onboarded).items() if key[0] == "follow"]
    [moment] = {row["timestamp"] for row in follows}
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    assert {row["timestamp_source"] for row in follows} == {"observed"}


def test_a_check_with_nothing_new_asks_once_per_list_and_changes_nothing(onboarded: Connected) -> None:
    before = onboarded.records()
    assert onboarded.check().state is RunState.PROCESSED
    assert sorted(asked(onboarded)) == sorted(QUIET)
    assert onboarded.records() == before


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_after_a_week_a_check_brings_exactly_the_news(onboarded: Connected, seed: int) -> None:
    before = live(onboarded).keys()
    onboarded.sandbox.change("twitter", [{"do": "week", "seed": seed}])
    assert onboarded.check().state is RunState.PROCESSED
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    news = live(onboarded).keys() - before
    assert news == told(truth).keys() - before
    assert len(news) > 250
    requests = asked(onboarded)
    # 52 new followers are seen on two pages; each search had to learn that its beginning lies too far back.
    assert requests.count("followers") == 2
    assert len(requests) <= 12


@pytest.mark.parametrize("seed", [5, 6])
def test_after_a_week_an_onboarding_sees_who_left(onboarded: Connected, seed: int) -> None:
    onboarded.sandbox.change("twitter", [{"do": "week", "seed": seed}])
    onboarded.check()
    onboarded.onboard()
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    left = {key for key in vanished(truth) if key[0] == "follow"}
    assert left
    assert not left & live(onboarded).keys()
    assert_people_are_true(onboarded, truth)


def test_who_left_keeps_that_they_followed_and_may_come_back(onboarded: Connected) -> None:
    [user] = onboarded.change("unfollow")["users"]
    key = ("follow", f"{onboarded.truth().settings['user_id']}:{user}")
    first = live(onboarded)[key]["timestamp"]
    onboarded.check()
    assert key in live(onboarded)
    onboarded.onboard()
    assert key not in live(onboarded)
    onboarded.change("follow", user=user)
    onboarded.check()
    assert live(onboarded)[key]["timestamp"] == first


def test_more_new_followers_than_a_first_look_shows_are_all_seen(onboarded: Connected) -> None:
    onboarded.change("follow", count=1_250)
    onboarded.check()
    assert_true(onboarded, onboarded.truth())
    assert asked(onboarded).count("followers") == 4
    onboarded.change("follow", count=4)
    onboarded.check()
    assert_true(onboarded, onboarded.truth())
    assert asked(onboarded).count("followers") == 1


def test_who_comes_back_does_not_hide_the_others(onboarded: Connected) -> None:
    known = [record["member"] for record in onboarded.truth().activities if record["type"] == "follow"]
    onboarded.change("follow", count=150)
    for user in known[:3]:
        onboarded.change("unfollow", user=int(user))
        onboarded.change("follow", user=int(user))
    # The first look ends with those three.
    onboarded.change("follow", count=97)
    onboarded.check()
    assert_true(onboarded, onboarded.truth())


@pytest.mark.parametrize("what", ["mention", "hashtag"])
def test_more_news_than_a_page_holds(onboarded: Connected, what: str) -> None:
    details: dict[str, Any] = {"tag": "Gemeinschaft"} if what == "hashtag" else {}
    onboarded.change(what, count=230, **details)
    onboarded.check()
    assert_true(onboarded, onboarded.truth())
    assert sorted(asked(onboarded)) == sorted([*QUIET, *["mentions" if what == "mention" else TAGS[1]] * 2])
    onboarded.check()
    assert sorted(asked(onboarded)) == sorted(QUIET)


def test_an_edit_changes_what_was_said_and_neither_when_nor_which_it_is(onboarded: Connected) -> None:
    [post] = onboarded.change("mention", tag="crowdsandbox", text="first")["posts"]
    onboarded.check()
    before = live(onboarded)["mention", str(post)]
    onboarded.change("edit_post", post=post, text="second", after=600)
    onboarded.check()
    for kind in ("mention", "hashtag"):
        after = live(onboarded)[kind, str(post)]
        assert "second" in after["body"]
        assert after["timestamp"] == before["timestamp"]
        assert after["url"] != before["url"]
    assert_true(onboarded, onboarded.truth())


def test_a_new_name_is_the_same_person_and_the_old_one_may_be_anothers(onboarded: Connected) -> None:
    one, other = (record["member"] for record in onboarded.truth().activities[:2])
    before = people(onboarded)
    onboarded.change("rename_user", user=int(one), username="brand_new")
    onboarded.change("rename_user", user=int(other), username=before[one]["username"])
    onboarded.check()
    after = people(onboarded)
    assert (after[one]["id"], after[one]["username"]) == (before[one]["id"], "brand_new")
    assert (after[other]["id"], after[other]["username"]) == (before[other]["id"], before[one]["username"])


def test_an_author_who_is_not_shown_keeps_the_name_that_is_known(onboarded: Connected) -> None:
    truth = onboarded.truth()
    author = next(record["member"] for record in truth.activities if record["type"] == "mention")
    stranger = truth.cases["not_shown"][0]
    assert people(onboarded)[stranger]["username"] == stranger
    name = people(onboarded)[author]["username"]
    onboarded.change("suspend_user", user=int(author))
    onboarded.change("reinstate_user", user=int(stranger))
    onboarded.change("mention", author=int(author))
    onboarded.change("mention", author=int(stranger))
    onboarded.check()
    assert people(onboarded)[author]["username"] == name
    assert people(onboarded)[stranger]["username"] != stranger
    assert_people_are_true(onboarded, onboarded.truth())


def test_a_post_that_was_deleted_stays(onboarded: Connected) -> None:
    [post] = onboarded.change("mention")["posts"]
    onboarded.check()
    onboarded.change("delete_post", post=post)
    onboarded.check()
    onboarded.onboard()
    assert ("mention", str(post)) in live(onboarded)


def test_the_nasty_cases_are_read_as_they_are(onboarded: Connected) -> None:
    cases, stored = onboarded.truth().cases, live(onboarded)
    assert (
        stored["mention", cases["mention_with_hashtag"]]["body"]
        == stored["hashtag", cases["mention_with_hashtag"]]["body"]
    )
    assert stored["hashtag", cases["two_hashtags"]]["attributes"]["hashtag"] == "crowdsandbox"
    assert ("hashtag", cases["retweet"]) not in stored
    escaped = stored["mention", cases["escaped"]]["body"]
    assert escaped.startswith("Tags are <b> &amp; co, 1 < 2 && 3 > 2")
    assert len(stored["mention", cases["long_text"]]["body"]) > 600
    assert stored["hashtag", cases["poll"]]["attributes"]["attachments"] == [{"type": "poll", "id": "15785"}]
    picture, film = stored["hashtag", cases["media"]]["attributes"]["attachments"]
    assert (picture["type"], film["type"], film["url"]) == ("photo", "video", "https://pbs.twimg.com/media/7_9002.jpg")
    assert stored["mention", cases["lost_media"]]["attributes"]["attachments"] == [{"mediaKey": "3_9003"}]
    first, *others = cases["edited"]
    assert "edited" in stored["mention", first]["body"]
    assert not {("mention", other) for other in others} & stored.keys()
    assert {("mention", post) for post in cases["one_second"]} <= stored.keys()


def test_a_quiet_hashtag_costs_one_request_again_when_its_newest_post_is_out_of_reach(onboarded: Connected) -> None:
    onboarded.change("pass", after=6 * 86_400)
    onboarded.check()
    assert sorted(asked(onboarded)) == sorted(QUIET)
    onboarded.change("pass", after=2 * 86_400)
    onboarded.check()
    assert sorted(asked(onboarded)) == sorted([*QUIET, *TAGS])
    for _ in range(2):
        onboarded.check()
        assert sorted(asked(onboarded)) == sorted(QUIET)
    onboarded.change("hashtag", tag="crowdsandbox")
    onboarded.check()
    assert sorted(asked(onboarded)) == sorted(QUIET)
    assert_true(onboarded, onboarded.truth())
    assert onboarded.value("SELECT state->'notices' FROM integrations") in (None, [])


def test_what_nobody_read_in_time_is_told(onboarded: Connected) -> None:
    [lost] = onboarded.change("hashtag", tag="crowdsandbox")["posts"]
    onboarded.change("pass", after=9 * 86_400)
    [seen] = onboarded.change("hashtag", tag="crowdsandbox")["posts"]
    onboarded.check()
    assert ("hashtag", str(lost)) not in live(onboarded)
    assert ("hashtag", str(seen)) in live(onboarded)
    notices = onboarded.value("SELECT state->'notices' FROM integrations")
    assert [notice[:24] for notice in notices] == ["Posts with #crowdsandbox", "Posts with #Gemeinschaft"]
    assert "2026-03-02 12:00" in notices[0]
    onboarded.onboard()
    assert onboarded.value("SELECT state->'notices' FROM integrations") == []


@pytest.mark.parametrize("what", ["no_id", "text_id", "wrong_type", "not_a_record"])
def test_a_poison_record_is_quarantined_while_its_page_is_stored(x: Connected, what: str) -> None:
    truth = x.truth()
    x.fault("poison", path="/mentions", what=what, times=1)
    x.fault("poison", path="/followers", what=what, times=1)
    assert x.onboard().state is RunState.PROCESSED
    missing = told(truth).keys() - live(x).keys()
    assert sorted(kind for kind, _ in missing) == ["follow", "mention"]
    kept = x.rows("SELECT stream_name FROM quarantined_records ORDER BY stream_name")
    assert [row["stream_name"] for row in kept] == ["followers", "mentions"]


@pytest.mark.parametrize("what", ["no_author", "null_author"])
def test_a_post_without_an_author_is_none(x: Connected, what: str) -> None:
    truth = x.truth()
    x.fault("poison", path="/mentions", what=what, times=1)
    x.onboard()
    assert len(told(truth).keys() - live(x).keys()) == 1
    assert x.value("SELECT count(*) FROM quarantined_records") == 1


@pytest.mark.parametrize(
    "what", ["new_words", "no_newest_id", "odd_attachments", "odd_history", "bad_date", "year_9999", "no_created_at"]
)
def test_what_a_post_can_do_without_costs_nothing(x: Connected, what: str) -> None:
    x.fault("poison", path="/mentions" if what != "odd_history" else "Gemeinschaft", what=what)
    assert x.onboard().state is RunState.PROCESSED
    assert live(x).keys() == told(x.truth()).keys()
    x.sandbox.clear_faults()
    asked(x)
    x.check()
    assert sorted(asked(x)) == sorted(QUIET)


@pytest.mark.parametrize("what", ["no_includes", "null_includes"])
def test_without_authors_the_posts_are_kept_and_named_later(x: Connected, what: str) -> None:
    x.fault("poison", path="/mentions|/recent", what=what)
    x.onboard()
    assert live(x).keys() == told(x.truth()).keys()
    x.sandbox.clear_faults()
    x.onboard()
    assert_people_are_true(x, x.truth())


def test_a_follower_that_cannot_be_used_is_no_unfollow(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.fault("poison", path="/followers", what="no_username", times=1)
    onboarded.change("unfollow")
    onboarded.onboard()
    assert live(onboarded).keys() == before
    onboarded.fault("poison", path="/followers", what="null_record", times=1)
    onboarded.change("unfollow")
    onboarded.onboard()
    assert live(onboarded).keys() == before


def test_a_whole_pass_over_several_pages_sees_who_left(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("twitter",), page_size_max=50) as sandbox:
        x = Connected.to(sandbox, "twitter", engine=engine, monkeypatch=monkeypatch)
        x.onboard()
        assert_true(x, x.truth())
        assert asked(x).count("followers") == 5
        users = [x.change("unfollow")["users"][0] for _ in range(3)]
        x.onboard()
        gone = {("follow", f"{x.truth().settings['user_id']}:{user}") for user in users}
        assert told(x.truth()).keys() == live(x).keys()
        assert not gone & live(x).keys()
        left = x.rows("SELECT value FROM watermarks WHERE subject LIKE '%:page:%' AND value <> '{}'")
        assert left == []
        asked(x)
        x.change("follow", count=120)
        x.check()
        assert_true(x, x.truth())


def test_a_run_that_is_resumed_asks_for_nothing_twice(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("twitter",), page_size_max=50) as sandbox:
        x = Connected.to(sandbox, "twitter", engine=engine, monkeypatch=monkeypatch)
        x.change("unfollow")
        x.fault("rate_limit", path="/followers", after=3, times=1, retry_after="3600")
        run = x.onboard()
        assert run.state is RunState.DELAYED
        assert x.resume(run).state is RunState.PROCESSED
        assert live(x).keys() == told(x.truth()).keys()
        log = [
            (e["path"], tuple(sorted(e["query"].items()))) for e in sandbox.requests("twitter") if e["status"] == 200
        ]
        assert len(log) == len(set(log))


def test_every_request_is_one_that_x_describes(onboarded: Connected) -> None:
    onboarded.change("follow", count=120)
    onboarded.check()
    onboarded.onboard()
    assert list(x_spec.undeclared(onboarded.sandbox.requests("twitter"), "/twitter")) == []
    assert len(asked(onboarded)) > 8


def test_the_global_limit_leaves_a_part_to_checks(x: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWD_TWITTER_GLOBAL_LIMIT", "400")
    run = x.onboard()
    assert run.state is RunState.DELAYED
    assert "the global limit of 280 records" in (run.delay_reason or "")
    assert run.delayed_until is not None
    assert run.delayed_until - datetime.now(UTC) > timedelta(days=29)
