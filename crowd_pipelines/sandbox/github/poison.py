"""Ways in which one record of an answer can be unusable."""

from collections.abc import Callable, Iterator
from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused

Record = dict[str, Any]
RECORD_KEYS = frozenset({"createdAt", "starredAt", "updatedAt"})


def poisoned(payload: Any, what: str) -> Any:
    """The payload with its first record spoiled, of all or (`comments:no_id`) of a connection; none stays as it is."""
    connection, _, way = what.rpartition(":")
    if way not in WAYS:
        raise ChangeRefused(f"no poison {way!r}; there are: {', '.join(WAYS)}")
    place = next(_places(payload, connection), None)
    if place is not None:
        records, number = place
        records[number] = WAYS[way](records[number])
    return payload


def _places(part: Any, connection: str, within: str = "") -> Iterator[tuple[list[Any], int]]:
    """Where records are, the outermost first: in the `nodes` and `edges` of connections."""
    if isinstance(part, dict):
        for name, value in part.items():
            listed = name in ("nodes", "edges") and isinstance(value, list)
            if listed and connection in ("", within):
                yield from ((value, number) for number, one in enumerate(value) if _is_record(one))
            yield from _places(value, connection, within if listed else name)
    elif isinstance(part, list):
        for one in part:
            yield from _places(one, connection, within)


def _is_record(one: Any) -> bool:
    return isinstance(one, dict) and bool(one.keys() & RECORD_KEYS)


def _with(**values: Any) -> Callable[[Record], Record]:
    """Puts the values where the record has such a field, in the field of a star's user as well."""

    def spoil(record: Record) -> Record:
        return {name: values.get(name, value) for name, value in record.items()}

    return spoil


def _without(*names: str) -> Callable[[Record], Record]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


def _created(value: Any) -> Callable[[Record], Record]:
    return _with(createdAt=value, starredAt=value, submittedAt=value)


def _user(change: Callable[[Record], Any]) -> Callable[[Record], Record]:
    """Changes whoever the record is of."""

    def spoil(record: Record) -> Record:
        named = {name: change(record[name]) for name in ("author", "actor", "owner", "node") if record.get(name)}
        return {**record, **named}

    return spoil


WAYS: dict[str, Callable[[Record], Any]] = {
    "no_id": _without("id", "node"),
    "null_id": _with(id=None, node=None),
    "empty_id": _with(id=""),
    "number_id": _with(id=7),
    "no_created_at": _without("createdAt", "starredAt"),
    "null_created_at": _created(None),
    "bad_created_at": _created("0000-00-00"),
    "no_zone": _created("2024-02-30T10:00:00"),
    "year_9999": _created("9999-12-31T23:59:59Z"),
    "number_created_at": _created(10**18),
    "user_without_id": _user(lambda user: {name: value for name, value in user.items() if name != "databaseId"}),
    "text_user_id": _user(lambda user: {**user, "databaseId": "abc"}),
    "huge_user_id": _user(lambda user: {**user, "databaseId": 2**70}),
    "null_login": _user(lambda user: {**user, "login": None}),
    "text_user": _user(lambda _: "surprise"),
    "null_body": _with(bodyText=None, title=None, body=None),
    "number_title": _with(title=7, bodyText=7),
    "null_children": _with(comments=None, timelineItems=None, reviewThreads=None, replies=None),
    "wrong_type": lambda _: "surprise",
    "null_record": lambda _: None,
}
