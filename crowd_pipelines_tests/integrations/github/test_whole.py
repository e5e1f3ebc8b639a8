"""Lists that contradict themselves, what comes back, and what is closed: nothing is lost, and nothing retracted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.framework.integration import Place
from crowd_pipelines.http.errors import Gone, NotPermitted, Refused, Retryable
from crowd_pipelines.integrations.github.integration import GithubIntegration
from crowd_pipelines.integrations.github.marks import Mark, Origins
from crowd_pipelines.integrations.github.streams import (
    CommentsStream,
    ForksStream,
    IssuesStream,
    ListStream,
    OwnerStream,
    RepositoryStream,
    StargazersStream,
    ThreadsStream,
)
from crowd_pipelines.model.streams import Stream, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.github.hub import (
    PLACE,
    REPOSITORY,
    STARS,
    UPDATED,
    Hub,
    activities,
    comment,
    issue,
    of_repository,
    of_stars,
    others,
    page,
    shown,
    star,
    user,
)

LATER = "2024-06-01T10:00:00Z"
ISSUES = IssuesStream(repository="R_1", name="octo/app")
OWNER = OwnerStream(login="octo")
HERE = {"data": {"repository": {"id": "R_1"}}}


def no_cursor(*nodes: Any) -> dict[str, Any]:
    return {**page(*nodes), "pageInfo": {"hasNextPage": True, "endCursor": None}}


CONTRADICTIONS = [no_cursor(issue(1)), page(issue(1), total=9), page(total=5500), {"nodes": [issue(1)], "pageInfo": {}}]
NAMES = ["no cursor", "short", "empty", "untold"]


def listed(connection: dict[str, Any], name: str = "issues") -> dict[str, Any]:
    return {"data": {"node": {**PLACE, name: connection}}}


@pytest.mark.parametrize("wrong", CONTRADICTIONS, ids=NAMES)
@pytest.mark.parametrize("onboarding", [True, False])
def test_a_list_that_contradicts_itself_is_read_by_itself(hub: Hub, wrong: dict[str, Any], onboarding: bool) -> None:
    result = hub.read(REPOSITORY, of_repository(issues=wrong), onboarding=onboarding)
    assert result.new_streams == (ISSUES,)
    assert "issues:R_1" not in result.watermarks


@pytest.mark.parametrize("wrong", CONTRADICTIONS, ids=NAMES)
def test_a_list_that_contradicts_itself_ends_and_moves_nothing(hub: Hub, wrong: dict[str, Any]) -> None:
    result = hub.read(ISSUES, listed(wrong), onboarding=True)
    assert result.incomplete
    assert (result.next_page, result.new_streams, result.watermarks, others(result)) == (None, (), {}, [])
    assert len(activities(result)) == len(wrong["nodes"])


def test_what_came_to_the_front_meanwhile_is_not_missing(hub: Hub) -> None:
    first = hub.read(ISSUES, listed(page(issue(1), more="c1", total=3)), onboarding=True).next_page
    assert isinstance(first, ListStream)
    last, front = listed(page(issue(2), total=3)), listed(page(issue(3, LATER), issue(1), more="c1", total=3))
    result = hub.read(first, last, front, onboarding=True)
    assert result.incomplete is None
    assert Mark.model_validate(hub.known["issues:R_1"]).at == Mark.model_validate(result.watermarks["issues:R_1"]).at
    unchanged = listed(page(issue(1), more="c1", total=3))
    assert hub.read(first, last, unchanged, onboarding=True).incomplete is not None


def test_a_page_of_a_former_version_proves_nothing(hub: Hub) -> None:
    queued = {"repository": "R_1", "name": "octo/app", "after": "c1", "found": {}, "halved": 0}
    stream = GithubIntegration().load_stream("issues", queued)
    assert hub.read(stream, listed(page(issue(2), total=500)), onboarding=True).incomplete is None
    old = GithubIntegration().load_stream("comments", {"id": "I_1", "about": "octo/app/issues/1", "after": "c1"})
    assert GithubIntegration().place_of(old) is None


@pytest.mark.parametrize("wrong", [no_cursor(comment("IC_1")), page(comment("IC_1"), total=3), page(total=3), None])
def test_comments_that_contradict_themselves_are_read_by_themselves(hub: Hub, wrong: Any) -> None:
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(1, comments=wrong))), onboarding=True)
    [stream] = result.new_streams
    assert isinstance(stream, CommentsStream)
    assert stream.after is None
    assert not [o for o in others(result) if getattr(o, "type", None) and o.type.name == "issue-comment"]  # type: ignore[union-attr]
    if wrong:
        item = {"__typename": "Issue", "id": "I_1", "repository": PLACE, "comments": wrong}
        again = hub.read(stream, {"data": {"node": item}}, onboarding=True)
        assert again.incomplete
        assert (others(again), again.next_page) == ([], None)


def test_comments_that_agree_by_themselves_retract_what_is_not_there(hub: Hub) -> None:
    stream = CommentsStream(id="I_1", about="octo/app/issues/1", repository="octo/app")
    item = {"__typename": "Issue", "id": "I_1", "repository": PLACE, "comments": page(comment("IC_1"))}
    [missing] = others(hub.read(stream, {"data": {"node": item}}))
    assert missing.present == {"IC_1"}  # type: ignore[union-attr]


def test_threads_with_a_null_are_read_by_themselves(hub: Hub) -> None:
    threads = page({"id": "PRRT_1", "comments": page(comment("PRRC_1"))}, None)
    pull = issue(1, id="PR_1", reviewThreads=threads)
    result = hub.read(REPOSITORY, of_repository(pullRequests=page(pull)))
    [stream] = result.new_streams
    assert isinstance(stream, ThreadsStream)
    item = {"__typename": "PullRequest", "id": "PR_1", "repository": PLACE, "reviewThreads": threads}
    again = hub.read(stream, {"data": {"node": item}})
    assert (again.unread, others(again)) == (1, [])
    assert [a.source_id for a in activities(again)] == ["PRRC_1"]


# Stars.


def test_stars_are_asked_for_alone_and_only_when_their_count_is_another_one(hub: Hub) -> None:
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=2), onboarding=True).new_streams
    assert stream == StargazersStream(repository="R_1", name="octo/app", announced=2, updated=UPDATED)
    hub.read(stream, of_stars(star(1), star(2)), onboarding=True)
    assert hub.known["stars:R_1"]["count"] == 2
    assert hub.read(REPOSITORY, of_repository(stargazerCount=2)).new_streams == ()
    assert hub.read(REPOSITORY, of_repository(stargazerCount=3)).new_streams != ()
    assert hub.read(REPOSITORY, of_repository(stargazerCount=None)).new_streams != ()


def test_stars_are_asked_for_when_the_repository_was_updated_and_once_a_day(hub: Hub) -> None:
    hub.read(STARS, of_stars(star(1), star(2)), onboarding=True)
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=2, updatedAt=LATER)).new_streams
    hub.read(stream, of_stars(star(3, LATER), star(2)))
    assert hub.read(REPOSITORY, of_repository(stargazerCount=2, updatedAt=LATER)).new_streams == ()
    yesterday = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    hub.known["stars:R_1"] = {**hub.known["stars:R_1"], "read_at": yesterday}
    assert hub.read(REPOSITORY, of_repository(stargazerCount=2, updatedAt=LATER)).new_streams != ()


def test_nobodys_stars_cost_no_request_unless_there_were_some(hub: Hub) -> None:
    assert hub.read(REPOSITORY, of_repository(stargazerCount=0), onboarding=True).new_streams == ()
    hub.known["stars:R_1"] = {"count": 1}
    for onboarding in (True, False):
        [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=0), onboarding=onboarding).new_streams
    [missing] = others(hub.read(stream, of_stars(count=0)))
    assert missing.present == frozenset()  # type: ignore[union-attr]


def test_stars_that_a_former_version_read_are_counted_by_the_next_check(hub: Hub) -> None:
    hub.known["stargazers:R_1"] = {"at": "2024-01-01T00:00:00Z", "stamps": [["1", ""]], "settled": True}
    [stream] = hub.read(REPOSITORY, of_repository(stargazerCount=0)).new_streams
    assert stream.kind == "stargazers"


def forbidden(kind: str | None, message: str, *, node: Any = None) -> dict[str, Any]:
    error = {"path": ["node", "stargazers"], "message": message, **({"type": kind} if kind else {})}
    return {"data": {"node": node}, "errors": [error]}


PARTIAL = {**PLACE, "stargazerCount": 7, "stargazers": None}
CLOSED: dict[str, list[Any]] = {
    "forbidden": [forbidden("FORBIDDEN", "Resource not accessible by personal access token")],
    "not found": [forbidden("NOT_FOUND", "Could not resolve")],
    "untyped": [forbidden(None, "You may not see this")],
    "partial": [forbidden("FORBIDDEN", "No", node=PARTIAL)],
    "partial, untyped": [forbidden(None, "No", node=PARTIAL)],
    "partial, a list": [forbidden("FORBIDDEN", "No", node=of_stars(count=7)["data"]["node"])],
    "empty": [of_stars(count=7, total=7)],
    "empty, with nothing of its own": [of_stars(count=7, total=0)],
    "node not found": [
        {"data": {"node": None}, "errors": [{"type": "NOT_FOUND", "path": ["node"], "message": "Could not"}]},
        HERE,
    ],
}


@pytest.mark.parametrize("way", CLOSED)
def test_closed_stars_are_owed_and_nothing_of_them_is_retracted(hub: Hub, way: str) -> None:
    hub.known["stars:R_1"] = {"count": 5}
    with pytest.raises(NotPermitted, match=r"public_repo .*Contents: write beside Metadata: read") as refusal:
        hub.read(STARS, *CLOSED[way])
    assert refusal.value.permission == "stargazers"
    place = GithubIntegration().place_of(STARS)
    assert place == Place(key="stars:octo/app", label="stars of octo/app", stream=STARS, itself=True)
    assert hub.known["stars:R_1"] == {"count": 5}


@pytest.mark.parametrize(
    ("status", "message"), [(403, "Resource not accessible by personal access token"), (404, "Not Found")]
)
def test_stars_closed_by_a_status_are_owed_while_the_repository_answers(hub: Hub, status: int, message: str) -> None:
    refusals = [answer(status, {"message": message})] * (3 if status == 404 else 1)
    with pytest.raises(NotPermitted, match="public_repo"):
        hub.plays(STARS, *refusals, answer(payload=HERE))
    asked = len(hub.server.seen)
    assert asked == (4 if status == 404 else 1)


def test_stars_of_a_repository_that_does_not_answer_are_not_closed(hub: Hub) -> None:
    with pytest.raises(Retryable):
        hub.plays(STARS, answer(404, {"message": "Not Found"}))


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (forbidden("FORBIDDEN", "Resource protected by organization SAML enforcement."), NotPermitted),
        (forbidden("SERVICE_UNAVAILABLE", "down"), Retryable),
        (forbidden("FORBIDDEN", "`octo` organization has an IP allow list enabled"), Refused),
    ],
)
def test_what_is_refused_for_another_reason_is_not_told_as_closed_stars(hub: Hub, failure: Any, error: Any) -> None:
    with pytest.raises(error) as told:
        hub.read(STARS, failure)
    assert "public_repo" not in str(told.value)


def test_stars_fewer_than_their_count_are_incomplete_and_retract_nothing(hub: Hub) -> None:
    result = hub.read(STARS, of_stars(star(1), total=5))
    assert result.incomplete
    assert others(result) == []


@pytest.mark.parametrize("counts", [{"count": 3}, {"announced": 3}])
def test_an_answer_older_than_what_led_to_it_retracts_nothing_and_is_asked_again(hub: Hub, counts: Any) -> None:
    hub.read(STARS, of_stars(star(1), star(2)), onboarding=True)
    stream = STARS.model_copy(update={"announced": counts.get("announced")})
    result = hub.read(stream, of_stars(star(1), star(2), count=counts.get("count", 2)))
    assert (others(result), result.watermarks.get("stars:R_1")) == ([], None)
    assert hub.read(REPOSITORY, of_repository(stargazerCount=3)).new_streams != ()


# What comes back.


def test_whatever_a_list_shows_is_shown(hub: Hub) -> None:
    fork = {"id": "F_1", "createdAt": LATER, "owner": user(1)}
    talk, pull = issue(3, id="D_1"), issue(2, id="PR_1", reviewThreads=page())
    everything = {"forks": page(fork), "issues": page(issue(1)), "pullRequests": page(pull), "discussions": page(talk)}
    hub.read(REPOSITORY, of_repository(**everything), onboarding=True)
    again = hub.read(REPOSITORY, of_repository(**everything))
    assert activities(again) == []
    assert shown(again) == ["F_1", "I_1", "PR_1", "D_1"]
    hub.read(STARS, of_stars(star(1)), onboarding=True)
    again = hub.read(STARS, of_stars(star(1)))
    assert (activities(again), shown(again)) == ([], ["R_1:1"])


def test_the_last_star_taken_back_and_given_again_is_there_again(hub: Hub) -> None:
    hub.read(STARS, of_stars(star(1, "2024-01-02T00:00:00Z"), star(2)), onboarding=True)
    hub.read(STARS, of_stars(star(2)))
    for at in ("2024-01-02T00:00:30Z", "2024-01-02T00:00:00Z"):
        again = hub.read(STARS, of_stars(star(1, at), star(2)))
        assert "R_1:1" in {*shown(again), *(activity.source_id for activity in activities(again))}


# One identity.


def test_only_what_began_so_is_taken_for_the_former_form() -> None:
    known = Origins().with_issues([("2024 1", "I_1", "One"), ("2024 1", "I_2", "Two"), ("2023 1", "I_3", "One")])
    assert known.former("2024 1", now="I_1") == ("I_2",)
    assert known.former("2024 1", now="D_1", title="One") == ("I_1",)
    assert known.former("2024 1", now="D_1", title="Three") == ()
    assert known.former(None, now="D_1") == ()
    many = Origins().with_issues((f"{number:05}", f"I_{number}", "") for number in range(2_100))
    assert len(many.issues) == 2_000
    assert "02099" in many.issues


def test_an_issue_that_is_gone_became_the_discussion_that_began_as_it_did(hub: Hub) -> None:
    hub.read(REPOSITORY, of_repository(issues=page(issue(1), issue(2, title="Other"))), onboarding=True)
    talk = issue(1, LATER, id="D_1")
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(2, title="Other")), discussions=page(talk)))
    assert {o.source_ids for o in others(result) if hasattr(o, "source_ids")} == {("I_1",)}


def test_a_conversion_whose_discussion_is_hidden_leaves_the_issue(hub: Hub) -> None:
    made = {"__typename": "ConvertedToDiscussionEvent", "id": "CTDE_1", "createdAt": LATER, "discussion": None}
    events = {"pageInfo": {"hasPreviousPage": False}, "nodes": [made]}
    result = hub.read(REPOSITORY, of_repository(issues=page(issue(1, timelineItems=events))))
    assert [a.source_id for a in activities(result)] == ["I_1"]


# Places.


@pytest.mark.parametrize(
    ("stream", "key"),
    [
        (REPOSITORY, "repository:octo/app"),
        (RepositoryStream(owner="Octo", name="App"), "repository:octo/app"),
        (ISSUES, "repository:octo/app"),
        (ForksStream(repository="R_1", name="octo/app", after="c"), "repository:octo/app"),
        (CommentsStream(id="I_1", about="x", repository="octo/app"), "repository:octo/app"),
        (STARS, "stars:octo/app"),
        (OWNER, "owner:octo"),
        (OwnerStream(login="octo", after="c"), "owner:octo"),
        (OwnerStream(login="octo", left_out=True), "hidden:octo"),
    ],
)
def test_a_stream_belongs_to_its_place(stream: Stream, key: str) -> None:
    place = GithubIntegration().place_of(stream)
    assert place is not None
    assert place.key == key


def test_a_place_is_confirmed_with_one_small_request_a_minute(hub: Hub) -> None:
    integration, below = GithubIntegration(), CommentsStream(id="I_1", about="x", repository="octo/app")
    hub.server.plays("/graphql", answer(payload=HERE))
    for _ in range(3):
        integration.confirm_place(below, hub.context())
    assert [asked["name"] for asked in hub.asked()] == ["app"]
    gone = {"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "path": ["repository"], "message": "No"}]}
    hub.server.plays("/graphql", answer(payload=gone))
    with pytest.raises(Gone):
        integration.confirm_place(CommentsStream(id="I_1", about="x", repository="octo/other"), hub.context())


# Owners.


def of_owner(*repositories: Any, more: str | None = None, errors: Any = None, **details: Any) -> dict[str, Any]:
    owner = {"id": "O", "login": "octo", "repositories": page(*repositories, more=more, **details)}
    return {"data": {"repositoryOwner": owner}, **({"errors": errors} if errors else {})}


def repository(name: str, **details: Any) -> dict[str, Any]:
    full = f"octo/{name}"
    lists = {"forks": page(), "issues": page(), "pullRequests": page(), "discussions": page()}
    about = {"id": f"R_{name}", "url": f"https://github.com/{full}", "nameWithOwner": full, "stargazerCount": 0}
    return {**about, **lists, **details}


def names(result: StreamResult) -> list[str]:
    return [stream.label for stream in result.new_streams]


def test_a_repository_that_comes_as_null_is_told_and_owed_without_reading_the_others_again(hub: Hub) -> None:
    error = {"type": "FORBIDDEN", "path": ["repositoryOwner", "repositories", "nodes", 1], "message": "SAML"}
    answered = of_owner(repository("one"), None, errors=[error])
    result = hub.read(OWNER, answered, onboarding=True)
    hidden = result.new_streams[-1]
    assert hidden == OwnerStream(login="octo", left_out=True)
    assert result.owed == ()
    result = hub.read(hidden, answered, onboarding=True)
    [owed] = result.owed
    assert (owed.place, owed.permission, owed.stream, result.unread) == (
        "hidden:octo",
        "hidden repositories",
        hidden,
        1,
    )
    assert "GitHub hides 1 of the repositories of octo from these credentials (SAML)" in owed.reason
    hub.known["channel:R_one"] = {"url": "https://github.com/octo/one"}
    opened = hub.read(hidden, of_owner(repository("one"), repository("two")), onboarding=True)
    assert (names(opened), opened.owed) == (["repository octo/two"], ())


def test_a_repository_that_is_not_listed_any_more_is_asked_for_by_its_name(hub: Hub) -> None:
    hub.read(OWNER, of_owner(repository("one"), repository("two")), onboarding=True)
    [stream] = [one for one in hub.read(OWNER, of_owner(repository("one"))).new_streams if one.label.endswith("two")]
    gone = {"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "path": ["repository"], "message": "No"}]}
    with pytest.raises(Gone):
        hub.read(stream, gone)
    moved = of_repository()
    moved["data"]["repository"] |= {"nameWithOwner": "acme/two"}
    assert "of another owner" in (hub.read(stream, moved).skipped or "")
    assert not [one for one in hub.read(OWNER, of_owner(repository("one"))).new_streams if one.label.endswith("two")]


@pytest.mark.parametrize("total", [3, 50])
def test_a_list_of_repositories_that_contradicts_itself_lets_go_of_none(hub: Hub, total: int) -> None:
    hub.read(OWNER, of_owner(repository("one"), repository("two")), onboarding=True)
    result = hub.read(OWNER, of_owner(repository("one"), total=total))
    assert result.incomplete
    assert result.new_streams == ()
