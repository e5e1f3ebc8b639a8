"""Every row of the table of refusals through the real client, and what no row is about."""

import json
from pathlib import Path
from typing import Any

import pytest

from crowd_pipelines.apis.x.refusals import REFUSALS, InvalidParameters, is_capped
from crowd_pipelines.http import (
    CredentialsRejected,
    Gone,
    NotPermitted,
    RateLimited,
    Refusal,
    Refused,
    Retryable,
)
from crowd_pipelines.http.errors import ProviderError
from crowd_pipelines.http.outcomes import Outcome, Response
from crowd_pipelines.integrations.twitter.integration import TwitterIntegration
from crowd_pipelines.integrations.twitter_reach.integration import TwitterReachIntegration
from crowd_pipelines_tests.http.scripted_server import Behaviour, answer
from crowd_pipelines_tests.integrations.twitter.scripted import (
    FOLLOWERS,
    HASHTAG,
    LOOK,
    MENTIONS,
    ScriptedX,
    payload,
    problem,
    scripted_x,
)

ROWS = [(row, status) for row in REFUSALS.rows for status in row.statuses]
ERRORS: dict[Outcome, type[ProviderError]] = {
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.GONE: Gone,
    Outcome.CREDENTIALS: CredentialsRejected,
    Outcome.PERMISSION: NotPermitted,
    Outcome.RETRY: Retryable,
    Outcome.REFUSED: Refused,
    Outcome.OK: InvalidParameters,
}
PAGES = Path(__file__).parents[3] / "docs/how-to"


def raised(row: Refusal, status: int) -> tuple[ProviderError, int]:
    """What comes of an answer, and how often it was asked for."""
    of_token = isinstance(row.body, dict) and "error_description" in row.body
    with scripted_x() as x:
        refused = answer(status, row.body)
        x.plays("token", refused if of_token else answer(200, {"access_token": "made-up-second"}))
        with pytest.raises(ProviderError) as error:
            x.read(MENTIONS, problem(401) if of_token else refused)
    path = "/2/oauth2/token" if of_token else "/mentions"
    return error.value, len([seen for seen in x.server.seen if path in seen.path])


@pytest.mark.parametrize(("row", "status"), ROWS, ids=[f"{status} {row.code}" for row, status in ROWS])
def test_every_row_is_what_the_code_does(row: Refusal, status: int) -> None:
    error, times = raised(row, status)
    assert type(error) is ERRORS[row.outcome]
    if row.outcome is not Outcome.OK:
        assert row.reason in str(error)
    if isinstance(error, NotPermitted):
        assert error.permission == row.permission
    # What time may heal is asked for three times in all; a refused token is renewed once, and tried once more.
    once_more = row.outcome is Outcome.CREDENTIALS and "error_description" not in row.body
    assert times == (3 if row.outcome is Outcome.RETRY else 2 if once_more else 1)


@pytest.mark.parametrize("page", ["connect-twitter.md", "connect-twitter_reach.md"])
def test_the_page_shows_the_table_that_the_code_reads(page: str) -> None:
    text = (PAGES / page).read_text("utf-8")
    shown = text.partition("<!-- refusals -->\n")[2].partition("\n<!-- /refusals -->")[0]
    assert shown.strip() == REFUSALS.markdown()


def test_both_platforms_read_the_same_table() -> None:
    assert TwitterIntegration.refusals is TwitterReachIntegration.refusals is REFUSALS


def test_both_names_of_the_host_are_x_s() -> None:
    for host in ("api.twitter.com", "api.x.com"):
        body = {"type": f"https://{host}/2/problems/usage-capped", "title": "Capped"}
        assert is_capped(Response(status=429, url="", headers={}, json=body))
    body = {"type": "https://api.example.com/2/problems/usage-capped", "title": "Capped"}
    assert not is_capped(Response(status=429, url="", headers={}, json=body))


FOREIGN: dict[str, Behaviour] = {
    "a page": answer(403, body=b"<html><title>Attention Required!</title></html>", content_type="text/html"),
    "empty": answer(403, body=b""),
    "another service": answer(403, {"message": "Forbidden"}),
    "another gateway": answer(403, {"type": "about:blank", "title": "Forbidden", "detail": "Policy 7", "status": 403}),
    "a gateway's 401": answer(401, {"error": "unauthorized"}),
    "a page with 401": answer(401, body=b"<html>sign in to the proxy</html>", content_type="text/html"),
    "a page with 404": answer(404, body=b"<html>not here</html>", content_type="text/html"),
    "another 404": answer(404, {"error": {"code": 404, "message": "no route"}}),
    "a page with 402": answer(402, body=b"<html>pay the proxy</html>", content_type="text/html"),
    "an unknown type": problem(403, "new-policy"),
    "an unknown reason in a 200": answer(200, {"errors": [{"title": "Not Found Error", "detail": "Who is [7]?"}]}),
    "no reason in a 200": answer(200, {"errors": []}),
    "451": answer(451, {"reason": "law"}),
    "418": answer(418, {}),
}


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("stream", [FOLLOWERS, LOOK, MENTIONS, HASHTAG], ids=lambda stream: stream.label)
def test_what_no_row_is_about_comes_due_again(scripted: ScriptedX, stream: Any, foreign: str) -> None:
    scripted.known["followers:4001"] = {"front": [["12", "d"]]}
    with pytest.raises(Refused):
        scripted.read(stream, FOREIGN[foreign])
    # Nobody renews a token for what X never said.
    assert not [seen for seen in scripted.server.seen if "oauth2" in seen.path]


@pytest.mark.parametrize("limit", ["429", "retry-after", "words"])
def test_a_limit_comes_before_everything_else(scripted: ScriptedX, limit: str) -> None:
    refusals = {
        "429": answer(429, body=b"<html>slow</html>", content_type="text/html"),
        "retry-after": answer(403, {}, headers={"Retry-After": "600"}),
        "words": answer(403, {"title": "Forbidden", "detail": "You are being throttled."}),
    }
    with pytest.raises(RateLimited):
        scripted.read(MENTIONS, refusals[limit])


def test_a_refused_renewal_by_a_proxy_is_no_verdict_about_the_token(scripted: ScriptedX) -> None:
    scripted.plays("token", answer(403, body=b"<html>blocked</html>", content_type="text/html"))
    with pytest.raises(Refused):
        scripted.read(MENTIONS, problem(401))
    scripted.plays("token", answer(200, {"access_token": "made-up-second"}))
    assert scripted.read(MENTIONS, problem(401), payload("mentions")).operations


def test_a_lookup_may_find_nobody(scripted: ScriptedX) -> None:
    lost = {"resource_id": "7", "type": "https://api.x.com/2/problems/resource-not-found", "title": "Not Found Error"}
    scripted.plays("users", answer(200, {"errors": [lost]}))
    page = scripted.api.users(["7"])
    assert (page.records, page.flaw, page.problems[0].resource_id) == ([], None, "7")


def test_examples_are_json() -> None:
    assert all(json.dumps(row.body) != "null" for row in REFUSALS.rows)
