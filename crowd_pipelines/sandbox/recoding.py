"""The same JSON in bytes that a provider should not send."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from crowd_pipelines.sandbox.platform import ChangeRefused


def recoded(body: bytes, what: str) -> bytes:
    """A body of JSON in other bytes. Raises ChangeRefused for an unknown way."""
    recode = _WAYS.get(what)
    if recode is None:
        raise ChangeRefused(f"no way {what!r} to recode a body; there are: {', '.join(_WAYS)}")
    return recode(body)


def _with_duplicate_keys(value: Any) -> str:
    """The text of a value whose every object says each key twice, first with nothing."""
    match value:
        case dict():
            twice = [f"{json.dumps(key)}:null,{json.dumps(key)}:{_with_duplicate_keys(v)}" for key, v in value.items()]
            return "{" + ",".join(twice) + "}"
        case list():
            return "[" + ",".join(map(_with_duplicate_keys, value)) + "]"
        case _:
            return json.dumps(value)


def _with_spare(body: bytes, text: str) -> bytes:
    """A field that nobody asked for, in the outermost object; a list gets an item instead, which is no record."""
    start = body.lstrip()
    rest = start[1:]
    comma = "" if rest.lstrip()[:1] in (b"}", b"]") else ","
    return start[:1] + (text if start[:1] == b"[" else f'"spare":{text}').encode() + comma.encode() + rest


_WAYS: Mapping[str, Callable[[bytes], bytes]] = {
    "utf-16": lambda body: body.decode().encode("utf-16"),
    "byte order mark": lambda body: body.decode().encode("utf-8-sig"),
    "invalid utf-8": lambda body: body.replace(b'"', b'"\xff\xfe', 1),
    "duplicate keys": lambda body: _with_duplicate_keys(json.loads(body)).encode(),
    "deep": lambda body: _with_spare(body, "[" * 10_000 + "]" * 10_000),
    "nan": lambda body: _with_spare(body, "[NaN,Infinity,-Infinity,1e999]"),
    "numbers beyond 64 bits": lambda body: _with_spare(body, f"[{2**63},{-(2**70)},{'9' * 400}]"),
    "number of 10,000 digits": lambda body: _with_spare(body, "9" * 10_000),
}
