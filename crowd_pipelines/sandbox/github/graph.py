"""Answers GraphQL queries over the community."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from graphql.utilities import get_operation_ast

from crowd_pipelines.sandbox.github import schema
from crowd_pipelines.sandbox.github.community import repository_of
from crowd_pipelines.sandbox.github.connections import CONNECTION, EDGE, PAGE_INFO
from crowd_pipelines.sandbox.github.exchange import Exchange, iso
from crowd_pipelines.sandbox.github.measure import Measure, measure
from crowd_pipelines.sandbox.github.roots import FIELDS

Json = dict[str, Any]


class QueryRefused(Exception):
    """A query that gets nothing but errors. `ours` is set when GitHub would answer it, and only we do not."""

    def __init__(self, errors: Sequence[GraphQLError], *, ours: bool = False) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.body = {"errors": [as_json(error) for error in errors]}
        self.violation = ("not simulated: " if ours else "") + str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query that is valid and within the limits."""

    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Json
    size: Measure


def understood(text: str, variables: Json, operation_name: str | None) -> Query:
    """Raises QueryRefused."""
    document = _valid(text)
    operation = get_operation_ast(document, operation_name)
    if operation is None or operation.operation is not OperationType.QUERY:
        raise QueryRefused([GraphQLError(f"No operation named {operation_name!r} that one could read with")])
    coerced = get_variable_values(schema.simulated(), operation.variable_definitions, variables)
    if isinstance(coerced, list):
        raise QueryRefused(coerced)
    try:
        size = measure(schema.simulated(), document, operation, coerced)
    except GraphQLError as error:
        raise QueryRefused([error]) from error
    return Query(document=document, operation=operation, variables=variables, size=size)


def answered(query: Query, exchange: Exchange) -> Json:
    """The body: `data`, and the errors of what could not be answered."""
    name = query.operation.name
    result = execute(
        schema.simulated(),
        query.document,
        context_value=exchange,
        variable_values=query.variables,
        operation_name=name.value if name else None,
        field_resolver=_resolve,
        type_resolver=lambda value, *_: str(value.typename),
    )
    if not isinstance(result, ExecutionResult):
        raise TypeError("the resolvers are not asynchronous")
    for error in result.errors or ():
        if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
            raise error.original_error
    return {"data": result.data, **({"errors": [as_json(error) for error in result.errors]} if result.errors else {})}


def violation(body: Json) -> str | None:
    """What a client is to blame for among the errors of an answer."""
    kinds = ("INVALID_CURSOR_ARGUMENTS", "ARGUMENT_LIMIT")
    return next((error["message"] for error in body.get("errors", ()) if error.get("type") in kinds), None)


@lru_cache(maxsize=512)
def _valid(text: str) -> DocumentNode:
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        raise QueryRefused([error]) from error
    problems = validate(schema.simulated(), document)
    if not problems:
        return document
    whole = schema.published()
    refused = problems if whole is None else validate(whole, document)
    raise QueryRefused(refused or problems, ours=not refused)


def _resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    typename, field = info.parent_type.name, info.field_name
    fields = FIELDS.get(typename)
    if fields is None:
        return _paged(typename, field, source)
    moods = info.context.moods
    if moods.watching:
        repository = repository_of(source) if typename not in ("Query", "RateLimit") else None
        moods.check(f"{typename}.{field}", repository.id if repository else None)
    return fields[field](source, info, **arguments)


def _paged(typename: str, field: str, source: Any) -> Any:
    """The parts that all connections have alike."""
    if typename == "PageInfo":
        return PAGE_INFO[field](source)
    if field == "updatedAt":
        return iso(source.latest)
    if field == "starredAt":
        return iso(source.element.at)
    return (EDGE if typename.endswith("Edge") else CONNECTION)[field](source)


_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'\.")


def as_json(error: GraphQLError) -> Json:
    """As GitHub writes errors: what it classifies has a `type`, what it could not even read has none."""
    written: Json = {}
    kind = (error.extensions or {}).get("type")
    if kind is not None:
        written["type"] = kind
    if error.path:
        written["path"] = error.path
    if unknown := _UNKNOWN_FIELD.match(error.message):
        written["extensions"] = {"code": "undefinedField", "typeName": unknown[2], "fieldName": unknown[1]}
    written["locations"] = [{"line": one.line, "column": one.column} for one in error.locations or ()]
    written["message"] = f"Field '{unknown[1]}' doesn't exist on type '{unknown[2]}'" if unknown else error.message
    return written
