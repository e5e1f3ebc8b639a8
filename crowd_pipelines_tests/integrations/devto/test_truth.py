"""What a site that refuses or contradicts itself does to the database: nothing is lost, nothing retracted, all told."""

from typing import Any

import pytest

from crowd_pipelines.model.states import RunState
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.devto.test_end_to_end import NOT_FOUND, article_lists, make_due, owed_reads
from crowd_pipelines_tests.integrations.devto.truths import assert_true
from crowd_pipelines_tests.integrations.stored import live, told

PROXY = "<html><head><title>403 Forbidden</title></head></html>"


@pytest.fixture
def onboarded(dev: Connected) -> Connected:
    assert dev.onboard().state is RunState.PROCESSED
    dev.asked()
    return dev


def retracted(dev: Connected) -> int:
    count = dev.value("SELECT count(*) FROM activities WHERE retracted_at IS NOT NULL")
    assert isinstance(count, int)
    return count


def trees(article: int) -> dict[str, Any]:
    return {"path": rf"/comments\?.*\ba_id={article}\b"}


def test_an_empty_tree_beside_a_count_loses_nothing_and_is_told_until_it_is_there(dev: Connected) -> None:
    article = dev.truth().cases["many_roots"]
    dev.fault("replace", **trees(article), body="[]")
    assert dev.onboard().state is RunState.PROCESSED
    [owed] = owed_reads(dev)
    assert (owed["kind"], owed["label"]) == ("unread", f"comments of article {article}")
    dev.check()
    assert len(owed_reads(dev)) == 1
    dev.sandbox.clear_faults()
    dev.check()
    assert owed_reads(dev) == []
    assert live(dev).keys() == told(dev.truth()).keys()


def test_a_tree_that_is_empty_for_once_retracts_nothing(onboarded: Connected) -> None:
    article = onboarded.truth().cases["many_roots"]
    before = live(onboarded).keys()
    onboarded.change("add_comment", article=article)
    onboarded.fault("replace", **trees(article), body="[]", times=1)
    assert onboarded.check().state is RunState.PROCESSED
    assert (retracted(onboarded), live(onboarded).keys()) == (0, before)
    assert len(owed_reads(onboarded)) == 1
    onboarded.check()
    assert owed_reads(onboarded) == []
    assert_true(onboarded, onboarded.truth())


def test_an_empty_list_is_asked_for_again_and_retracts_nothing(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.fault("replace", path=r"/articles\?username=", body="[]")
    run = onboarded.check()
    assert run.state is RunState.DELAYED
    assert (retracted(onboarded), live(onboarded).keys()) == (0, before)
    onboarded.sandbox.clear_faults()
    assert onboarded.resume(run).state is RunState.PROCESSED
    assert (retracted(onboarded), owed_reads(onboarded)) == (0, [])
    assert_true(onboarded, onboarded.truth())


@pytest.mark.parametrize("status", [403, 404, 410, 451])
def test_the_network_in_front_of_a_site_makes_nothing_gone(dev: Connected, status: int) -> None:
    dev.fault("replace", path="/comments", status=status, body=PROXY, content_type="text/html", times=1, after=3)
    run = dev.onboard()
    assert run.state is RunState.DELAYED
    assert dev.resume(run).state is RunState.PROCESSED
    assert live(dev).keys() == told(dev.truth()).keys()
    assert owed_reads(dev) == []


def test_comments_are_gone_while_their_list_answers_and_that_costs_one_request(onboarded: Connected) -> None:
    article = onboarded.truth().cases["listed_but_gone"]
    stream = "SELECT state FROM integration_streams WHERE label = :label"
    assert onboarded.rows(stream, label=f"comments of article {article}") == [{"state": "skipped"}]
    assert owed_reads(onboarded) == []
    onboarded.check()
    asked = onboarded.asked()
    assert asked == article_lists(asked)


def test_when_everything_is_not_found_nothing_is_gone(onboarded: Connected) -> None:
    before = live(onboarded).keys()
    onboarded.fault("replace", status=404, body=NOT_FOUND)
    onboarded.check()
    assert (retracted(onboarded), live(onboarded).keys()) == (0, before)
    owners = sum(map(len, onboarded.truth().settings.values()))
    assert [owed["permission"] for owed in owed_reads(onboarded)].count("not found") >= owners - 1
    onboarded.sandbox.clear_faults()
    make_due(onboarded)
    for _ in range(2):
        onboarded.check()
    assert owed_reads(onboarded) == []
    assert_true(onboarded, onboarded.truth())


def test_a_null_on_a_list_is_told_and_retracts_nothing(onboarded: Connected) -> None:
    onboarded.fault("poison", path=r"/articles\?username=", what="null_record", times=1)
    assert onboarded.check().state is RunState.PROCESSED
    assert [owed["kind"] for owed in owed_reads(onboarded)] == ["unread"]
    assert (retracted(onboarded), onboarded.rows("SELECT reason FROM quarantined_records")) == (0, [])
    onboarded.check()
    assert owed_reads(onboarded) == []
    assert_true(onboarded, onboarded.truth())


def test_a_null_in_a_tree_is_told_and_the_next_check_reads_it(dev: Connected) -> None:
    article = dev.truth().cases["many_roots"]
    dev.fault("poison", **trees(article), what="null_record", times=1)
    assert dev.onboard().state is RunState.PROCESSED
    assert [owed["kind"] for owed in owed_reads(dev)] == ["unread"]
    assert dev.rows("SELECT reason FROM quarantined_records") == []
    dev.check()
    assert owed_reads(dev) == []
    assert live(dev).keys() == told(dev.truth()).keys()


def test_whoever_has_no_name_is_called_by_their_present_username(dev: Connected) -> None:
    truth = dev.truth()
    authors = {record["member"] for record in truth.activities if record["type"] == "article"}
    record = next(r for r in truth.activities if r["type"] == "comment" and r["member"] not in authors)
    dev.change("rename_user", user=int(record["member"]), username="one", name=" ")
    dev.onboard()
    dev.change("rename_user", user=int(record["member"]), username="two", name=" ")
    dev.change("add_comment", article=int(record["thread"]), author=int(record["member"]))
    dev.check()
    names = dev.rows(
        "SELECT display_name FROM members JOIN member_identities AS i ON i.member_id = members.id"
        " WHERE i.source_id = :id",
        id=record["member"],
    )
    assert names == [{"display_name": "two"}]
