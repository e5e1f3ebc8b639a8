"""What the contract tests have to know of reach on X."""

from math import ceil

from crowd_pipelines.integrations.twitter_reach.streams import ReachStream
from crowd_pipelines.model.records import KnownMember
from crowd_pipelines.model.streams import Stream
from crowd_pipelines.sandbox.client import Truth

KINDS = ("reach",)

UNAUTHORIZED = '{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}'
ABSENT = {"test_a_subject_that_is_gone_is_skipped": "what is gone, X tells with a type; see test_refusals"}


def QUIET_CHECK(truth: Truth) -> int:  # noqa: N802  a bound, here worked out
    """Without a database nobody remembers who was seen: everybody is due each time."""
    return ceil(len(truth.members) / 100)


def streams(truth: Truth) -> list[Stream]:
    """One stream of every kind that leads to something."""
    return [ReachStream()]


def known_members(truth: Truth) -> list[KnownMember]:
    """Whom the database would know."""
    return [
        KnownMember(source_id=member["source_id"], username=member["username"], reach=None, reach_seen_at=None)
        for member in truth.members
    ]
