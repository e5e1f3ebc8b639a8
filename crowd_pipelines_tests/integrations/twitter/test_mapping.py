"""What X's payloads mean to us."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from crowd_pipelines.apis.x.payloads import posted_at
from crowd_pipelines.integrations.twitter.activities import FOLLOW, HASHTAG, MENTION
from crowd_pipelines.integrations.twitter.integration import TwitterSettings
from crowd_pipelines.integrations.twitter.streams import HashtagMark, HashtagStream
from crowd_pipelines.model import clock
from crowd_pipelines.model.records import TimestampSource
from crowd_pipelines.model.streams import RetractMissing
from crowd_pipelines_tests.http.scripted_server import Handler
from crowd_pipelines_tests.integrations.twitter import scripted as x
from crowd_pipelines_tests.integrations.twitter.scripted import ScriptedX, activities, payload

TOKEN = "7140dibdnow9c7btw3z4"


def test_a_mention_is_what_somebody_said_about_the_account(scripted: ScriptedX) -> None:
    mention = activities(scripted.read(x.MENTIONS, payload("mentions")))[0]
    assert (mention.type, mention.source_id, mention.thread) == (MENTION, "2028420000000000003", "2028420000000000001")
    assert mention.timestamp == datetime(2026, 3, 2, 11, 22, 33, tzinfo=UTC)
    assert mention.timestamp_source is TimestampSource.PROVIDER
    assert mention.body == "Look & see 🦊 @gate_keepers, 1 < 2 #Gates https://t.co/a1b2c3"
    assert mention.url == "https://twitter.com/i/status/2028420000000000003"
    assert (mention.title, mention.channel, mention.source_parent_id) == (None, None, None)
    assert mention.attributes["entities"]["mentions"][0]["username"] == "gate_keepers"
    assert mention.attributes["attachments"] == [
        {"mediaKey": "3_501", "type": "photo", "url": "https://pbs.twimg.com/media/501.jpg"},
        {"mediaKey": "13_502", "type": "video", "url": "https://pbs.twimg.com/media/502.jpg"},
        {"mediaKey": "3_503"},
    ]


def test_an_author_is_shown_as_x_shows_them(scripted: ScriptedX) -> None:
    author = activities(scripted.read(x.MENTIONS, payload("mentions")))[0].member
    assert (author.source_id, author.username, author.display_name) == ("71", "fenna_oak", "Fenna 🤖 Oak")
    assert author.reach == 1204
    assert author.attributes == {
        "url": "https://twitter.com/fenna_oak",
        "avatarUrl": "https://pbs.twimg.com/profile_images/71/a_normal.jpg",
        "bio": "Gates & fences",
        "location": "Gouda",
        "websiteUrl": "https://t.co/fenna",
    }


def test_what_an_author_left_empty_is_told_as_such(scripted: ScriptedX) -> None:
    author = activities(scripted.read(x.MENTIONS, payload("mentions")))[2].member
    assert (author.username, author.display_name, author.reach) == ("quiet_one", None, None)
    empty = {"avatarUrl": None, "bio": None, "location": None, "websiteUrl": None}
    assert author.attributes == {"url": "https://twitter.com/quiet_one", **empty}


def test_of_an_author_who_is_not_shown_the_id_is_known(scripted: ScriptedX) -> None:
    mention = activities(scripted.read(x.MENTIONS, payload("mentions")))[1]
    assert (mention.member.source_id, mention.member.username, mention.member.attributes) == ("99", "99", {})
    assert mention.attributes["attachments"] == [{"type": "poll", "id": "8801"}]


def test_a_long_post_is_read_whole(scripted: ScriptedX) -> None:
    mention = activities(scripted.read(x.MENTIONS, payload("mentions")))[2]
    assert mention.body == "@gate_keepers the whole of a long text > 280 characters"
    assert mention.attributes["entities"]["hashtags"][0]["tag"] == "deep"


def test_both_vocabularies_are_read(scripted: ScriptedX) -> None:
    old = payload("mentions")
    text = json.dumps(old).replace("edit_history_tweet_ids", "edit_history_post_ids").replace("note_tweet", "note_post")
    first, second = scripted.read(x.MENTIONS, old), scripted.read(x.MENTIONS, json.loads(text))
    assert activities(first) == activities(second)


def test_requests_are_made_in_the_old_vocabulary(scripted: ScriptedX) -> None:
    scripted.read(x.MENTIONS, payload("mentions"))
    [asked] = scripted.asked()
    assert {"tweet.fields", "user.fields", "media.fields", "expansions"} <= asked.keys()
    assert "edit_history_tweet_ids" in asked["tweet.fields"]
    assert asked["max_results"] == "100"


def test_a_page_leads_on_and_the_watermark_waits_for_the_last(scripted: ScriptedX) -> None:
    first = scripted.read(x.MENTIONS, payload("mentions"))
    newest = "2028420000000000003"
    further = x.MENTIONS.model_copy(
        update={"page": 2, "token": TOKEN, "newest_id": newest, "oldest_id": "2028400000000000001"}
    )
    assert first.next_page == further
    assert "mentions:4001" not in first.watermarks
    last = scripted.read(further, {"meta": {"result_count": 0}})
    assert last.next_page is None
    assert last.watermarks["mentions:4001"] == {"newest_id": newest}


def test_a_page_without_records_still_leads_on(scripted: ScriptedX) -> None:
    result = scripted.read(x.MENTIONS, {"meta": {"result_count": 0, "next_token": "more"}})
    assert result.next_page == x.MENTIONS.model_copy(update={"page": 2, "token": "more"})


def test_the_newest_post_has_the_highest_number_and_not_the_last_text(scripted: ScriptedX) -> None:
    made = [{"id": one, "author_id": "1", "created_at": "2009-01-01T00:00:00Z"} for one in ("1000", "999")]
    result = scripted.read(x.MENTIONS, {"data": made, "meta": {}})
    assert result.watermarks["mentions:4001"] == {"newest_id": "1000"}


def test_an_empty_check_keeps_the_watermark(scripted: ScriptedX) -> None:
    stream = x.MENTIONS.model_copy(update={"since_id": "2028420000000000003"})
    result = scripted.read(stream, {"meta": {"result_count": 0}})
    assert result.watermarks["mentions:4001"] == {"newest_id": "2028420000000000003"}
    assert scripted.asked()[0]["since_id"] == "2028420000000000003"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [(("gates", "fences"), "gates"), (("fences", "GATES"), "GATES"), (("fences",), "gates")],
    ids=["as asked", "the first of the settings", "asked, though no longer in the settings"],
)
def test_a_post_with_a_hashtag_names_the_same_one_whoever_finds_it(
    scripted: ScriptedX, tags: tuple[str, ...], expected: str
) -> None:
    found = activities(scripted.read(x.HASHTAG, payload("mentions"), hashtags=tags))[0]
    assert (found.type, found.attributes["hashtag"]) == (HASHTAG, expected)


def test_a_search_leaves_retweets_out(scripted: ScriptedX) -> None:
    scripted.read(x.HASHTAG, payload("mentions"))
    assert scripted.asked()[0]["query"] == "#gates -is:retweet"


def edited(*history: str, created_at: str, key: str = "edit_history_tweet_ids") -> dict[str, Any]:
    return {"id": history[-1], "author_id": "71", "created_at": created_at, "text": history[-1], key: list(history)}


FIRST, SECOND = "2028420000000000003", "2028425000000000003"


def test_an_edit_is_the_activity_that_it_changes(scripted: ScriptedX) -> None:
    one = edited(FIRST, created_at=posted_at(FIRST).isoformat())
    other = edited(FIRST, SECOND, created_at=posted_at(SECOND).isoformat())
    [before] = activities(scripted.read(x.MENTIONS, {"data": [one], "meta": {}}))
    [after] = activities(scripted.read(x.MENTIONS, {"data": [other], "meta": {}}))
    [both] = activities(scripted.read(x.MENTIONS, {"data": [other, one], "meta": {}}))
    assert (after.key, after.body, after.url) == (before.key, SECOND, f"https://twitter.com/i/status/{SECOND}")
    assert after.timestamp == before.timestamp.replace(microsecond=0)
    assert both == after


@pytest.mark.parametrize("unusable", [None, "", "surprise", {}, "9" * 25])
def test_an_edit_is_still_the_activity_that_it_changes_when_another_version_has_no_id(
    scripted: ScriptedX, unusable: Any
) -> None:
    post = edited(FIRST, SECOND, created_at=posted_at(SECOND).isoformat())
    post["edit_history_tweet_ids"].insert(1, unusable)
    [found] = activities(scripted.read(x.MENTIONS, {"data": [post], "meta": {}}))
    assert (found.source_id, found.body) == (FIRST, SECOND)


def test_a_first_version_far_from_the_edit_tells_no_time(scripted: ScriptedX) -> None:
    [found] = activities(scripted.read(x.MENTIONS, {"data": [edited("20", SECOND, created_at="2026-03-02T10:00:00Z")]}))
    assert (found.source_id, found.timestamp) == ("20", datetime(2026, 3, 2, 10, tzinfo=UTC))


def test_a_follow_is_known_by_both_ids(scripted: ScriptedX) -> None:
    newest, oldest = activities(scripted.read(x.FOLLOWERS, payload("followers"), onboarding=True))
    assert (newest.type, newest.source_id, newest.thread) == (FOLLOW, "4001:1900000000000000001", "4001")
    assert (newest.timestamp, newest.timestamp_source) == (x.STARTED_AT, TimestampSource.OBSERVED)
    assert newest.url == "https://twitter.com/newest_1"
    assert (oldest.member.source_id, oldest.member.reach) == ("12", 6_500_000)


def test_a_whole_list_tells_who_is_there(scripted: ScriptedX) -> None:
    result = scripted.read(x.FOLLOWERS, payload("followers"), onboarding=True)
    present = frozenset({"4001:1900000000000000001", "4001:12"})
    assert result.operations[1] == RetractMissing(type=FOLLOW, thread="4001", present=present)


def test_a_list_whose_first_pages_are_not_all_remembered_tells_nothing_of_who_left(scripted: ScriptedX) -> None:
    third = x.FOLLOWERS.model_copy(update={"page": 3, "token": "T", "total": 2, "started_at": x.STARTED_AT})
    scripted.known["followers:4001:page:1"] = {"ids": ["5"]}
    scripted.known["followers:4001:begun"] = {"front": [["5", "d"]], "whole_at": x.STARTED_AT.isoformat()}
    operations = scripted.read(third, payload("followers"), onboarding=True).operations
    assert not [operation for operation in operations if isinstance(operation, RetractMissing)]


def test_known_followers_are_no_news_but_what_changed_about_them_is(scripted: ScriptedX) -> None:
    scripted.known.update(scripted.read(x.FOLLOWERS, payload("followers"), onboarding=True).watermarks)
    again = scripted.read(x.LOOK, payload("followers"))
    assert activities(again) == []
    renamed = payload("followers")
    renamed["data"][1]["username"] = "now_other"
    [changed] = activities(scripted.read(x.LOOK, renamed))
    assert changed.source_id == "4001:12"
    # What derives from the name goes with it.
    address = "https://twitter.com/now_other"
    assert (changed.member.username, changed.member.attributes["url"], changed.url) == ("now_other", address, address)


@pytest.mark.parametrize(
    "given", [{"user_id": "@x"}, {"user_id": ""}, {}, {"user_id": "1" * 20}, {"user_id": "1", "tags": []}]
)
def test_settings_name_an_account_by_its_number(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TwitterSettings.model_validate(given)
    assert TwitterSettings.model_validate({"user_id": 783214}).user_id == "783214"


@pytest.mark.parametrize("tag", ["", "#", "two words", "a-b", "123", "a\nb", "x)OR(y", "t" * 600, "from:me", "🦊"])
def test_settings_refuse_what_is_no_hashtag(tag: str) -> None:
    with pytest.raises(ValidationError):
        TwitterSettings(user_id="1", hashtags=(tag,))


def test_settings_take_hashtags_of_any_script_once() -> None:
    given = ("#Python", "python", "東京", "हिन्दी", "e_5", "Gemeinschäft")
    assert TwitterSettings(user_id="1", hashtags=given).hashtags == ("Python", "東京", "हिन्दी", "e_5", "Gemeinschäft")


NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def post_id(before: timedelta) -> str:
    return str(
        int((NOW - before - datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)) / timedelta(milliseconds=1)) << 22
    )


@pytest.mark.parametrize(
    ("newest", "read", "expected"),
    [
        (timedelta(hours=2), timedelta(hours=1), "since_id"),
        (timedelta(days=6, hours=22), timedelta(hours=1), "since_id"),
        (timedelta(days=6, hours=23, minutes=30), timedelta(hours=1), timedelta(hours=2)),
        (timedelta(days=30), timedelta(minutes=30), timedelta(minutes=90)),
        (timedelta(days=30), timedelta(days=20), timedelta(days=6, hours=23)),
    ],
    ids=["usual", "old", "too old", "nothing for a month", "nobody asked for weeks"],
)
def test_a_search_begins_where_the_last_one_ended_as_far_as_x_allows(
    newest: timedelta, read: timedelta, expected: timedelta | str
) -> None:
    mark = HashtagMark(newest_id=post_id(newest), began_at=NOW - read, asked_at=NOW - read)
    opening = mark.opening("gates", now=NOW)
    if isinstance(expected, timedelta):
        assert opening == HashtagStream(tag="gates", start_time=NOW - expected)
    else:
        assert opening == HashtagStream(tag="gates", since_id=mark.newest_id)


def test_the_clock_that_counts_is_x_s(scripted: ScriptedX) -> None:
    """Ours may be months off."""
    off = timedelta(days=200)
    mark = HashtagMark(newest_id=post_id(timedelta(days=6)), began_at=NOW - timedelta(hours=1), asked_at=NOW + off)
    assert mark.opening("gates", now=NOW + off + timedelta(hours=1)).since_id == mark.newest_id
    assert mark.opening("gates", now=NOW + off + timedelta(days=1)).since_id is None


def test_the_id_tells_when_a_post_without_a_date_was_made(scripted: ScriptedX) -> None:
    body = payload("mentions")
    for record in body["data"]:
        record["created_at"] = "soon"
    result = scripted.read(x.MENTIONS, body)
    assert result.rejected == ()
    assert activities(result)[0].timestamp == posted_at("2028420000000000003")


def test_a_post_of_before_ids_had_times_needs_a_date(scripted: ScriptedX) -> None:
    body = payload("mentions")
    body["data"] = [{**body["data"][0], "id": "1234", "edit_history_tweet_ids": ["1234"], "created_at": None}]
    [rejected] = scripted.read(x.MENTIONS, body).rejected
    assert "neither created_at nor the id" in rejected.reason


@pytest.mark.parametrize("stream", [x.MENTIONS, x.FOLLOWERS], ids=lambda stream: stream.kind)
def test_a_page_that_leads_to_itself_is_a_circle(scripted: ScriptedX, stream: Any) -> None:
    body = payload(stream.kind)
    body["meta"]["next_token"] = TOKEN
    first = scripted.read(stream, body, onboarding=True)
    assert first.next_page is not None
    scripted.known.update(first.watermarks)
    second = scripted.read(first.next_page, body, onboarding=True).next_page
    assert second is not None
    assert second.key == first.next_page.key


EMPTY = b'{"meta": {"result_count": 0}}'


@pytest.mark.parametrize("date", [None, "surprise", "Fri, 31 Dec 9999 23:00:00 -1400"])
def test_where_x_tells_no_time_the_database_does(scripted: ScriptedX, date: str | None) -> None:
    def undated(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Type", "application/json")
        if date:
            handler.send_header("Date", date)
        handler.send_header("Content-Length", str(len(EMPTY)))
        handler.end_headers()
        handler.raw(EMPTY)

    told = datetime(2026, 3, 2, 13, tzinfo=UTC)
    clock.set_by(told, asked_at=time.monotonic())
    try:
        result = scripted.read(x.HASHTAG, undated)
    finally:
        clock.forget()
    began_at = datetime.fromisoformat(result.watermarks[x.HASHTAG.subject]["began_at"])
    assert told <= began_at < told + timedelta(hours=1)
