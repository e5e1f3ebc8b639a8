"""How a request of each kind of stream is recognised: by path and query, or by the body where that tells.

A kind that no reading of the simulated community comes to has a reason instead.
"""

from collections.abc import Mapping
from typing import Any

EVERYTHING = "everything"
"""Not a kind of stream: all requests but the first few, also those of planning and of looks at credentials."""

Place = Mapping[str, Any]

NEW_ONLY_TO_CHECKS = frozenset({("github", "reviews")})
"""Kinds that lead to what may have changed since it was read: an onboarding has no such stream."""


def _query(name: str) -> Place:
    return {"asked": rf"query {name}\b"}


OF: Mapping[str, Mapping[str, Place | str]] = {
    "devto": {
        "articles": {"path": r"/(organizations/[^/?]+/)?articles\?"},
        "article": "only an article that its list does not show any more is asked for by itself",
        "comments": {"path": r"/comments\?"},
        "profile": {"path": r"/users/\d+"},
    },
    "discord": {
        "guild": {"path": r"/guilds/\d+/(channels|threads/active)"},
        "messages": {"path": r"/channels/\d+/messages\?"},
        "archive": {"path": r"/threads/archived/"},
        "members": {"path": r"/guilds/\d+/members\?"},
        "place": "it begins to read what was owed, with the requests of the guild",
        "contents": "it begins to read what was owed, with the requests of the guild",
    },
    "github": {
        "owner": _query("Owner"),
        "repository": _query("Repository"),
        "stargazers": _query("Stargazers"),
        "forks": _query("Forks"),
        "issues": _query("Issues"),
        "pulls": _query("PullRequests"),
        "discussions": _query("Discussions"),
        "comments": _query("Comments"),
        "timeline": _query("Timeline"),
        "threads": _query("Threads"),
        "thread_comments": _query("ThreadComments"),
        "reviews": _query("Reviews"),
        "discussion_comments": _query("DiscussionComments"),
        "replies": _query("Replies"),
    },
    "slack": {
        "members": {"path": r"/users\.list"},
        "channels": {"path": r"/conversations\.list"},
        "history": {"path": r"/conversations\.history"},
        "replies": {"path": r"/conversations\.replies"},
    },
    "twitter": {
        "followers": {"path": r"/users/\d+/followers"},
        "mentions": {"path": r"/users/\d+/mentions"},
        "hashtag": {"path": r"/tweets/search/recent"},
    },
    "twitter_reach": {"reach": {"path": r"/2/users\?"}},
}


def asked(platform: str) -> Mapping[str, Place]:
    """Return the kinds of a platform that can be refused, and how."""
    return {kind: place for kind, place in OF[platform].items() if not isinstance(place, str)}
