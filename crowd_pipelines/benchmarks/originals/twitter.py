"""How crowd.dev read X: pages of a hundred followers and posts, after renewing the access token.

It renewed the token once per integration run, and again on every resume; here it never has to resume.
"""

from math import ceil

from crowd_pipelines.sandbox.client import Truth

PER_PAGE = 100


def requests(truth: Truth) -> dict[str, int]:
    """Return how many requests, by kind, an onboarding of this community would have taken."""
    return {
        "token": 1,
        "followers": _pages(truth.coverage["followers"]),
        "mentions": _pages(truth.coverage["mentions"]),
        "hashtags": sum(_pages(posts) for posts in truth.coverage["hashtags"].values()),
    }


def quiet_check(truth: Truth) -> int:
    """Return the most requests that our check with nothing new may take: one per list."""
    return 2 + len(truth.settings["hashtags"])


def _pages(records: int) -> int:
    return max(1, ceil(records / PER_PAGE))
