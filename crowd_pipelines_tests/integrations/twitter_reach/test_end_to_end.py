"""Reach from X to the database: everybody who is due, nobody else, and only what changed."""

import pytest

from crowd_pipelines.model.states import RunState
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.integrations.twitter_reach.conftest import Both


def shown(both: Both) -> dict[str, int]:
    return {member["source_id"]: member["reach"] for member in both.x.truth().members if member["shown"]}


def assert_reaches_are_true(both: Both) -> None:
    true = shown(both)
    assert {one: reach for one, reach in both.reaches().items() if one in true} == true


def hidden(both: Both) -> set[str]:
    return {member["source_id"] for member in both.x.truth().members if not member["shown"]}


def test_who_was_seen_by_the_account_s_reading_is_not_asked_for(both: Both) -> None:
    assert both.reach.onboard().state is RunState.PROCESSED
    # Those whom X did not show there are all that is left.
    assert [set(ids) for ids in both.looked_up()] == [hidden(both)]


def test_everybody_is_looked_up_in_hundreds_once_a_day(both: Both) -> None:
    both.long_ago()
    assert both.reach.onboard().state is RunState.PROCESSED
    asked = both.looked_up()
    everybody = {member["source_id"] for member in both.x.truth().members}
    assert sorted(len(ids) for ids in asked) == [len(everybody) % 100, *[100] * (len(everybody) // 100)]
    assert {one for ids in asked for one in ids} == everybody
    assert both.reach.check().state is RunState.PROCESSED
    assert both.looked_up() == []
    both.long_ago(hours=22)
    both.reach.check()
    assert {one for ids in both.looked_up() for one in ids} == set(shown(both))


def test_a_reach_that_changed_is_the_only_thing_that_is_written(both: Both) -> None:
    both.long_ago()
    both.reach.onboard()
    person, reach = next(iter(shown(both).items()))
    both.x.change("gain_followers", user=int(person), followers=500)
    both.long_ago()
    before = both.x.rows("SELECT id, xmin::text, reach FROM members")
    both.reach.check()
    after = both.x.rows("SELECT id, xmin::text, reach FROM members")
    assert len([row for row in after if row not in before]) == 1
    assert both.reaches()[person] == reach + 500
    assert_reaches_are_true(both)
    history = both.x.rows(
        "SELECT r.reach FROM member_reach AS r JOIN member_identities AS i ON i.member_id = r.member_id"
        " WHERE i.source_id = :id ORDER BY r.first_seen_at",
        id=person,
    )
    assert [row["reach"] for row in history] == [reach, reach + 500]


def test_a_new_name_is_seen_and_a_taken_one_is_not_mistaken(both: Both) -> None:
    (one, _), (other, _) = list(shown(both).items())[:2]
    names = {member["source_id"]: member["username"] for member in both.x.truth().members}
    both.x.change("rename_user", user=int(one), username="brand_new")
    both.x.change("rename_user", user=int(other), username=names[one])
    both.long_ago()
    both.reach.onboard()
    stored = {
        row["source_id"]: (row["username"], row["url"])
        for row in both.x.rows(
            "SELECT i.source_id, i.username, m.attributes->'url'->>'twitter' AS url FROM member_identities AS i"
            " JOIN members AS m ON m.id = i.member_id"
        )
    }
    # The address goes with the name.
    assert stored[one] == ("brand_new", "https://twitter.com/brand_new")
    assert stored[other] == (names[one], f"https://twitter.com/{names[one]}")


def test_who_is_not_shown_is_asked_for_ever_more_rarely(both: Both) -> None:
    gone = hidden(both)
    both.reach.onboard()
    assert [set(ids) for ids in both.looked_up()] == [gone]
    for days in (7, 14, 28):
        both.reach.check()
        assert both.looked_up() == []
        later(both, days=days)
        both.reach.check()
        assert [set(ids) for ids in both.looked_up()] == [gone]
    assert (
        both.x.value("SELECT max((value->>'patience_days')::int) FROM watermarks WHERE subject LIKE 'absent:%'") == 56
    )


def test_who_is_shown_again_is_read_again(both: Both) -> None:
    gone = next(iter(hidden(both)))
    both.reach.onboard()
    both.x.change("reinstate_user", user=int(gone))
    later(both, days=8)
    both.reach.check()
    assert both.reaches()[gone] == shown(both)[gone]
    assert both.x.value("SELECT value->>'patience_days' FROM watermarks WHERE subject = :s", s=f"absent:{gone}") == "0"


def later(both: Both, *, days: int) -> None:
    """What is remembered of those who are not shown was learned so long ago."""
    with both.x.engine.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE watermarks SET value = jsonb_set(value, '{ask_again_at}', to_jsonb("
            f"(value->>'ask_again_at')::timestamptz - interval '{days} days 1 hour'))"
            " WHERE starts_with(subject, 'absent:') AND value->>'ask_again_at' IS NOT NULL"
        )


def test_an_id_that_x_does_not_take_costs_some_requests_once(both: Both) -> None:
    both.long_ago()
    with both.x.engine.begin() as conn:
        conn.exec_driver_sql(
            "UPDATE member_identities SET source_id = repeat('9', 19) || 'x' WHERE source_id = (SELECT min(source_id)"
            " FROM member_identities)"
        )
    assert both.reach.onboard().state is RunState.PROCESSED
    assert not [one for ids in both.looked_up() for one in ids if one.endswith("x")]


def test_a_request_that_one_id_spoils_is_divided(both: Both) -> None:
    both.long_ago()
    odd = sorted(shown(both))[20]
    body = (
        '{"errors": [{"parameters": {"ids": ["?"]}, "message": "one of them is none"}], "title": "Invalid Request",'
        ' "detail": "One or more parameters to your request was invalid.",'
        ' "type": "https://api.twitter.com/2/problems/invalid-request"}'
    )
    both.x.fault("replace", path=rf"[=,C]{odd}(%2C|&|$)", status=400, body=body)
    assert both.reach.onboard().state is RunState.PROCESSED
    asked = both.looked_up()
    # Eight requests to find it among a hundred and to read all others, and those of the other hundreds.
    assert [odd] in asked
    assert len(asked) <= 1 + 2 * 7 + 2
    assert_reaches_are_true(both)
    both.x.sandbox.clear_faults()
    both.long_ago()
    both.reach.check()
    assert odd not in {one for ids in both.looked_up() for one in ids}


def test_the_tokens_are_those_of_the_account_s_integration(both: Both) -> None:
    both.long_ago()
    both.x.change("expire_tokens")
    assert both.reach.onboard().state is RunState.PROCESSED
    both.x.sandbox.forget_requests()
    assert both.x.check().state is RunState.PROCESSED
    assert {entry["status"] for entry in both.x.sandbox.requests("twitter")} == {200}
    with both.x.engine.begin() as conn:
        assert integrations.credentials(conn, both.reach.record.id, both.x.vault) == {}


def test_the_budget_is_that_of_the_account_s_integration(both: Both) -> None:
    both.long_ago()
    both.x.change("limit", endpoint="users", requests=2, seconds=600)
    assert both.reach.onboard().state is RunState.DELAYED
    assert len(both.looked_up()) == 2
    scopes = {row["key"].rpartition(":")[0] for row in both.x.rows("SELECT key FROM rate_budgets")}
    assert len(scopes) == 1


def test_a_plan_without_lookups_is_owed_and_told(both: Both) -> None:
    both.long_ago()
    both.x.change("forbid", endpoint="users")
    run = both.reach.onboard()
    assert run.state is RunState.ERROR
    assert "Nothing could be read" in (run.error or "")
    assert len(both.looked_up()) == 1
    [debt] = both.x.rows("SELECT place, permission, reason FROM owed_reads")
    assert (debt["place"], debt["permission"]) == ("users", "plan")
    assert "plan" in debt["reason"]
    both.x.change("allow", endpoint="users")
    both.reach.onboard()
    assert both.x.rows("SELECT place FROM owed_reads") == []
    assert_reaches_are_true(both)


def test_a_refusal_that_is_not_x_s_is_nothing_but_late(both: Both) -> None:
    both.long_ago()
    both.x.fault("replace", path="/users", status=403, body="<html>blocked</html>", times=2)
    run = both.reach.onboard()
    assert run.state is RunState.DELAYED
    while run.state is RunState.DELAYED:
        run = both.reach.resume(run)
    assert run.state is RunState.PROCESSED
    assert both.x.rows("SELECT place FROM owed_reads") == []
    assert_reaches_are_true(both)


@pytest.mark.parametrize("what", ["short_page", "unknown_problem"])
def test_an_answer_that_names_nobody_who_is_missing_is_asked_for_again(both: Both, what: str) -> None:
    both.long_ago()
    both.x.fault("poison", path="/users", what=what, times=1)
    run = both.reach.onboard()
    assert run.state is RunState.DELAYED
    assert both.reach.resume(run).state is RunState.PROCESSED
    assert_reaches_are_true(both)


def test_a_null_is_unread_and_asked_for_again(both: Both) -> None:
    both.long_ago()
    both.x.fault("poison", path="/users", what="null_record", times=1)
    assert both.reach.onboard().state is RunState.PROCESSED
    assert [row["kind"] for row in both.x.rows("SELECT kind FROM owed_reads")] == ["unread"]
    assert both.reach.check().state is RunState.PROCESSED
    assert both.x.rows("SELECT kind FROM owed_reads") == []
    assert_reaches_are_true(both)


def test_credentials_that_are_taken_back_end_the_run(both: Both) -> None:
    both.long_ago()
    both.x.change("revoke_token")
    run = both.reach.onboard()
    assert run.state is RunState.ERROR
    assert "Authorise the app again" in (run.error or "")
    assert len(both.looked_up()) == 1


@pytest.mark.parametrize("what", ["no_username", "text_id", "no_id"])
def test_a_poison_record_is_quarantined_and_no_absence(both: Both, what: str) -> None:
    both.long_ago()
    both.x.fault("poison", path="/users", what=what, times=1)
    assert both.reach.onboard().state is RunState.PROCESSED
    assert both.x.value("SELECT count(*) FROM quarantined_records") == 1
    absent = {row["subject"].partition(":")[2] for row in both.x.rows("SELECT subject FROM watermarks")}
    assert absent & set(shown(both)) == set()


def test_a_second_onboarding_changes_nothing(both: Both) -> None:
    both.long_ago()
    both.reach.onboard()
    before = both.x.records()
    both.long_ago()
    both.reach.onboard()
    assert both.x.records() == before
