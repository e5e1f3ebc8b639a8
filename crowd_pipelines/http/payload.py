"""Reads JSON that we did not write."""

import json
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A body's JSON value, and what keeps the body from being a proper answer, if anything.

    `hopeless` says that another attempt will bring the same.
    """

    value: Any = field(default=None, repr=False)
    defect: str | None = None
    hopeless: bool = False


def decode(body: bytes, *, content_type: str) -> Decoded:
    """Read a body; NaN, infinities and numbers beyond a float become None, since JSON has no such values.

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
        return Decoded(value=json.loads(body, parse_constant=_nothing, parse_float=_finite), defect=defect)
    except RecursionError:
        return Decoded(defect="JSON that is nested too deeply to be read", hopeless=True)
    except ValueError:
        return Decoded(defect="JSON that is malformed or breaks off")


def _nothing(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
