"""Whether `processed` keeps silent about something: rows are missing, and nothing that is told accounts for them.

What is told is a row of `owed_reads` or a record in quarantine. Each accounts for no more than its stream would read:
a thread for its answers, a channel for what is in it. Where that cannot be told from a row of the truth, the next
larger thing stands for it, and a comment says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.store import runs
from crowd_pipelines_tests.integrations.connected import Connected

Row = Mapping[str, Any]


class Debt(NamedTuple):
    """A stream that is owed or whose record is in quarantine, as the queue holds it: its kind and its parameters."""

    kind: str
    about: Row


Covers = Callable[[Debt, Row, Truth], bool]
"""Tells whether a stream would read an activity."""

_DEBTS = """
    SELECT stream_name AS kind, stream_metadata AS about FROM owed_reads WHERE integration_id = :id
    UNION ALL
    SELECT place_stream->>'name', place_stream->'metadata' FROM owed_reads
    WHERE integration_id = :id AND place_stream IS NOT NULL
    UNION ALL
    SELECT stream_name, stream_metadata FROM quarantined_records WHERE integration_id = :id
"""
_ACTIVITIES = "SELECT type, source_id FROM activities WHERE platform = :platform AND retracted_at IS NULL"
_MEMBERS = "SELECT source_id FROM member_identities WHERE platform = :platform AND source_id IS NOT NULL"
_REACHES = """
    SELECT i.source_id FROM members AS m JOIN member_identities AS i ON i.member_id = m.id
    WHERE m.reach->>'twitter' IS NOT NULL
"""


def silent_losses(read: Connected, truth: Truth) -> list[str]:
    """Return what is missing and not told, a line for each row; nothing while the last integration run claims nothing.

    An integration run that is open, or ended in error, says itself that something is missing.
    """
    if not _claims_everything(read):
        return []
    debts = [Debt(row["kind"], row["about"]) for row in read.rows(_DEBTS, id=read.record.id)]
    if read.record.platform == "twitter_reach":
        return list(_reaches(read, truth, debts))
    return [*_activities(read, truth, debts), *_members(read, truth, debts)]


def _claims_everything(read: Connected) -> bool:
    with read.engine.begin() as conn:
        newest = runs.find(conn, integration_ids=[read.record.id], limit=1)
    return [run.state for run in newest] == [RunState.PROCESSED]


def _activities(read: Connected, truth: Truth, debts: Sequence[Debt]) -> Iterator[str]:
    for row in _missing(read, truth):
        if not _accounted(read.record.platform, debts, row, truth):
            where = row.get("url") or row.get("thread") or "nowhere"
            yield f"{row['type']} {row['source_id']} ({where}) is missing, and nothing that is owed tells of it"


def _missing(read: Connected, truth: Truth) -> list[Row]:
    stored = {(row["type"], row["source_id"]) for row in read.rows(_ACTIVITIES, platform=read.record.platform)}
    return [row for row in truth.activities if (row["type"], row["source_id"]) not in stored]


def _accounted(platform: str, debts: Sequence[Debt], row: Row, truth: Truth) -> bool:
    return any(COVERS[platform](debt, row, truth) for debt in debts)


def _members(read: Connected, truth: Truth, debts: Sequence[Debt]) -> Iterator[str]:
    """Whoever is missing is told of by a list of members that is owed, or by something owed that they did."""
    platform = read.record.platform
    if any(debt.kind in LISTS_OF_MEMBERS.get(platform, ()) for debt in debts):
        return
    profiles = {str(debt.about["user_id"]) for debt in debts if debt.kind == "profile"}
    stored = {row["source_id"] for row in read.rows(_MEMBERS, platform=platform)}
    owing = {row["member"] for row in _missing(read, truth) if _accounted(platform, debts, row, truth)}
    for member in truth.members:
        if member.get("shown", True) and member["source_id"] not in stored | owing | profiles:
            yield f"the member {member['username']} ({member['source_id']}) is missing, and nothing tells of that"


def _reaches(read: Connected, truth: Truth, debts: Sequence[Debt]) -> Iterator[str]:
    # A hundred members a request: who is among them, only the database knew, so one that is owed stands for all.
    if any(debt.kind == "reach" for debt in debts):
        return
    stored = {row["source_id"] for row in read.rows(_REACHES)}
    for member in truth.members:
        if member["shown"] and member["source_id"] not in stored:
            yield f"the reach of {member['username']} ({member['source_id']}) is missing, and nothing tells of that"


def _devto(debt: Debt, row: Row, truth: Truth) -> bool:
    about = debt.about
    match debt.kind:
        case "articles":
            # Any page of a list stands for all of it: what is on which page changes.
            listed = truth.coverage[f"{about['owner']}s"].get(about["username"], ())
            return row["thread"] in map(str, listed)
        case "comments":
            return bool(row["type"] == "comment" and row["thread"] == str(about["article_id"]))
        case "article":
            return bool(row["thread"] == str(about["article_id"]))
        case "profile":
            return False
    raise _Unnamed(debt)


def _discord(debt: Debt, row: Row, _: Truth) -> bool:
    about, where = debt.about, (row["url"] or "").split("/")[5:]
    said, in_thread = row["type"] != "joined_guild", bool(row["attributes"].get("thread"))
    match debt.kind:
        case "guild":
            return said
        case "members":
            return not said
        case "contents":
            return row["type"] == "message"
        case "messages":
            # What a channel says leads to its archive.
            below = about["place"]["form"] == "channel" and row["channel_id"] == about["place"]["id"]
            return below or about["place"]["id"] in where
        case "archive":
            # Which thread is archived, and how, the truth does not tell.
            return in_thread and row["channel_id"] == about["channel_id"]
        case "place":
            thread, private = about.get("thread"), about.get("private")
            in_channel = row["channel_id"] == about["channel_id"] and (in_thread or not private)
            return thread["id"] in where if thread else in_channel
    raise _Unnamed(debt)


def _github(debt: Debt, row: Row, _: Truth) -> bool:
    about = debt.about
    match debt.kind:
        case "owner":
            # Any page of the list stands for all of it.
            return f"github.com/{about['login']}/".lower() in row["channel"].lower()
        case "repository":
            return f"/{about['owner']}/{about['name']}".lower() in row["channel"].lower()
        case "stargazers" | "forks" | "issues" | "pulls" | "discussions":
            return row["channel_id"] == about["repository"] and row["type"].startswith(_OF_LISTS[debt.kind])
        case "comments" | "timeline" | "threads" | "reviews" | "discussion_comments":
            return row["thread"] == about["id"] and row["type"].endswith(_OF_CONVERSATIONS[debt.kind])
        case "replies":
            return bool(row["source_parent_id"] == about["id"])
        case "thread_comments":
            # The truth names the pull request, and not the thread of the review.
            return row["type"] == "pull_request-review-thread-comment" and about["about"] in (row["url"] or "")
    raise _Unnamed(debt)


_OF_LISTS = {
    "stargazers": "star",
    "forks": "fork",
    "issues": "issue",
    "pulls": "pull_request",
    "discussions": "discussion",
}
_EVENTS = ("-closed", "-merged", "-assigned", "-review-requested", "-reviewed", "-reopened")
_OF_CONVERSATIONS: Mapping[str, tuple[str, ...]] = {
    "comments": ("-comment",),
    "timeline": _EVENTS,
    "threads": ("-review-thread-comment",),
    "reviews": ("-reviewed",),
    "discussion_comments": ("-comment",),
}


def _slack(debt: Debt, row: Row, _: Truth) -> bool:
    about = debt.about
    match debt.kind:
        case "members" | "channels":
            # The end of the list of members leads to the channels.
            return True
        case "history":
            return bool(row["channel_id"] == about["channel"])
        case "replies":
            return bool(row["thread"] == f"{about['channel']}:{about['thread']}")
    raise _Unnamed(debt)


def _twitter(debt: Debt, row: Row, _: Truth) -> bool:
    match debt.kind:
        case "followers":
            return bool(row["type"] == "follow")
        case "mentions":
            return bool(row["type"] == "mention")
        case "hashtag":
            return bool(row["type"] == "hashtag" and row["hashtag"].casefold() == debt.about["tag"].casefold())
    raise _Unnamed(debt)


class _Unnamed(AssertionError):
    def __init__(self, debt: Debt) -> None:
        super().__init__(f"what would a stream of the kind {debt.kind} read? Say so in {__name__}.")


COVERS: Mapping[str, Covers] = {
    "devto": _devto,
    "discord": _discord,
    "github": _github,
    "slack": _slack,
    "twitter": _twitter,
}
LISTS_OF_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "discord": ("guild", "members"),
    "slack": ("members",),
    "twitter": ("followers",),
}
