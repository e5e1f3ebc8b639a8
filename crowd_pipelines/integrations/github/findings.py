"""What one page gives: records, retractions, further streams, watermarks, and what cannot be used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.github.payloads import Node
from crowd_pipelines.model.records import Activity, ActivityType, Member
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    RejectedRecord,
    RetractActivities,
    RetractMissing,
    Stream,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

NodeT = TypeVar("NodeT", bound=Node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a connection as it came; `more` is the cursor of what follows, None at the end."""

    nodes: tuple[Any, ...] = ()
    more: str | None = None
    complete: bool = False
    """Whether it tells for sure that nothing follows."""

    listed: bool = False
    """Whether there is a list at all: one that is missing, or something else, must not pass for an empty one."""

    @classmethod
    def of(cls, connection: Any) -> "Page":
        """Return a page, forwards or backwards, of any shape; what is not there is an incomplete one."""
        if not isinstance(connection, dict):
            return cls()
        info = connection.get("pageInfo")
        told = info if isinstance(info, dict) else {}
        goes_on = told.get("hasNextPage") or told.get("hasPreviousPage")
        more = (told.get("endCursor") or told.get("startCursor")) if goes_on else None
        nodes = connection.get("nodes", connection.get("edges"))
        return cls(
            nodes=tuple(nodes) if isinstance(nodes, list) else (),
            more=str(more) if more else None,
            complete=bool(told) and not goes_on and isinstance(nodes, list),
            listed=isinstance(nodes, list),
        )

    def ids(self) -> frozenset[str] | None:
        """Return the ids on the page, None when there is a node that does not tell its own."""
        found = [node.get("id") if isinstance(node, dict) else None for node in self.nodes]
        return frozenset(map(str, found)) if all(found) else None


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects what a page gives."""

    activities: list[Activity] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    """Whom something was done to, by their keys."""

    others: list[Operation] = field(default_factory=list)
    """What is retracted and renamed."""

    streams: list[Stream] = field(default_factory=list)
    watermarks: dict[str, Json] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    next_page: Stream | None = None

    def read(self, wanted: type[NodeT], nodes: Iterable[Any], mean: Callable[[NodeT], Iterable[Activity]]) -> None:
        """Add what nodes mean; those that cannot be used are kept aside."""
        for node in usable(wanted, nodes, self.rejected):
            self.activities.extend(mean(node))

    def reject(self, reason: str, payload: Any) -> None:
        """Keep something aside that cannot be used."""
        self.rejected.append(RejectedRecord(reason=reason, payload=payload))

    def retract(self, kind: ActivityType, source_ids: Iterable[str]) -> None:
        """Add that the provider shows some no longer."""
        if gone := tuple(source_ids):
            self.others.append(RetractActivities(type=kind, source_ids=gone))

    def retract_missing(self, kind: ActivityType, thread: str, present: frozenset[str] | None) -> None:
        """Add that these are all there are, if that is known."""
        if present is not None:
            self.others.append(RetractMissing(type=kind, thread=thread, present=present))

    def result(self) -> StreamResult:
        """Return everything as the result of a stream."""
        last = max(self.activities, key=lambda activity: activity.timestamp, default=None)
        members = (UpsertMembers(members=tuple(self.members.values())),) if self.members else ()
        return StreamResult(
            operations=(
                *self.others,
                UpsertActivities(activities=tuple(self.activities)),
                *members,
            ),
            last_record=last.source_id if last else None,
            last_record_timestamp=last.timestamp if last else None,
            new_streams=tuple(self.streams),
            next_page=self.next_page,
            watermarks=self.watermarks,
            rejected=tuple(self.rejected),
        )


def moment(text: Any) -> datetime | None:
    """Return a time of GitHub's, None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None
