"""What Discord's refusals mean: a case for each row of what it documents."""

from typing import Any

import pytest

from crowd_pipelines.http import CredentialsRejected, Gone, ProviderError, Retryable, UnexpectedPayload
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.discord.refusing import CHANNEL, SPENT, TOKEN, Refusing


@pytest.mark.parametrize("headers", [{}, SPENT], ids=["", "with a spent window"])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"message": "401: Unauthorized", "code": 0}, CredentialsRejected),
        (401, {"message": "Unauthorized", "code": 40001}, CredentialsRejected),
        (403, {"message": "Missing Access", "code": 50001}, Gone),
        (403, {"message": "Missing Permissions", "code": 50013}, Gone),
        (403, {"message": "Something else", "code": 50999}, Gone),
        (404, {"message": "Unknown Channel", "code": 10003}, Gone),
        (404, {"message": "Unknown Message", "code": 10008}, Gone),
        (404, {"message": "Unknown Member", "code": 10007}, Gone),
        (404, {"message": "Unknown Guild", "code": 10004}, CredentialsRejected),
        (400, {"message": "Cannot execute action on this channel type", "code": 50024}, Gone),
        (400, {"message": "Invalid Form Body", "code": 50035}, UnexpectedPayload),
        (403, {"message": "internal network error", "code": 40333}, UnexpectedPayload),
        (403, "<html>Access denied</html>", Retryable),
        (404, "<html>Not found</html>", Retryable),
        (410, {"error": "expired"}, Retryable),
        (500, {"message": "500: Internal Server Error", "code": 0}, Retryable),
        (502, "<html>Bad gateway</html>", Retryable),
        (503, {"message": "API resource is currently overloaded", "code": 130000}, Retryable),
        (504, "", Retryable),
        (400, {"message": "API resource is currently overloaded", "code": 130000}, Retryable),
        (403, {"message": "Index not yet available", "code": 110000}, Retryable),
        (202, {"message": "Index not yet available. Try again later", "code": 110000}, Retryable),
    ],
    ids=lambda value: str(value.get("code")) if isinstance(value, dict) else None,
)  # fmt: skip
def test_each_refusal_ends_in_its_class(
    refusing: Refusing, status: int, body: Any, error: type[ProviderError], headers: dict[str, str]
) -> None:
    refusing.refuses(status, body, headers)
    with pytest.raises(ProviderError) as raised:
        refusing.api.messages("900", "0")
    assert type(raised.value) is error
    assert len(refusing.server.seen) == (3 if error is Retryable else 1)
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "ask", "error"),
    [
        ("/guilds/1/channels", lambda api: api.channels("1"), CredentialsRejected),
        ("/guilds/1/threads/active", lambda api: api.active_threads("1"), CredentialsRejected),
        ("/guilds/1", lambda api: api.guild("1"), CredentialsRejected),
        ("/guilds/1/members", lambda api: api.members("1", "0"), Gone),
        ("/guilds/1/members/7", lambda api: api.membership("1", "7"), Gone),
        ("/channels/9/threads/archived/public", lambda api: api.archived_threads("9", "public", None), Gone),
    ],
    ids=["channels", "threads", "guild", "members", "member", "archive"],
)
def test_no_access_to_a_guild_is_another_thing_than_to_a_part_of_it(
    refusing: Refusing, path: str, ask: Any, error: type[ProviderError]
) -> None:
    refusing.refuses(403, {"message": "Missing Access", "code": 50001}, SPENT, path=path)
    with pytest.raises(ProviderError) as raised:
        ask(refusing.api)
    assert type(raised.value) is error
    if error is CredentialsRejected:
        assert "The bot is not in this server" in str(raised.value)


def test_every_request_says_who_asks(refusing: Refusing) -> None:
    refusing.server.plays(CHANNEL, answer(200, []))
    refusing.api.messages("900", "5")
    [seen] = refusing.server.seen
    assert seen.headers["Authorization"] == f"Bot {TOKEN}"
    assert seen.headers["User-Agent"].startswith("DiscordBot (https://")
    assert seen.path == f"{CHANNEL}?after=5&limit=100"
