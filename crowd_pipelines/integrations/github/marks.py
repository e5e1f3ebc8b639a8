"""Watermarks: how far lists that show the newest first have been read."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

OVERLAP = timedelta(minutes=2)
"""What is so close to a watermark may have come after it: times are whole seconds, and replicas lag."""

_MOST_STAMPS = 200


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
