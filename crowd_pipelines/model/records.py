"""Who did what: the records that integrations produce and the store keeps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crowd_pipelines.model.text import clean_json, clean_key, clean_text

MOST_REACH = 2**63 - 1
"""What the database holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMember:
    """A member as the database knows them by a platform's user id; `reach_seen_at` is when the reach was last seen."""

    source_id: str
    username: str
    reach: int | None
    reach_seen_at: datetime | None


class TimestampSource(StrEnum):
    """Who says when an activity happened."""

    PROVIDER = "provider"  # the provider's own time
    OBSERVED = "observed"  # the provider does not tell; the time we first saw it


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityType:
    """A kind of activity of one platform, with its weight in a member's engagement."""

    name: str
    score: int
    is_contribution: bool


class AttributeType(StrEnum):
    """What the values of a member attribute are."""

    TEXT = "string"
    URL = "url"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MOMENT = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAttribute:
    """An attribute that a platform fills, with a label for whoever shows it."""

    name: str
    label: str
    type: AttributeType = AttributeType.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A company or group that the provider names as a member's."""

    source_id: str
    name: str
    url: str | None = None
    image_url: str | None = None

    def __post_init__(self) -> None:
        _clean(self, clean_key, "source_id")
        _clean(self, clean_text, "name", "url", "image_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person as one platform shows them.

    `source_id` is the platform's own, stable user id; where a platform has none, `username` identifies.
    `attributes` tell what this page knows: a missing name says nothing, None says that the person left it empty.
    """

    platform: str
    username: str
    source_id: str | None = None
    display_name: str | None = None
    emails: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    reach: int | None = None
    joined_at: datetime | None = None
    organizations: tuple[Organization, ...] = ()

    def __post_init__(self) -> None:
        if not (self.source_id or self.username):
            raise ValueError(f"a {self.platform} member needs a source_id or a username")
        object.__setattr__(self, "source_id", self.source_id or None)
        if self.reach is not None and not 0 <= self.reach <= MOST_REACH:
            # A count that cannot be one: nothing is known, and the rest of the record is still good.
            object.__setattr__(self, "reach", None)
        _require_zone(self.joined_at, "joined_at")
        _clean(self, clean_key, "username", "source_id")
        _clean(self, clean_text, "display_name")
        object.__setattr__(self, "emails", tuple(map(clean_key, self.emails)))
        object.__setattr__(self, "attributes", clean_json(dict(self.attributes)))

    @property
    def key(self) -> str:
        """The identity within (tenant, platform): the user id, else the name without regard to case."""
        return self.source_id or f"name:{self.username.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something a member did at a moment. Identity: (tenant, platform, type, source_id).

    `source_parent_id` with `source_parent_type` name the activity that this one answers; `thread` is the provider's
    id of the whole conversation. The parent may arrive later, or never. `channel` is the readable name of where it
    happened, `channel_id` the provider's stable id of it.
    """

    platform: str
    type: ActivityType
    source_id: str
    timestamp: datetime
    member: Member
    timestamp_source: TimestampSource = TimestampSource.PROVIDER
    source_parent_id: str | None = None
    source_parent_type: str | None = None
    thread: str | None = None
    title: str | None = None
    body: str | None = None
    url: str | None = None
    channel: str | None = None
    channel_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.source_id:
            raise ValueError(f"a {self.platform} activity of type {self.type.name} needs a source_id")
        if bool(self.source_parent_id) != bool(self.source_parent_type):
            raise ValueError(f"a parent needs both id and type: {self.source_parent_id}, {self.source_parent_type}")
        _require_zone(self.timestamp, "timestamp")
        _clean(self, clean_key, "source_id", "source_parent_id", "thread", "channel_id")
        _clean(self, clean_text, "title", "body", "url", "channel")
        object.__setattr__(self, "attributes", clean_json(dict(self.attributes)))

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity within a tenant: platform, type, source id."""
        return self.platform, self.type.name, self.source_id


def _require_zone(moment: datetime | None, name: str) -> None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{name} {moment.isoformat()} has no time zone; give it in UTC")


def _clean(record: Organization | Member | Activity, clean: Callable[[str], str], *names: str) -> None:
    for name in names:
        text = getattr(record, name)
        if text is not None:
            object.__setattr__(record, name, clean(text))
