"""Every line of the how-to's table of later changes, on a community that was read before."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crowd_pipelines.model.states import RunState
from crowd_pipelines.model.text import clean_html
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.devto.truths import assert_true, defaults
from crowd_pipelines_tests.integrations.stored import live, people, told

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "connect-devto.md"

CHANGES: dict[str, Callable[[Connected], None]] = {}
Case = Callable[[Connected], None]


def line(what: str) -> Callable[[Case], Case]:
    """The case holds this line of the table."""

    def named(case: Case) -> Case:
        CHANGES[what] = case
        return case

    return named


@pytest.fixture
def onboarded(dev: Connected) -> Connected:
    assert dev.onboard().state is RunState.PROCESSED
    dev.asked()
    return dev


def check(dev: Connected) -> dict[tuple[str, str], dict[str, Any]]:
    """What is live after a check, which must be the truth."""
    assert dev.check().state is RunState.PROCESSED
    assert dev.rows("SELECT label, reason FROM owed_reads") == []
    assert_true(dev, dev.truth())
    return live(dev)


def article_of(dev: Connected) -> int:
    article = dev.truth().cases["many_roots"]
    assert isinstance(article, int)
    return article


def carried(stored: dict[tuple[str, str], dict[str, Any]], article: int, name: str) -> set[str]:
    """What the comments of an article carry under this name."""
    comments = (row for (kind, _), row in stored.items() if kind == "comment" and row["thread"] == str(article))
    return {row["attributes"][name] for row in comments}


def comments_of(dev: Connected, article: int) -> set[tuple[str, str]]:
    return {key for key, row in live(dev).items() if row["thread"] == str(article)}


def answered(dev: Connected) -> tuple[str, str, int]:
    """A comment with an answer, that answer, and their article."""
    comments = {r["source_id"]: r for r in dev.truth().activities if r["type"] == "comment"}
    reply = next(r for r in comments.values() if r["source_parent_id"] in comments)
    return reply["source_parent_id"], reply["source_id"], int(reply["thread"])


def read_again(dev: Connected, article: int) -> None:
    """What makes the list show something new of an article."""
    dev.change("add_comment", article=article)


@line("an article's title, description or tags")
def edited(dev: Connected) -> None:
    dev.change("edit_article", article=article_of(dev), title="Better")
    stored = check(dev)
    assert stored["article", str(article_of(dev))]["title"] == "Better"
    assert carried(stored, article_of(dev), "articleTitle") == {"Better"}


@line("an article moves to an organization, or from one to its author")
def moved(dev: Connected) -> None:
    [organization] = dev.truth().settings["organizations"]
    ids = dev.truth().coverage["users"]
    alone = next(
        a for owned in ids.values() for a in owned if a not in dev.truth().coverage["organizations"][organization]
    )
    before = dev.value("SELECT id FROM activities WHERE type = 'article' AND source_id = :id", id=str(alone))
    for owner in (organization, None):
        dev.change("move_article", article=alone, organization=owner)
        row = check(dev)["article", str(alone)]
        assert row["id"] == before
        assert (f"/{organization}/" in row["url"]) is (owner is not None)
        assert carried(live(dev), alone, "articleUrl") <= {row["url"]}
    assert dev.value("SELECT count(*) FROM activities WHERE type = 'article' AND source_id = :id", id=str(alone)) == 1


@line("an article is unpublished or deleted")
def unpublished(dev: Connected) -> None:
    article, dev_asked = article_of(dev), dev.asked
    assert len(comments_of(dev, article)) > 100
    dev.change("unpublish_article", article=article)
    assert ("article", str(article)) not in check(dev)
    assert comments_of(dev, article) == set()
    assert f"/articles/{article}" in dev_asked()
    check(dev)
    assert f"/articles/{article}" not in dev_asked()


@line("an article is published again")
def published_again(dev: Connected) -> None:
    article = article_of(dev)
    before = comments_of(dev, article)
    dev.change("unpublish_article", article=article)
    check(dev)
    dev.change("republish_article", article=article)
    check(dev)
    assert comments_of(dev, article) == before


@line("a comment is written, however deep in an old thread")
def written(dev: Connected) -> None:
    deep = dev.truth().cases["deep_thread"]
    [code] = dev.change("add_comment", parent=deep)["comments"]
    assert check(dev)["comment", code]["parent"] == deep


@line("a comment is deleted that nobody answered")
def deleted_leaf(dev: Connected) -> None:
    parents = {r["source_parent_id"] for r in dev.truth().activities}
    code = next(
        r["source_id"] for r in dev.truth().activities if r["type"] == "comment" and r["source_id"] not in parents
    )
    dev.change("delete_comment", comment=code)
    assert ("comment", code) not in check(dev)


def tied_to_the_next_above(dev: Connected, what: str) -> tuple[str, str, int]:
    code, reply, article = answered(dev)
    above = live(dev)["comment", code]["parent"]
    dev.change(what, comment=code)
    read_again(dev, article)
    stored = check(dev)
    assert ("comment", code) not in stored
    assert stored["comment", reply]["parent"] == above
    return code, reply, article


@line("a comment is deleted that was answered")
def deleted(dev: Connected) -> None:
    tied_to_the_next_above(dev, "delete_comment")


@line("a comment is hidden")
def hidden(dev: Connected) -> None:
    tied_to_the_next_above(dev, "hide_comment")


@line("a hidden comment is shown again")
def shown_again(dev: Connected) -> None:
    code, reply, article = tied_to_the_next_above(dev, "hide_comment")
    dev.change("show_comment", comment=code)
    read_again(dev, article)
    stored = check(dev)
    assert stored["comment", code]["body"] == clean_html(told(dev.truth())["comment", code]["body_html"])
    assert stored["comment", reply]["parent"] == code


@line("a comment is edited")
def edited_comment(dev: Connected) -> None:
    code, _, article = answered(dev)
    dev.change("edit_comment", comment=code, body="<p>other words</p>")
    read_again(dev, article)
    assert check(dev)["comment", code]["body"] == "<p>other words</p>"


@line("an author of articles has a new username")
def renamed_author(dev: Connected) -> None:
    truth = dev.truth()
    owners = {m["source_id"] for m in truth.members if m["username"] in truth.settings["users"]}
    author = next(r["member"] for r in truth.activities if r["type"] == "article" and r["member"] not in owners)
    dev.change("rename_user", user=int(author), username="new_name")
    check(dev)
    person = people(dev)[author]
    assert (person["username"], defaults(person)["url"]) == ("new_name", "https://dev.to/new_name")


@line("somebody who comments has a new username")
def renamed_commenter(dev: Connected) -> None:
    truth = dev.truth()
    authors = {r["member"] for r in truth.activities if r["type"] == "article"}
    record = next(r for r in truth.activities if r["type"] == "comment" and r["member"] not in authors)
    dev.change("rename_user", user=int(record["member"]), username="new_name")
    dev.change("add_comment", article=int(record["thread"]), author=int(record["member"]))
    stored = check(dev)
    person = people(dev)[record["member"]]
    assert (person["username"], defaults(person)["url"]) == ("new_name", "https://dev.to/new_name")
    comment = stored["comment", record["source_id"]]
    assert comment["url"] == f"https://dev.to/new_name/comment/{record['source_id']}"
    assert comment["attributes"]["userUrl"] == "https://dev.to/new_name"


@line("somebody's display name, bio or location")
def another_name(dev: Connected) -> None:
    truth = dev.truth()
    person = next(
        m["source_id"] for m in truth.members if m["profile"] and m["username"] not in truth.settings["users"]
    )
    dev.change("rename_user", user=int(person), name="Mara O'Dell")
    dev.change("add_comment", author=int(person))
    check(dev)
    assert people(dev)[person]["display_name"] == "Mara O'Dell"


@pytest.mark.parametrize("what", CHANGES)
def test_a_later_change_is_seen_as_the_how_to_says(onboarded: Connected, what: str) -> None:
    CHANGES[what](onboarded)


def test_every_line_of_the_how_to_has_its_case() -> None:
    assert list(lines_of_the_table()) == list(CHANGES)


def lines_of_the_table() -> Iterator[str]:
    section = HOW_TO.read_text("utf-8").partition("## Later changes that are seen\n")[2].partition("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("|")]
    yield from (row.split("|")[1].strip() for row in rows[2:])
