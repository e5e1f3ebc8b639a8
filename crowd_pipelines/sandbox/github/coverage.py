"""How much there is to be read: what any way of reading has to ask for."""

from typing import Any

from crowd_pipelines.sandbox.github.ids import node_id
from crowd_pipelines.sandbox.github.model import Discussion, Issue, Item, PullRequest, Repository

Record = dict[str, Any]


def extent(repository: Repository) -> Record:
    """How much there is of everything, bots' and ghosts' things included: what a way of reading has to ask for."""
    items = [item for item in repository.items.values() if item.enabled]
    return {
        "id": node_id(repository),
        "stargazers": len(repository.stars),
        "forks": len(repository.forks),
        "issues": [_of(item) for item in items if isinstance(item, Issue)],
        "pull_requests": [_of(item) for item in items if isinstance(item, PullRequest)],
        "discussions": [_of(item) for item in items if isinstance(item, Discussion)],
    }


def _of(item: Item) -> Record:
    found: Record = {
        "number": item.number,
        "by_user": item.writer is not None and item.writer.person,
        "comments": len(item.comments),
        "timeline": len(item.events),
    }
    if isinstance(item, PullRequest):
        found["timeline"] += len(item.reviews)
        found["threads"] = [len(thread.comments) for thread in item.threads]
    if isinstance(item, Discussion):
        found["comments"] = len(item.talk)
        found["replies"] = [len(comment.replies) for comment in item.talk]
    return found
