"""DEV from the provider to the database: what is stored is true, and what is asked is needed."""

import re
from typing import Any

import pytest
from sqlalchemy import Engine

from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.text import clean_html
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.devto.truths import assert_members_are_true, assert_true
from crowd_pipelines_tests.integrations.stored import Key, live, people, told


@pytest.fixture
def onboarded(dev: Connected) -> Connected:
    assert dev.onboard().state is RunState.PROCESSED
    dev.asked()
    return dev


def test_after_the_onboarding_the_database_is_the_truth(onboarded: Connected) -> None:
    truth = onboarded.truth()
    assert live(onboarded).keys() == told(truth).keys()
    assert len(truth.activities) > 250
    assert_true(onboarded, truth)


def test_after_the_onboarding_every_member_is_who_they_say_they_are(onboarded: Connected) -> None:
    truth = onboarded.truth()
    assert_members_are_true(onboarded, truth)
    assert onboarded.value("SELECT count(*) FROM members") == len(truth.members)


def test_the_scores_and_totals_agree_with_what_is_stored(onboarded: Connected) -> None:
    wrong = onboarded.rows(
        "SELECT m.id FROM members AS m LEFT JOIN activities AS a ON a.member_id = m.id"
        " GROUP BY m.id HAVING m.score <> coalesce(sum(a.score), 0)"
    )
    assert wrong == []
    totals = onboarded.rows(
        "SELECT activity_count = (SELECT count(*) FROM activities) AS activities,"
        " member_count = (SELECT count(*) FROM members) AS members, status FROM integrations"
    )
    assert totals == [{"activities": True, "members": True, "status": "done"}]


def test_those_who_published_for_an_organization_belong_to_it(onboarded: Connected) -> None:
    [organization] = onboarded.truth().settings["organizations"]
    assert onboarded.rows("SELECT source_id FROM organizations") == [{"source_id": organization}]
    belonging = onboarded.rows(
        "SELECT DISTINCT i.source_id FROM member_organizations JOIN member_identities AS i USING (member_id)"
    )
    assert len(belonging) > 1


def test_an_onboarding_asks_for_nothing_twice(dev: Connected) -> None:
    dev.onboard()
    asked = dev.asked()
    assert len(asked) == len(set(asked))
    assert len([address for address in asked if address.startswith("/users/")]) >= len(people(dev))


def test_a_second_onboarding_changes_no_record(onboarded: Connected) -> None:
    before = onboarded.records()
    assert onboarded.onboard().state is RunState.PROCESSED
    assert onboarded.records() == before
    assert [address for address in onboarded.asked() if address.startswith("/users/")] == []


def test_a_second_onboarding_mends_what_is_missing(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.lose("type = 'comment' OR right(source_id, 1) = '1'")
    onboarded.onboard()
    assert live(onboarded).keys() == before


def test_a_check_with_nothing_new_asks_once_per_owner_and_changes_nothing(onboarded: Connected) -> None:
    before, owners = onboarded.records(), onboarded.truth().settings
    assert onboarded.check().state is RunState.PROCESSED
    organizations = [f"/organizations/{name}/articles?page=1" for name in owners["organizations"]]
    users = [f"/articles?username={name}&page=1" for name in owners["users"]]
    assert sorted(onboarded.asked()) == sorted(organizations + users)
    assert onboarded.records() == before


def article_lists(addresses: list[str]) -> list[str]:
    return [address for address in addresses if "articles" in address]


def test_a_new_comment_costs_its_articles_tree_and_its_authors_profile(onboarded: Connected) -> None:
    article = onboarded.truth().cases["no_comments"]
    touched = onboarded.change("add_comment", article=article, author="new")
    onboarded.check()
    asked = onboarded.asked()
    rest = set(asked) - set(article_lists(asked))
    assert rest == {f"/comments?a_id={article}", f"/users/{touched['users'][0]}"}
    assert ("comment", touched["comments"][0]) in live(onboarded)
    assert_true(onboarded, onboarded.truth())


def test_a_late_answer_deep_in_an_old_thread_is_seen(onboarded: Connected) -> None:
    deep = onboarded.truth().cases["deep_thread"]
    [code] = onboarded.change("add_comment", parent=deep)["comments"]
    onboarded.check()
    assert live(onboarded)["comment", code]["parent"] == deep


def test_two_comments_within_one_second_are_both_seen(onboarded: Connected) -> None:
    article = onboarded.truth().cases["many_roots"]
    codes = [onboarded.change("add_comment", article=article)["comments"][0]]
    onboarded.check()
    codes += onboarded.change("add_comment", article=article, after=0)["comments"]
    onboarded.check()
    assert {("comment", code) for code in codes} <= live(onboarded).keys()


def test_a_new_article_is_seen_with_its_comments(onboarded: Connected) -> None:
    [owner] = onboarded.truth().settings["organizations"]
    [article] = onboarded.change("publish_article", organization=owner, title="News")["articles"]
    onboarded.change("add_comment", article=article, body="<p>first</p>")
    onboarded.check()
    stored = live(onboarded)
    assert stored["article", str(article)]["title"] == "News"
    assert [row["body"] for row in stored.values() if row["parent"] == str(article)] == ["<p>first</p>"]


def test_an_edited_article_is_changed_and_so_is_what_its_comments_carry_of_it(onboarded: Connected) -> None:
    article = onboarded.truth().cases["many_roots"]
    onboarded.change("edit_article", article=article, title="Better")
    onboarded.check()
    stored = live(onboarded)
    assert stored["article", str(article)]["title"] == "Better"
    titles = {row["attributes"]["articleTitle"] for row in comments_of(stored, article)}
    assert titles == {"Better"}
    asked = onboarded.asked()
    assert [address for address in asked if address not in article_lists(asked)] == [f"/comments?a_id={article}"]


def comments_of(stored: dict[Key, dict[str, Any]], article: int) -> list[dict[str, Any]]:
    return [row for (kind, _), row in stored.items() if kind == "comment" and row["thread"] == str(article)]


def test_a_comment_that_vanished_is_retracted_and_keeps_that_it_happened(onboarded: Connected) -> None:
    truth = onboarded.truth()
    answered = {record["source_parent_id"] for record in truth.activities}
    code = next(r["source_id"] for r in truth.activities if r["type"] == "comment" and r["source_id"] not in answered)
    onboarded.change("delete_comment", comment=code)
    onboarded.check()
    [gone] = onboarded.rows("SELECT body, retracted_at FROM activities WHERE source_id = :id", id=code)
    assert gone["body"] is None
    assert gone["retracted_at"] is not None


def test_a_new_name_is_the_same_person(onboarded: Connected) -> None:
    person = next(r["member"] for r in onboarded.truth().activities if r["type"] == "comment")
    before = people(onboarded)[person]["id"]
    onboarded.change("rename_user", user=int(person), username="new_name")
    onboarded.change("add_comment", author=int(person))
    onboarded.check()
    now = people(onboarded)
    assert (now[person]["id"], now[person]["username"]) == (before, "new_name")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_a_week_a_check_brings_exactly_the_news(onboarded: Connected, seed: int) -> None:
    before = live(onboarded).keys()
    touched = onboarded.sandbox.change("devto", [{"do": "week", "seed": seed}])
    assert onboarded.check().state is RunState.PROCESSED
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    news = {key for key in live(onboarded) if key not in before}
    assert news == told(truth).keys() - before
    assert news
    asked = onboarded.asked()
    changed = {
        f"/comments?a_id={article}" for change in touched if change["noticeable"] for article in change["articles"]
    }
    assert {address for address in asked if address.startswith("/comments")} <= changed
    assert len(asked) == len(set(asked))


def test_after_a_week_an_onboarding_brings_the_same_as_a_check_and_more(onboarded: Connected) -> None:
    onboarded.sandbox.change("devto", [{"do": "week", "seed": 4}])
    onboarded.check()
    onboarded.onboard()
    truth = onboarded.truth()
    assert_true(onboarded, truth)
    stored = live(onboarded)
    for key, record in told(truth).items():
        if key[0] == "comment":
            assert stored[key]["body"] == clean_html(record["body_html"])


def test_a_profile_is_looked_up_once_a_day_and_person(onboarded: Connected) -> None:
    person = next(m["source_id"] for m in onboarded.truth().members if m["profile"])
    onboarded.change("add_comment", author=int(person))
    onboarded.check()
    assert [address for address in onboarded.asked() if address.startswith("/users/")] == []
    with onboarded.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE lookups SET looked_up_at = looked_up_at - interval '25 h'")
    onboarded.change("add_comment", author=int(person))
    onboarded.check()
    assert f"/users/{person}" in onboarded.asked()


def test_a_profile_that_is_gone_is_skipped_and_not_asked_for_again_the_same_day(onboarded: Connected) -> None:
    suspended = onboarded.truth().cases["suspended"]
    label = f"profile {suspended}"
    [stream] = onboarded.rows("SELECT state, error FROM integration_streams WHERE label = :l", l=label)
    assert stream["state"] == "skipped"
    assert "404" in stream["error"]
    onboarded.onboard()
    assert f"/users/{suspended}" not in onboarded.asked()


@pytest.mark.parametrize("what", ["no_id", "bad_created_at", "text_user_id", "not_a_record", "no_user"])
def test_a_poison_record_is_quarantined_once_while_its_page_is_stored(dev: Connected, what: str) -> None:
    truth = dev.truth()
    article = truth.cases["many_roots"]
    dev.fault("poison", path=rf"/comments\?a_id={article}", what=what)
    dev.fault("poison", path=r"/organizations/.*page=1\b", what=what)
    assert dev.onboard().state is RunState.PROCESSED
    assert [fault["fired"] for fault in dev.sandbox.clear_faults()] == [1, 1]
    kept = dev.rows("SELECT stream_name, reason FROM quarantined_records ORDER BY stream_name")
    assert [row["stream_name"] for row in kept] == ["articles", "comments"]
    missing = told(truth).keys() - live(dev).keys()
    of_article = [key for key in missing if told(truth)[key]["thread"] == str(article)]
    assert len(of_article) == 1
    assert {told(truth)[key]["thread"] for key in missing} <= {str(article), *poisoned_threads(missing)}


def poisoned_threads(missing: set[Key]) -> set[str]:
    """With an article that cannot be used, its comments stay unread, too."""
    return {source_id for kind, source_id in missing if kind == "article"}


def test_what_was_poisoned_is_read_when_it_has_healed(dev: Connected) -> None:
    dev.fault("poison", path=r"/organizations/.*page=1\b", what="null_created_at")
    dev.onboard()
    dev.sandbox.clear_faults()
    dev.check()
    assert live(dev).keys() == told(dev.truth()).keys()


def test_a_stale_tree_heals_and_retracts_nothing_meanwhile(onboarded: Connected) -> None:
    article = onboarded.truth().cases["many_roots"]
    [code] = onboarded.change("add_comment", article=article)["comments"]
    onboarded.fault("stale", path="/comments", times=1)
    onboarded.check()
    before = onboarded.value("SELECT count(*) FROM activities WHERE retracted_at IS NOT NULL")
    assert ("comment", code) not in live(onboarded)
    assert [fault["fired"] for fault in onboarded.sandbox.clear_faults()] == [1]
    onboarded.check()
    assert ("comment", code) in live(onboarded)
    assert before == 0
    onboarded.asked()
    onboarded.check()
    asked = onboarded.asked()
    assert asked == article_lists(asked)


def test_a_stale_list_heals(onboarded: Connected) -> None:
    article = onboarded.truth().cases["many_roots"]
    [code] = onboarded.change("add_comment", article=article)["comments"]
    onboarded.fault("stale", path="/articles")
    onboarded.check()
    assert onboarded.sandbox.clear_faults()[0]["fired"]
    onboarded.check()
    assert ("comment", code) in live(onboarded)


def test_a_long_rate_limit_delays_the_run_and_the_next_slice_ends_it(dev: Connected) -> None:
    dev.fault("rate_limit", path="/comments", retry_after="3600", after=3)
    run = dev.onboard()
    assert run.state is RunState.DELAYED
    # Whichever of those at work was committed last: the one that was refused, or one that found the budget closed.
    assert re.search(r"429|used up", run.delay_reason or "")
    refused = [fault["fired"] for fault in dev.sandbox.clear_faults()]
    assert 1 <= refused[0] <= 4
    again = dev.resume(run)
    assert again.state is RunState.PROCESSED
    assert live(dev).keys() == told(dev.truth()).keys()
    assert dev.value("SELECT max(retries) FROM integration_streams") == 0


def test_a_provider_in_trouble_costs_nothing_but_time(dev: Connected) -> None:
    dev.fault("server_error", path="/users/", share=0.5, seed=3, times=3)
    dev.fault("truncated", path="/comments", times=1)
    dev.fault("reset", path="/comments", times=1, halfway=True)
    assert dev.onboard().state is RunState.PROCESSED
    assert all(fault["fired"] for fault in dev.sandbox.clear_faults())
    assert live(dev).keys() == told(dev.truth()).keys()


def test_a_lowered_page_size_is_paged_through(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("devto",), page_size_max=4) as sandbox:
        dev = Connected.to(sandbox, "devto", engine=engine, monkeypatch=monkeypatch)
        dev.onboard()
        truth = dev.truth()
        assert live(dev).keys() == told(truth).keys()
        dev.asked()
        dev.check()
        lists = [len(ids) for owners in truth.coverage.values() for ids in owners.values()]
        assert len(dev.asked()) == sum(-(-articles // 4) for articles in lists)


def test_an_owner_that_is_not_found_is_owed_and_told_while_the_others_are_read(dev: Connected) -> None:
    dev.fault("replace", path="/organizations/", status=404, body=NOT_FOUND)
    assert dev.onboard().state is RunState.PROCESSED
    assert {
        row["state"] for row in dev.rows("SELECT state FROM integration_streams WHERE label LIKE '%organization%'")
    } == {"owed"}
    assert dev.value("SELECT count(*) FROM activities") > 100
    [owed] = dev.rows("SELECT kind, place, permission, reason FROM owed_reads")
    [organization] = dev.truth().settings["organizations"]
    assert (owed["kind"], owed["permission"]) == ("permission", "not found")
    assert owed["place"] == f"articles:organization:{organization}"
    assert f"no organization named '{organization}'" in owed["reason"]
    dev.sandbox.clear_faults()
    make_due(dev)
    for _ in range(2):
        dev.check()
    assert live(dev).keys() == told(dev.truth()).keys()
    assert owed_reads(dev) == []


NOT_FOUND = '{"error": "not found", "status": 404}'


def make_due(dev: Connected) -> None:
    """As if a day had passed for all that is owed."""
    with dev.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE owed_reads SET due_at = now()")


def owed_reads(dev: Connected) -> list[dict[str, Any]]:
    return dev.rows("SELECT kind, place, permission, label, reason FROM owed_reads ORDER BY id")


def test_the_limit_of_the_site_is_kept_over_all_requests(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox.start(platforms=("devto",), requests_per_second=60) as sandbox:
        dev = Connected.to(sandbox, "devto", engine=engine, monkeypatch=monkeypatch, pace="30")
        assert dev.onboard().state is RunState.PROCESSED
        assert {entry["status"] for entry in sandbox.requests("devto")} == {200, 404}
