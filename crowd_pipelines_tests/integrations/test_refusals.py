"""Every platform's table of refusals: shown on its how-to page, true of each answer in it, and closed.

`RefusalTable` and `HttpClient` are the real ones; the answers come from a scripted server.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crowd_pipelines.http import (
    CredentialsRejected,
    Gone,
    HttpClient,
    LocalPacer,
    NotPermitted,
    RateLimited,
    Retryable,
    UnexpectedPayload,
)
from crowd_pipelines.http.errors import ProviderError, Refused
from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.http.refusals import Refusal, RefusalTable
from crowd_pipelines.integrations import registry
from crowd_pipelines_tests.http.scripted_server import Behaviour, ScriptedServer, answer, scripted_server

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
TABLES = {platform: integration.refusals for platform, integration in registry().items() if integration.refusals}
WITHOUT = sorted(registry().keys() - TABLES.keys())

ERRORS: dict[Outcome, type[ProviderError] | None] = {
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.GONE: Gone,
    Outcome.CREDENTIALS: CredentialsRejected,
    Outcome.PERMISSION: NotPermitted,
    Outcome.REFUSED: Refused,
    Outcome.RETRY: Retryable,
    Outcome.UNEXPECTED: UnexpectedPayload,
    Outcome.OK: None,
}

GIVES_UP = (Gone, NotPermitted, CredentialsRejected)

STATUSES = (401, 402, 403, 404, 405, 407, 410, 418, 421, 423, 451, 500, 502, 503, 520, 530)

FOREIGN: dict[str, dict[str, Any]] = {
    "page of a proxy": {"body": b"<html><head><title>Access denied</title></head></html>", "content_type": "text/html"},
    "page as JSON": {"body": b"<html><body>Not Found</body></html>"},
    "nothing": {"body": b"", "content_type": None},
    "nothing as JSON": {"body": b""},
    "plain text": {"body": b"no healthy upstream", "content_type": "text/plain"},
    "an empty object": {"payload": {}},
    "an empty list": {"payload": []},
    "null": {"payload": None},
    "a gateway": {"payload": {"message": "no Route matched with those values"}},
    "another service": {"payload": {"success": False, "data": None, "reason": "blocked by policy"}},
    "a problem of another service": {"payload": {"title": "Blocked", "detail": "by the firewall of example.com"}},
    "broken off": {"body": b'{"error": "not fo'},
}


ROWS = [
    pytest.param(platform, row, status, id=f"{platform}-{status}-{row.code or 'any'}-{row.outcome}")
    for platform, table in TABLES.items()
    for row in table.rows
    for status in row.statuses or (400,)
]
"""Each row of each table with each of its statuses, one of them where any will do."""

every_row = pytest.mark.parametrize(("platform", "row", "status"), ROWS)


PLACES = {
    ("discord", "of the server"): "/guilds/1/channels",
    ("discord", "of the members"): "/guilds/1/members",
    ("discord", "of the bot's permissions"): "/guilds/1/roles",
    ("discord", "of private threads"): "/channels/1/threads/archived/private",
    ("github", "access_tokens"): "/app/installations/1/access_tokens",
    ("twitter", "OAuth"): "/2/oauth2/token",
    ("twitter_reach", "OAuth"): "/2/oauth2/token",
}
"""Where a row is met that holds only there: by what its code ends with; OAuth's errors come with a description."""


def path_of(platform: str, row: Refusal) -> str:
    """Return what is asked when the row's answer comes."""
    is_oauth = isinstance(row.body, dict) and "error_description" in row.body
    where = "OAuth" if is_oauth else row.code
    return next((path for (of, end), path in PLACES.items() if of == platform and where.endswith(end)), "/asked")


def played(row: Refusal, status: int) -> Behaviour:
    """The row's answer: a text as it is, anything else as JSON. A limit says how long it lasts: nobody waits for it."""
    headers = {"Retry-After": "3600"} if row.outcome is Outcome.RATE_LIMITED else {}
    if isinstance(row.body, str):
        return answer(status, body=row.body.encode(), content_type="text/plain", headers=headers)
    return answer(status, body=json.dumps(row.body).encode(), headers=headers)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


def ask(
    server: ScriptedServer, table: RefusalTable, behaviour: Behaviour, *, path: str = "/asked"
) -> ProviderError | None:
    """Return the error that comes of an answer, None where it is a value."""
    server.plays(path, behaviour)
    with HttpClient(base_url=server.url, pacer=LocalPacer(), refusals=table, sleep=lambda _: None) as client:
        try:
            client.get(path)
        except ProviderError as error:
            return error
    return None


@pytest.mark.parametrize("platform", registry())
def test_every_platform_has_a_table(platform: str) -> None:
    if platform in WITHOUT:
        pytest.skip("its refusals are not yet in a table")
    assert TABLES[platform].rows


@pytest.mark.parametrize("platform", TABLES)
def test_the_how_to_shows_exactly_the_table(platform: str) -> None:
    pages = [page for page in HOW_TO.glob("connect-*.md") if TABLES[platform].markdown() in shown_in(page)]
    assert pages, f"no page of {HOW_TO} has the table of {platform} between its marks"


def shown_in(page: Path) -> list[str]:
    """The tables of a page, each between its marks."""
    text = page.read_text("utf-8")
    return [table.strip() for table in re.findall(r"<!-- refusals -->\n(.*?)<!-- /refusals -->", text, re.DOTALL)]


@every_row
def test_every_row_means_what_it_says(server: ScriptedServer, platform: str, row: Refusal, status: int) -> None:
    error = ask(server, TABLES[platform], played(row, status), path=path_of(platform, row))
    wanted = ERRORS[row.outcome]
    if wanted is None:
        assert error is None
        return
    assert isinstance(error, wanted), f"{status} {row.code}: {error!r}"
    if isinstance(error, NotPermitted):
        assert error.permission == row.verdict.permission


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{p}-{row.code}") for p, t in TABLES.items() for row in t.rows])
def test_every_row_tells_what_is_wrong_and_where_that_is_documented(row: Refusal) -> None:
    source = urlsplit(row.source)
    assert source.scheme == "https"
    assert source.netloc
    assert 20 < len(row.reason) <= 400
    assert row.reason[-1] == "."
    assert len(re.findall(r"[.!?](?:\s|$)", row.reason)) <= 2, row.reason
    assert "|" not in row.reason
    if row.outcome is Outcome.PERMISSION:
        assert row.permission or row.code


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize("platform", TABLES)
def test_what_is_not_the_providers_own_gives_nothing_up(server: ScriptedServer, platform: str, form: str) -> None:
    for status in STATUSES:
        error = ask(server, TABLES[platform], answer(status, **FOREIGN[form]))
        told = f"{platform}, {status}, {form}: {error!r}"
        assert not isinstance(error, GIVES_UP), told
        # What the platform's reader deals with itself is a value.
        assert isinstance(error, Retryable | RateLimited) or (error is None and is_handled(platform, status)), told


def is_handled(platform: str, status: int) -> bool:
    """Tell whether a row hands answers with this status to the platform's reader."""
    return any(row.outcome is Outcome.OK and status in row.statuses for row in TABLES[platform].rows)
