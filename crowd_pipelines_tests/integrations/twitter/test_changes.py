"""Every line of "Later changes that are seen" in the how-to page: a change, and when it is seen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.integrations.stored import Key, live, people
from crowd_pipelines_tests.integrations.twitter.test_truth import a_day_later

PAGE = Path(__file__).parents[3] / "docs/how-to/connect-twitter.md"
Line = tuple[str, str, str]


def _follow(x: Connected, user: int) -> Key:
    return ("follow", f"{x.truth().settings['user_id']}:{user}")


def _no_longer_follows(x: Connected) -> None:
    [one], [other] = (x.change("unfollow")["users"] for _ in range(2))
    x.check()
    assert _follow(x, one) in live(x)
    a_day_later(x)
    x.check()
    assert not {_follow(x, one), _follow(x, other)} & live(x).keys()
    [third] = x.change("unfollow")["users"]
    x.onboard()
    assert _follow(x, third) not in live(x)


def _follows_again(x: Connected) -> None:
    [user] = x.change("unfollow")["users"]
    first = live(x)[_follow(x, user)]["timestamp"]
    x.onboard()
    x.change("follow", user=user)
    x.check()
    assert live(x)[_follow(x, user)]["timestamp"] == first


def _follower_renamed(x: Connected) -> None:
    follows = [int(one["member"]) for one in x.truth().activities if one["type"] == "follow"]
    newest, older = follows[3], follows[60]
    for user in (newest, older):
        x.change("rename_user", user=user, username=f"now_{user % 10_000}")
    x.check()
    assert live(x)[_follow(x, newest)]["url"] == f"https://twitter.com/now_{newest % 10_000}"
    assert _named(x, newest) == f"now_{newest % 10_000}"
    assert _named(x, older) != f"now_{older % 10_000}"
    x.onboard()
    assert live(x)[_follow(x, older)]["url"] == f"https://twitter.com/now_{older % 10_000}"
    assert _named(x, older) == f"now_{older % 10_000}"


def _named(x: Connected, user: int) -> str:
    """The name, which the address agrees with."""
    row = people(x)[str(user)]
    assert row["attributes"]["url"]["default"] == f"https://twitter.com/{row['username']}"
    return str(row["username"])


def _edited(kind: str) -> Callable[[Connected], None]:
    def scenario(x: Connected) -> None:
        [post] = x.change("mention", tag="crowdsandbox", text="first")["posts"]
        x.check()
        before = live(x)[kind, str(post)]
        x.change("edit_post", post=post, text="second", after=600)
        x.check()
        after = live(x)[kind, str(post)]
        assert "second" in after["body"]
        assert (after["id"], after["timestamp"]) == (before["id"], before["timestamp"])

    return scenario


def _deleted(kind: str) -> Callable[[Connected], None]:
    def scenario(x: Connected) -> None:
        [post] = x.change("mention", tag="crowdsandbox")["posts"]
        x.check()
        x.change("delete_post", post=post)
        x.check()
        x.onboard()
        assert (kind, str(post)) in live(x)

    return scenario


def _author_renamed(kind: str) -> Callable[[Connected], None]:
    def scenario(x: Connected) -> None:
        touched = x.change(kind, author="new")
        [user] = touched["users"]
        x.check()
        x.change("rename_user", user=user, username="the_second")
        x.check()
        assert _named(x, user) != "the_second"
        x.change(kind, author=user)
        x.check()
        assert _named(x, user) == "the_second"
        x.change("rename_user", user=user, username="the_third")
        x.onboard()
        assert _named(x, user) == "the_third"

    return scenario


_RENAMED = "onboarding, of those that X still lists; check, when the author is shown again"
SCENARIOS: dict[Line, Callable[[Connected], None]] = {
    ("follow", "no longer follows", "onboarding; check, once a day at most"): _no_longer_follows,
    ("follow", "follows again", "check"): _follows_again,
    (
        "follow",
        "another name",
        "onboarding; check, of the newest ten; the address changes with the name",
    ): _follower_renamed,
    **{(kind, "edited", "check"): _edited(kind) for kind in ("mention", "hashtag")},
    **{(kind, "deleted", "never"): _deleted(kind) for kind in ("mention", "hashtag")},
    **{(kind, "author renamed", _RENAMED): _author_renamed(kind) for kind in ("mention", "hashtag")},
}


def lines() -> set[Line]:
    table = PAGE.read_text("utf-8").partition("## Later changes that are seen")[2].partition("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines() if "`" in line]
    return {(row[0], row[1], row[2]) for row in rows if len(row) == 3}


def test_every_line_has_its_test() -> None:
    assert lines() == SCENARIOS.keys()


@pytest.mark.parametrize("line", SCENARIOS, ids=lambda line: f"{line[0]} {line[1]}")
def test_the_line_is_true(onboarded: Connected, line: Line) -> None:
    SCENARIOS[line](onboarded)
