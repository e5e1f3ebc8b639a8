"""What cannot be read is owed: told, asked for again in time, and read whole when the reason is over."""

from typing import Any

import pytest

from crowd_pipelines.framework.integration import Place
from crowd_pipelines.http.errors import Gone, NotPermitted, ProviderError, Refused, Retryable, UnexpectedPayload
from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.streams import Owed, RetractMissing, ShowActivities, StreamResult, UpsertActivities
from crowd_pipelines_tests.framework.scripted import PageStream, Town, found, pages
from crowd_pipelines_tests.store.tenant import SAID, Tenant, said


def place_of(_: Any, stream: PageStream) -> Place:
    """Streams are named `place` or `place.below`."""
    name = stream.name.partition(".")[0]
    return Place(key=f"place:{name}", label=f"#{name}", stream=PageStream(name=name))


def confirm_place(self: Any, stream: PageStream, _: Any) -> None:
    self._script.tell(f"confirm {stream.name.partition('.')[0]}", self._script.confirmed)


@pytest.fixture
def alone(town: Town) -> Town:
    return Town.of(town.tenant, town.script, max_concurrency=1)


@pytest.fixture
def placed(town: Town) -> Town:
    """A platform whose streams belong to places."""
    town.script.confirmed = None  # type: ignore[attr-defined]
    return Town.of(town.tenant, town.script, place_of=place_of, confirm_place=confirm_place)


def debts(town: Town) -> list[dict[str, Any]]:
    rows = town.tenant.rows("SELECT place, permission, label, stream_label, whole FROM owed_reads ORDER BY place")
    return [dict(row) for row in rows]


def pass_a_day(tenant: Tenant) -> None:
    tenant.execute("UPDATE owed_reads SET due_at = due_at - interval '1 day'")


DENIED = NotPermitted("403: missing scope. Add the scope.", permission="scope")


def test_a_permission_that_is_missing_is_one_debt_per_place_and_told(placed: Town) -> None:
    placed.script.roots = pages("a", "b")
    below = pages("b.1", "b.2", "b.3")
    placed.script.steps = {"a/1": found(said("1")), "b/1": found(said("2"), new_streams=below)}
    placed.script.steps |= {f"b.{number}/1": DENIED for number in (1, 2, 3)}
    assert placed.onboard().state is RunState.PROCESSED
    [debt] = debts(placed)
    assert (debt["place"], debt["permission"], debt["label"]) == ("place:b", "scope", "#b")
    row = placed.tenant.row("SELECT status, onboarded_at IS NOT NULL AS onboarded FROM integrations")
    assert row == {"status": "done", "onboarded": True}
    [notice] = placed.processor().lifecycle.notices()
    assert notice.endswith("#b is owed: 403: missing scope. Add the scope.")


def test_a_refused_place_is_asked_once_a_day_and_read_whole_when_it_opens(placed: Town) -> None:
    placed.script.roots = pages("a", "b")
    placed.script.steps = {"b/1": DENIED}
    placed.onboard()
    placed.script.asked.clear()
    placed.check()
    assert placed.script.fetched == ["a/1"]
    pass_a_day(placed.tenant)
    placed.check()
    assert sorted(placed.script.fetched) == ["a/1", "a/1", "b/1"]
    placed.check()
    assert placed.script.fetched.count("b/1") == 1
    pass_a_day(placed.tenant)
    placed.script.steps = {"b/1": found(said("1"), to_page=PageStream(name="b", number=2)), "b/2": found(said("2"))}
    placed.script.contexts.clear()
    assert placed.check().state is RunState.PROCESSED
    assert placed.stored() == {"1", "2"}
    assert [context.onboarding for context in placed.script.contexts].count(True) == 2
    assert debts(placed) == []


def test_a_probe_below_a_place_leads_to_the_whole_place(placed: Town) -> None:
    placed.script.steps = {"a/1": found(said("1"), new_streams=pages("a.1")), "a.1/1": DENIED}
    placed.onboard()
    pass_a_day(placed.tenant)
    placed.script.steps = {"a/1": found(said("1"), said("3")), "a.1/1": found(said("2"))}
    placed.script.contexts.clear()
    placed.check()
    [debt] = debts(placed)
    assert (debt["stream_label"], debt["whole"]) == ("a/1", True)
    placed.check()
    assert debts(placed) == []
    assert placed.stored() == {"1", "2", "3"}


def test_a_check_by_hand_asks_at_once(placed: Town) -> None:
    placed.script.roots = pages("a", "b")
    placed.script.steps = {"b/1": DENIED}
    placed.onboard()
    placed.script.steps = {"b/1": found(said("1"))}
    started = placed.processor().check([placed.tenant.integration_id])
    placed.work(started.run_ids[0])
    assert placed.stored() == {"1"}


@pytest.mark.parametrize("refusal", [DENIED, Gone("404: no such place")])
def test_a_place_that_is_not_found_is_owed_and_never_gone(placed: Town, refusal: ProviderError) -> None:
    placed.script.roots = pages("a", "b")
    placed.script.steps = {"b/1": refusal}
    assert placed.onboard().state is RunState.PROCESSED
    assert placed.stream("b/1")["state"] == "owed"
    assert [debt["place"] for debt in debts(placed)] == ["place:b"]


def test_something_below_a_place_is_gone_only_while_the_place_answers(placed: Town) -> None:
    placed.script.steps = {"a/1": found(said("1"), new_streams=pages("a.1")), "a.1/1": Gone("404")}
    placed.onboard()
    assert placed.stream("a.1/1")["state"] == "skipped"
    assert debts(placed) == []


@pytest.mark.parametrize("answer", [Gone("404"), DENIED])
def test_what_is_below_a_place_that_does_not_answer_is_owed(placed: Town, answer: ProviderError) -> None:
    placed.script.confirmed = answer  # type: ignore[attr-defined]
    placed.script.steps = {"a/1": found(said("1"), new_streams=pages("a.1", "a.2"))}
    placed.script.steps |= {"a.1/1": Gone("404"), "a.2/1": Gone("404")}
    placed.onboard()
    assert {placed.stream(f"a.{number}/1")["state"] for number in (1, 2)} == {"owed"}
    assert len(debts(placed)) == 1


def test_when_it_cannot_be_told_whether_the_place_answers_the_stream_comes_due_again(placed: Town) -> None:
    placed.script.confirmed = Refused("403: <html>")  # type: ignore[attr-defined]
    placed.script.steps = {"a/1": found(said("1"), new_streams=pages("a.1")), "a.1/1": Gone("404")}
    assert placed.onboard().state is RunState.DELAYED
    assert placed.stream("a.1/1")["state"] == "error"


def test_a_run_to_which_nothing_is_shown_ends_with_a_sentence(placed: Town) -> None:
    placed.script.steps = {"a/1": DENIED}
    run = placed.onboard()
    assert run.state is RunState.ERROR
    assert (run.error or "").startswith("Nothing could be read")
    assert "Add the scope." in (run.error or "")
    placed.script.steps = {"a/1": found(said("1"))}
    pass_a_day(placed.tenant)
    assert placed.check().state is RunState.PROCESSED
    assert placed.stored() == {"1"}
    assert placed.tenant.row("SELECT status, onboarded_at IS NOT NULL AS onboarded FROM integrations") == {
        "status": "done",
        "onboarded": True,
    }


def test_a_permission_that_is_missing_for_a_part_leaves_the_rest_of_the_page(placed: Town) -> None:
    stars = PageStream(name="a.stars")
    owed = Owed(place="place:a", label="#a", permission="stars", reason="The stars are closed.", stream=stars)
    placed.script.steps = {"a/1": found(said("1"), owed=(owed,))}
    assert placed.onboard().state is RunState.PROCESSED
    assert placed.stored() == {"1"}
    placed.script.steps = {}
    placed.check()
    context = placed.script.contexts[-1]
    assert context.read_owed(["place:a", "place:b"]) == {"place:a": frozenset({"stars"})}


def given_up(town: Town, error: ProviderError) -> None:
    """An onboarding in which one stream of two failed in all its tries."""
    town.script.roots = pages("a", "b")
    town.script.steps = {"b/1": error}
    run = town.onboard()
    for _ in range(5):
        run = town.resume(run)
    assert run.state is RunState.PROCESSED


@pytest.mark.parametrize("error", [Retryable("500"), Refused("403: <html>")])
def test_what_kept_failing_is_taken_up_by_the_next_check_and_onboards(town: Town, error: ProviderError) -> None:
    given_up(town, error)
    town.script.asked.clear()
    town.check()
    assert town.script.fetched.count("b/1") == 1
    assert town.tenant.value("SELECT onboarded_at FROM integrations") is None
    town.script.steps = {"b/1": found(said("1"))}
    town.check()
    assert town.stored() == {"1"}
    assert town.tenant.row("SELECT status, onboarded_at IS NOT NULL AS onboarded FROM integrations") == {
        "status": "done",
        "onboarded": True,
    }


def test_checks_are_due_while_a_failure_of_the_onboarding_is_owed(town: Town) -> None:
    given_up(town, Retryable("500"))
    town.tenant.execute("UPDATE integrations SET last_check_at = now() - interval '21 minutes'")
    assert town.processor().process_tick("town").due == (town.tenant.integration_id,)


def test_what_fails_for_very_long_is_tried_once_a_day(town: Town) -> None:
    given_up(town, Retryable("500"))
    for _ in range(10):
        town.script.asked.clear()
        assert town.check().state is RunState.PROCESSED
        assert town.script.fetched.count("b/1") == 1
    assert town.tenant.value("SELECT due_at > now() + interval '23 hours' FROM owed_reads")


def test_what_failed_and_is_refused_now_is_owed_once_and_asked_for_once_a_day(town: Town) -> None:
    given_up(town, Retryable("500"))
    town.script.steps = {"b/1": DENIED}
    town.script.roots = pages("a")
    town.check()
    assert [debt["permission"] for debt in debts(town)] == ["scope"]
    town.script.asked.clear()
    town.check()
    assert town.script.fetched == ["a/1"]


def test_a_stream_is_given_up_only_where_others_are_read(town: Town) -> None:
    town.script.steps = {"a/1": Refused("403: <html>")}
    run = town.onboard()
    for _ in range(12):
        run = town.resume(run)
        assert run.state is RunState.DELAYED
        assert "403: <html>" in (run.delay_reason or "")
    town.script.steps = {}
    assert town.resume(run).state is RunState.PROCESSED


def test_when_everything_is_refused_the_whole_run_waits_and_no_stream_loses_an_attempt(alone: Town) -> None:
    names = [f"s{number}" for number in range(12)]
    alone.script.roots = pages("first", *names)
    alone.script.steps = {f"{name}/1": Refused("403: <html>") for name in names}
    run = alone.onboard()
    assert run.state is RunState.DELAYED
    assert (run.delay_reason or "").startswith("everything is refused")
    assert len(alone.script.fetched) <= 1 + 5 + 2  # what was under way when the fifth came back
    alone.script.steps = {}
    assert alone.resume(run).state is RunState.PROCESSED
    assert len(alone.script.fetched) <= 2 * 13


def test_a_page_that_contradicts_itself_is_stored_and_proves_nothing(town: Town) -> None:
    town.script.steps["a/1"] = found(said("1"), said("2"))
    town.onboard()
    operations = (
        RetractMissing(type=SAID, thread="t", present=frozenset({"1"})),
        UpsertActivities(activities=(said("3"),)),
    )
    contradicting = StreamResult(
        operations=operations,
        watermarks={"a": {"at": 9}},
        next_page=PageStream(name="a", number=2),
        incomplete="the list ended after 1 records, but counts 5,500",
    )
    town.tenant.execute("UPDATE activities SET thread = 't'")
    town.script.steps["a/1"] = contradicting
    run = town.check()
    assert run.state is RunState.DELAYED
    assert town.stored() == {"1", "2", "3"}
    assert town.tenant.value("SELECT count(*) FROM activities WHERE retracted_at IS NOT NULL") == 0
    assert town.tenant.value("SELECT count(*) FROM watermarks") == 0
    assert "a/2" not in town.script.fetched
    stream = town.tenant.row("SELECT state, retries, error FROM integration_streams WHERE run_id = :id", id=run.id)
    assert stream == {"state": "error", "retries": 1, "error": "the list ended after 1 records, but counts 5,500"}
    town.script.steps["a/1"] = found(said("3"))
    assert town.resume(run).state is RunState.PROCESSED


def test_records_that_came_as_null_are_counted_told_and_asked_for_again(town: Town) -> None:
    town.script.steps["a/1"] = found(said("1"), unread=2)
    assert town.onboard().state is RunState.PROCESSED
    row = town.tenant.row("SELECT kind, permission, reason FROM owed_reads")
    assert (row["kind"], row["permission"]) == ("unread", "null records")
    assert "2 records are not shown" in row["reason"]
    town.script.roots = pages("z")
    town.script.steps = {"a/1": found(said("1"), said("2"))}
    town.check()
    assert town.stored() == {"1", "2"}
    assert debts(town) == []


def test_what_was_taken_away_and_is_shown_again_is_there_again(town: Town) -> None:
    town.script.steps["a/1"] = found(said("1"), said("2"))
    town.onboard()
    town.tenant.execute("UPDATE activities SET retracted_at = now(), body = NULL WHERE source_id = '1'")
    before = town.tenant.activity("2")
    shown = ShowActivities(activities=(said("1", body="hello again"), said("2", body="not taken")))
    town.script.steps["a/1"] = StreamResult(operations=(shown,))
    town.check()
    assert (town.tenant.activity("1")["retracted_at"], town.tenant.activity("1")["body"]) == (None, "hello again")
    assert town.tenant.activity("2") == before


def test_texts_that_are_stored_nowhere_are_counted_by_kind_and_told(town: Town) -> None:
    town.script.roots = pages("a", "b")
    town.script.steps = {
        "a/1": StreamResult(uncollected={"poll": 2}),
        "b/1": StreamResult(uncollected={"poll": 1, "huddle": 4}),
    }
    town.onboard()
    assert town.tenant.value("SELECT state->'uncollected' FROM integrations") == {"poll": 3, "huddle": 4}


def test_an_onboarding_forgets_what_it_was_not_refused_again(placed: Town) -> None:
    placed.script.roots = pages("a", "b")
    placed.script.steps = {"b/1": DENIED}
    placed.onboard()
    placed.script.roots = pages("a")
    placed.onboard()
    assert debts(placed) == []


def test_what_no_table_calls_passing_fails_for_good_and_is_taken_up_still(town: Town) -> None:
    town.script.roots = pages("a", "b")
    town.script.steps = {"b/1": UnexpectedPayload("no list")}
    run = town.onboard()
    for _ in range(5):
        run = town.resume(run)
    assert run.state is RunState.ERROR
    town.script.steps = {"b/1": found(said("1"))}
    assert town.check().state is RunState.PROCESSED
    assert town.stored() == {"1"}


def test_what_takes_its_workers_down_is_owed_until_somebody_asks_for_it(town: Town) -> None:
    town.script.roots = pages("a", "b")
    town.script.steps = {"b/1": Retryable("503")}
    run = town.onboard()
    town.tenant.execute("UPDATE integration_streams SET crashes = 3 WHERE label = 'b/1'")
    assert town.resume(run).state is RunState.ERROR
    town.script.roots = pages("a")
    town.script.steps = {"b/1": found(said("1"))}
    assert town.check().state is RunState.PROCESSED
    assert town.stored() == set()
    assert town.tenant.value("SELECT onboarded_at FROM integrations") is None
    assert "took its worker down 3 times" in town.tenant.value("SELECT reason FROM owed_reads")
    started = town.processor().check([town.tenant.integration_id])
    town.work(started.run_ids[0])
    assert town.stored() == {"1"}
    assert town.tenant.value("SELECT onboarded_at FROM integrations") is not None
