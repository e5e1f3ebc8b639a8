"""A week around an account: a bit of everything that happens, in an order that the seed decides."""

import random
from typing import Any

DAY = 86_400
MIX: tuple[tuple[int, dict[str, Any]], ...] = (
    (9, {"do": "follow"}),
    (1, {"do": "follow", "count": 40}),
    (2, {"do": "unfollow"}),
    (6, {"do": "mention"}),
    (2, {"do": "mention", "author": "new"}),
    (1, {"do": "mention", "count": 130}),
    (6, {"do": "hashtag"}),
    (2, {"do": "hashtag", "author": "new"}),
    (1, {"do": "hashtag", "count": 110}),
    (2, {"do": "hashtag", "retweet": True}),
    (1, {"do": "mention", "after": 0}),
    (2, {"do": "edit_post"}),
    (2, {"do": "delete_post"}),
    (2, {"do": "rename_user"}),
    (1, {"do": "suspend_user"}),
    (1, {"do": "delete_user"}),
    (3, {"do": "gain_followers"}),
)


def week(seed: int) -> list[dict[str, Any]]:
    """The changes of seven days; together they take as long."""
    dice = random.Random(f"week/{seed}")
    changes = [dict(change) for times, change in MIX for _ in range(times)]
    dice.shuffle(changes)
    # An edit of its own choice comes five minutes after what it edits.
    edits = 300 * sum(change["do"] == "edit_post" for change in changes)
    pause = (7 * DAY - edits) // (len(changes) + 1)
    spaced = [{"after": pause - 300 + dice.randrange(300), **change} for change in changes]
    passed = sum(change["after"] for change in spaced) + edits
    return [*spaced, {"do": "pass", "after": 7 * DAY - passed}]


def moment(dice: random.Random, seconds: float) -> dict[str, Any]:
    """One small change, for a community that lives by itself."""
    usual = ["follow"] * 4 + ["mention"] * 3 + ["hashtag"] * 4 + ["unfollow", "edit_post", "gain_followers"]
    return {"do": dice.choice(usual), "after": max(1, round(seconds))}
