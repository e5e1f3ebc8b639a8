"""Where a platform's faults strike: all that the matrix has to know of each of them.

A place is a choice of requests as `sandbox.faults.Fault` makes it: by path and query, or by the body where that tells.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crowd_pipelines.sandbox.client import Truth

Place = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """`one` stream that no other leads from, a `paged` list, and its `further` pages; None where there is none.

    `below` are the streams that others lead to; None where each of them is led to again by what it did not store.
    `expired` is how the provider itself says that a cursor is not accepted any more; `tokens` are counted each alone.
    Where the stream is `alone`, nothing else is read by which it could be told from the whole provider.
    """

    one: Place
    paged: Place | None = None
    further: Place | None = None
    below: Place | None = None
    expired: Mapping[str, Any] | None = None
    tokens: int = 1
    alone: bool = False


def _devto(truth: Truth) -> Places:
    article, owner = truth.cases["many_roots"], truth.settings["organizations"][0]
    articles = f"/organizations/{owner}/articles"
    return Places(
        one={"path": rf"/comments\?.*\ba_id={article}\b"},
        paged={"path": rf"{articles}\?"},
        further={"path": rf"{articles}\?.*\bpage=[2-9]"},
        below={"path": r"/users/\d+"},
    )


def _discord(truth: Truth) -> Places:
    # Of a channel or a thread, which is what stands before the message's id in its address.
    said = Counter(a["url"].split("/")[-2] for a in truth.activities if a["type"] == "message")
    messages = f"/channels/{said.most_common(1)[0][0]}/messages"
    return Places(
        one={"path": r"/guilds/\d+/members\?"},
        paged={"path": messages},
        further={"path": rf"{messages}.*\bafter=[1-9]"},
        below={"path": r"/messages|/archived/"},
    )


def _github(truth: Truth) -> Places:
    comments = rf"query Comments\b[\s\S]*{truth.cases['long_issue']}"
    # The first page of its own is a further one already: it goes on from what came with the issue.
    return Places(
        tokens=2,
        one={"asked": r"query Replies\b"},
        paged={"asked": comments},
        further={"asked": comments},
        below={"asked": r"query (Comments|DiscussionComments|ThreadComments|Replies|Timeline)\b"},
        expired={
            "kind": "replace",
            "body": '{"data": {"node": null}, "errors": [{"type": "INVALID_CURSOR_ARGUMENTS", "path": ["node"],'
            ' "message": "`Y3Vyc29y` does not appear to be a valid cursor."}]}',
        },
    )


def _slack(truth: Truth) -> Places:
    channel, _, thread = truth.cases["many_replies"].partition(":")
    history = r"/conversations\.history\?.*\bchannel=" + _busiest(truth)
    return Places(
        one={"path": rf"/conversations\.replies\?.*\bchannel={channel}\b.*\bts={thread}"},
        paged={"path": history},
        further={"path": rf"{history}.*\bcursor=[^&]"},
        below={"path": r"/conversations\.replies"},
        expired={"kind": "replace", "body": '{"ok": false, "error": "invalid_cursor"}'},
    )


def _twitter(truth: Truth) -> Places:
    mentions = r"/users/\d+/mentions"
    return Places(
        one={"path": r"/users/\d+/followers"},
        paged={"path": mentions},
        further={"path": rf"{mentions}.*\bpagination_token="},
        expired={
            "kind": "replace",
            "status": 400,
            "body": '{"errors": [{"parameters": {"pagination_token": ["x"]},'
            ' "message": "The `pagination_token` query parameter value [x] is not valid"}],'
            ' "title": "Invalid Request", "type": "https://api.twitter.com/2/problems/invalid-request"}',
        },
    )


def _twitter_reach(truth: Truth) -> Places:
    return Places(one={"path": r"/2/users\?"}, alone=True)


def _busiest(truth: Truth) -> str:
    [(channel, _)] = Counter(a["channel_id"] for a in truth.activities if a["channel_id"]).most_common(1)
    return str(channel)


OF: Mapping[str, Callable[[Truth], Places]] = {
    "devto": _devto,
    "discord": _discord,
    "github": _github,
    "slack": _slack,
    "twitter": _twitter,
    "twitter_reach": _twitter_reach,
}
