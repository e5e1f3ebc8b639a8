"""Every kind of simulated body is one that DEV's published description allows."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox import spec
from crowd_pipelines_tests.sandbox.client import fetch, read_everything


def assert_valid(schema: str, items: list[dict[str, Any]]) -> None:
    validator = spec.validator(schema)
    problems = [f"{list(error.path)}: {error.message}" for item in items for error in validator.iter_errors(item)]
    assert items
    assert problems == []


def test_article_lists(still: Sandbox, truth: Truth) -> None:
    api = still.api_url("devto")
    listed = fetch(f"{api}/articles", state="all").json
    assert_valid("ArticleIndex", listed)
    assert_valid("SharedUser", [article["user"] for article in listed])
    assert_valid("SharedOrganization", [article["organization"] for article in listed if "organization" in article])
    for article in listed:
        for field in ("created_at", "published_at", "last_comment_at", "published_timestamp"):
            assert datetime.fromisoformat(article[field]).tzinfo is not None


def test_an_article_by_itself(still: Sandbox, truth: Truth) -> None:
    """The description has no schema of it: its fields are those of the list, `tags` and `tag_list` in each other's."""
    api = still.api_url("devto")
    article = truth.cases["many_roots"]
    single = fetch(f"{api}/articles/{article}").json
    listed = next(item for item in fetch(f"{api}/articles", state="all").json if item["id"] == article)
    assert (single["tags"], single["tag_list"]) == (listed["tag_list"], listed["tags"])
    assert single.keys() - listed.keys() == {"body_html", "body_markdown"}
    assert_valid("ArticleIndex", [{**single, "tags": single["tag_list"], "tag_list": single["tags"]}])


def test_comments(still: Sandbox, truth: Truth) -> None:
    api = still.api_url("devto")
    articles = {a["thread"] for a in truth.activities} - {str(truth.cases["listed_but_gone"])}
    comments = [c for article in articles for c in _flat(fetch(f"{api}/comments", a_id=article).json)]
    assert_valid("Comment", comments)
    assert_valid("SharedUser", [comment["user"] for comment in comments])
    assert {frozenset(comment) for comment in comments} == {
        frozenset({"type_of", "id_code", "created_at", "body_html", "user", "children"})
    }


def _flat(tree: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for comment in tree:
        yield comment
        yield from _flat(comment["children"])


def test_people_and_organizations(still: Sandbox, truth: Truth) -> None:
    api = still.api_url("devto")
    people = [member["source_id"] for member in truth.members if member["profile"]]
    assert_valid("User", [fetch(f"{api}/users/{person}").json for person in people])
    organizations = truth.settings["organizations"]
    assert_valid("Organization", [fetch(f"{api}/organizations/{name}").json for name in organizations])


def test_the_validation_can_fail(still: Sandbox) -> None:
    article = fetch(still.api_url("devto") + "/articles").json[0]
    with pytest.raises(AssertionError, match="'title' is a required property"):
        assert_valid("ArticleIndex", [{name: value for name, value in article.items() if name != "title"}])
    with pytest.raises(AssertionError, match="None is not of type 'string'"):
        assert_valid("ArticleIndex", [{**article, "url": None}])


def test_requests_are_held_against_the_description(lively: Sandbox) -> None:
    api = lively.api_url("devto")
    read_everything(api, lively.settings("devto"))
    assert list(spec.undeclared(lively.requests("devto"), "/devto/api")) == []
    lively.forget_requests("devto")
    for path in ("articles?cursor=1", "members", "users/7"):
        fetch(f"{api}/{path}")
    assert list(spec.undeclared(lively.requests("devto"), "/devto/api")) == ["GET /articles?cursor", "GET /members"]
