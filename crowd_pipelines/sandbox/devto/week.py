"""A week in a community: a bit of everything that happens, in an order that the seed decides."""

import random
from typing import Any

from crowd_pipelines.sandbox.changes import Mix

MIX: Mix = (
    (2, {"do": "publish_article"}),
    (12, {"do": "add_comment"}),
    (3, {"do": "add_comment", "author": "new"}),
    (1, {"do": "add_comment", "after": 0}),
    (1, {"do": "edit_article"}),
    (1, {"do": "unpublish_article"}),
    (2, {"do": "delete_comment"}),
    (1, {"do": "delete_comment", "answered": True}),
    (1, {"do": "hide_comment"}),
    (2, {"do": "edit_comment"}),
    (1, {"do": "rename_user"}),
    (1, {"do": "suspend_user"}),
    (1, {"do": "delete_user"}),
)


def moment(dice: random.Random, seconds: float) -> dict[str, Any]:
    """One small change, for a community that lives by itself."""
    usual = ["add_comment"] * 8 + ["publish_article", "edit_comment", "delete_comment", "hide_comment"]
    return {"do": dice.choice(usual), "after": max(1, round(seconds))}
