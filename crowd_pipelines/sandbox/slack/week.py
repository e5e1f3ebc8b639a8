"""A week in a workspace: a bit of everything that happens, in an order that the seed decides."""

import random
from typing import Any

from crowd_pipelines.sandbox.changes import Mix

MIX: Mix = (
    (14, {"do": "post"}),
    (1, {"do": "post", "after": 0}),
    (9, {"do": "reply"}),
    (2, {"do": "reply", "broadcast": True}),
    (1, {"do": "reply", "behind": True, "broadcast": True}),
    (3, {"do": "edit"}),
    (1, {"do": "edit", "reply": True}),
    (3, {"do": "delete"}),
    (2, {"do": "delete", "reply": True}),
    (2, {"do": "react"}),
    (2, {"do": "join"}),
    (1, {"do": "rename_user"}),
    (1, {"do": "delete_user"}),
    (1, {"do": "rename_channel"}),
    (1, {"do": "new_channel"}),
    (1, {"do": "new_channel", "private": True}),
    (2, {"do": "note"}),
)


def moment(dice: random.Random, seconds: float) -> dict[str, Any]:
    """One small change, for a workspace that lives by itself."""
    usual = ["post"] * 6 + ["reply"] * 4 + ["edit", "react", "join", "delete"]
    return {"do": dice.choice(usual), "after": max(1, round(seconds))}
