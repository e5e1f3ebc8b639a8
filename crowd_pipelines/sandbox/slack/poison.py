"""Ways in which one record of an answer can be unusable."""

from collections.abc import Callable
from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused

Record = dict[str, Any]
LISTS = ("messages", "members", "channels")


def poisoned(payload: Any, what: str) -> Any:
    """The payload with the last record of its list spoiled, or the one that it is about; without any, as it is."""
    if what not in WAYS:
        raise ChangeRefused(f"no poison {what!r}; there are: {', '.join(WAYS)}")
    if not isinstance(payload, dict):
        return payload
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
