"""Ways in which one record of an answer can be unusable."""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused

Record = dict[str, Any]
_END = {"response_metadata": {"next_cursor": ""}}
LISTS = ("messages", "members", "channels")


def poisoned(payload: Any, what: str) -> Any:
    """The payload with the last record of its list spoiled, or the one that it is about; without any, as it is."""
    if what not in WAYS and what not in PAGES:
        raise ChangeRefused(f"no poison {what!r}; there are: {', '.join((*WAYS, *PAGES))}")
    if not isinstance(payload, dict):
        return payload
    if what in PAGES:
        return PAGES[what](payload)
    for name in LISTS:
        if records := payload.get(name):
            return {**payload, name: [*records[:-1], WAYS[what](records[-1])]}
    return {**payload, "user": WAYS[what](payload["user"])} if "user" in payload else payload


def _without(*names: str) -> Callable[[Record], Record]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


def _with(**values: Any) -> Callable[[Record], Record]:
    return lambda record: {**record, **values}


def _stamped(value: Any) -> Callable[[Record], Record]:
    """A message's id is its time."""
    return _with(ts=value, id=value)


def _stale(page: Record) -> Record:
    """A thread as it was before its newest reply, in every word."""
    head, *replies = page["messages"]
    older = replies[:-1]
    latest = {"latest_reply": older[-1]["ts"]} if older else {}
    told = {**head, "reply_count": len(older), **latest}
    return {**page, "messages": [told, *older]}


PAGES: dict[str, Callable[[Record], Record]] = {
    "no_cursor": lambda page: {**page, "has_more": True, "response_metadata": {"next_cursor": ""}},
    "number_cursor": lambda page: {**page, "response_metadata": {"next_cursor": 7}},
    "no_list": lambda page: {name: value for name, value in page.items() if name not in LISTS},
    "nothing": lambda page: {**page, **{name: [] for name in LISTS if name in page}, "has_more": False, **_END},
    "error_beside": lambda page: {**page, "error": "fatal_error"},
    "short_thread": lambda page: {**page, "messages": page["messages"][:-1]},
    "stale_thread": _stale,
}
"""Ways in which a page as a whole can contradict itself, or what is known."""

WAYS: dict[str, Callable[[Record], Any]] = {
    "no_id": _without("id", "ts"),
    "null_id": _stamped(None),
    "empty_id": _stamped(""),
    "bad_date": _with(ts="yesterday"),
    "year_9999": _with(ts="9999999999.999999"),
    "number_ts": _with(ts=1588324642.0001),
    "wrong_type": _with(user={"id": 7}, text=["a", "list"], id=["U1"]),
    "wrong_thread": _with(thread_ts=[]),
    "null_record": lambda _: None,
    "not_a_record": lambda _: "surprise",
}
