"""crowd.dev's way of reading Slack: the first 100 channels and `team.info`; the list of people by 200; each channel by
200 messages; for every message with a `thread_ts` that a person wrote, broadcasts included, its whole thread by 200;
and `users.info` for everybody, bots included, who wrote something, came to a channel or was mentioned (kept for a day).
"""

import math
from collections.abc import Iterable

from crowd_pipelines.sandbox.client import Truth

PAGE = 200


def requests(truth: Truth) -> dict[str, int]:
    """Return the requests of an onboarding of exactly this community, by method."""
    channels = truth.coverage["channels"].values()
    return {
        "conversations.list": 1,
        "team.info": 1,
        "users.list": _pages([truth.coverage["people"]]),
        "users.info": truth.coverage["met"],
        "conversations.history": _pages(channel["messages"] for channel in channels),
        # A thread's first message comes with its replies.
        "conversations.replies": _pages(replies + 1 for channel in channels for replies in channel["followed"]),
    }


def quiet_check(truth: Truth) -> int:
    """Return the most requests that our check with nothing new may take."""
    return len(truth.coverage["channels"]) + 2


def _pages(counts: Iterable[int]) -> int:
    return sum(max(math.ceil(count / PAGE), 1) for count in counts)
