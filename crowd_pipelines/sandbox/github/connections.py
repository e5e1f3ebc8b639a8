"""Pages of connections: cursors that name a place in an order, not a number, so that news move nothing."""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphql import GraphQLResolveInfo

from crowd_pipelines.sandbox.github.exchange import Exchange
from crowd_pipelines.sandbox.github.moods import Failed

Place = tuple[int | str, int]
Key = Callable[[Any], Place]
CURSOR = "cursor:v2:"


def created(node: Any) -> Place:
    return node.created, node.id


def updated(node: Any) -> Place:
    return node.updated, node.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A stretch of a connection. `elements` are what it goes over, `node` gives the node of one of them."""

    elements: Sequence[Any]
    total: int
    has_next: bool
    has_previous: bool
    place: Callable[[Any], str]
    node: Callable[[Any], Any]
    latest: int | None
    lost: bool = False
    """Whether it does not tell where it goes on."""

    null: Any = None
    """An element that comes as null."""


def nobody(total: int) -> Page:
    """Only a number."""
    return Page(elements=(), total=total, has_next=False, has_previous=False, place=str, node=str, latest=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An element of a page."""

    page: Page
    element: Any


def page(
    info: GraphQLResolveInfo,
    elements: Sequence[Any],
    arguments: dict[str, Any],
    *,
    within: int,
    key: Key = created,
    node: Callable[[Any], Any] = lambda element: element,
) -> Page:
    """The stretch that `first`, `last`, `after` and `before` ask for; `within` is the id of whose connection it is."""
    ordered = sorted(elements, key=key)
    falling = (arguments.get("orderBy") or {}).get("direction") == "DESC"
    if falling:
        ordered.reverse()
    binding = zlib.crc32(f"{info.parent_type.name}/{within}/{info.field_name}/{arguments.get('orderBy')}".encode())
    after, before = (_decoded(arguments.get(name), binding) for name in ("after", "before"))
    places = [key(element) for element in ordered]
    start = 0 if after is None else _passed(places, after, falling=falling, inclusive=True)
    end = len(ordered) if before is None else _passed(places, before, falling=falling, inclusive=False)
    start, end = _cut(start, max(start, end), arguments)
    _spend(info.context, arguments)
    found = Page(
        elements=ordered[start:end],
        total=len(ordered),
        has_next=end < len(ordered),
        has_previous=start > 0,
        place=lambda element: _encoded(key(element), binding),
        node=node,
        latest=max((element.created for element in elements if hasattr(element, "created")), default=None),
    )
    return _contradicting(found, info.context.moods.contradiction(f"{info.parent_type.name}.{info.field_name}"))


def _contradicting(page: Page, way: str | None) -> Page:
    match way:
        case "no_cursor":
            return replace(page, has_next=True, lost=True)
        case "short":
            return replace(page, has_next=False, total=page.total + 5)
        case "empty":
            return replace(page, elements=(), has_next=False)
        case "null" if page.elements:
            return replace(page, null=page.elements[0])
    return page


def _spend(exchange: Exchange, arguments: dict[str, Any]) -> None:
    """A page costs what was asked for, however much there is. Raises Failed when the query has had its share."""
    exchange.asked += arguments.get("first") or arguments.get("last") or 0
    if exchange.most is not None and exchange.asked > exchange.most:
        raise Failed("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")


def _cut(start: int, end: int, arguments: dict[str, Any]) -> tuple[int, int]:
    first, last = arguments.get("first"), arguments.get("last")
    if first is not None:
        return start, min(end, start + first)
    if last is not None:
        return max(start, end - last), end
    return start, start


def _passed(places: Sequence[Place], key: Place, *, falling: bool, inclusive: bool) -> int:
    """How many places come before the key in this order; with `inclusive`, the key's own among them."""
    if inclusive:
        return sum(place >= key if falling else place <= key for place in places)
    return sum(place > key if falling else place < key for place in places)


def _encoded(key: Place, binding: int) -> str:
    return base64.b64encode(f"{CURSOR}{json.dumps([binding, *key])}".encode()).decode()


def _decoded(cursor: str | None, binding: int) -> Place | None:
    """Raises Failed for a cursor that is not one of this very connection's, in this very order."""
    if cursor is None:
        return None
    try:
        written = base64.b64decode(cursor, validate=True).decode()
        mark, *key = json.loads(written.removeprefix(CURSOR))
    except (ValueError, TypeError, binascii.Error):
        mark, key = None, []
    if mark != binding:
        raise Failed("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
    return key[0], key[1]


CONNECTION: dict[str, Callable[[Page], Any]] = {
    "totalCount": lambda one: one.total,
    "filteredCount": lambda one: one.total,
    "pageCount": lambda one: len(one.elements),
    "pageInfo": lambda one: one,
    "nodes": lambda one: [None if element is one.null else one.node(element) for element in one.elements],
    "edges": lambda one: [_edge(one, element) for element in one.elements],
}
EDGE: dict[str, Callable[[Edge], Any]] = {
    "cursor": lambda edge: edge.page.place(edge.element),
    "node": lambda edge: edge.page.node(edge.element),
}
PAGE_INFO: dict[str, Callable[[Page], Any]] = {
    "hasNextPage": lambda one: one.has_next,
    "hasPreviousPage": lambda one: one.has_previous,
    "startCursor": lambda one: one.place(one.elements[0]) if one.elements else None,
    "endCursor": lambda one: one.place(one.elements[-1]) if one.elements and not one.lost else None,
}


def _edge(one: Page, element: Any) -> Edge | None:
    torn = element is one.null or getattr(element, "torn", False)
    return None if torn else Edge(page=one, element=element)
