"""Watermarks: how far lists that show the newest first have been read."""

import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

OVERLAP = timedelta(minutes=2)
"""What is so close to a watermark may have come after it: times are whole seconds, and replicas lag."""

_MOST_STAMPS = 200
_MOST_ORIGINS = 2_000


class Entry(BaseModel):
    """Something in a list: its id, the time that orders it, and a stamp that changes when it does."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime
    stamp: str = ""


class Mark(BaseModel):
    """The newest time of a list that was read to its end, and the stamps of what lies within the overlap before it.

    So the overlap is looked at each time, but nothing in it is read twice that is as it was. A mark is settled when the
    overlap was over before it was set: until then something may still come that looks the same.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime | None = None
    stamps: tuple[tuple[str, str], ...] = ()
    settled: bool = True

    def is_news(self, entry: Entry) -> bool:
        """Tell whether an entry is new or changed, as far as the list shows."""
        if self.at is None or not self.settled:
            return not self.is_behind(entry)
        return not self.is_behind(entry) and dict(self.stamps).get(entry.id) != entry.stamp

    def is_behind(self, entry: Entry) -> bool:
        """Tell whether an entry, and so everything after it, was read before."""
        return self.at is not None and entry.at < self.at - OVERLAP

    def with_entries(self, entries: Iterable[Entry], *, now: datetime) -> "Mark":
        """Return the mark with what another page shows; `now` is when the reading began, or earlier."""
        seen = list(entries)
        at = max([*([self.at] if self.at else []), *(entry.at for entry in seen)], default=None)
        if at is None:
            return self
        stamps = dict(self.stamps) | {entry.id: entry.stamp for entry in seen if entry.at >= at - OVERLAP}
        return Mark(at=at, stamps=tuple(stamps.items())[:_MOST_STAMPS], settled=at < now - OVERLAP)


class ChildMark(BaseModel):
    """The newest time of something below an item that does not fit into one page with it."""

    model_config = ConfigDict(frozen=True)

    at: datetime

    def is_behind(self, oldest: datetime) -> bool:
        """Tell whether what comes after this time in the list was read before."""
        return oldest < self.at - OVERLAP


class Origins(BaseModel):
    """The newest issues of a repository: by who began each and when, its id with a hash of its title.

    An issue keeps both where it is transferred to and made a discussion, while GitHub gives it another id, and tells
    nobody which one it had.
    """

    model_config = ConfigDict(frozen=True)

    issues: dict[str, dict[str, str]] = {}

    def with_issues(self, seen: Iterable[tuple[str, str, str]]) -> "Origins":
        """Return these and others (origin, id, title), the newest of all."""
        issues = dict(self.issues)
        for origin, id_, title in seen:
            issues[origin] = {**issues.get(origin, {}), id_: title_hash(title)}
        newest = sorted(issues, reverse=True)[:_MOST_ORIGINS]
        return Origins(issues={origin: dict(sorted(issues[origin].items())) for origin in newest})

    def former(self, origin: str | None, *, now: str, title: str | None = None) -> tuple[str, ...]:
        """Return the other ids of what began so; with a title, of those that had it."""
        known = self.issues.get(origin or "", {})
        wanted = None if title is None else title_hash(title)
        return tuple(id_ for id_, hashed in known.items() if id_ != now and wanted in (None, hashed))


def title_hash(title: str) -> str:
    """Return what tells titles apart in little space."""
    return f"{zlib.crc32(title.encode('utf-8', 'replace')):x}"
