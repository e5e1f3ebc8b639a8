"""A week in a community: a bit of everything that happens, in an order that the seed decides."""

import random
from typing import Any

from crowd_pipelines.sandbox.changes import Mix

MIX: Mix = (
    (6, {"do": "star"}),
    (2, {"do": "star", "user": "new"}),
    (1, {"do": "unstar"}),
    (2, {"do": "fork"}),
    (4, {"do": "open_issue"}),
    (1, {"do": "open_issue", "author": "bot"}),
    (3, {"do": "open_pull_request"}),
    (1, {"do": "open_pull_request", "author": "ghost"}),
    (2, {"do": "start_discussion"}),
    (16, {"do": "comment"}),
    (2, {"do": "comment", "author": "new"}),
    (1, {"do": "comment", "author": "bot"}),
    (2, {"do": "comment", "after": 0}),
    (4, {"do": "review", "threads": 1}),
    (1, {"do": "review", "state": "APPROVED", "body": ""}),
    (1, {"do": "review", "state": "PENDING"}),
    (3, {"do": "close"}),
    (1, {"do": "reopen"}),
    (2, {"do": "merge"}),
    (2, {"do": "label"}),
    (1, {"do": "assign"}),
    (1, {"do": "request_review"}),
    (1, {"do": "request_review", "team": True}),
    (1, {"do": "mark_answer"}),
    (3, {"do": "edit"}),
    (1, {"do": "edit", "silent": True}),
    (2, {"do": "delete"}),
    (1, {"do": "rename_user"}),
    (1, {"do": "delete_user"}),
    (1, {"do": "new_repository"}),
)


def moment(dice: random.Random, seconds: float) -> dict[str, Any]:
    """One small change, for a community that lives by itself."""
    usual = ["comment"] * 6 + ["star"] * 3 + ["open_issue", "open_pull_request", "start_discussion", "review", "close"]
    return {"do": dice.choice([*usual, "fork", "edit", "delete"]), "after": max(1, round(seconds))}
