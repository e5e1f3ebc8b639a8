"""Every way in which GitHub says "no", and what must happen next."""

from typing import Any

import pytest

from crowd_pipelines.http.errors import (
    CredentialsRejected,
    Gone,
    NotPermitted,
    Refused,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.integrations.github.streams import CommentsStream, DiscussionsStream, IssuesStream
from crowd_pipelines.model.streams import RetractMissing, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.github.hub import (
    PLACE,
    REPOSITORY,
    Hub,
    activities,
    comment,
    issue,
    of_repository,
    others,
    page,
)

TIMED_OUT = (
    "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug."
)
UNICORN = answer(502, body=b"<html>Unicorn!</html>", content_type="text/html")
ISSUES = IssuesStream(repository="R_1", name="octo/app", after="c1", found=Mark())
ADDRESSES = (
    "Although you appear to have the correct authorization credentials, the `octo` organization has an IP allow list "
    "enabled, and your IP address is not permitted to access this resource."
)
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
        (200, {"data": {"repository": None}}, Refused, "no reason that it documents"),
        (
            200,
            refused("FORBIDDEN", "Resource protected by organization SAML enforcement.", "repository"),
            NotPermitted,
            "SAML enforcement",
        ),
        (200, refused("INSUFFICIENT_SCOPES", "Your token needs more.", "repository"), NotPermitted, "needs more"),
        (403, {"message": "Resource not accessible by integration"}, NotPermitted, "not accessible by integration"),
        (403, {}, Refused, ""),
        (403, {"message": "A reason that nobody knows"}, Refused, "comes? due|tried again"),
        (404, {"message": "Not Found"}, Retryable, "check CROWD_GITHUB_API_URL"),
        (404, {"error": "no such route"}, Refused, ""),
        (410, {"message": "Issues are disabled"}, Refused, ""),
        (451, {"message": "Repository access blocked"}, NotPermitted, "blocked"),
        (401, {"error": "unauthorized"}, Refused, ""),
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


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 418, 451])
def test_a_page_of_something_in_front_of_github_proves_nothing(hub: Hub, status: int) -> None:
    with pytest.raises(Refused):
        hub.plays(REPOSITORY, answer(status, body=b"<html>Blocked by policy</html>", content_type="text/html"))
    assert len(hub.server.seen) == 1


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
    stream = ISSUES
    for number, failures in enumerate((2, 0, 0, 0)):
        ok = answer(payload={"data": {"node": {**PLACE, "issues": page(issue(1), more=f"c{number + 2}")}}})
        found = hub.plays(stream, *[UNICORN] * failures, ok, onboarding=True).next_page
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
    path = ("repository", "pullRequests", "nodes", 0, "timelineItems", "nodes", 0, "requestedReviewer", "teamName")
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
    [owed] = result.owed
    assert (owed.place, owed.label, owed.permission) == ("repository:octo/app", "octo/app", "discussions")
    assert owed.stream == DiscussionsStream(repository="R_1", name="octo/app")
    assert "Discussions of octo/app are not read (Resource not accessible by integration)" in owed.reason
    assert hub.api.limits == set()


def test_a_check_does_not_ask_for_what_is_owed_and_an_onboarding_does(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository())
    hub.owed["repository:octo/app"] = frozenset({"discussions", "stargazers"})
    hub.read(REPOSITORY, of_repository())
    hub.owed.clear()
    hub.read(REPOSITORY, of_repository(), onboarding=True)
    assert [asked["discussions"] for asked in hub.asked()] == [True, False, True]


@pytest.mark.parametrize("kind", ["FORBIDDEN", "NOT_FOUND"])
def test_a_list_that_is_asked_for_once_a_day_is_owed_as_before(hub: Hub, kind: str) -> None:
    refusal = refused(kind, "Not for you", "node", "discussions", data={"node": None})
    with pytest.raises(NotPermitted, match="Discussions of octo/app are not read") as told:
        hub.read(DiscussionsStream(repository="R_1", name="octo/app"), refusal, onboarding=True)
    assert told.value.permission == "discussions"


def test_a_list_that_failed_for_no_reason_is_read_by_itself_and_hides_nothing(hub: Hub) -> None:
    failure = refused(None, "Oops", "repository", "discussions", data={"repository": None})
    result = hub.read(REPOSITORY, failure, of_repository(issues=page(issue(1))))
    assert [a.source_id for a in activities(result)] == ["I_1"]
    assert result.new_streams == (DiscussionsStream(repository="R_1", name="octo/app"),)
    assert result.owed == ()
    failure = refused(None, "Oops", "node", "discussions", data={"node": None})
    with pytest.raises(Refused):
        hub.read(result.new_streams[0], failure)


def read_again(result: StreamResult) -> list[tuple[str, Any]]:
    """What is read once more, since something in it could not be."""
    return [(stream.kind, getattr(stream, "entire", None)) for stream in result.new_streams]


def test_nulls_where_something_is_forbidden_leave_the_rest_and_are_asked_for_again(hub: Hub) -> None:
    partly = of_repository(issues=page(issue(1), None, issue(2, comments=page(comment("IC_1")))))
    partly["errors"] = refused("FORBIDDEN", "SAML", "repository", "issues", "nodes", 1)["errors"]
    result = hub.read(REPOSITORY, partly)
    assert [a.source_id for a in activities(result)] == ["I_1", "I_2", "IC_1"]
    assert (result.rejected, result.unread) == ((), 0)
    assert read_again(result) == [("issues", True)]
    again = {"data": {"node": {**PLACE, "issues": partly["data"]["repository"]["issues"]}}}
    result = hub.read(result.new_streams[0], again)
    assert [a.source_id for a in activities(result)] == ["I_1", "I_2", "IC_1"]
    assert (result.unread, result.next_page, result.watermarks.keys() - {"origins:R_1"}) == (1, None, set())
    assert result.rejected == ()


def test_somebody_who_could_not_be_read_is_no_ghost(hub: Hub) -> None:
    partly = of_repository(issues=page(issue(1, author=None, comments=page(comment("IC_1")))))
    partly["errors"] = refused("FORBIDDEN", "SAML", "repository", "issues", "nodes", 0, "author")["errors"]
    result = hub.read(REPOSITORY, partly)
    assert [a.source_id for a in activities(result)] == ["IC_1"]
    assert read_again(result) == [("issues", True)]


def test_comments_that_could_not_be_read_are_read_by_themselves_and_retract_nothing(hub: Hub) -> None:
    partly = of_repository(issues=page(issue(1, comments=None), issue(2, comments=page(comment("IC_1"), None))))
    partly["errors"] = refused("FORBIDDEN", "SAML", "repository", "issues", "nodes", 0, "comments")["errors"]
    result = hub.read(REPOSITORY, partly)
    assert [a.source_id for a in activities(result)] == ["I_1", "I_2", "IC_1"]
    assert [(stream.kind, stream.id) for stream in result.new_streams if isinstance(stream, CommentsStream)] == [
        ("comments", "I_1"),
        ("comments", "I_2"),
    ]
    assert "issue-comment" not in {o.type.name for o in others(result) if isinstance(o, RetractMissing)}
    item = {"__typename": "Issue", "id": "I_2", "repository": PLACE, "comments": page(comment("IC_1"), None)}
    result = hub.read(result.new_streams[1], {"data": {"node": item}})
    assert (result.unread, [a.source_id for a in activities(result)], others(result)) == (1, ["IC_1"], [])


def test_an_error_without_a_place_spoils_every_list(hub: Hub) -> None:
    partly = of_repository(issues=page(issue(1)))
    partly["errors"] = [{"message": "Something is missing"}]
    result = hub.read(REPOSITORY, partly)
    assert [a.source_id for a in activities(result)] == ["I_1"]
    assert [stream.kind for stream in result.new_streams] == ["forks", "issues", "pulls", "discussions"]
    assert (result.watermarks, others(result)) == ({}, [])
    partly = {"data": {"node": {**PLACE, "issues": page(issue(1))}}, "errors": [{"message": "Something is missing"}]}
    result = hub.read(IssuesStream(repository="R_1", name="octo/app"), partly)
    assert "Something is missing" in (result.incomplete or "")
    assert result.watermarks == {}


def test_a_third_organizations_addresses_cost_one_record_and_not_the_repository(hub: Hub) -> None:
    partly = of_repository(forks=page({"id": "F_1", "createdAt": "2024-01-01T00:00:00Z", "owner": None}))
    partly["errors"] = refused("FORBIDDEN", ADDRESSES, "repository", "forks", "nodes", 0, "owner")["errors"]
    assert read_again(hub.read(REPOSITORY, partly)) == [("forks", True)]
    for path in (("repository",), ("repository", "issues")):
        with pytest.raises(Refused, match="IP allow list"):
            hub.read(REPOSITORY, refused("FORBIDDEN", ADDRESSES, *path, data={"repository": None}))


def test_a_cursor_that_leads_nowhere_begins_the_list_again(hub: Hub) -> None:
    message = "`Y3Vyc29y` does not appear to be a valid cursor."
    expired = refused("INVALID_CURSOR_ARGUMENTS", message, "node", data={"node": None})
    begun = hub.read(ISSUES, expired).next_page
    assert isinstance(begun, IssuesStream)
    assert (begun.after, begun.begun, begun.found) == (None, 1, Mark())
    child = CommentsStream(id="I_1", about="octo/app/issues/1", after="c1")
    begun = hub.read(child, expired).next_page
    assert isinstance(begun, CommentsStream)
    assert (begun.after, begun.begun) == (None, 1)
    with pytest.raises(Retryable):
        hub.read(begun, expired)
