"""What an onboarding costs, in numbers that do not depend on the machine: no clock is looked at."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

COMMENTS = (600, 6_000)
COMMAND = [sys.executable, "-m", "crowd_pipelines.benchmarks", "--no-first-activity", "--json"]


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """What the command says of a small and of a ten times larger community."""
    sizes = ",".join(map(str, COMMENTS))
    # A real installation in the environment must neither be used nor be needed.
    environment = {**os.environ, "CROWD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DAGSTER_HOME": "/none"}
    done = subprocess.run([*COMMAND, "--sizes", sizes], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    onboardings: list[dict[str, Any]] = json.loads(done.stdout)["onboardings"]
    return onboardings


def test_everything_that_the_provider_shows_is_stored(told: list[dict[str, Any]]) -> None:
    assert [one["comments"] for one in told] == list(COMMENTS)
    for one in told:
        assert one["activities"] > 0.9 * one["comments"]
        assert (one["missing"], one["quarantined"]) == (0, 0)


def test_requests_are_one_for_each_list_tree_and_person_and_few_for_a_check(told: list[dict[str, Any]]) -> None:
    for one in told:
        assert one["onboarding"]["requests"] <= 0.13 * one["activities"]
        assert one["check"]["requests"] <= 10
    small, large = (one["onboarding"]["requests"] / one["activities"] for one in told)
    assert large <= 1.1 * small


def test_a_page_costs_about_one_round_trip_beyond_the_budget(told: list[dict[str, Any]]) -> None:
    small, large = (one["onboarding"]["round_trips"] / one["onboarding"]["pages"] for one in told)
    assert large < small
    # One takes the slot of the budget; what commits the page is shared by its group, however small a busy machine
    # makes the groups.
    assert large <= 1 + 20 / 4


def test_event_rows_do_not_grow_with_the_community(told: list[dict[str, Any]]) -> None:
    small, large = (one["onboarding"]["event_rows"] for one in told)
    assert small == large <= 400
    assert all(one["check"]["event_rows"] <= 80 for one in told)


def test_memory_stays_below_a_quarter_of_a_gigabyte(told: list[dict[str, Any]]) -> None:
    assert all(one["peak_memory_mb"] < 250 for one in told)
