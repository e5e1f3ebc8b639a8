"""How crowd.dev read DEV: lists in pages of 50, every article's comments, every commenter of every article anew."""

from math import ceil

from crowd_pipelines.sandbox.client import Truth

LIST_PAGE = 50


def requests(truth: Truth) -> dict[str, int]:
    """Count the requests of an onboarding of this community; each list ends with a page that is not full."""
    lists = [articles for owners in truth.coverage.values() for articles in owners.values()]
    commenters = {(one["thread"], one["member"]) for one in truth.activities if one["type"] == "comment"}
    return {
        "lists of articles": sum(ceil((len(articles) + 1) / LIST_PAGE) for articles in lists),
        "comments of an article": len({article for articles in lists for article in articles}),
        "commenters, per article": len(commenters),
    }


def quiet_check(truth: Truth) -> int:
    """Return the most requests that our own check with nothing new may take: one per list."""
    return sum(len(owners) for owners in truth.coverage.values())
