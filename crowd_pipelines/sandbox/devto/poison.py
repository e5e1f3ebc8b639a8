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
    return WAYS[what](payload)


def _without(*names: str) -> Callable[[Record], Record]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


def _with(**values: Any) -> Callable[[Record], Record]:
    return lambda record: {**record, **values}


def _created(value: Any) -> Callable[[Record], Record]:
    return _with(created_at=value, published_at=value)


def _user(value: Any) -> Callable[[Record], Record]:
    return _with(user=value)


WAYS: dict[str, Callable[[Record], Any]] = {
    "no_id": _without("id_code", "id"),
    "no_created_at": _without("created_at", "published_at"),
    "null_id": _with(id_code=None, id=None),
    "empty_id": _with(id_code="", id=""),
    "null_created_at": _created(None),
    "bad_created_at": _created("0000-00-00"),
    "no_zone": _created("2024-02-30T10:00:00"),
    "year_9999": _created("9999-12-31T23:59:59Z"),
    "number_created_at": _created(10**18),
    "no_user": _without("user"),
    "null_user": _user(None),
    "user_without_id": lambda record: {**record, "user": _without("user_id")(record["user"])},
    "text_user_id": lambda record: {**record, "user": {**record["user"], "user_id": "abc"}},
    "huge_user_id": lambda record: {**record, "user": {**record["user"], "user_id": 2**70}},
    "no_children": _without("children"),
    "null_children": _with(children=None),
    "null_body": _with(body_html=None, title=None),
    "unknown_type": _with(type_of="hologram"),
    "not_a_record": lambda _: "surprise",
    "null_record": lambda _: None,
}
