"""Every line of "Later changes that are seen" in the how-to page: a change, and when it is seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crowd_pipelines_tests.integrations.stored import people
from crowd_pipelines_tests.integrations.twitter_reach.conftest import Both
from crowd_pipelines_tests.integrations.twitter_reach.test_end_to_end import hidden, later, shown

PAGE = Path(__file__).parents[3] / "docs/how-to/connect-twitter_reach.md"
Line = tuple[str, str, str]


def _reach(both: Both) -> None:
    person, reach = next(iter(shown(both).items()))
    both.x.change("gain_followers", user=int(person), followers=7)
    both.reach.check()
    assert both.reaches()[person] == reach
    both.long_ago()
    both.reach.check()
    assert both.reaches()[person] == reach + 7


def _name(both: Both) -> None:
    person = next(iter(shown(both)))
    both.x.change("rename_user", user=int(person), username="brand_new")
    both.long_ago()
    both.reach.check()
    row = people(both.x)[person]
    assert (row["username"], row["attributes"]["url"]["default"]) == ("brand_new", "https://twitter.com/brand_new")


def _account_lost(both: Both) -> None:
    person, reach = next(iter(shown(both).items()))
    both.x.change("suspend_user", user=int(person))
    both.long_ago()
    both.reach.check()
    assert both.reaches()[person] == reach


def _account_back(both: Both) -> None:
    person = next(iter(hidden(both)))
    both.reach.check()
    both.x.change("reinstate_user", user=int(person))
    both.reach.check()
    assert both.reaches()[person] is None
    later(both, days=8)
    both.reach.check()
    assert both.reaches()[person] == shown(both)[person]


SCENARIOS: dict[Line, Callable[[Both], None]] = {
    ("reach", "more or fewer followers", "when it is due"): _reach,
    ("name", "renamed", "when it is due; `url` changes with it"): _name,
    ("account", "suspended, deleted", "never; the last reach stays"): _account_lost,
    ("account", "shown again", "when it is asked for again, after a week to half a year"): _account_back,
}


def lines() -> set[Line]:
    table = PAGE.read_text("utf-8").partition("## Later changes that are seen")[2].partition("\n## ")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if line]
    return {(row[0], row[1], row[2]) for row in rows[2:]}


def test_every_line_has_its_test() -> None:
    assert lines() == SCENARIOS.keys()


@pytest.mark.parametrize("line", SCENARIOS, ids=lambda line: f"{line[0]} {line[1]}")
def test_the_line_is_true(both: Both, line: Line) -> None:
    both.reach.onboard()
    SCENARIOS[line](both)
