"""What one page gives: records, retractions, further streams, watermarks, and what cannot be used."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from crowd_pipelines.framework.lists import ListPage, ListProgress
from crowd_pipelines.framework.reading import usable
from crowd_pipelines.integrations.github.answers import UNREAD, is_unread
from crowd_pipelines.integrations.github.payloads import Node
from crowd_pipelines.model.records import Activity, ActivityType, Member
from crowd_pipelines.model.streams import (
    Json,
    Operation,
    Owed,
    RejectedRecord,
    RetractActivities,
    RetractMissing,
    ShowActivities,
    Stream,
    StreamResult,
    UpsertActivities,
    UpsertMembers,
)

NodeT = TypeVar("NodeT", bound=Node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a connection as it came. `has_more` is None where it does not say, `cursor` where the next one begins.

    `total` is the connection's own count.
    """

    nodes: tuple[Any, ...] = ()
    has_more: bool | None = None
    cursor: str | None = None
    total: int | None = None
    listed: bool = False
    """Whether there is a list at all: one that is missing, or something else, must not pass for an empty one."""

    odd: Any = None
    """What stands where the list belongs, if that is something."""

    @classmethod
    def of(cls, connection: Any) -> "Page":
        """Return a page, forwards or backwards, of any shape; what is not there is an incomplete one."""
        if not isinstance(connection, dict):
            return cls(odd=readable(connection))
        info = connection.get("pageInfo")
        told = info if isinstance(info, dict) else {}
        goes_on = told.get("hasNextPage", told.get("hasPreviousPage"))
        cursor = told.get("endCursor") or told.get("startCursor")
        nodes, total = connection.get("nodes", connection.get("edges")), connection.get("totalCount")
        return cls(
            nodes=tuple(nodes) if isinstance(nodes, list) else (),
            has_more=goes_on if isinstance(goes_on, bool) else None,
            cursor=str(cursor) if cursor and goes_on is True else None,
            total=total if isinstance(total, int) and not isinstance(total, bool) else None,
            listed=isinstance(nodes, list),
            odd=None if isinstance(nodes, list) else readable(nodes),
        )

    @property
    def more(self) -> str | None:
        """Where the next page begins, None at the end."""
        return self.cursor

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the nodes that tell them."""
        return frozenset(id_ for id_ in self._ids() if id_)

    @property
    def has_gaps(self) -> bool:
        """Whether some of its nodes could not be read, apart from what is below them."""
        return any(is_gap(node) for node in self.nodes)

    def told(self, *, unusable: int = 0, ids: Iterable[str | None] | None = None) -> ListPage:
        """Return what the page says of its list; `unusable` counts its nodes that cannot be used."""
        return ListPage(
            ids=tuple(self._ids() if ids is None else ids),
            unusable=unusable,
            # Whether it goes on is always told; where it is not, the list is not known to end.
            has_more=True if self.has_more is None else self.has_more,
            cursor=self.cursor,
            total=self.total,
        )

    def _ids(self) -> list[str | None]:
        return [identity(node) for node in self.nodes]


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects what a page gives."""

    activities: list[Activity] = field(default_factory=list)
    shown: list[Activity] = field(default_factory=list)
    """What a list shows although it is known and unchanged."""

    members: dict[str, Member] = field(default_factory=dict)
    """Whom something was done to, by their keys."""

    retractions: list[Operation] = field(default_factory=list)
    others: list[Operation] = field(default_factory=list)
    """What is renamed."""

    streams: list[Stream] = field(default_factory=list)
    watermarks: dict[str, Json] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    uncollected: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    incomplete: str | None = None
    next_page: Stream | None = None

    def read(
        self,
        wanted: type[NodeT],
        nodes: Iterable[Any],
        mean: Callable[[NodeT], Iterable[Activity]],
        *,
        counted: bool = True,
    ) -> int:
        """Add what nodes mean, and return how many of them cannot be used.

        Those that make no sense are kept aside. Those that could not be read are `counted`, unless another stream will
        ask for them.
        """
        given = list(nodes)
        good = [node for node in given if not is_gap(node)]
        gaps, before = len(given) - len(good), len(self.rejected)
        self.unread += gaps if counted else 0
        for node in usable(wanted, good, self.rejected):
            self.activities.extend(mean(node))
        return gaps + len(self.rejected) - before

    def show(self, wanted: type[NodeT], nodes: Iterable[Any], mean: Callable[[NodeT], Iterable[Activity]]) -> None:
        """Add that nodes are there, which are known and unchanged: what makes no sense was kept aside when it came."""
        for node in usable(wanted, [node for node in nodes if not is_gap(node)], []):
            self.shown.extend(mean(node))

    def reject(self, reason: str, payload: Any) -> None:
        """Keep something aside that cannot be used."""
        self.rejected.append(RejectedRecord(reason=reason, payload=payload))

    def retract(self, kind: ActivityType, source_ids: Iterable[str]) -> None:
        """Add that the provider shows some no longer."""
        if gone := tuple(source_ids):
            self.retractions.append(RetractActivities(type=kind, source_ids=gone))

    def retract_absent(self, missing: Iterable[RetractMissing]) -> None:
        """Add what a whole list does not hold; see `absent`."""
        self.retractions.extend(missing)

    def keep_odd(self, page: Page, what: str) -> None:
        """Keep aside what stands where a list belongs, if that is something; a list that is missing leaves nothing."""
        if page.odd is not None:
            self.reject(f"{what}: it is no list", page.odd)

    def result(self) -> StreamResult:
        """Return everything as the result of a stream; one that contradicts itself ends and retracts nothing."""
        last = max(self.activities, key=lambda activity: activity.timestamp, default=None)
        members = (UpsertMembers(members=tuple(self.members.values())),) if self.members else ()
        shown = (ShowActivities(activities=tuple(self.shown)),) if self.shown else ()
        whole = self.incomplete is None
        return StreamResult(
            operations=(
                *(self.retractions if whole else ()),
                *self.others,
                UpsertActivities(activities=tuple(self.activities)),
                *shown,
                *members,
            ),
            last_record=last.source_id if last else None,
            last_record_timestamp=last.timestamp if last else None,
            new_streams=tuple(self.streams) if whole else (),
            next_page=self.next_page if whole else None,
            watermarks=self.watermarks if whole else {},
            rejected=tuple(self.rejected),
            owed=tuple(self.owed),
            unread=self.unread,
            incomplete=self.incomplete,
            uncollected=dict(self.uncollected),
        )


def nobody_newer() -> int:
    """Return that nothing came to the front of a list since it was begun."""
    return 0


def contradiction(page: Page, told: ListPage, progress: ListProgress, newer: Callable[[], int]) -> str | None:
    """Return what a list, read up to this page, says of itself that does not agree.

    That it is shorter than its count is explained by what came to its front since it was begun (`newer` counts it): the
    next check finds that.
    """
    if not page.listed:
        return "there is no list"
    if page.has_more is None:
        return "the list does not say whether it goes on"
    reason = progress.contradiction(told)
    missing = (told.total or 0) - progress.records
    return None if reason and told.ends and 0 < missing <= newer() else reason


def identity(node: Any) -> str | None:
    """Return a node's id, None where it does not tell any."""
    found = node.get("id") if isinstance(node, dict) else None
    return found if found and isinstance(found, str) else None


def is_gap(node: Any) -> bool:
    """Whether a node, apart from what is below it, could not be read."""
    return node is None or is_unread(alone(node))


BELOW = frozenset({"comments", "timelineItems", "reviewThreads", "replies"})


def alone(raw: Any) -> Any:
    """Return something without what is below it, which speaks for itself."""
    return {name: value for name, value in raw.items() if name not in BELOW} if isinstance(raw, dict) else raw


def readable(value: Any) -> Any:
    """Return a value, None for one that could not be read."""
    return None if value is UNREAD else value


def moment(text: Any) -> datetime | None:
    """Return a time of GitHub's, None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None
