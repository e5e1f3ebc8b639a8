"""Reads JSON that we did not write."""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

_MAX_DEPTH = 100
"""How deep lists and objects of an answer that is too deep to be read whole are read."""

_MAX_DIGITS = 400
_PARTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A body's JSON value, and what keeps the body from being a proper answer, if anything."""

    value: Any = field(default=None, repr=False)
    defect: str | None = None


def decode(body: bytes, *, content_type: str) -> Decoded:
    """Read a body; NaN, infinities and numbers beyond a float become None, since JSON has no such values.

    What is nested too deeply becomes None, too: of one such value the rest of the page must not suffer.
    JSON that comes under another media type is a defect, but its value is read: errors often come so.
    """
    start = body.lstrip()[:1]
    if not start:
        return Decoded(defect="an empty body")
    media_type = content_type.partition(";")[0].strip().lower()
    wrong = f"{media_type[:80]} instead of JSON" if media_type and "json" not in media_type else None
    if wrong and start not in (b"{", b"["):
        return Decoded(defect=wrong)
    return _parsed(body, wrong)


def _parsed(body: bytes, defect: str | None) -> Decoded:
    try:
        return Decoded(value=_loaded(body), defect=defect)
    except ValueError:
        return Decoded(defect="JSON that is malformed or breaks off")


def _loaded(body: bytes) -> Any:
    try:
        return _read(body)
    except RecursionError:
        return _read(_shallow(body))


def _read(body: bytes) -> Any:
    return json.loads(body, parse_constant=_nothing, parse_float=_finite, parse_int=_whole)


def _shallow(body: bytes) -> bytes:
    """Return JSON with null for every list or object that lies below the greatest depth."""
    kept, depth, begins = bytearray(), 0, 0
    for part in _PARTS.finditer(body):
        if part[0] in (b"[", b"{"):
            depth += 1
            if depth == _MAX_DEPTH + 1:
                kept += body[begins : part.start()] + b"null"
        elif part[0] in (b"]", b"}"):
            if depth == _MAX_DEPTH + 1:
                begins = part.end()
            depth -= 1
    # What broke off within the depths is malformed anyway, and must not be read again.
    return bytes(kept if depth > _MAX_DEPTH else kept + body[begins:])


def _nothing(_: str) -> None:
    return None


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= _MAX_DIGITS else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
