"""Lists that X shows by halves, or that contradict themselves: nothing is believed that X does not tell twice alike."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crowd_pipelines.http import UnexpectedPayload
from crowd_pipelines.integrations.twitter.activities import FOLLOW
from crowd_pipelines.integrations.twitter.integration import TwitterIntegration
from crowd_pipelines.integrations.twitter.streams import FollowersMark, FollowersStream
from crowd_pipelines.model.streams import Operation, RetractMissing, ShowActivities, StreamResult
from crowd_pipelines_tests.integrations.twitter import scripted as x
from crowd_pipelines_tests.integrations.twitter.scripted import (
    FOLLOWERS,
    HASHTAG,
    LOOK,
    MENTIONS,
    STARTED_AT,
    ScriptedX,
    activities,
    invalid,
    payload,
)

Body = dict[str, Any]
LISTS = [FOLLOWERS, LOOK, MENTIONS, HASHTAG]
MARK = "followers:4001"
DAY = timedelta(days=1)


def retractions(result: StreamResult) -> list[Operation]:
    return [operation for operation in result.operations if isinstance(operation, RetractMissing)]


def user(number: int) -> Body:
    return {"id": str(number), "username": f"user_{number}", "name": f"User {number}"}


def people(*numbers: int, **meta: Any) -> Body:
    return {"data": [user(number) for number in numbers], "meta": {"result_count": len(numbers), **meta}}


def problem(kind: str, **more: Any) -> Body:
    return {"type": f"https://api.x.com/2/problems/{kind}", "title": "Odd", "detail": "It is odd.", **more}


SPOILED: dict[str, Callable[[Body], object]] = {
    "no meta": lambda body: body.pop("meta"),
    "meta of another shape": lambda body: body.update(meta=[]),
    "more, but not where": lambda body: body["meta"].update(next_token={}),
    "more, and an empty place": lambda body: body["meta"].update(next_token=""),
    "more counted than shown": lambda body: body["meta"].update(result_count=9),
    "counted and nothing shown": lambda body: body.update(data=None, meta={"result_count": 5}),
    "a problem without a type": lambda body: body.update(errors=[{"title": "Service Unavailable"}]),
    "a problem that no row names": lambda body: body.update(errors=[problem("new-policy")]),
    "a problem that is none": lambda body: body.update(errors=["surprise"]),
}


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("stream", LISTS, ids=lambda stream: stream.label)
def test_a_page_that_contradicts_itself_is_stored_and_asked_for_again(
    scripted: ScriptedX, stream: Any, spoiled: str
) -> None:
    scripted.known[MARK] = {"front": [["5", "d"]]}
    body = payload("followers" if stream.kind == "followers" else "mentions")
    SPOILED[spoiled](body)
    result = scripted.read(stream, body)
    assert result.incomplete
    assert retractions(result) == []
    assert len(activities(result)) == len(body.get("data") or [])


@pytest.mark.parametrize("mark", [{"newest_id": "2028420000000000009"}, {"oldest_id": "2028300000000000000"}])
def test_a_page_has_the_posts_that_it_says_are_its_ends(scripted: ScriptedX, mark: Body) -> None:
    body = payload("mentions")
    body["meta"] |= mark
    assert "does not show" in (scripted.read(MENTIONS, body).incomplete or "")
    # One that cannot be used may be the one that is meant.
    body["data"][0]["id"] = "odd"
    assert scripted.read(MENTIONS, body).incomplete is None


def test_whom_and_what_a_post_mentions_may_be_hidden_and_its_page_is_whole(scripted: ScriptedX) -> None:
    body = payload("mentions")
    body["errors"] = [
        problem("resource-not-found", resource_id="99", resource_type="user", parameter="author_id"),
        problem("not-authorized-for-resource", resource_id="98", parameter="author_id", section="includes"),
        problem("not-authorized-for-field", field="entities", section="data", resource_type="tweet"),
    ]
    result = scripted.read(MENTIONS, body)
    assert (result.incomplete, result.uncollected) == (None, {"options of polls": 1})


def test_a_post_that_is_left_out_is_counted(scripted: ScriptedX) -> None:
    body = payload("mentions")
    body["errors"] = [problem("not-authorized-for-resource", resource_id="7", section="data", resource_type="tweet")]
    body["meta"]["result_count"] = 4
    result = scripted.read(MENTIONS, body)
    assert result.incomplete is None
    assert result.uncollected["posts that X does not show"] == 1


def test_a_follower_who_is_left_out_is_counted_and_proves_nothing(scripted: ScriptedX) -> None:
    body = payload("followers")
    body["errors"] = [problem("disallowed-resource", resource_id="7", section="data", resource_type="user")]
    result = scripted.read(FOLLOWERS, body)
    assert result.uncollected == {"followers that X does not show": 1}
    assert retractions(result) == []


@pytest.mark.parametrize("stream", LISTS, ids=lambda stream: stream.label)
def test_a_null_is_unread_and_no_record(scripted: ScriptedX, stream: Any) -> None:
    scripted.known[MARK] = {"front": [["5", "d"]]}
    body = payload("followers" if stream.kind == "followers" else "mentions")
    body["data"].insert(1, None)
    body["meta"]["result_count"] += 1
    result = scripted.read(stream, body)
    assert (result.unread, result.rejected, result.incomplete) == (1, (), None)
    assert retractions(result) == []
    assert len(activities(result)) == len(body["data"]) - 1


def test_a_null_that_stays_is_not_paid_for_again_and_again(scripted: ScriptedX) -> None:
    body = payload("mentions")
    body["data"].append(None)
    scripted.known.update(scripted.read(MENTIONS, body).watermarks)
    assert scripted.read(MENTIONS, body, started_at=STARTED_AT + timedelta(hours=3)).unread == 1
    another_day = scripted.read(MENTIONS, body, started_at=STARTED_AT + DAY)
    assert another_day.unread == 0
    assert another_day.uncollected["posts that came as null"] == 1


FORMS: list[tuple[Body, dict[str, int]]] = [
    ({"article": {"title": "At length"}}, {"articles": 1}),
    ({"attachments": {"poll_ids": ["1"]}}, {"options of polls": 1}),
    ({"attachments": {"hologram_ids": ["1"]}}, {"attachments: hologram_ids": 1}),
    ({"text": None}, {"posts without a text": 1}),
    ({"attachments": {"media_keys": ["3_1"]}}, {}),
    ({"note_tweet": {"text": "long"}, "text": None}, {}),
]


@pytest.mark.parametrize(("form", "told"), FORMS, ids=str)
def test_what_is_said_in_a_form_that_is_not_stored_is_counted(
    scripted: ScriptedX, form: Body, told: dict[str, int]
) -> None:
    body = payload("mentions")
    body["data"] = [{**body["data"][0], "attachments": {}, **form}]
    body["meta"] = {"result_count": 1}
    assert scripted.read(MENTIONS, body).uncollected == told


# Page tokens and beginnings


@pytest.mark.parametrize("stream", [MENTIONS, HASHTAG], ids=lambda stream: stream.kind)
def test_a_page_token_that_has_ended_goes_on_where_it_led_to(scripted: ScriptedX, stream: Any) -> None:
    first = scripted.read(stream, payload("mentions")).next_page
    assert first is not None
    token = "next_token" if stream.kind == "hashtag" else "pagination_token"
    result = scripted.read(first, invalid(token), {"meta": {"result_count": 0}})
    ended, again = scripted.asked()[-2:]
    assert token in ended
    assert token not in again
    assert again["until_id"] == "2028400000000000001"
    assert (result.incomplete, result.next_page) == (None, None)
    assert result.watermarks[stream.subject]["newest_id"] == "2028420000000000003"


def test_without_a_place_to_go_on_the_list_begins_anew(scripted: ScriptedX) -> None:
    old = MENTIONS.model_copy(update={"token": "t", "page": 3})
    result = scripted.read(old, invalid("pagination_token"), payload("mentions"))
    assert not {"pagination_token", "until_id"} & scripted.asked()[-1].keys()
    assert result.next_page is not None
    assert result.next_page.key != scripted.read(MENTIONS, payload("mentions")).next_page.key  # type: ignore[union-attr]


def test_a_list_of_followers_whose_token_has_ended_begins_anew_and_is_no_circle(scripted: ScriptedX) -> None:
    first = scripted.read(FOLLOWERS, people(5, 4, next_token="T"), count=4)
    scripted.known.update(first.watermarks)
    assert first.next_page is not None
    anew = scripted.read(first.next_page, invalid("pagination_token"), people(5, 4, next_token="T"), count=4)
    scripted.known.update(anew.watermarks)
    assert anew.next_page is not None
    assert anew.next_page.key != first.next_page.key
    last = scripted.read(anew.next_page, people(3, 2), count=4)
    [everybody] = retractions(last)
    assert isinstance(everybody, RetractMissing)
    assert everybody.present == {"4001:5", "4001:4", "4001:3", "4001:2"}


def test_a_token_that_always_ends_is_a_mistake(scripted: ScriptedX) -> None:
    tired = FOLLOWERS.model_copy(update={"token": "T", "page": 2, "turn": 3})
    with pytest.raises(UnexpectedPayload):
        scripted.read(tired, invalid("pagination_token"))
    with pytest.raises(UnexpectedPayload):
        scripted.read(FOLLOWERS, invalid("pagination_token"))


@pytest.mark.parametrize("stream", [MENTIONS, HASHTAG], ids=lambda stream: stream.kind)
def test_a_page_that_is_asked_for_again_moves_nothing_back(scripted: ScriptedX, stream: Any) -> None:
    newer = {"newest_id": "2028430000000000000", "began_at": "2026-11-29T12:00:00Z", "asked_at": "2026-11-29T12:00:00Z"}
    scripted.known[stream.subject] = newer if stream.kind == "hashtag" else {"newest_id": newer["newest_id"]}
    body = payload("mentions")
    del body["meta"]["next_token"]
    old = stream.model_copy(update={"token": "t", "page": 2, "newest_id": "2028425000000000000"})
    assert scripted.read(old, body).watermarks[stream.subject]["newest_id"] == newer["newest_id"]


def test_an_id_from_the_future_hides_nothing(scripted: ScriptedX) -> None:
    body = payload("mentions")
    body["data"][0]["id"] = body["meta"]["newest_id"] = "9999999999999999999"
    del body["meta"]["next_token"]
    assert scripted.read(MENTIONS, body).watermarks["mentions:4001"]["newest_id"] == "2028410000000000002"


# Followers


def onboarded(scripted: ScriptedX, *numbers: int, count: int | None = None) -> FollowersMark:
    """The watermark after the list was read whole."""
    result = scripted.read(FOLLOWERS, people(*numbers), count=len(numbers) if count is None else count)
    scripted.known.update(result.watermarks)
    return FollowersMark.model_validate(scripted.known[MARK])


@pytest.mark.parametrize(("shown", "count"), [((), 5_500), ((9, 8, 7), 5_500), ((), 1), ((3, 2), 12)])
def test_a_list_far_shorter_than_its_count_retracts_nothing_and_ends_nothing(
    scripted: ScriptedX, shown: tuple[int, ...], count: int
) -> None:
    onboarded(scripted, *range(20))
    result = scripted.read(FOLLOWERS, people(*shown), count=count)
    assert result.incomplete == f"X lists {len(shown)} followers, and counts {count}"
    assert retractions(result) == []


def test_a_list_whose_count_is_not_told_retracts_nothing(scripted: ScriptedX) -> None:
    onboarded(scripted, 3, 2, 1)
    scripted.plays("users", x.problem(403, "client-forbidden", reason="client-not-enrolled"))
    read = scripted.api.followers_count("4001")
    assert read is None
    result = scripted.read(FOLLOWERS, people(3, 2), count=None)
    assert (result.incomplete, retractions(result)) == (None, [])


def test_a_list_that_agrees_with_its_count_tells_who_left(scripted: ScriptedX) -> None:
    onboarded(scripted, 3, 2, 1)
    result = scripted.read(FOLLOWERS, people(3, 1), count=2)
    assert retractions(result) == [RetractMissing(type=FOLLOW, thread="4001", present=frozenset({"4001:3", "4001:1"}))]
    assert result.next_page is None


def test_who_seems_gone_is_looked_for_once_more(scripted: ScriptedX) -> None:
    everybody = range(60, 0, -1)
    onboarded(scripted, *everybody)
    # Somebody stood between two pages; two have left.
    shown = [one for one in everybody if one not in (30, 8, 9)]
    first = scripted.read(FOLLOWERS, people(*shown), count=58)
    assert retractions(first) == []
    assert isinstance(first.next_page, FollowersStream)
    assert first.next_page.again
    scripted.known.update(first.watermarks)
    second = scripted.read(first.next_page, people(*[30, *(one for one in shown if one != 4)]), count=58)
    [found] = retractions(second)
    assert isinstance(found, RetractMissing)
    assert found.present == {f"4001:{one}" for one in everybody if one not in (8, 9)}
    left = {name for name, value in {**first.watermarks, **second.watermarks}.items() if value}
    assert left == {MARK}


def test_a_page_of_a_list_that_was_read_since_is_read_alone(scripted: ScriptedX) -> None:
    onboarded(scripted, *range(20, 0, -1))
    before = dict(scripted.known)
    old = FOLLOWERS.model_copy(update={"token": "T", "page": 2, "total": 20})
    result = scripted.read(old, people(7, 6, next_token="U"))
    assert (result.next_page, result.watermarks, retractions(result)) == (None, {}, [])
    assert len(activities(result)) == 2
    assert scripted.known == before


def test_a_list_that_another_run_began_retracts_nobody_who_came_since(scripted: ScriptedX) -> None:
    onboarded(scripted, 4, 3, 2, 1)
    first = scripted.read(FOLLOWERS, people(4, 3, next_token="T"), count=4)
    scripted.known.update(first.watermarks)
    assert first.next_page is not None
    last = scripted.read(first.next_page, people(2, 1), count=4, started_at=STARTED_AT + DAY)
    assert (retractions(last), last.incomplete, last.next_page) == ([], None, None)
    assert last.watermarks[MARK]["count"] == 4


def test_an_owed_page_does_not_end_the_reading_that_began_since(scripted: ScriptedX) -> None:
    owed = scripted.read(FOLLOWERS, people(4, 3, next_token="T"), count=4).next_page
    again = scripted.read(FOLLOWERS, people(4, 3, next_token="U"), count=4, started_at=STARTED_AT + DAY)
    scripted.known.update(again.watermarks)
    assert owed is not None
    assert scripted.read(owed, people(2, 1), started_at=STARTED_AT + DAY).watermarks == {}
    assert again.next_page is not None
    last = scripted.read(again.next_page, people(2, 1), started_at=STARTED_AT + DAY)
    assert len(retractions(last)) == 1


def test_a_look_begins_only_what_nobody_has_begun(scripted: ScriptedX) -> None:
    assert scripted.read(LOOK).new_streams == (FOLLOWERS,)
    scripted.known[FOLLOWERS.begun] = {"front": [["1", "d"]]}
    assert scripted.read(LOOK).new_streams == ()
    assert scripted.server.seen == []


def test_a_look_shows_ten_and_asks_for_no_count_on_the_same_day(scripted: ScriptedX) -> None:
    onboarded(scripted, *range(40, 0, -1))
    seen = len(scripted.server.seen)
    result = scripted.read(LOOK, people(41, *range(40, 31, -1), next_token="T"))
    assert len(scripted.server.seen) - seen == 1
    assert scripted.asked()[-1]["max_results"] == "10"
    assert [activity.source_id for activity in activities(result)] == ["4001:41"]
    assert result.next_page is None
    assert (result.watermarks[MARK]["count"], result.watermarks[MARK]["fresh"]) == (40, 1)


def test_who_is_known_and_shown_is_told_in_case_they_came_back(scripted: ScriptedX) -> None:
    onboarded(scripted, *range(12, 0, -1))
    result = scripted.read(LOOK, people(5, 12, 11, 10, 9, 8, 7, 6, 4, 3, next_token="T"))
    [shown] = [operation for operation in result.operations if isinstance(operation, ShowActivities)]
    assert "4001:5" in {activity.source_id for activity in shown.activities}


def test_who_is_new_on_any_page_of_a_look_is_known_from_then_on_and_counted_once(scripted: ScriptedX) -> None:
    onboarded(scripted, *range(40, 0, -1))
    first = scripted.read(LOOK, people(*range(65, 55, -1), next_token="T"))
    scripted.known.update(first.watermarks)
    assert isinstance(first.next_page, FollowersStream)
    further = people(*range(55, 30, -1), next_token="U")
    second = scripted.read(first.next_page, further)
    scripted.known.update(second.watermarks)
    mark = FollowersMark.model_validate(scripted.known[MARK])
    assert [int(one) for one, _ in mark.front] == list(range(65, 0, -1))
    assert (mark.count, mark.fresh) == (40, 25)
    # Its second page once more, when it was owed: nothing is counted again, and nothing forgotten.
    scripted.known.update(scripted.read(first.next_page, further).watermarks)
    again = FollowersMark.model_validate(scripted.known[MARK])
    assert (again.known, again.fresh) == (mark.known, 25)


def test_five_who_came_back_do_not_hide_others(scripted: ScriptedX) -> None:
    onboarded(scripted, *range(40, 0, -1))
    back = (1, 2, 3, 4, 5)
    first = scripted.read(LOOK, people(45, 44, 43, 42, 41, *back, next_token="T"))
    assert first.next_page is not None
    assert first.next_page.parameters["size"] == 50


@pytest.mark.parametrize(
    ("after", "count", "whole"),
    [(timedelta(hours=20), 38, False), (DAY, 38, True), (DAY, 40, False), (DAY, 41, False), (DAY, None, False)],
)
def test_the_list_is_read_whole_when_x_counts_fewer_and_a_day_has_passed(
    scripted: ScriptedX, after: timedelta, count: int | None, whole: bool
) -> None:
    onboarded(scripted, *range(40, 0, -1))
    look = people(*range(40, 30, -1), next_token="T")
    result = scripted.read(LOOK, look, count=count, started_at=STARTED_AT + after)
    assert result.new_streams == ((FOLLOWERS,) if whole else ())
    scripted.known.update(result.watermarks)
    again = scripted.read(LOOK, look, count=count, started_at=STARTED_AT + after + timedelta(hours=1))
    assert again.new_streams == ()


def test_a_long_list_is_read_whole_the_less_often() -> None:
    mark = FollowersMark(count=14_200, whole_at=STARTED_AT)
    assert not mark.is_due(STARTED_AT + 14 * DAY)
    assert mark.is_due(STARTED_AT + 15 * DAY)


def test_a_list_of_the_version_before_is_counted_from_now_on(scripted: ScriptedX) -> None:
    scripted.known[MARK] = {"front": [[str(one), "d"] for one in range(40, 0, -1)]}
    result = scripted.read(LOOK, people(*range(40, 30, -1), next_token="T"), count=45)
    assert (result.watermarks[MARK]["count"], result.new_streams) == (45, ())


def test_a_look_that_the_version_before_queued_does_not_become_a_whole_list() -> None:
    load = TwitterIntegration().load_stream
    assert load("followers", {"user_id": "1", "size": 100, "page": 1, "token": None}).parameters["look"]
    assert not load("followers", {"user_id": "1", "size": 1000, "page": 7, "token": "T"}).parameters["look"]


def test_nobody_on_a_list_that_had_somebody_is_asked_for_again(scripted: ScriptedX) -> None:
    onboarded(scripted, 3, 2, 1)
    nobody = {"meta": {"result_count": 0}}
    assert scripted.read(LOOK, nobody, count=5_500).incomplete == "X lists no followers, and counts 5500"
    assert scripted.read(LOOK, nobody, count=0).incomplete is None


def test_places_go_on_where_they_stopped() -> None:
    integration = TwitterIntegration()
    for stream in (FOLLOWERS, LOOK, MENTIONS, HASHTAG):
        further = stream.model_copy(update={"token": "T", "page": 4})
        place = integration.place_of(further)
        assert place.stream == further
        assert place.key == integration.place_of(stream).key
        assert "page" not in place.label
    assert len({integration.place_of(one).key for one in (FOLLOWERS, MENTIONS, HASHTAG)}) == 3
