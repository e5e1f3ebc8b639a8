"""What a query asks for before it is answered: how many nodes, in how many requests; and what GitHub refuses of it.

GitHub's rule: a connection is asked for once for each node of the connection it is in, and gives as many nodes as its
`first` or `last` says. What asks only for `totalCount` gives none and is not counted (general knowledge).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from crowd_pipelines.sandbox.github.moods import Failed

MOST_NODES = 500_000
PAGE_LIMIT = 100
REQUESTS_PER_POINT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The size of a query."""

    nodes: int
    requests: int
    fields: frozenset[str]
    """What it asks for, as `User.email`."""

    @property
    def cost(self) -> int:
        return max(1, round(self.requests / REQUESTS_PER_POINT))


def measure(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]
) -> Measure:
    """Raises Failed for what is too much, or not bounded."""
    ruler = _Ruler(schema, document, variables)
    ruler.measure(operation.selection_set, "Query", 1)
    if ruler.nodes > MOST_NODES:
        raise Failed(
            "MAX_NODE_LIMIT_EXCEEDED",
            f"This query requests up to {ruler.nodes:,} possible nodes which exceeds the maximum limit of "
            f"{MOST_NODES:,}.",
        )
    return Measure(nodes=ruler.nodes, requests=ruler.requests, fields=frozenset(ruler.fields))


class _Ruler:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments = {
            part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)
        }
        self.nodes = 0
        self.requests = 0
        self.fields: set[str] = set()

    def measure(self, selections: SelectionSetNode | None, typename: str, times: int) -> None:
        """Counts what is asked for `times` times of the type."""
        for within, asked in self._flat(selections, typename):
            field = getattr(self._schema.type_map[within], "fields", {}).get(asked.name.value)
            if field is None:
                continue  # __typename
            self.fields.add(f"{within}.{asked.name.value}")
            inner = str(get_named_type(field.type).name)
            self.measure(asked.selection_set, inner, self._times(asked, field, inner, times))

    def _times(self, asked: FieldNode, field: GraphQLField, inner: str, times: int) -> int:
        """How often what is below the field is asked for; counts the field if it is a connection."""
        if asked.name.value == "nodes" and "ids" in field.args:
            return times * max(1, len(self._argument(asked, "ids") or ()))
        if not inner.endswith("Connection") or "first" not in field.args:
            return times
        size = self._size(asked, inner)
        if size is None:
            return times
        self.requests += times
        self.nodes += times * size
        return times * size

    def _size(self, asked: FieldNode, inner: str) -> int | None:
        name = asked.name.value
        given = {end: self._argument(asked, end) for end in ("first", "last")}
        bounds = {end: size for end, size in given.items() if size is not None}
        if len(bounds) == 2:
            message = f"Passing both `first` and `last` values to paginate the `{name}` connection is not supported."
            raise Failed("ARGUMENT_CONFLICT", message, asked=asked)
        if not bounds:
            if any(
                part.name.value in ("nodes", "edges", "pageInfo") for _, part in self._flat(asked.selection_set, inner)
            ):
                message = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
                raise Failed("MISSING_PAGINATION_BOUNDARIES", message, asked=asked)
            return None
        [(end, size)] = bounds.items()
        if size > PAGE_LIMIT:
            raise Failed(
                "EXCESSIVE_PAGINATION",
                f"Requesting {size} records on the `{name}` connection exceeds the `{end}` limit of {PAGE_LIMIT} "
                f"records.",
                asked=asked,
            )
        if size < 1:
            message = f"`{end}` on the `{name}` connection cannot be less than one."
            raise Failed("ARGUMENT_LIMIT", message, asked=asked)
        return int(size)

    def _argument(self, asked: FieldNode, name: str) -> Any:
        value = next((one.value for one in asked.arguments if one.name.value == name), None)
        match value:
            case VariableNode():
                return self._variables.get(value.name.value)
            case IntValueNode():
                return int(value.value)
            case ListValueNode():
                return value.values
        return None

    def _included(self, part: SelectionNode) -> bool:
        """What `@include` and `@skip` leave out is not asked for."""
        for directive in part.directives:
            name = directive.name.value
            if name in ("include", "skip") and self._condition(directive) is (name == "skip"):
                return False
        return True

    def _condition(self, directive: DirectiveNode) -> bool:
        [value] = [one.value for one in directive.arguments]
        if isinstance(value, VariableNode):
            return bool(self._variables[value.name.value])
        return isinstance(value, BooleanValueNode) and value.value

    def _flat(self, selections: SelectionSetNode | None, typename: str) -> Iterator[tuple[str, FieldNode]]:
        """The fields asked for, each with the type it is asked of, fragments opened."""
        for part in selections.selections if selections else ():
            if not self._included(part):
                continue
            match part:
                case FieldNode():
                    yield typename, part
                case InlineFragmentNode():
                    condition = part.type_condition
                    yield from self._flat(part.selection_set, condition.name.value if condition else typename)
                case FragmentSpreadNode():
                    fragment = self._fragments[part.name.value]
                    yield from self._flat(fragment.selection_set, fragment.type_condition.name.value)
