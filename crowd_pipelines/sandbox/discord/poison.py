"""Ways in which one record of an answer can be unusable."""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused

Record = dict[str, Any]


def poisoned(payload: Any, what: str) -> Any:
    """The payload with its first record spoiled; an empty list stays empty."""
    if what not in WAYS:
        raise ChangeRefused(f"no poison {what!r}; there are: {', '.join(WAYS)}")
    if isinstance(payload, list):
        return [WAYS[what](payload[0]), *payload[1:]] if payload else payload
    if isinstance(payload, dict) and payload.get("threads"):
        return {**payload, "threads": poisoned(payload["threads"], what)}
    return payload


def _with(**values: Any) -> Callable[[Record], Record]:
    return lambda record: {**record, **values}


def _without(*names: str) -> Callable[[Record], Record]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


def _id(value: Any) -> Callable[[Record], Record]:
    """A member has no id but their user's."""
    return lambda record: (
        {**record, "user": {**record["user"], "id": value}} if "user" in record else {**record, "id": value}
    )


WAYS: dict[str, Callable[[Record], Any]] = {
    "no_id": _without("id", "user"),
    "null_id": _id(None),
    "text_id": _id("abc"),
    "huge_id": _id("9" * 40),
    "no_author": _without("author", "user"),
    "null_author": _with(author=None, user=None),
    "wrong_type": _with(type="hologram"),
    "null_type": _with(type=None),
    "bad_date": _with(timestamp="0000-00-00", joined_at="yesterday"),
    "year_9999": _with(timestamp="9999-12-31T23:59:59+00:00", joined_at="9999-12-31T23:59:59+00:00"),
    "null_joined_at": _with(joined_at=None),
    "null_content": _with(content=None, mentions=None, attachments=None, embeds=None, reactions=None),
    "odd_lists": _with(mentions=[5], attachments=["x"], reactions=[None], components=7, message_reference=3),
    "null_name": _with(name=None),
    "unknown_type": _with(type=999),
    "not_a_record": lambda _: "surprise",
    "null_record": lambda _: None,
}
