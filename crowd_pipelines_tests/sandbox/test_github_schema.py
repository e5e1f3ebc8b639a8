"""Our part of GitHub's schema says what the published one says; queries are held against either as GitHub would."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_introspection_type,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
)

from crowd_pipelines.sandbox.github.roots import FIELDS
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.github import errors, query

OURS = Path(__file__).parents[2] / "crowd_pipelines" / "sandbox" / "github" / "schema.graphql"


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    beside = Path(__file__).parents[3] / "shared" / "specs"
    path = Path(os.environ.get("CROWD_SPECS_DIR", beside)) / "github.graphql"
    if not path.is_file():
        pytest.skip(f"no schema at {path}: set CROWD_SPECS_DIR to where github.graphql is")
    return build_schema(path.read_text(), assume_valid_sdl=True)  # it defines a field twice


@pytest.fixture(scope="module")
def ours() -> GraphQLSchema:
    return build_schema(OURS.read_text())


def differences(ours: GraphQLSchema, published: GraphQLSchema) -> Iterator[str]:
    """What our schema says that the published one does not."""
    for name, mine in ours.type_map.items():
        theirs = published.type_map.get(name)
        if is_introspection_type(mine) or is_specified_scalar_type(mine):
            continue
        if theirs is None or type(theirs) is not type(mine):
            yield name
            continue
        yield from (f"{name}.{problem}" for problem in _of_type(mine, theirs))


def _of_type(mine: GraphQLNamedType, theirs: Any) -> Iterator[str]:
    match mine:
        case GraphQLObjectType() | GraphQLInterfaceType():
            yield from {one.name for one in mine.interfaces} - {one.name for one in theirs.interfaces}
            for name, field in mine.fields.items():
                known = theirs.fields.get(name)
                yield from [name] if known is None else _of_field(name, field, known)
        case GraphQLInputObjectType():
            yield from _of_values(mine.fields, theirs.fields)
            yield from {name for name, one in theirs.fields.items() if is_required_input_field(one)} - set(mine.fields)
        case GraphQLEnumType():
            yield from set(mine.values) - set(theirs.values)
        case GraphQLUnionType():
            yield from {one.name for one in mine.types} - {one.name for one in theirs.types}


def _of_field(name: str, mine: Any, theirs: Any) -> Iterator[str]:
    if str(mine.type) != str(theirs.type):
        yield f"{name}: {mine.type} is {theirs.type}"
    yield from (f"{name}({problem})" for problem in _of_values(mine.args, theirs.args))
    yield from {one for one, argument in theirs.args.items() if is_required_argument(argument)} - set(mine.args)


def _of_values(mine: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for name, one in mine.items():
        known = theirs.get(name)
        if known is None or str(one.type) != str(known.type) or one.default_value != known.default_value:
            yield f"{name}: {one.type} = {one.default_value}"


def test_all_that_is_simulated_is_in_the_published_schema(ours: GraphQLSchema, published: GraphQLSchema) -> None:
    assert list(differences(ours, published)) == []


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("type RateLimit {\n  cost: Int!", "type RateLimit {\n  cost: Int", "RateLimit.cost: Int is Int!"),
        ("nodeCount: Int!", "nodeNumber: Int!", "RateLimit.nodeNumber"),
        ("issue(number: Int!)", "issue", "Repository.number"),
        ("user(login: String!)", "user(login: ID!)", "Query.user(login: ID!"),
        ("orderBy: DiscussionOrder = {direction: DESC, field: UPDATED_AT}", "orderBy: DiscussionOrder", "orderBy"),
    ],
)
def test_the_comparison_can_fail(published: GraphQLSchema, was: str, becomes: str, told: str) -> None:
    assert was in OURS.read_text()
    [problem] = differences(build_schema(OURS.read_text().replace(was, becomes)), published)
    assert told in problem


def test_every_field_of_ours_has_an_answer_and_nothing_else(ours: GraphQLSchema) -> None:
    written = {
        name: set(one.fields)
        for name, one in ours.type_map.items()
        if isinstance(one, GraphQLObjectType) and name in FIELDS
    }
    assert written == {name: set(fields) for name, fields in FIELDS.items()}


def test_a_query_is_answered_alike_without_the_published_schema(
    still: Sandbox, published: GraphQLSchema, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = """query($id: ID!) { node(id: $id) { ... on PullRequest { title timelineItems(first: 20) {
      totalCount nodes { __typename } } } } rateLimit { cost nodeCount } }"""
    wrong = '{ repository(owner: 7, name: "x") { nothing } }'
    monkeypatch.setenv("CROWD_SPECS_DIR", str(tmp_path))
    with Sandbox.start(platforms=["github"]) as without:
        thread = without.truth("github").cases["long_pull_request"]
        assert query(without, text, id=thread).json == query(still, text, id=thread).json
        assert errors(without, wrong) == errors(still, wrong)


def test_what_exists_but_is_not_simulated_is_refused_as_such(still: Sandbox, published: GraphQLSchema) -> None:
    still.forget_requests("github")
    assert errors(still, '{ repository(owner: "cedar-labs", name: "tools") { watchers { totalCount } } }')
    assert errors(still, '{ repository(owner: "cedar-labs", name: "tools") { zzz { totalCount } } }')
    violations = [entry["violation"] for entry in still.requests("github")]
    assert violations == [
        "not simulated: Cannot query field 'watchers' on type 'Repository'.",
        "Cannot query field 'zzz' on type 'Repository'.",
    ]
