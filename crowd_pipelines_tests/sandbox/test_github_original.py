"""How many requests crowd.dev's way of reading takes is counted from how much there is."""

from typing import Any

from crowd_pipelines.benchmarks.originals.github import quiet_check, requests
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox


def item(comments: int, *, by_user: bool = True, **more: Any) -> dict[str, Any]:
    return {"comments": comments, "by_user": by_user, **more}


def test_each_list_and_each_thing_below_is_asked_for_in_its_pages() -> None:
    repository = {
        "stargazers": 201,
        "forks": 0,
        "issues": [item(0), item(101), item(500, by_user=False)],
        "pull_requests": [item(100, threads=[1, 51])] + [item(0, by_user=False, threads=[5])] * 20,
        "discussions": [item(300)],
    }
    members: list[dict[str, Any]] = [{"company": "@pine"}, {"company": "@pine"}, {"company": None}]
    truth = Truth(settings={}, coverage={"a/b": repository}, cases={}, now="", members=members)
    assert requests(truth) == {
        "probes": 1,
        "stargazers": 3,
        "forks": 1,
        "issues": 1,
        "pull requests": 2,
        "discussions": 1,
        "comments of an issue": 1 + 2,
        "comments of a pull request": 1,
        "review threads of a pull request": 1,
        "comments of a review thread": 1 + 2,
        "comments of a discussion": 3,
        "address of a user": 3,
        "organization of a company": 1,
    }
    assert quiet_check(truth) == 1


def test_it_is_counted_for_a_simulated_community(still: Sandbox) -> None:
    truth = still.truth("github")
    counted = requests(truth)
    assert counted["address of a user"] == len(truth.members)
    assert counted["comments of a review thread"] > 100
    assert counted["probes"] == quiet_check(truth) == len(truth.coverage)
