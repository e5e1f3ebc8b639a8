"""Requests are what reading costs: no more than the goals, for every platform."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from crowd_pipelines.benchmarks.economy import GOALS, Economy
from crowd_pipelines.integrations import registry

COMMAND = [sys.executable, "-m", "crowd_pipelines.benchmarks.economy"]


@pytest.fixture(scope="module")
def told() -> Mapping[str, dict[str, Any]]:
    """What the command says of small communities; it fails when a goal is missed."""
    # A real installation in the environment must neither be used nor be needed.
    environment = {**os.environ, "CROWD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DAGSTER_HOME": "/none"}
    done = subprocess.run(
        [*COMMAND, "--size", "small", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {one["platform"]: one for one in json.loads(done.stdout)}


def test_every_platform_is_measured(told: Mapping[str, dict[str, Any]]) -> None:
    assert set(told) == set(registry())
    assert all(one["original"] > 0 for one in told.values())
    assert all(told[name]["activities"] > 100 for name, one in registry().items() if one.activity_types)


@pytest.mark.parametrize("platform", sorted(registry()))
def test_an_onboarding_and_a_quiet_check_ask_no_more_than_they_may(
    told: Mapping[str, dict[str, Any]], platform: str
) -> None:
    one = told[platform]
    assert one["requests"] <= GOALS.get(platform, 1) * one["original"]
    assert one["check"] <= one["check_bound"]


def test_what_misses_a_goal_is_named() -> None:
    counted = {"activities": 1000, "original": 300, "check_bound": 5}
    assert Economy(platform="slack", requests=100, check=5, **counted).missed == []
    [onboarding, check] = Economy(platform="slack", requests=101, check=6, **counted).missed
    assert "slack: onboarding took 0.337 of the original's requests, at most 0.333 wanted" in onboarding
    assert "slack: a check with nothing new took 6 requests, 5 wanted" in check
