"""A week in a guild: a bit of everything that happens, in an order that the seed decides."""

import random
from typing import Any

from crowd_pipelines.sandbox.changes import Mix

MIX: Mix = (
    (14, {"do": "send"}),
    (1, {"do": "send", "count": 130}),
    (3, {"do": "post"}),
    (1, {"do": "post", "archived": True}),
    (1, {"do": "branch"}),
    (1, {"do": "branch", "old": True}),
    (1, {"do": "branch", "alone": True, "archived": True}),
    (3, {"do": "archive"}),
    (2, {"do": "edit"}),
    (2, {"do": "delete"}),
    (1, {"do": "react"}),
    (2, {"do": "rename_room"}),
    (1, {"do": "create_channel"}),
    (2, {"do": "join"}),
    (1, {"do": "join", "pending": True}),
    (1, {"do": "leave"}),
    (1, {"do": "rename_user"}),
)


def moment(dice: random.Random, seconds: float) -> dict[str, Any]:
    """One small change, for a community that lives by itself."""
    usual = ["send"] * 8 + ["post", "edit", "delete", "archive", "branch"]
    return {"do": dice.choice(usual), "after": max(1, round(seconds))}
