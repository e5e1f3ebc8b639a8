"""The simulated DEV answers and refuses as the real one does."""

from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import HEADERS, fetch

NOT_FOUND = {"error": "not found", "status": 404}
UNAUTHORIZED = {"error": "unauthorized", "status": 401}


@pytest.fixture(scope="session")
def api(still: Sandbox) -> str:
    return still.api_url("devto")


@pytest.fixture(scope="session")
def organization(truth: Truth) -> str:
    return str(truth.settings["organizations"][0])


@pytest.fixture(scope="session")
def user(truth: Truth) -> str:
    return str(truth.settings["users"][0])


def ids(articles: list[dict[str, Any]]) -> list[int]:
    return [article["id"] for article in articles]


def test_pages_are_newest_first_and_end_with_an_empty_one(api: str, organization: str) -> None:
    url = f"{api}/organizations/{organization}/articles"
    whole = fetch(url).json
    assert [a["published_at"] for a in whole] == sorted((a["published_at"] for a in whole), reverse=True)
    pages = [fetch(url, page=page, per_page=6).json for page in range(1, 6)]
    assert ids([article for page in pages for article in page]) == ids(whole)
    assert pages[-1] == []
    assert len(pages[0]) == 6


def test_a_page_has_30_articles_unless_told_and_all_at_state_all(api: str) -> None:
    assert len(fetch(f"{api}/articles").json) == 30
    assert len(fetch(f"{api}/articles", state="all").json) == 40
    assert len(fetch(f"{api}/articles", per_page=5000).json) == 40


def test_a_lower_page_size_cap_holds_without_a_word() -> None:
    with Sandbox.start(page_size_max=4) as sandbox:
        answer = fetch(sandbox.api_url("devto") + "/articles", per_page=1000)
        assert (answer.status, len(answer.json)) == (200, 4)


def test_an_article_is_listed_under_its_user_and_its_organization(
    api: str, organization: str, user: str, truth: Truth
) -> None:
    for listed in (
        fetch(f"{api}/organizations/{organization}/articles").json,
        fetch(f"{api}/articles", username=user).json,
        fetch(f"{api}/articles", username=organization).json,
    ):
        assert truth.cases["listed_twice"] in ids(listed)


def test_an_unknown_user_has_no_articles_and_an_unknown_organization_is_not_found(api: str) -> None:
    assert fetch(f"{api}/articles", username="nobody").json == []
    answer = fetch(f"{api}/organizations/nobody/articles")
    assert (answer.status, answer.json) == (404, NOT_FOUND)


def test_users_are_found_by_id_and_by_name(api: str, user: str, truth: Truth) -> None:
    by_name = fetch(f"{api}/users/by_username", url=user).json
    assert by_name["username"] == user
    assert fetch(f"{api}/users/{by_name['id']}").json == by_name
    assert fetch(f"{api}/organizations/{truth.settings['organizations'][0]}").json["type_of"] == "organization"


@pytest.mark.parametrize("path", ["users/1", "users/undefined", "users/²", "users/by_username", "organizations/nobody"])
def test_unknown_people_and_organizations_are_not_found(api: str, path: str) -> None:
    answer = fetch(f"{api}/{path.replace('²', '%C2%B2')}")
    assert (answer.status, answer.json) == (404, NOT_FOUND)


def test_comments_come_whole_without_a_page_and_by_threads_with_one(api: str, truth: Truth) -> None:
    article = truth.cases["many_roots"]
    whole = fetch(f"{api}/comments", a_id=article).json
    assert len(whole) > 100
    assert fetch(f"{api}/comments", a_id=article, page=1).json == whole[:50]
    assert fetch(f"{api}/comments", a_id=article, page=2, per_page=60).json == whole[60:120]
    assert fetch(f"{api}/comments", a_id=article, page=99).json == []
    assert fetch(f"{api}/comments", a_id=article, per_page=3).json == whole


def test_a_comment_comes_with_its_thread(api: str, truth: Truth) -> None:
    placeholder, reply = truth.cases["deleted_with_reply"]
    thread = fetch(f"{api}/comments/{placeholder}").json
    assert thread["id_code"] == placeholder
    assert [child["id_code"] for child in thread["children"]] == [reply]
    assert fetch(f"{api}/comments/{truth.cases['deep_thread']}").json["children"] == []


@pytest.mark.parametrize("query", ["", "?a_id=1", "?a_id=abc", "?a_id="])
def test_comments_of_no_article_are_not_found(api: str, query: str) -> None:
    answer = fetch(f"{api}/comments{query}")
    assert (answer.status, answer.json) == (404, NOT_FOUND)


def test_an_article_can_be_listed_whose_comments_are_gone(api: str, truth: Truth) -> None:
    article = truth.cases["listed_but_gone"]
    assert article in ids(fetch(f"{api}/articles", state="all").json)
    assert fetch(f"{api}/comments", a_id=article).json == NOT_FOUND
    activities = [a for a in truth.activities if a["thread"] == str(article)]
    assert [activity["type"] for activity in activities] == ["article"]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("articles?page=0", "page='0'"),
        ("articles?per_page=-1", "per_page='-1'"),
        ("articles?page=1.5", "page='1.5'"),
        ("articles?page=", "page=''"),
        ("articles?page=1&page=2", "twice"),
        ("articles?since=2024-01-01", "'since'"),
        ("articles?state=rising", "rising"),
        ("comments?a_id=40000&cursor=x", "'cursor'"),
        ("users/1003?fields=all", "'fields'"),
    ],
)
def test_parameters_it_does_not_have_are_refused_and_marked(lively: Sandbox, path: str, word: str) -> None:
    answer = fetch(f"{lively.api_url('devto')}/{path}")
    assert answer.status == 422
    assert word in answer.json["error"]
    assert [word in request["violation"] for request in lively.requests("devto")] == [True]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "articles"), ("DELETE", "comments/1"), ("GET", "nothing"), ("GET", "..")]
)
def test_what_it_does_not_have_is_not_found(api: str, method: str, path: str) -> None:
    assert fetch(f"{api}/{path}", method=method).status == 404


def test_without_a_user_agent_nobody_gets_in(api: str) -> None:
    answer = fetch(f"{api}/articles", headers={"User-Agent": ""})
    assert (answer.status, answer.headers["content-type"]) == (403, "text/plain")


def test_a_wrong_api_key_is_unauthorized_where_none_is_needed(api: str) -> None:
    answer = fetch(f"{api}/articles", headers={**HEADERS, "api-key": "wrong"})
    assert (answer.status, answer.json) == (401, UNAUTHORIZED)


def test_only_the_key_opens_me(api: str) -> None:
    assert fetch(f"{api}/users/me").json == UNAUTHORIZED
    with_key = {**HEADERS, "api-key": "the-one-key-this-sandbox-accepts"}
    assert fetch(f"{api}/users/me", headers=with_key).json["type_of"] == "user"


def test_without_version_1_it_warns(api: str) -> None:
    answer = fetch(f"{api}/articles", headers={"User-Agent": "x"})
    assert answer.status == 200
    assert answer.headers["warning"].startswith("299")
    assert "warning" not in fetch(f"{api}/articles").headers


def test_head_has_no_body(api: str) -> None:
    answer = fetch(f"{api}/articles", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
