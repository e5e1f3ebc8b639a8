"""Every row of the table of refusals, through the client; and the page that shows it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from crowd_pipelines.http.errors import (
    CredentialsRejected,
    Gone,
    NotPermitted,
    ProviderError,
    RateLimited,
    Refused,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.http.refusals import Refusal
from crowd_pipelines.integrations.github.integration import GithubIntegration
from crowd_pipelines.integrations.github.marks import Mark
from crowd_pipelines.integrations.github.refusals import NO_INSTALLATION, NO_OWNER, REFUSALS, STARS_CLOSED
from crowd_pipelines.integrations.github.refusals import STARS as CLOSED
from crowd_pipelines.integrations.github.streams import IssuesStream, OwnerStream
from crowd_pipelines.model.streams import Stream
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.github.howto import HOW_TO
from crowd_pipelines_tests.integrations.github.hub import GRAPHQL, PLACE, REPOSITORY, STARS, Hub, api, issue, page

GRANT = "/app/installations/7/access_tokens"
ISSUES = IssuesStream(repository="R_1", name="octo/app", after="c1", found=Mark())
RAISED: Mapping[Outcome, type[ProviderError]] = {
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.GONE: Gone,
    Outcome.CREDENTIALS: CredentialsRejected,
    Outcome.PERMISSION: NotPermitted,
    Outcome.RETRY: Retryable,
    Outcome.REFUSED: Refused,
    Outcome.UNEXPECTED: UnexpectedPayload,
}
OF_APPS = ("JSON web token", "claim ('exp')", "claim ('iat')", "Integration not found", NO_INSTALLATION,
           "installation has been suspended")  # fmt: skip
ROWS = [(row, status) for row in REFUSALS.rows for status in row.statuses or (401, 403)]


def named(value: Any) -> str:
    return str(value.code or "halved") if isinstance(value, Refusal) else str(value)


def body_of(row: Refusal, status: int) -> Any:
    """The example as GraphQL tells it in a 200, and as REST tells it with any other status."""
    errors, message = row.body.get("errors"), row.body.get("message")
    if status == 200 and message and not errors:
        return {"data": {"repository": None}, "errors": [{"message": message, "path": ["repository"]}]}
    return {"message": errors[0]["message"]} if status != 200 and errors else row.body


def stream_of(row: Refusal) -> Stream:
    return {CLOSED: STARS, NO_OWNER: OwnerStream(login="octo")}.get(row.code, REPOSITORY)


@pytest.mark.parametrize(
    ("row", "status"), [(row, status) for row, status in ROWS if row.outcome is not Outcome.OK], ids=named
)
def test_a_row_means_what_it_says(hub: Hub, rsa_key: str, row: Refusal, status: int) -> None:
    refusal = answer(status, body_of(row, status), headers={"Retry-After": "600"} if status == 429 else None)
    asker, path = hub, GRAPHQL
    if row.code in OF_APPS:
        app = api(hub.server, {"app_id": "5", "installation_id": "7", "private_key": rsa_key})
        asker, path = Hub(server=hub.server, api=app), GRANT
    hub.server.plays(path, refusal)
    with pytest.raises(RAISED[row.outcome]) as told:
        GithubIntegration().process_stream(stream_of(row), asker.context())
    if row.outcome is Outcome.PERMISSION:
        assert isinstance(told.value, NotPermitted)
        assert told.value.permission == row.code
    if row.outcome is not Outcome.RETRY:
        assert len(hub.server.seen) == 1
        assert isinstance(told.value, Refused) is (row.outcome is Outcome.REFUSED)


@pytest.mark.parametrize(
    ("row", "status"), [(row, status) for row, status in ROWS if row.outcome is Outcome.OK], ids=named
)
def test_a_row_that_is_handled_costs_nothing(hub: Hub, row: Refusal, status: int) -> None:
    whole = answer(payload={"data": {"node": {**PLACE, "issues": page(issue(1), total=51)}}})
    result = hub.plays(ISSUES, answer(status, row.body), whole)
    if row.code == "INVALID_CURSOR_ARGUMENTS":
        assert isinstance(result.next_page, IssuesStream)
        assert result.next_page.after is None
    else:
        assert [asked["size"] for asked in hub.asked()] == [50, 25]
        assert result.operations


def test_the_notice_about_stars_names_the_tokens_that_would_do() -> None:
    for words in ("public_repo", "Contents: write", "Metadata: read", "admins and collaborators"):
        assert words in STARS_CLOSED


def test_every_code_is_in_one_row_alone() -> None:
    codes = [row.code for row in REFUSALS.rows]
    assert len(codes) == len(set(codes))
    assert all(row.source.startswith("https://") and row.reason.endswith(".") for row in REFUSALS.rows)


def test_the_page_shows_the_table_that_the_code_reads() -> None:
    text = HOW_TO.read_text("utf-8")
    shown = text.partition("<!-- refusals -->\n")[2].partition("\n<!-- /refusals -->")[0]
    assert shown == REFUSALS.markdown()
    assert GithubIntegration.refusals is REFUSALS


NOBODYS: Mapping[str, Callable[[int], Any]] = {
    "html": lambda status: answer(status, body=b"<html><h1>Denied</h1></html>", content_type="text/html"),
    "empty": lambda status: answer(status, body=b""),
    "json": lambda status: answer(status, {"error": "denied", "code": 17}),
    "message": lambda status: answer(status, {"message": "The rules of this network do not admit it"}),
}


@pytest.mark.parametrize("kind", NOBODYS)
@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 406, 409, 410, 418, 422, 451])
@pytest.mark.parametrize("stream", [REPOSITORY, STARS, ISSUES, OwnerStream(login="octo")], ids=lambda one: one.kind)
def test_what_nobody_names_comes_due_again(hub: Hub, stream: Stream, status: int, kind: str) -> None:
    with pytest.raises(Retryable):
        hub.plays(stream, NOBODYS[kind](status))
