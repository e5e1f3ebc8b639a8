"""How the fields of the graph are written down: by what a thing is alone, or by whom it is asked as well."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from graphql import GraphQLResolveInfo

from crowd_pipelines.sandbox.github.community import Community
from crowd_pipelines.sandbox.github.exchange import iso
from crowd_pipelines.sandbox.github.ids import node_id

Resolver = Callable[..., Any]
Fields = dict[str, Resolver]


def of(read: Callable[[Any], Any]) -> Resolver:
    """A field that the thing itself decides."""
    return lambda node, _info, **_arguments: read(node)


def always(value: Any) -> Resolver:
    """A field that is the same for all."""
    return of(lambda _: value)


def attribute(path: str) -> Resolver:
    """A field that is in the attribute, or in the attribute of one."""
    return of(attrgetter(path))


def time(name: str) -> Resolver:
    """A field with the time that is in the attribute."""
    return of(lambda node: iso(getattr(node, name)))


def community_of(info: GraphQLResolveInfo) -> Community:
    """What the query is about."""
    community: Community = info.context.community
    return community


def identity(node: Any, info: GraphQLResolveInfo) -> str:
    return node_id(node, modern=info.context.modern_ids)


# An Int of GraphQL has 32 bits; GitHub leaves out what has grown beyond.
database_id = of(lambda node: node.id if node.id < 2**31 else None)
