"""How crowd.dev read reach: every member on X by name, 99 at a time, each day, after renewing the access token.

It left out names of exactly fifteen characters, and read who had been seen an hour before.
"""

from math import ceil

from crowd_pipelines.sandbox.client import Truth

PER_LOOKUP = 99
LONGEST_NAME = 14


def requests(truth: Truth) -> dict[str, int]:
    """Return how many requests, by kind, looking everybody up would have taken."""
    named = [member for member in truth.members if len(member["username"]) <= LONGEST_NAME]
    return {"token": 1, "users": ceil(len(named) / PER_LOOKUP)}


def quiet_check(truth: Truth) -> int:  # noqa: ARG001  every platform is asked alike
    """Return the most requests that our check may take when everybody was seen within the period."""
    return 0
