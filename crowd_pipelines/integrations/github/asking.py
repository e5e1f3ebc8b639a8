"""Asking with pages of the right size: smaller ones after GitHub could not answer in time, then larger ones again.

Sizes weigh three things: one request should bring as much as possible; a query may cover 500,000 nodes and take ten
seconds; and it costs a point per hundred connections in it, whether they are full or empty. Further pages of what is
within a conversation are rare, so the first ones are small.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from crowd_pipelines.http.errors import Retryable
from crowd_pipelines.integrations.github.answers import Answer, TooHeavy
from crowd_pipelines.integrations.github.api import GithubApi
from crowd_pipelines.integrations.github.documents import document

LARGEST = 100
MOST_HALVINGS = 6

_WITHIN = {
    "comments": 50,
    "events": 30,
    "threads": 20,
    "threadComments": 20,
    "discussionComments": 30,
    "replies": 20,
}
"""So many of each come with an issue, a pull request, a discussion, a thread or a comment."""

_FIRST = {"Forks": 30, "Issues": 25, "PullRequests": 15, "Discussions": 10}
_FIRST_IN_CHECK = {"Forks": 20, "Issues": 10, "PullRequests": 5, "Discussions": 5}
"""So many come with their repository: in a check few are news."""

_FURTHER = {"issues": 50, "pullRequests": 25, "discussions": 25, "threads": 50, "owner": 50}
"""So many come with each further page, where `LARGEST` would be too much with all that is in them."""


def ask(
    api: GithubApi,
    name: str,
    given: Mapping[str, Any],
    *,
    halved: int = 0,
    checking: bool = False,
    without: Iterable[str] = (),
) -> tuple[Answer, int]:
    """Return an answer, and how often to halve the page after it. Raises Retryable when even the smallest fails."""
    tried = halved
    while True:
        try:
            answer = api.query(name, {**sizes(name, tried, checking=checking), **given}, without=without)
        except TooHeavy as heavy:
            if tried >= MOST_HALVINGS:
                raise Retryable(f"GitHub cannot answer the query {name} even with the smallest page: {heavy}") from None
            tried += 1
        else:
            return answer, tried if tried > halved else max(tried - 1, 0)


def sizes(name: str, halved: int, *, checking: bool) -> dict[str, int]:
    """Return the sizes of pages for a query's variables, halved so many times."""
    first = _FIRST_IN_CHECK if checking else _FIRST
    full = {
        **_WITHIN,
        **{f"first{of}": size for of, size in first.items()},
        "size": _FURTHER.get(name, LARGEST),
    }
    wanted = document(name).variables & full.keys()
    return {variable: max(1, full[variable] >> halved) for variable in wanted}
