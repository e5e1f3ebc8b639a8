"""Values that no provider should send and some provider has, and bodies that hold them where good values were."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]
"""Where in a JSON value: names of fields and places in lists."""


class Raw:
    """JSON as text, for what `json.dumps` would not write."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Raw({self.text[:20]!r}, {len(self.text)} characters)"


TEXTS = (
    *("", " ", "\x00", "a\x00b", "\ud800", "x\udfffy", "\u202eright to left", "\u200b\u200d\ufeff", "\u0301" * 40),
    *("None", "null", "0", "-1", "1.5", "1e400", "NaN", "\u0663", "\u0130", "\U0001f469\u200d\U0001f4bb", "x" * 300),
    *("../..", "a/b?c#d", "a b", "'; DROP TABLE activities; --", "%s%n{}", "surprise", "9" * 19, "9" * 25, "9" * 400),
    *("<script>alert(1)</script>", "<b>" * 3_000, "<" * 25_000, "&#0;&#xD800;&lt", "javascript:alert(1)"),
    *("data:text/html,<script>", "http://[", "//", "https://", "https://user:pw@host/", "ftp://host/"),
    *("<@1>", "<t:99999999999999:R>", "<!subteam^S1|x>"),
)
MOMENTS = (
    *(-1, 0, 10**10, 10**13, 10**18, "-1", "0", "1000000000000000000", "1706954400.000000"),
    *("0000-00-00", "0000-00-00T00:00:00Z", "1969-12-31", "2024-02-03", "Sat Feb 03 10:00:00 +0000 2024"),
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    *("2024-03-31T02:30:00", "2024-11-03T01:30:00", "2024-02-29T10:00:00Z", "2023-02-29T10:00:00Z"),
    *("2016-12-31T23:59:60Z", "2024-02-03T24:00:00Z", "2024-02-03T10:00:00+25:00"),
)
NUMBERS = (True, False, -0.0, 1.5, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 2**70, 10**400, 1e300)
NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e99999999999", "9" * 5_000)
"""What JSON has no numbers for: it is read as null."""

RAW = (
    *map(Raw, (*NO_NUMBERS, "1E-400", "-0")),
    *map(Raw, ('{"id": "1", "id": null, "id": 7}', '{"id": "1", "ID": "2", "user": {}, "user": null}')),
    *(Raw("[" * depth + "]" * depth) for depth in (300, 900, 10_000)),
    Raw('{"a":' * 10_000 + "1" + "}" * 10_000),
)
HUGE = Raw('"' + "huge " * 2_000_000 + '"')
"""A text of 10 MB."""

SCALARS = st.one_of(
    st.sampled_from((None, *TEXTS, *MOMENTS, *NUMBERS)), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)
UNRELATED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
# Of 10 MB only a few: they say the same each time, and take a second.
VALUES = st.one_of(
    st.sampled_from((None, [], {}, *TEXTS)),
    st.sampled_from(MOMENTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(RAW),
    UNRELATED,
    st.integers(0, 99).flatmap(lambda lot: st.just(HUGE) if lot == 99 else UNRELATED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """What happens to the value at a place: it is replaced, is gone, or is there twice."""

    at: Path
    how: str
    value: Any = None

    def item_of(self, body: Any) -> Path | None:
        """The innermost item of a list that is touched, of those that are objects where there are any.

        An id in a list of a record's own, as that of its versions, is part of the record.
        """
        items = [self.at[: depth + 1] for depth, part in enumerate(self.at) if isinstance(part, int)]
        objects = [item for item in items if isinstance(reduce(getitem, item, body), dict)]
        return (objects or items or [None])[-1]

    @property
    def says_nothing(self) -> bool:
        """Whether it tells that there is nothing, as providers do, rather than something that cannot be."""
        value = self.value
        no_number = isinstance(value, int) and abs(value) >= 10**309
        nothing = value in (None, [], {}, "") or no_number or (isinstance(value, Raw) and value.text in NO_NUMBERS)
        return self.how == "gone" or (self.how == "replaced" and nothing)

    def given_to(self, body: Any) -> Any:
        """Return a body with the dose in it; the one given stays as it was."""
        return _changed(body, self.at, self)


def doses(body: Any) -> st.SearchStrategy[Dose]:
    """Return what can be done to a body: places of every shape alike, however many there are of each."""
    shapes: dict[Path, list[Path]] = {}
    for path in places(body):
        shapes.setdefault(tuple("*" if isinstance(part, int) else part for part in path), []).append(path)
    where = st.sampled_from(list(shapes.values())).flatmap(st.sampled_from)
    how = st.sampled_from(("replaced", "replaced", "replaced", "replaced", "gone", "twice"))
    return st.builds(Dose, at=where, how=how, value=VALUES)


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield where every value in a body is, the whole body first."""
    yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from places(part, (*at, name))


def without(body: Any, item: Path) -> Any:
    """Return a body in which an item is not there."""
    return Dose(at=item, how="gone").given_to(body)


def written(body: Any) -> bytes:
    """Return a body as it goes over the wire; in ASCII, so that lone surrogates travel, too."""
    raw: list[str] = []

    def placeholder(value: Any) -> Any:
        if not isinstance(value, Raw):
            raise TypeError(f"{value!r} is no JSON")
        raw.append(value.text)
        return f"@raw{len(raw) - 1}@"

    text = json.dumps(body, default=placeholder)
    for number, instead in enumerate(raw):
        text = text.replace(f'"@raw{number}@"', instead)
    return text.encode()


def _changed(value: Any, path: Sequence[str | int], dose: Dose) -> Any:
    if not path:
        return dose.value if dose.how == "replaced" else [value, value] if dose.how == "twice" else None
    first, *rest = path
    if isinstance(value, dict):
        if not rest and dose.how == "gone":
            return {name: part for name, part in value.items() if name != first}
        return {name: _changed(part, rest, dose) if name == first else part for name, part in value.items()}
    before, touched, after = value[:first], value[first], value[int(first) + 1 :]
    if not rest and dose.how == "gone":
        return [*before, *after]
    if not rest and dose.how == "twice":
        return [*before, touched, touched, *after]
    return [*before, _changed(touched, rest, dose), *after]
