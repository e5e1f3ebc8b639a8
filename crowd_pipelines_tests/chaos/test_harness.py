"""The harness where it could lie: what is wrong is found, and what proves nothing does not pass."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sqlalchemy import text

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.chaos.cell import Cell
from crowd_pipelines_tests.chaos.deployed_truth import due_of, out_of_reach
from crowd_pipelines_tests.chaos.experiment import Outcome
from crowd_pipelines_tests.chaos.ground import ONBOARDING, Ground, Reading, ground
from crowd_pipelines_tests.chaos.mutants import MUTANTS, Change, Mutant, MutantDoesNotApply, hunt, mutated
from crowd_pipelines_tests.chaos.report import Campaign, markdown, summary
from crowd_pipelines_tests.chaos.verdict import into_closed_budgets, verdict
from crowd_pipelines_tests.integrations.connected import within


@pytest.fixture(scope="module")
def stands(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(server_url, template_database, tmp_path_factory.mktemp("chaos")) as made:
        yield made


@pytest.fixture(scope="module")
def reading(stands: Ground) -> Reading:
    return stands.reading("devto", ONBOARDING)


@pytest.fixture(scope="module")
def read(stands: Ground, reading: Reading) -> Iterator[tuple[Cell, RunRecord]]:
    """A cell in which nothing was disturbed; whoever damages it takes that back."""
    with stands.cell(reading) as cell:
        cell.begin()
        yield cell, cell.finish()


def damaged(cell: Cell, reading: Reading, run: RunRecord, sql: str) -> str:
    """What is found after the damage."""
    with cell.engine.connect() as conn, conn.begin() as damage:
        conn.execute(text(sql))
        seen = replace(cell, connected=replace(cell.connected, engine=within(conn)))
        found = verdict(seen, reading, run).findings
        damage.rollback()
    return "\n".join(found)


def one(table: str, condition: str) -> str:
    return f"id = (SELECT id FROM {table} WHERE {condition} ORDER BY id LIMIT 1)"


CHILDLESS = "type = 'comment' AND id NOT IN (SELECT parent_id FROM activities WHERE parent_id IS NOT NULL)"
FAILED = "state = 'error', error = 'x', processed_at = NULL"
LEAF = "id NOT IN (SELECT parent_id FROM integration_streams WHERE parent_id IS NOT NULL)"


def test_an_undisturbed_reading_has_nothing_to_be_found(read: tuple[Cell, RunRecord], reading: Reading) -> None:
    cell, run = read
    assert verdict(cell, reading, run).findings == ()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (f"DELETE FROM activities WHERE {one('activities', CHILDLESS)}", "1 activities are lost (I1)"),
        (
            f"UPDATE activities SET source_id = source_id || '-' WHERE {one('activities', CHILDLESS)}",
            "1 activities are stored that never were (I2)",
        ),
        (f"UPDATE activities SET body = 'other' WHERE {one('activities', CHILDLESS)}", "not as the provider has it"),
        (
            f"UPDATE members SET score = score + 1 WHERE {one('members', 'true')}",
            "people are otherwise than undisturbed",
        ),
        (
            f"DELETE FROM integration_streams WHERE {one('integration_streams', LEAF)}",
            "1 streams of the undisturbed reading are missing",
        ),
        ("UPDATE integrations SET activity_count = activity_count + 1", "counted_activities first: 422, not 421"),
        ("UPDATE watermarks SET value = '{}'", "watermarks are otherwise than undisturbed"),
        (
            f"UPDATE integration_streams SET {FAILED} WHERE {one('integration_streams', LEAF)}",
            "is left error",
        ),
        ("DROP INDEX uq_integration_runs_open", "invariant"),
    ],
)
def test_a_damage_is_found(read: tuple[Cell, RunRecord], reading: Reading, damage: str, told: str) -> None:
    assert told in damaged(read[0], reading, read[1], damage)


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        (("fence", {"pid": 1, "tried": 1, "stale": 1, "passed": 1}), "ended by a worker whose lease had passed"),
        (("failpoints", {"name": "page.odd.before", "action": "unknown"}), "failpoints.STEPS does not list: page.odd"),
    ],
)
def test_what_workers_note_is_found(
    read: tuple[Cell, RunRecord], reading: Reading, tmp_path: Path, noted: tuple[str, dict[str, Any]], told: str
) -> None:
    (cell, run), (file, note) = read, noted
    (tmp_path / file).write_text(json.dumps(note) + "\n")
    [found] = verdict(replace(cell, folder=tmp_path), reading, run).findings
    assert told in found


def test_a_request_that_breaks_the_rules_is_found(read: tuple[Cell, RunRecord], reading: Reading) -> None:
    cell, run = read
    sandbox = cell.connected.sandbox
    with suppress(HTTPError):
        urlopen(f"{sandbox.api_url('devto')}/articles?made=up").close()
    found = verdict(cell, reading, run).findings
    sandbox.forget_requests()
    assert "1 requests break the provider's rules" in found[0]


def test_a_request_while_the_provider_wants_to_be_left_alone_is_found() -> None:
    refused = {"status": 429, "fault": "rate_limit", "at": 100.0, "path": "/articles"}
    others = [{"status": 200, "fault": None, "at": 100.0 + late, "path": "/articles"} for late in (1, 3, 12, 25)]
    assert len(list(into_closed_budgets([refused, *others], at_once=4))) == 1
    assert len(list(into_closed_budgets([refused, *others[:2]], at_once=1))) == 1
    assert list(into_closed_budgets([refused, *others[:2], others[3]], at_once=3)) == []


def outcome(**changes: Any) -> Outcome:
    usual = {"scenario": "S1", "name": "random-kills:check", "platform": "devto", "seed": 4, "disturbances": 2}
    return Outcome(**{**usual, **changes})


def campaign(*outcomes: Outcome, fired: dict[str, int] | None = None) -> Campaign:
    return Campaign(
        command="make chaos", seconds=1, outcomes=outcomes, fired=fired or {"fetch.after": 2}, wanted=["fetch.after"]
    )


def test_a_campaign_passes_when_everything_happened_and_nothing_was_found() -> None:
    measures = {"kills": 2, "lease_s": 45.0, "claimable_after_s": 40.5}
    over = campaign(outcome(measures=measures))
    assert over.passed
    assert summary(over.outcomes)[0] == ("S1", "devto", "1", "0", "2", "2", "0", "0", "0", "0")
    assert "| 45 s | claimable_after_s | 1 | 40.5 | 40.5 | 40.5 |" in markdown(over)
    assert "Findings" not in markdown(over)


@pytest.mark.parametrize(
    ("over", "told"),
    [
        (campaign(outcome(findings=("1 activities are lost",))), "1 activities are lost (again: --only random-kills:"),
        (campaign(outcome(disturbances=0)), "nothing is proven"),
        (campaign(outcome(), fired={"fetch.before": 1}), "fetch.after never fired"),
    ],
)
def test_a_campaign_fails_and_says_why(over: Campaign, told: str) -> None:
    assert not over.passed
    assert told in markdown(over)


def test_without_an_experiment_nothing_passes() -> None:
    assert not campaign().passed


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_guard_is_there_to_be_taken_away(mutant: Mutant) -> None:
    with mutated(mutant) as root:
        for change in mutant.changes:
            assert change.instead in (root / change.file).read_text("utf-8")


def test_a_mutant_whose_text_is_gone_does_not_apply() -> None:
    gone = Change(file="crowd_pipelines/store/pages.py", text="no such text", instead="")
    with pytest.raises(MutantDoesNotApply, match="0 times"), mutated(replace(MUTANTS[0], changes=(gone,))):
        pass


def test_a_guard_that_is_taken_away_is_noticed(server_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        hunted = list(pool.map(lambda mutant: hunt(mutant, server_url, quick=False), MUTANTS))
    assert {one.mutant.name: one.told for one in hunted if not one.caught} == {}


def test_what_a_provider_no_longer_shows_is_not_missed() -> None:
    with Sandbox.start(seed=11, platforms=["twitter"]) as x:
        x.change("twitter", [{"do": "week", "seed": 1}])
        truth, beyond = x.truth("twitter"), out_of_reach(x, ["twitter"])
    due, members = due_of(truth, beyond)
    everything, everybody = due_of(truth, frozenset())
    assert beyond
    assert due == everything - beyond
    assert members == {record["member"] for record in truth.activities if record["readable"]} < everybody
