"""Streams, the units of work, and what processing one returns."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from crowd_pipelines.model.records import Activity, ActivityType, Member
from crowd_pipelines.model.text import clean_key, clean_text

Json = Mapping[str, Any]


class Stream(BaseModel):
    """One page of one thing to fetch. Every platform makes a union of its subclasses, discriminated by `kind`.

    A subclass declares `kind` as a `Literal`: it is stored, so it outlives the class's name. All fields together, but
    for those that are `carried`, identify the stream within its integration run; the same stream twice is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    fresh_for: ClassVar[timedelta | None] = None
    """Do not queue this stream when the tenant processed the same one within this time: a cached lookup."""

    carried: ClassVar[frozenset[str]] = frozenset()
    """Fields that a page hands on to the next one, and that do not say where that is: a count, a mark."""

    @property
    def label(self) -> str:
        """What people see: short, without secrets."""
        return self.kind

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the kind, JSON-able: the column `integration_streams.metadata`."""
        return self.model_dump(mode="json", exclude={"kind"})

    @property
    def key(self) -> str:
        """A hash of kind and parameters but for what is carried: unique per integration run, so that circles show."""
        # Not cached: `model_copy`, which makes the next page, would copy the hash of this one.
        place = self.model_dump(mode="json", exclude={"kind", *self.carried})
        text = json.dumps([self.kind, place], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertActivities:
    """Store these activities and their members."""

    activities: tuple[Activity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertMembers:
    """Store these members, known or new."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMembers:
    """Change these members where they are known; strangers are passed over."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractActivities:
    """The provider no longer shows these: keep that they happened, drop what they said."""

    type: ActivityType
    source_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_ids", tuple(map(clean_key, self.source_ids)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractMissing:
    """The whole conversation was read: whatever of this type it no longer holds is retracted."""

    type: ActivityType
    thread: str
    present: frozenset[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "thread", clean_key(self.thread))
        object.__setattr__(self, "present", frozenset(map(clean_key, self.present)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameChannel:
    """A channel has another name now: what happened there earlier shows it, too."""

    channel_id: str
    channel: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "channel_id", clean_key(self.channel_id))
        object.__setattr__(self, "channel", clean_text(self.channel))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowActivities:
    """A list shows these, which are known and unchanged: whatever of them was retracted is stored again.

    What is new or changed is upserted; this costs one look for what has been taken away and is there again.
    """

    activities: tuple[Activity, ...]


Operation = (
    ShowActivities
    | RenameChannel
    | UpsertActivities
    | UpsertMembers
    | UpdateMembers
    | RetractActivities
    | RetractMissing
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What is left unread of a place for a reason, to be read when that is over: one per place and permission.

    `place` is the place's stable key within the integration, `label` what people call it. `permission` names what is
    missing. `reason` tells the user in a sentence what is left out and what to do. `stream` reads it anew, from the
    start: it is tried once a day, and when it is not refused any more, it is read as an onboarding reads.
    """

    place: str
    label: str
    permission: str
    reason: str
    stream: Stream

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", clean_key(self.place))
        object.__setattr__(self, "label", clean_text(self.label))
        object.__setattr__(self, "reason", clean_text(self.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """A record that cannot be used: kept in quarantine with the reason, while its page goes on."""

    reason: str
    payload: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """What one page gave. Everything in it is committed in one transaction, with the stream's own end.

    `watermarks` tell, per subject, how far it has been read; an empty one is forgotten. `sleep` (or `resume_at`) means:
    commit this page, then delay the rest of the integration run until the time has come. `expected_total` is the
    provider's own count of the records that the stream and its next pages will bring. `skipped` says why there was
    nothing to be read: the subject is gone.

    `owed` is what the page could not read for want of a permission, while the rest of it is good. `unread` counts
    records that came as null: nobody knows what they are, so they are told and asked for again. `incomplete` says what
    contradicts itself in the page or its list: what is shown is stored, but nothing is retracted, no watermark moves,
    no next page is followed, and the stream comes due again. `uncollected` counts records that carry text where none
    is stored, by their kind, so that a new form of message is noticed.
    """

    operations: tuple[Operation, ...] = ()
    last_record: Any = None
    last_record_timestamp: datetime | None = None
    new_streams: tuple[Stream, ...] = ()
    next_page: Stream | None = None
    sleep: timedelta | None = None
    resume_at: datetime | None = None
    watermarks: Mapping[str, Json] = field(default_factory=dict)
    rejected: tuple[RejectedRecord, ...] = ()
    expected_total: int | None = None
    skipped: str | None = None
    owed: tuple[Owed, ...] = ()
    unread: int = 0
    incomplete: str | None = None
    uncollected: Mapping[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """The number of records that count against the integration's global limit."""
        return sum(_size(operation) for operation in self.operations)


def _size(operation: Operation) -> int:
    match operation:
        case UpsertActivities(activities=records):
            return len(records)
        case UpsertMembers(members=records) | UpdateMembers(members=records):
            return len(records)
        case RetractActivities() | RetractMissing() | RenameChannel() | ShowActivities():
            return 0
