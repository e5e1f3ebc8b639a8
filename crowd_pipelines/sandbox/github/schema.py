"""The schemas that queries are held against: our part of GitHub's, and the whole that it publishes.

What is valid in our part is valid in the whole: a test compares the two. So only a query that our part refuses is held
against the whole, which takes a second to read: it tells what GitHub would refuse from what is not simulated.
"""

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


@cache
def simulated() -> GraphQLSchema:
    """Our part: what has an answer here."""
    return _load(OURS)


@cache
def published() -> GraphQLSchema | None:
    """The whole, where its file is found."""
    path = Path(os.environ.get("CROWD_SPECS_DIR", BESIDE_THE_CHECKOUT)) / "github.graphql"
    return _load(path) if path.is_file() else None


def _load(path: Path) -> GraphQLSchema:
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
    match schema.type_map["Repository"]:
        case GraphQLObjectType() as repository:
            # That it fails takes the repository with it, or not: what becomes of the null is decided by the mood.
            repository.fields["stargazers"].type = get_nullable_type(repository.fields["stargazers"].type)
    return schema


def _date_time(value: Any) -> str:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise GraphQLError(f"{value!r} is not a DateTime") from error
    return str(value)
