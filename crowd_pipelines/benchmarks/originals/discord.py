"""How crowd.dev read Discord: every channel probed, every channel and thread to an empty page, members by the hundred.

Channels were tried with a read of one message each before anything else. Then each channel and each thread was a
sequence of pages of 100 messages that ended with an empty one; so were the members. It found threads by their first
message and by the list of active ones, and so never those in the archives of forums, nor private ones; what finding
and reading these would have taken its way, a page of each list, is counted all the same.
"""

from math import ceil

from crowd_pipelines.sandbox.client import Truth

PAGE = 100


def requests(truth: Truth) -> dict[str, int]:
    """Count the requests of an onboarding of this community."""
    coverage = truth.coverage
    return {
        "lists of channels and active threads": 2,
        "probes": coverage["probed"],
        "messages of channels": sum(map(_pages, coverage["channels"].values())),
        "messages of threads": sum(map(_pages, coverage["threads"].values())),
        "archives": coverage["archives"],
        "members": _pages(coverage["members"]),
    }


def quiet_check(truth: Truth) -> int:  # noqa: ARG001  the same for every community
    """Return the most requests that our own check with nothing new may take: the channels and the active threads."""
    return 2


def _pages(records: int) -> int:
    return ceil(records / PAGE) + 1
