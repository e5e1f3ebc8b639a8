"""A week around an account: a bit of everything that happens, in an order that the seed decides."""

import random
from typing import Any

from crowd_pipelines.sandbox.changes import Mix, week

MIX: Mix = (
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


def week_of(seed: int) -> list[dict[str, Any]]:
    """A week as the seed decides; an edit of its own choice comes five minutes after what it edits."""
    return week(MIX, seed, besides=300 * sum(times for times, change in MIX if change["do"] == "edit_post"))


def moment(dice: random.Random, seconds: float) -> dict[str, Any]:
    """One small change, for a community that lives by itself."""
    usual = ["follow"] * 4 + ["mention"] * 3 + ["hashtag"] * 4 + ["unfollow", "edit_post", "gain_followers"]
    return {"do": dice.choice(usual), "after": max(1, round(seconds))}
