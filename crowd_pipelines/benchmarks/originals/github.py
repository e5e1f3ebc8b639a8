"""How crowd.dev read GitHub: lists by the hundred (pull requests by twenty), then all that is below, one by one.

Each repository was probed with a query for one star. Each issue, pull request and discussion that a user had opened was
a stream of its comments by the hundred; each pull request one more of its review threads, and each of those one of its
comments by fifty. What bots and ghosts had opened it left out with all that people said below, so that this is not
counted. Events came with their pull request and replies with their comment, the first hundred and no more. For each
user it asked for an address (kept for an hour), and for each company it searched an organization; here each only once.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any

from crowd_pipelines.sandbox.client import Truth

PAGE = 100
PULL_REQUESTS = 20
THREAD_COMMENTS = 50


def requests(truth: Truth) -> dict[str, int]:
    """Count the requests of an onboarding of this community, with pages as they were meant to be followed."""
    repositories = list(truth.coverage.values())
    issues, pulls, discussions = (
        [one for repository in repositories for one in repository[kind] if one["by_user"]]
        for kind in ("issues", "pull_requests", "discussions")
    )
    return {
        "probes": len(repositories),
        "stargazers": _pages(repository["stargazers"] for repository in repositories),
        "forks": _pages(repository["forks"] for repository in repositories),
        "issues": _lists(repositories, "issues"),
        "pull requests": _lists(repositories, "pull_requests", size=PULL_REQUESTS),
        "discussions": _lists(repositories, "discussions"),
        "comments of an issue": _pages(one["comments"] for one in issues),
        "comments of a pull request": _pages(one["comments"] for one in pulls),
        "review threads of a pull request": _pages(len(one["threads"]) for one in pulls),
        "comments of a review thread": _pages((n for one in pulls for n in one["threads"]), size=THREAD_COMMENTS),
        "comments of a discussion": _pages(one["comments"] for one in discussions),
        "address of a user": len(truth.members),
        "organization of a company": len({one["company"] for one in truth.members if one["company"]}),
    }


def quiet_check(truth: Truth) -> int:
    """Return the most requests that our own check with nothing new may take: one per repository."""
    return len(truth.coverage)


def _lists(repositories: Iterable[dict[str, Any]], kind: str, *, size: int = PAGE) -> int:
    return _pages((len(repository[kind]) for repository in repositories), size=size)


def _pages(counts: Iterable[int], *, size: int = PAGE) -> int:
    """A list is asked for at least once."""
    return sum(max(1, ceil(count / size)) for count in counts)
