"""What Discord's refusals mean: every row of the table, and what stands in none."""

from pathlib import Path
from typing import Any

import pytest

import crowd_pipelines
from crowd_pipelines.http import CredentialsRejected, ProviderError, RateLimited, Retryable
from crowd_pipelines.http.errors import Gone, NotPermitted, Refused, UnexpectedPayload
from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.http.refusals import Refusal
from crowd_pipelines.integrations.discord.integration import DiscordIntegration
from crowd_pipelines.integrations.discord.refusals import REFUSALS
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.discord.refusing import CHANNEL, SPENT, TOKEN, Refusing

HOW_TO = Path(crowd_pipelines.__file__).parents[1] / "docs" / "how-to" / "connect-discord.md"

ERRORS: dict[Outcome, type[ProviderError]] = {
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.GONE: Gone,
    Outcome.CREDENTIALS: CredentialsRejected,
    Outcome.PERMISSION: NotPermitted,
    Outcome.RETRY: Retryable,
    Outcome.REFUSED: Refused,
    Outcome.UNEXPECTED: UnexpectedPayload,
}

ASKED: dict[str, tuple[str, Any]] = {
    "": (CHANNEL, lambda api: api.messages("900", "0")),
    "of the server": ("/guilds/1/channels", lambda api: api.channels("1")),
    "of the members": ("/guilds/1/members", lambda api: api.members("1", "0")),
    "of the bot's permissions": ("/guilds/1", lambda api: api.guild("1")),
    "of private threads": (
        "/channels/9/threads/archived/private",
        lambda api: api.archived_threads("9", "private", None),
    ),
}

ROWS = [(row, status) for row in REFUSALS.rows for status in row.statuses or (400, 403, 503)]


def refused(refusing: Refusing, path: str, ask: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        ask(refusing.api)
    return raised.value


@pytest.mark.parametrize(("row", "status"), ROWS, ids=[f"{row.code or 'any'}-{status}" for row, status in ROWS])
@pytest.mark.parametrize("headers", [{}, SPENT], ids=["", "with a spent window"])
def test_each_row_ends_in_its_class(refusing: Refusing, row: Refusal, status: int, headers: dict[str, str]) -> None:
    path, ask = ASKED[row.code.partition(" ")[2]]
    waits = {"Retry-After": "600"} if row.outcome is Outcome.RATE_LIMITED else {}
    refusing.refuses(status, row.body, {**headers, **waits}, path=path)
    if row.outcome is Outcome.OK:
        assert row.code == "50085"
        path = "/channels/9/threads/archived/public"
        refusing.refuses(status, row.body, headers, path=path)
        assert refusing.api.archived_threads("9", "public", "2020-01-01T00:00:00+00:00") == ([], False)
        return
    error = refused(refusing, path, ask)
    assert type(error) is ERRORS[row.outcome]
    # A limit is known by its words, too, before any table is asked.
    assert row.reason in str(error) or (row.outcome is Outcome.RATE_LIMITED and status != 429)
    assert len(refusing.server.seen) == (3 if row.outcome is Outcome.RETRY else 1)
    assert TOKEN not in str(error)
    if isinstance(error, NotPermitted):
        assert error.permission == row.permission


def test_the_how_to_shows_the_table_that_the_code_reads() -> None:
    page = HOW_TO.read_text("utf-8")
    shown = page.partition("<!-- refusals -->\n")[2].partition("\n<!-- /refusals -->")[0]
    assert shown == REFUSALS.markdown()
    assert DiscordIntegration.refusals is REFUSALS


OF_NOBODY = {
    "html": "<html>Access denied | Error 1020</html>",
    "empty": "",
    "another service": {"error": "not_found"},
    "a proxy": {"message": "Forbidden"},
    "text for a code": {"message": "Missing Access", "code": "50001"},
    "no message": {"code": 50001},
    "an unknown code": {"message": "Something else", "code": 50999},
    "an unknown path": {"message": "404: Not Found", "code": 0},
    "a list": [],
}


@pytest.mark.parametrize("status", [401, 402, 403, 404, 407, 409, 410, 418, 422, 451])
@pytest.mark.parametrize("body", OF_NOBODY.values(), ids=OF_NOBODY)
@pytest.mark.parametrize("path", ASKED, ids=lambda name: name or "of a channel")
def test_what_nobody_names_comes_due_again(refusing: Refusing, status: int, body: Any, path: str) -> None:
    if (status, body) == (401, OF_NOBODY["an unknown path"]):
        pytest.skip("a 401 of Discord with that code is a row")
    address, ask = ASKED[path]
    refusing.refuses(status, body, path=address)
    assert type(refused(refusing, address, ask)) is Refused


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 522, 530])
@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "", {"error": "x"}], ids=["html", "empty", "json"])
def test_trouble_in_front_of_discord_is_tried_again_at_once(refusing: Refusing, status: int, body: Any) -> None:
    refusing.refuses(status, body)
    assert type(refused(refusing, CHANNEL, lambda api: api.messages("900", "0"))) is Retryable
    assert len(refusing.server.seen) == 3


@pytest.mark.parametrize("status", [403, 429])
def test_a_ban_of_the_network_is_a_limit_where_it_says_so(refusing: Refusing, status: int) -> None:
    refusing.refuses(status, "<html>Error 1015: You are being rate limited</html>", {"Retry-After": "600"})
    assert type(refused(refusing, CHANNEL, lambda api: api.messages("900", "0"))) is RateLimited
    assert not refusing.is_open("global")


@pytest.mark.parametrize(
    ("path", "ask", "error"),
    [
        ("/guilds/1/channels", lambda api: api.channels("1"), CredentialsRejected),
        ("/guilds/1/threads/active", lambda api: api.active_threads("1"), CredentialsRejected),
        ("/guilds/1", lambda api: api.guild("1"), Refused),
        ("/guilds/1/roles", lambda api: api.roles("1"), Refused),
        ("/guilds/1/members/7", lambda api: api.membership("1", "7"), Refused),
        ("/guilds/1/members", lambda api: api.members("1", "0"), NotPermitted),
        ("/channels/9/threads/archived/public", lambda api: api.archived_threads("9", "public", None), NotPermitted),
        (
            "/channels/9/users/@me/threads/archived/private",
            lambda api: api.archived_threads("9", "joined", None),
            NotPermitted,
        ),
    ],
    ids=["channels", "threads", "guild", "roles", "member", "members", "archive", "joined"],
)
def test_no_access_to_a_guild_is_another_thing_than_to_a_part_of_it(
    refusing: Refusing, path: str, ask: Any, error: type[ProviderError]
) -> None:
    refusing.refuses(403, {"message": "Missing Access", "code": 50001}, SPENT, path=path)
    raised = refused(refusing, path, ask)
    assert type(raised) is error
    if error is CredentialsRejected:
        assert "The bot is not in this server" in str(raised)


def test_every_request_says_who_asks(refusing: Refusing) -> None:
    refusing.server.plays(CHANNEL, answer(200, []))
    refusing.api.messages("900", "5")
    [seen] = refusing.server.seen
    assert seen.headers["Authorization"] == f"Bot {TOKEN}"
    assert seen.headers["User-Agent"].startswith("DiscordBot (https://")
    assert seen.path == f"{CHANNEL}?after=5&limit=100"
