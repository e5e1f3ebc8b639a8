"""Ways in which one record of an answer can be unusable, or what surrounds the records."""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused

Record = dict[str, Any]


def poisoned(payload: Any, what: str) -> Any:
    """The payload with its first record spoiled; one without records stays as it is."""
    if what in SURROUNDINGS:
        return SURROUNDINGS[what](payload) if isinstance(payload, dict) else payload
    if what not in WAYS:
        raise ChangeRefused(f"no poison {what!r}; there are: {', '.join((*WAYS, *SURROUNDINGS))}")
    if not isinstance(payload, dict) or not payload.get("data"):
        return payload
    first, *rest = payload["data"]
    return {**payload, "data": [WAYS[what](first), *rest]}


def _without(*names: str) -> Callable[[Record], Record]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


def _with(**values: Any) -> Callable[[Record], Record]:
    return lambda record: {**record, **values}


_RENAMED = {"edit_history_tweet_ids": "edit_history_post_ids", "note_tweet": "note_post"}

WAYS: dict[str, Callable[[Record], Any]] = {
    "no_id": _without("id"),
    "null_id": _with(id=None),
    "text_id": _with(id="abc"),
    "huge_id": _with(id="9" * 30),
    "no_created_at": _without("created_at"),
    "bad_date": _with(created_at="yesterday"),
    "year_9999": _with(created_at="9999-12-31T23:59:59.000Z"),
    "no_author": _without("author_id"),
    "null_author": _with(author_id=None),
    "no_username": _without("username"),
    "wrong_type": _with(id={"is": "an object"}),
    "not_a_record": lambda _: "surprise",
    "null_record": lambda _: None,
    "odd_attachments": _with(attachments={"media_keys": [7, None]}, entities=[], note_tweet=3),
    "odd_history": _with(edit_history_tweet_ids="x", conversation_id=[]),
    "new_words": lambda record: {_RENAMED.get(name, name): value for name, value in record.items()},
}

SURROUNDINGS: dict[str, Callable[[Record], Record]] = {
    "no_includes": _without("includes"),
    "null_includes": _with(includes=None, errors=None),
    "no_meta": _without("meta"),
    "lost_place": lambda payload: {**payload, "meta": {**payload.get("meta", {}), "next_token": {}}},
    "short_page": lambda payload: {**payload, "data": payload.get("data", [])[:-1]},
    "empty_page": lambda payload: {**_without("data")(payload), "meta": {"result_count": 0}},
    "newer_mark": lambda payload: {**payload, "meta": {**payload.get("meta", {}), "newest_id": "1999999999999999999"}},
    "unknown_problem": lambda payload: {
        **payload,
        "errors": [{"title": "Odd", "type": "about:blank", "detail": "Odd"}],
    },
    "no_newest_id": lambda payload: {**payload, "meta": _without("newest_id", "oldest_id")(payload.get("meta", {}))},
}
