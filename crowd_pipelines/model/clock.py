"""What time it is. The database's clock is the authority: moments that are stored are compared with its `now()`.

A worker's own clock may be hours off, or jump. So a worker takes the time from the database again and again, and counts
the seconds since with a clock that never jumps. Until it has been told, it goes by its own.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class _Told:
    """When it was what time; both None until somebody has told."""

    moment: datetime | None = None
    heard_at: float = 0.0


_told = _Told()


def now() -> datetime:
    """Return the current moment, aware, in UTC."""
    moment, heard_at = _told.moment, _told.heard_at
    if moment is None:
        return datetime.now(UTC)
    return moment + timedelta(seconds=time.monotonic() - heard_at)


def set_by(moment: datetime, *, asked_at: float) -> None:
    """Take this for the moment at which the database was asked, as `time.monotonic` tells that.

    So the time is told a little early rather than late: what the database says is due is due here, too.
    """
    _told.moment, _told.heard_at = moment.astimezone(UTC), asked_at


def forget() -> None:
    """Go by this machine's clock again."""
    _told.moment = None
