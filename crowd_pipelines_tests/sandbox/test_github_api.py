"""The simulated GitHub answers and refuses as the real one does."""

import base64
from typing import Any

import pytest

from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.github import AGENT, authorized, data, errors, query, send, tokens

REPOSITORY = 'repository(owner: "cedar-labs", name: "compiler")'


@pytest.fixture(scope="module")
def told(still: Sandbox) -> Truth:
    return still.truth("github")


def issues(sandbox: Sandbox, arguments: str) -> Any:
    text = f"{{ {REPOSITORY} {{ issues({arguments}) {{ totalCount nodes {{ number updatedAt createdAt }} pageInfo {{"
    return data(sandbox, text + " hasNextPage hasPreviousPage startCursor endCursor } } } }")["repository"]["issues"]


def numbers(page: Any) -> list[int]:
    return [node["number"] for node in page["nodes"]]


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "token"])
def test_a_token_lets_in(still: Sandbox, scheme: str) -> None:
    headers = {**AGENT, "Authorization": f"{scheme} {tokens(still)[0]}"}
    answer = send(still, "/graphql", body={"query": "{ viewer { login } }"}, headers=headers)
    assert (answer.status, answer.json) == (200, {"data": {"viewer": {"login": "reader-one"}}})


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"Authorization": "bearer x"}, 403, "User-Agent"),
        (AGENT, 401, "This endpoint requires you to be authenticated."),
        (authorized("ghp_somebodyElses"), 401, "Bad credentials"),
        ({**AGENT, "Authorization": "basic abc"}, 401, "Bad credentials"),
    ],
)
def test_who_does_not_say_who_they_are_is_refused(
    still: Sandbox, headers: dict[str, str], status: int, message: str
) -> None:
    answer = send(still, "/graphql", body={"query": "{ viewer { login } }"}, headers=headers)
    assert answer.status == status
    assert message in answer.body.decode()
    assert "x-ratelimit-limit" not in answer.headers


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "Problems parsing JSON"),
        ({}, 400, "A query attribute must be specified and must be a string."),
        ({"query": 7}, 400, "A query attribute must be specified and must be a string."),
        ({"query": "{ viewer { login } }", "variables": [1]}, 400, "Variables are invalid JSON."),
        ({"query": "{ viewer { login }"}, 200, "Syntax Error: Expected Name, found <EOF>."),
        ({"query": "{ viewer { logon } }"}, 200, "Field 'logon' doesn't exist on type 'User'"),
        ({"query": "{ user { login } }"}, 200, "Field 'user' argument 'login' of type 'String!' is required"),
        ({"query": "query($id: ID!) { node(id: $id) { id } }"}, 200, "Variable '$id' of required type 'ID!'"),
        ({"query": "mutation { addStar(input: {starrableId: 1}) { clientMutationId } }"}, 200, ""),
        ({"query": f'{{ {REPOSITORY} {{ issues(first: 1, filterBy: {{since: "yesterday"}}) {{ totalCount }} }} }}'},
         200, "not a DateTime"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_is_a_violation(
    still: Sandbox, body: Any, status: int, message: str
) -> None:
    still.forget_requests("github")
    answer = send(still, "/graphql", body=body, headers=authorized(tokens(still)[0]))
    assert answer.status == status
    assert message in answer.json["message" if status == 400 else "errors"].__str__().replace("\\'", "'")
    assert "data" not in answer.json
    assert [entry["violation"] for entry in still.requests("github")] != [None]


def test_unknown_keys_are_a_violation_although_they_are_answered(still: Sandbox) -> None:
    still.forget_requests("github")
    body = {"query": "{ viewer { login } }", "vars": {}}
    assert send(still, "/graphql", body=body, headers=authorized(tokens(still)[0])).status == 200
    assert [entry["violation"] for entry in still.requests("github")] == ["unknown keys in the body: vars"]


def test_the_log_tells_what_was_asked_but_no_token(still: Sandbox) -> None:
    still.forget_requests("github")
    query(still, "query Someone($login: String!) { user(login: $login) { id } }", login="reader-one")
    [entry] = still.requests("github")
    assert entry["asked"] == 'Someone {"login": "reader-one"}'
    assert tokens(still)[0] not in str(entry)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ("", "MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate"),
        ("(first: 101)", "EXCESSIVE_PAGINATION", "Requesting 101 records on the `issues` connection exceeds"),
        ("(last: 101)", "EXCESSIVE_PAGINATION", "exceeds the `last` limit of 100 records."),
        ("(first: 0)", "ARGUMENT_LIMIT", "`first` on the `issues` connection"),
        ("(last: -1)", "ARGUMENT_LIMIT", "`last` on the `issues` connection"),
        ("(first: 1, last: 1)", "ARGUMENT_CONFLICT", "Passing both `first` and `last`"),
        ('(first: 1, after: "MQ==")', "INVALID_CURSOR_ARGUMENTS", "`MQ==` does not appear to be a valid cursor."),
        ('(first: 1, before: "?")', "INVALID_CURSOR_ARGUMENTS", "`?` does not appear to be a valid cursor."),
    ],
)  # fmt: skip
def test_pages_have_bounds(still: Sandbox, arguments: str, kind: str, message: str) -> None:
    still.forget_requests("github")
    [error] = errors(still, f"{{ {REPOSITORY} {{ issues{arguments} {{ nodes {{ id }} }} }} }}")
    assert (error["type"], error["locations"][0]["line"]) == (kind, 1)
    assert message in error["message"]
    assert still.requests("github")[0]["violation"] == error["message"]


def test_a_count_needs_no_page(still: Sandbox) -> None:
    counted = data(still, f"{{ {REPOSITORY} {{ issues {{ totalCount }} }} rateLimit {{ cost nodeCount }} }}")
    assert counted["repository"]["issues"]["totalCount"] > 10
    assert counted["rateLimit"] == {"cost": 1, "nodeCount": 0}


def test_what_is_not_included_needs_no_page(still: Sandbox) -> None:
    text = f"query($on: Boolean!) {{ {REPOSITORY} {{ id issues @include(if: $on) {{ nodes {{ id }} }} }} }}"
    assert set(data(still, text, on=False)["repository"]) == {"id"}
    assert errors(still, text, on=True)[0]["type"] == "MISSING_PAGINATION_BOUNDARIES"
    skipped = f"query($off: Boolean!) {{ {REPOSITORY} {{ id ... @skip(if: $off) {{ issues {{ nodes {{ id }} }} }} }} }}"
    assert set(data(still, skipped, off=True)["repository"]) == {"id"}
    assert errors(still, skipped, off=False)[0]["type"] == "MISSING_PAGINATION_BOUNDARIES"


def test_pages_go_forth_and_back(still: Sandbox) -> None:
    whole = issues(still, "first: 100")
    assert numbers(whole) == numbers(issues(still, "last: 100"))
    assert whole["totalCount"] == len(whole["nodes"])
    assert [node["createdAt"] for node in whole["nodes"]] == sorted(node["createdAt"] for node in whole["nodes"])
    first = issues(still, "first: 5")
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    second = issues(still, f'first: 5, after: "{first["pageInfo"]["endCursor"]}"')
    assert numbers(first) + numbers(second) == numbers(whole)[:10]
    assert second["pageInfo"]["hasPreviousPage"]
    assert numbers(issues(still, f'last: 2, before: "{second["pageInfo"]["startCursor"]}"')) == numbers(whole)[3:5]
    last = issues(still, "last: 5")
    assert numbers(last) == numbers(whole)[-5:]
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, True)
    # The trap of the original: `first` with `before` is the oldest of all, not the page before.
    assert numbers(issues(still, f'first: 2, before: "{last["pageInfo"]["startCursor"]}"')) == numbers(whole)[:2]


def test_order_and_filters(still: Sandbox) -> None:
    falling = issues(still, "first: 100, orderBy: {field: UPDATED_AT, direction: DESC}")
    moments = [node["updatedAt"] for node in falling["nodes"]]
    assert moments == sorted(moments, reverse=True)
    assert len(set(moments)) > 5
    since = issues(still, f'first: 100, filterBy: {{since: "{moments[4]}"}}')
    assert sorted(numbers(since)) == sorted(numbers(falling)[:5])
    states = [issues(still, f"first: 100, states: {state}")["totalCount"] for state in ("OPEN", "CLOSED")]
    assert min(states) > 0
    assert sum(states) == falling["totalCount"]
    discussions = data(still, f"{{ {REPOSITORY} {{ discussions(first: 50) {{ nodes {{ updatedAt }} }} }} }}")
    listed = [node["updatedAt"] for node in discussions["repository"]["discussions"]["nodes"]]
    assert listed == sorted(listed, reverse=True), "the newest come first where nothing is told"


def test_a_cursor_is_of_one_connection_and_one_order(still: Sandbox) -> None:
    cursor = issues(still, "first: 1")["pageInfo"]["endCursor"]
    assert base64.b64decode(cursor).startswith(b"cursor:v2:")
    for arguments in (f'issues(first: 1, after: "{cursor}", orderBy: {{field: CREATED_AT, direction: DESC}})',
                      f'pullRequests(first: 1, after: "{cursor}")'):  # fmt: skip
        [error] = errors(still, f"{{ {REPOSITORY} {{ {arguments} {{ nodes {{ id }} }} }} }}")
        assert error["type"] == "INVALID_CURSOR_ARGUMENTS"


def test_the_timeline_has_types_and_a_beginning(still: Sandbox, told: Truth) -> None:
    text = """query($id: ID!, $types: [PullRequestTimelineItemsItemType!], $since: DateTime) { node(id: $id) {
      ... on PullRequest { timelineItems(last: 100, itemTypes: $types, since: $since) { totalCount filteredCount
        nodes { __typename ... on AssignedEvent { createdAt } } } } } }"""
    item = told.cases["long_pull_request"]
    whole = data(still, text, id=item)["node"]["timelineItems"]
    assert {node["__typename"] for node in whole["nodes"]} == {"AssignedEvent"}, "the newest hundred"
    assert whole["totalCount"] > 200
    assigned = data(still, text, id=item, types=["ASSIGNED_EVENT"])["node"]["timelineItems"]
    assert assigned["totalCount"] == 105
    since = assigned["nodes"][-3]["createdAt"]
    late = data(still, text, id=item, types=["ASSIGNED_EVENT"], since=since)["node"]["timelineItems"]
    assert late["nodes"] == assigned["nodes"][-3:]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('repository(owner: "cedar-labs", name: "x")', "a Repository with the name 'cedar-labs/x'."),
        ('user(login: "x")', "a User with the login of 'x'."),
        ('organization(login: "x")', "an Organization with the login of 'x'."),
        ('node(id: "x")', "a node with the global id of 'x'."),
    ],
)
def test_what_is_not_there_is_null_with_an_error(still: Sandbox, text: str, message: str) -> None:
    answer = query(still, f"{{ it: {text} {{ id }} viewer {{ login }} }}").json
    assert answer["data"] == {"it": None, "viewer": {"login": "reader-one"}}
    [error] = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["it"])
    assert error["message"] == f"Could not resolve to {message}"


def test_a_number_that_is_none_is_null_below(still: Sandbox) -> None:
    answer = query(still, f"{{ {REPOSITORY} {{ name issue(number: 999999) {{ id }} }} }}").json
    assert answer["data"] == {"repository": {"name": "compiler", "issue": None}}
    assert answer["errors"][0]["path"] == ["repository", "issue"]


def test_an_owner_who_is_none_is_null_without_a_word(still: Sandbox) -> None:
    assert query(still, '{ repositoryOwner(login: "x") { id } }').json == {"data": {"repositoryOwner": None}}


def test_nodes_are_told_one_by_one(still: Sandbox, told: Truth) -> None:
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    known = told.cases["long_issue"]
    answer = query(still, text, ids=[known, "x", known]).json
    assert answer["data"]["nodes"] == [{"id": known}, None, {"id": known}]
    assert answer["errors"][0]["path"] == ["nodes", 1]
    assert errors(still, text, ids=[known] * 101)[0]["type"] == "ARGUMENT_LIMIT"


def test_ids_have_two_forms_until_one_asks_for_the_new(still: Sandbox) -> None:
    body = {"query": f"{{ {REPOSITORY} {{ id databaseId forks(last: 1) {{ nodes {{ id }} }} }} }}"}
    old = send(still, "/graphql", body=body, headers={**authorized(tokens(still)[0]), "X-Github-Next-Global-ID": "0"})
    new = send(still, "/graphql", body=body, headers=authorized(tokens(still)[0]))
    one, other = old.json["data"]["repository"], new.json["data"]["repository"]
    assert base64.b64decode(one["id"]) == f"010:Repository{one['databaseId']}".encode()
    assert other["id"].startswith("R_kgDO")
    assert one["forks"] == other["forks"], "what came later has but the new one"
    found = data(still, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[one["id"], other["id"]])
    assert {node["id"] for node in found["nodes"]} == {other["id"]}


def test_a_number_beyond_32_bits_is_left_out(still: Sandbox, told: Truth) -> None:
    _, comment = told.cases["longest_body"]
    text = "query($id: ID!) { node(id: $id) { ... on IssueComment { databaseId fullDatabaseId url } } }"
    node = data(still, text, id=comment)["node"]
    assert int(node["fullDatabaseId"]) >= 2**31
    assert node["databaseId"] is None
    assert node["url"].endswith(f"#issuecomment-{node['fullDatabaseId']}")


@pytest.mark.parametrize(
    ("pages", "nodes", "cost"),
    [
        ((100,), 100, 1),
        ((50, 10), 50 + 500, 1),
        ((100, 100), 100 + 10_000, 1),
        ((50, 20, 10), 50 + 1_000 + 10_000, 11),  # 1 + 50 + 1000 requests
        ((100, 50, 60), 100 + 5_000 + 300_000, 51),  # 1 + 100 + 5000 requests, GitHub's own example
    ],
)
def test_the_cost_is_worked_out_as_github_does(still: Sandbox, pages: tuple[int, ...], nodes: int, cost: int) -> None:
    names = ("pullRequests", "reviewThreads", "comments")
    text = "".join(f"{name}(first: {size}) {{ nodes {{ id " for name, size in zip(names, pages, strict=False))
    text = f"{{ {REPOSITORY} {{ {text} {'} }' * len(pages)} }} rateLimit {{ cost nodeCount }} }}"
    assert data(still, text)["rateLimit"] == {"cost": cost, "nodeCount": nodes}


def test_more_than_half_a_million_nodes_are_too_many(still: Sandbox) -> None:
    text = f"""{{ {REPOSITORY} {{ pullRequests(first: 100) {{ nodes {{ reviewThreads(first: 100) {{ nodes {{
      comments(first: 50) {{ nodes {{ id }} }} }} }} }} }} }} }}"""
    [error] = errors(still, text)
    assert error["type"] == "MAX_NODE_LIMIT_EXCEEDED"
    assert "up to 510,100 possible nodes which exceeds the maximum limit of 500,000." in error["message"]


def test_each_token_has_a_budget_of_its_own() -> None:
    with Sandbox.start(platforms=["github"]) as sandbox:
        one, other = tokens(sandbox)
        text = "{ rateLimit { limit cost remaining used resetAt } }"
        for used in (1, 2):
            answer = query(sandbox, text, token=one)
            assert {**answer.json["data"]["rateLimit"], "resetAt": None} == {
                "limit": 5000,
                "cost": 1,
                "remaining": 5000 - used,
                "used": used,
                "resetAt": None,
            }
            assert answer.headers["x-ratelimit-remaining"] == str(5000 - used)
            assert answer.headers["x-ratelimit-used"] == str(used)
            assert answer.headers["x-ratelimit-limit"] == "5000"
            assert answer.headers["x-ratelimit-resource"] == "graphql"
        assert query(sandbox, text, token=other).json["data"]["rateLimit"]["remaining"] == 4999


def test_there_is_nothing_but_what_is_simulated(still: Sandbox) -> None:
    still.forget_requests("github")
    for method, path in (("GET", "/graphql"), ("GET", "/repos/cedar-labs/tools"), ("GET", "/rate_limit?x=1")):
        send(still, path, method=method, headers=authorized(tokens(still)[0]))
    assert [entry["status"] for entry in still.requests("github")] == [404, 404, 200]
    assert all(entry["violation"] for entry in still.requests("github"))
