"""The schema that queries are held against: the one GitHub publishes where its file is found, else our part of it."""

import os
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_ast_schema,
    get_nullable_type,
    parse,
    validate_schema,
)

OURS = Path(__file__).with_name("schema.graphql")
BESIDE_THE_CHECKOUT = Path(__file__).parents[4] / "shared" / "specs"


def published() -> Path | None:
    path = Path(os.environ.get("CROWD_SPECS_DIR", BESIDE_THE_CHECKOUT)) / "github.graphql"
    return path if path.is_file() else None


@cache
def serving() -> GraphQLSchema:
    """The schema in force, read once and only when the first query comes: it is large."""
    return load(published() or OURS)


@cache
def simulated() -> GraphQLSchema:
    """Our part: what has an answer here."""
    return load(OURS)


def load(path: Path) -> GraphQLSchema:
    # The published file defines a field of something twice, which is no valid way to write a schema down.
    schema = build_ast_schema(parse(path.read_text(), no_location=True), assume_valid_sdl=True)
    if problems := validate_schema(schema):
        raise problems[0]
    match schema.type_map["DateTime"]:
        case GraphQLScalarType() as scalar:
            scalar.parse_value = _date_time  # type: ignore[method-assign]
    match schema.type_map["StargazerEdge"]:
        case GraphQLObjectType() as edge:
            # GitHub answers null here for accounts that are gone, against its own schema.
            edge.fields["node"].type = get_nullable_type(edge.fields["node"].type)
    return schema


def _date_time(value: Any) -> str:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise GraphQLError(f"{value!r} is not a DateTime") from error
    return str(value)
