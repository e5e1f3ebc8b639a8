"""What is known of the messages of a channel, a watermark per day: `{ts: digest of what is stored}`.

So a check sees which messages of a page changed, and which are missing from it, without asking the database for each.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import Json

_DAY = 86_400


def digest(*stored: Any) -> str:
    """Return a text that changes when what is stored does."""
    text = json.dumps(stored, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def digest_of(activity: Activity) -> str:
    """Return the digest of a message. The channel's name is not part of it: renaming is told by itself."""
    return digest(
        activity.body,
        activity.attributes,
        activity.source_parent_id,
        activity.thread,
        activity.url,
        activity.member.key,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The part of a channel that a page shows without a gap: from its oldest message up to where the last page ended.

    Below its oldest message nothing is certain: a page may be short, and plans hide what is older than 90 days.
    """

    channel: str
    lower: str
    upper: str

    def subjects(self, newest: str) -> list[str]:
        """Return the days' watermarks, of which there are none after the newest message there is."""
        return [_subject(self.channel, day) for day in range(_day(self.lower), _day(min(self.upper, newest)) + 1)]

    def holds(self, ts: str) -> bool:
        """Tell whether the page would show a message."""
        return self.lower <= ts < self.upper


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMessages:
    """The messages that are known of some days."""

    channel: str
    days: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, channel: str, subjects: Iterable[str], known: Mapping[str, Json]) -> "KnownMessages":
        """Return what the watermarks say of these days."""
        return cls(channel=channel, days={day: dict(known[day]) for day in subjects if day in known})

    def digest(self, ts: str) -> str | None:
        """Return what was stored of a message, None for one that is not known."""
        return self.days.get(_subject(self.channel, _day(ts)), {}).get(ts)

    def missing(self, stretch: Stretch, present: Collection[str]) -> list[str]:
        """Return the messages that a page would show, and does not."""
        held = (ts for day in self.days.values() for ts in day if stretch.holds(ts))
        return sorted(ts for ts in held if ts not in present)

    def changed(self, told: Mapping[str, str], gone: Collection[str]) -> dict[str, Json]:
        """Return the watermarks of the days that look different now."""
        days = {day: {ts: old for ts, old in held.items() if ts not in gone} for day, held in self.days.items()}
        for ts, new in told.items():
            days.setdefault(_subject(self.channel, _day(ts)), {})[ts] = new
        return {day: held for day, held in days.items() if held != self.days.get(day)}


def _day(ts: str) -> int:
    return int(ts.partition(".")[0]) // _DAY


def _subject(channel: str, day: int) -> str:
    return f"day:{channel}:{day}"
