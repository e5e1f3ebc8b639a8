"""What a refusal on DEV means: Forem's own stand in a table, and nothing else proves anything."""

from pathlib import Path
from typing import Any

import pytest

from crowd_pipelines.http import CredentialsRejected, Gone, NotPermitted, RateLimited, Refused, Retryable
from crowd_pipelines.http.errors import ProviderError, UnexpectedPayload
from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.http.refusals import Refusal
from crowd_pipelines.integrations.devto.integration import DevtoIntegration
from crowd_pipelines.integrations.devto.refusals import REFUSALS
from crowd_pipelines.model.streams import Stream
from crowd_pipelines_tests.http.scripted_server import Behaviour, answer
from crowd_pipelines_tests.integrations.devto.forem import (
    ARTICLE,
    ARTICLES,
    COMMENTS,
    NOT_FOUND,
    PATHS,
    Forem,
    payload,
)
from crowd_pipelines_tests.integrations.devto.test_mapping import PROFILE

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "connect-devto.md"

ERRORS: dict[Outcome, type[ProviderError]] = {
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.GONE: Gone,
    Outcome.CREDENTIALS: CredentialsRejected,
    Outcome.PERMISSION: NotPermitted,
    Outcome.REFUSED: Refused,
    Outcome.RETRY: Retryable,
    Outcome.UNEXPECTED: UnexpectedPayload,
}

EVERY_STATUS = (400, 401, 402, 403, 404, 405, 407, 409, 410, 418, 421, 422, 423, 451, 500, 502, 503, 520, 530)

FOREIGN: dict[str, dict[str, Any]] = {
    "page of a proxy": {"body": b"<html><h1>404 Not Found</h1></html>", "content_type": "text/html"},
    "nothing": {"body": b"", "content_type": None},
    "plain text": {"body": b"not found", "content_type": "text/plain"},
    "another service": {"payload": {"message": "not found", "code": 404}},
    "Rails, which knows no such path": {"payload": {"status": 404, "error": "Not Found"}},
    "Forem's words with another status": {"payload": {"error": "not found", "status": 200}},
    "Forem's words alone": {"payload": {"error": "not found"}},
    "Forem's words among others": {"payload": {**NOT_FOUND, "path": "/api"}},
    "words that are none": {"payload": {"error": ["not found"], "status": 404}},
    "a list": {"payload": [NOT_FOUND]},
}


def played(row: Refusal, status: int) -> Behaviour:
    """The row's answer, as it comes."""
    headers = {"Retry-After": "3600"} if row.outcome is Outcome.RATE_LIMITED else {}
    if isinstance(row.body, str):
        return answer(status, body=row.body.encode(), content_type="text/plain", headers=headers)
    return answer(status, row.body, headers=headers)


ROWS = [pytest.param(row, status, id=f"{status} {row.code}") for row in REFUSALS.rows for status in row.statuses]


@pytest.mark.parametrize(("row", "status"), ROWS)
def test_every_row_means_what_the_table_says(forem: Forem, row: Refusal, status: int) -> None:
    forem.server.plays("/users/me", played(row, status))
    with pytest.raises(ERRORS[row.outcome]) as raised:
        forem.api.me()
    if row.outcome is not Outcome.RETRY:
        # What the server could not do is told by its status alone where the answer is not Forem's own.
        assert type(raised.value) is ERRORS[row.outcome]
    if isinstance(raised.value, NotPermitted):
        assert raised.value.permission == row.permission


def test_the_how_to_shows_the_table() -> None:
    page = HOW_TO.read_text("utf-8")
    shown = page.partition("<!-- refusals -->\n")[2].partition("<!-- /refusals -->")[0]
    assert shown.strip() == REFUSALS.markdown()
    assert DevtoIntegration.refusals is REFUSALS


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize("status", EVERY_STATUS)
def test_what_is_not_forems_own_proves_nothing(forem: Forem, status: int, form: str) -> None:
    forem.server.plays("/users/me", answer(status, **FOREIGN[form]))
    with pytest.raises(ProviderError) as raised:
        forem.api.me()
    assert isinstance(raised.value, Retryable), f"{status}: {raised.value}"


@pytest.mark.parametrize("stream", [ARTICLES, ARTICLE, COMMENTS, PROFILE], ids=lambda stream: stream.kind)
@pytest.mark.parametrize("form", ["page of a proxy", "nothing", "Rails, which knows no such path"])
def test_a_foreign_404_leaves_nothing_out_and_retracts_nothing(forem: Forem, stream: Stream, form: str) -> None:
    forem.server.plays(PATHS[stream.kind], answer(404, **FOREIGN[form]))
    with pytest.raises(Refused):
        forem.process(stream)


def test_a_wait_comes_before_everything_else(forem: Forem) -> None:
    forem.server.plays("/users/me", answer(404, NOT_FOUND, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimited):
        forem.api.me()


def test_an_owner_that_is_not_found_is_told_with_what_to_do(forem: Forem) -> None:
    forem.server.plays("/organizations/barn/articles", answer(404, NOT_FOUND))
    barn = ARTICLES.model_copy(update={"owner": "organization", "username": "barn"})
    with pytest.raises(Gone, match=r"no organization named 'barn'.*correct the name in the settings"):
        forem.process(barn)


def test_a_user_who_is_not_found_is_one_although_their_list_is_only_empty(forem: Forem) -> None:
    forem.server.plays("/users/by_username", answer(404, NOT_FOUND))
    with pytest.raises(Gone, match="no user named 'mara'"):
        forem.read(ARTICLES, [])


def test_all_that_a_list_led_to_belongs_to_its_place(forem: Forem) -> None:
    dev = DevtoIntegration()
    found = forem.read(ARTICLES, payload("articles"), onboarding=True)
    assert found.next_page is not None
    for stream in (ARTICLES, ARTICLE, *found.new_streams, found.next_page):
        place = dev.place_of(stream)  # type: ignore[arg-type]
        assert place is not None
        assert (place.key, place.stream) == ("articles:user:mara", ARTICLES)


def test_comments_are_gone_only_while_the_owner_answers(forem: Forem) -> None:
    forem.server.plays("/users/by_username", answer(404, NOT_FOUND))
    forem.server.plays("/articles", answer(payload=[]))
    with pytest.raises(Gone, match="no user named 'mara'"):
        forem.read(COMMENTS, NOT_FOUND, status=404)
    forem.server.plays("/articles", answer(502, body=b"<html>", content_type="text/html"))
    with pytest.raises(Retryable):
        forem.read(COMMENTS, NOT_FOUND, status=404)
    forem.server.plays("/articles", answer(payload=payload("articles")))
    assert forem.read(COMMENTS, NOT_FOUND, status=404).skipped


def test_an_owner_that_answered_a_moment_ago_is_not_asked_again(forem: Forem) -> None:
    forem.read(ARTICLES, payload("articles"))
    asked = len(forem.server.seen)
    DevtoIntegration().confirm_place(COMMENTS, forem.context())
    DevtoIntegration().confirm_place(PROFILE, forem.context())
    assert len(forem.server.seen) == asked
