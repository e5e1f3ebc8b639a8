"""Every way in which GitHub says "no", and what must happen next."""

from typing import Any

import pytest

from crowd_pipelines.http.errors import CredentialsRejected, Gone, Retryable, UnexpectedPayload
from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.integrations.github.streams import IssuesStream
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.github.hub import (
    PLACE,
    REPOSITORY,
    Hub,
    activities,
    comment,
    issue,
    of_repository,
    page,
)

TIMED_OUT = (
    "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug."
)
UNICORN = answer(502, body=b"<html>Unicorn!</html>", content_type="text/html")
ISSUES = IssuesStream(repository="R_1", name="octo/app", after="c1", found=Mark())
SCOPE = (
    "Your token has not been granted the required scopes to execute this query. The '{field}' field requires one of "
    "the following scopes: ['{scope}'], but your token has only been granted the: ['public_repo'] scopes."
)


def refused(kind: str | None, message: str, *path: str | int, data: Any = None) -> dict[str, Any]:
    error = {"message": message, **({"type": kind} if kind else {}), **({"path": list(path)} if path else {})}
    return {"data": data, "errors": [error]}


def not_found() -> dict[str, Any]:
    message = "Could not resolve to a Repository with the name 'octo/app'."
    return refused("NOT_FOUND", message, "repository", data={"repository": None, "rateLimit": None})


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, {"message": "Bad credentials"}, CredentialsRejected, "create another one"),
        (200, {"message": "Bad credentials"}, CredentialsRejected, "create another one"),
        (200, not_found(), Gone, "octo/app is gone or not visible"),
        (200, {"data": {"repository": None}}, Gone, "octo/app is gone"),
        (
            200,
            refused("FORBIDDEN", "Resource protected by organization SAML enforcement.", "repository"),
            Gone,
            "SAML enforcement",
        ),
        (200, refused("INSUFFICIENT_SCOPES", "Your token needs more.", "repository"), Gone, "needs more"),
        (403, {"message": "Resource not accessible by integration"}, Gone, "not accessible by integration"),
        (403, {}, Retryable, ""),
        (404, {"message": "Not Found"}, Retryable, "check CROWD_GITHUB_API_URL"),
        (410, {"message": "Issues are disabled"}, Retryable, "check CROWD_GITHUB_API_URL"),
        (451, {"message": "Repository access blocked"}, Gone, ""),
        (500, {"message": "Server Error"}, Retryable, ""),
        (200, refused("SERVICE_UNAVAILABLE", "down"), Retryable, ""),
        (
            200,
            {
                "errors": [
                    {"message": "Field 'x' doesn't exist on type 'Query'", "locations": [{"line": 1, "column": 1}]}
                ]
            },
            UnexpectedPayload,
            "does not understand",
        ),
        (200, refused("MAX_NODE_LIMIT_EXCEEDED", "too many nodes"), UnexpectedPayload, ""),
        (400, {"message": "Problems parsing JSON"}, UnexpectedPayload, ""),
        (200, {"surprise": 1}, UnexpectedPayload, "no data"),
        (200, of_repository() | {"data": {"repository": {"id": 5}}}, UnexpectedPayload, ""),
    ],
)
def test_an_error_is_told_by_what_must_happen(
    hub: Hub, status: int, body: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said or None):
        hub.plays(REPOSITORY, answer(status, body))
    assert len(hub.server.seen) == (3 if error is Retryable else 1)


def test_a_message_shows_no_token(hub: Hub) -> None:
    with pytest.raises(CredentialsRejected) as refusal:
        hub.plays(
            REPOSITORY, answer(401, {"message": "Bad credentials", "token": "ghp_aTokenThatOpensNothing00000001"})
        )
    assert "ghp_aToken" not in str(refusal.value)


@pytest.mark.parametrize(
    "failure",
    [
        UNICORN,
        answer(504, body=b"", content_type="text/html"),
        answer(payload=refused(None, TIMED_OUT)),
        answer(502, refused(None, TIMED_OUT)),
        answer(payload=refused("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")),
        answer(
            payload=refused(
                "RESOURCE_LIMITS_EXCEEDED",
                "Resource limits for this query exceeded.",
                "node",
                "issues",
                data={"node": {**PLACE, "issues": page(issue(1), None)}},
            )
        ),
    ],
    ids=["502", "504", "timeout", "502 and timeout", "resources", "resources with a part of the data"],
)
def test_what_was_too_heavy_is_asked_for_with_half_the_page(hub: Hub, failure: Any) -> None:
    whole = {"data": {"node": {**PLACE, "issues": page(issue(1), issue(2), more="c2")}}}
    result = hub.plays(ISSUES, failure, answer(payload=whole), onboarding=True)
    assert [asked["size"] for asked in hub.asked()] == [50, 25]
    assert [asked["comments"] for asked in hub.asked()] == [50, 25]
    assert [a.source_id for a in activities(result)] == ["I_1", "I_2"]


def test_the_smaller_page_stays_for_the_next_one_and_grows_after_successes(hub: Hub) -> None:
    ok = answer(payload={"data": {"node": {**PLACE, "issues": page(issue(1), more="c2")}}})
    stream = ISSUES
    for script in ([UNICORN, UNICORN, ok], [ok], [ok], [ok]):
        found = hub.plays(stream, *script, onboarding=True).next_page
        assert isinstance(found, IssuesStream)
        stream = found
    assert [asked["size"] for asked in hub.asked()] == [50, 25, 12, 12, 25, 50]


def test_even_the_smallest_page_may_be_too_heavy(hub: Hub) -> None:
    with pytest.raises(Retryable, match="smallest"):
        hub.plays(REPOSITORY, UNICORN)
    assert hub.asked()[-1]["firstPullRequests"] == 1
    assert len(hub.asked()) == 7


def test_addresses_that_need_a_scope_are_left_out_and_said_to_be(hub: Hub) -> None:
    message = SCOPE.format(field="email", scope="user:email")
    for script in (
        [refused("INSUFFICIENT_SCOPES", message), of_repository(issues=page(issue(1)))],
        [of_repository(issues=page(issue(1)))],
    ):
        assert len(activities(hub.read(REPOSITORY, *script, onboarding=True))) == 1
    assert [asked["emails"] for asked in hub.asked()] == [True, False, False]
    assert any("user:email" in limit for limit in hub.api.limits)


def test_people_who_are_null_for_want_of_a_scope_are_asked_for_again(hub: Hub) -> None:
    message = SCOPE.format(field="email", scope="user:email")
    partly = of_repository(issues=page(issue(1, author=None)))
    partly["errors"] = refused("INSUFFICIENT_SCOPES", message, "repository", "issues", "nodes", 0, "author", "email")[
        "errors"
    ]
    result = hub.read(REPOSITORY, partly, of_repository(issues=page(issue(1))))
    assert [a.member.source_id for a in activities(result)] == ["1"]


def test_teams_that_nobody_may_look_into_cost_nothing_else(hub: Hub) -> None:
    partly = of_repository(issues=page(issue(1)))
    path = ("repository", "pullRequests", "nodes", 0, "timelineItems", "nodes", 0, "requestedReviewer", "members")
    partly["errors"] = refused("FORBIDDEN", "Resource not accessible by integration", *path)["errors"]
    assert len(activities(hub.read(REPOSITORY, partly))) == 1
    hub.read(REPOSITORY, of_repository())
    assert [asked["teams"] for asked in hub.asked()] == [True, False]
    assert any("read:org" in limit for limit in hub.api.limits)


def test_discussions_that_are_not_for_the_credentials_do_not_hide_the_rest(hub: Hub) -> None:
    refusal = refused("FORBIDDEN", "Resource not accessible by integration", "repository", "discussions")
    refusal["data"] = {"repository": None, "rateLimit": None}
    result = hub.read(REPOSITORY, refusal, of_repository(issues=page(issue(1))))
    assert len(activities(result)) == 1
    assert [asked["discussions"] for asked in hub.asked()] == [True, False]
    assert hub.api.limits == {"Discussions of octo/app are not read: grant the credentials access to them."}


def test_a_check_remembers_what_is_not_for_the_credentials_and_an_onboarding_tries_again(hub: Hub) -> None:
    refusal = refused("FORBIDDEN", "Resource not accessible by integration", "repository", "discussions")
    refusal["data"] = {"repository": None}
    hub.read(REPOSITORY, refusal, of_repository(), onboarding=True)
    hub.read(REPOSITORY, of_repository())
    hub.read(REPOSITORY, of_repository(discussions=page()), onboarding=True)
    hub.read(REPOSITORY, of_repository(discussions=page()))
    assert [asked["discussions"] for asked in hub.asked()] == [True, False, False, True, True]


def test_nulls_where_something_is_forbidden_leave_the_rest(hub: Hub) -> None:
    partly = of_repository(issues=page(issue(1, comments=None), None, issue(2, comments=page(comment("IC_1")))))
    partly["errors"] = refused("FORBIDDEN", "SAML", "repository", "issues", "nodes", 1)["errors"]
    result = hub.read(REPOSITORY, partly)
    assert [a.source_id for a in activities(result)] == ["I_1", "I_2", "IC_1"]
    assert [rejected.reason for rejected in result.rejected] == [
        "issues-opened: no comments",
        "item: : Input should be a valid dictionary or instance of Item",
    ]


def test_a_repository_that_is_gone_is_told_to_the_user(hub: Hub) -> None:
    with pytest.raises(Gone):
        hub.read(REPOSITORY, not_found())
    assert hub.api.limits == {"octo/app is gone or not visible to these credentials; it is skipped."}
