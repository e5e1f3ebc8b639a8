"""The queries against GitHub's published schema and its rules."""

import os
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate

from crowd_pipelines.integrations.github.api import SWITCHES
from crowd_pipelines.integrations.github.asking import sizes
from crowd_pipelines.integrations.github.documents import document, names
from crowd_pipelines.sandbox.github.measure import MOST_NODES, measure

QUERIES = names()


@lru_cache
def schema() -> GraphQLSchema:
    """The published schema; skips the test where it is not there."""
    beside = Path(__file__).parents[4] / "shared" / "specs"
    path = Path(os.environ.get("CROWD_SPECS_DIR", beside)) / "github.graphql"
    if not path.is_file():
        pytest.skip(f"no schema at {path}: set CROWD_SPECS_DIR to where github.graphql is")
    return build_schema(path.read_text("utf-8"), assume_valid=True)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_valid(name: str) -> None:
    assert validate(schema(), parse(document(name).text)) == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_file_holds_one_query_that_asks_for_the_budget_and_nothing_is_written_into_it(name: str) -> None:
    text = (files("crowd_pipelines.integrations.github") / "queries" / f"{name}.graphql").read_text("utf-8")
    operations = [part for part in parse(document(name).text).definitions if isinstance(part, OperationDefinitionNode)]
    assert len(operations) == 1
    assert text.count("{") == text.count("}")
    assert "rateLimit" in text
    assert not re.search(r'"', document(name).text)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("checking", [True, False], ids=["check", "onboarding"])
def test_a_query_is_far_from_the_limits_of_nodes_and_points(name: str, checking: bool) -> None:
    found = document(name)
    tree = parse(found.text)
    [operation] = [part for part in tree.definitions if isinstance(part, OperationDefinitionNode)]
    variables = dict.fromkeys(found.variables & SWITCHES, True) | sizes(name, 0, checking=checking)
    size = measure(schema(), tree, operation, variables)
    assert size.nodes < MOST_NODES / 5
    assert size.cost <= (6 if checking and name == "repository" else 20)


def test_sizes_halve_down_to_one_and_name_only_what_a_query_declares() -> None:
    assert sizes("issues", 0, checking=False) == {"size": 50, "comments": 50, "events": 30}
    assert sizes("issues", 2, checking=False) == {"size": 12, "comments": 12, "events": 7}
    assert set(sizes("repository", 6, checking=False).values()) == {1}
    assert sizes("budget", 0, checking=False) == {}
