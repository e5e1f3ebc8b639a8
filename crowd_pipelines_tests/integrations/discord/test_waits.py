"""How long Discord wants us to wait: a case for each form in which it says so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.http import RateLimited
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.discord.refusing import CHANNEL, Refusing


def limited(retry_after: float, *, everywhere: bool = False) -> dict[str, Any]:
    return {"message": "You are being rate limited.", "retry_after": retry_after, "global": everywhere}


@pytest.mark.parametrize(
    ("headers", "body", "seconds", "closed"),
    [
        ({"Retry-After": "65"}, limited(64.57), 65, "messages/900"),
        ({}, limited(64.57), 64.57, "messages/900"),
        (
            {"Retry-After": "65", "X-RateLimit-Scope": "shared", "X-RateLimit-Remaining": "0",
             "X-RateLimit-Reset-After": "1336.57"},
            limited(64.57), 65, "messages/900",
        ),
        ({"Retry-After": "65", "X-RateLimit-Scope": "user"}, limited(64.57), 65, "messages/900"),
        (
            {"Retry-After": "65", "X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"},
            limited(64.57), 65, "global",
        ),
        ({"Retry-After": "65"}, limited(64.57, everywhere=True), 65, "global"),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "90.25"}, {"message": "x"}, 90.25, "messages/900"),
        ({"Retry-After": "600"}, "<html>You are being blocked from accessing our API</html>", 600, "global"),
    ],
    ids=["header", "body alone", "shared", "user", "global header", "global body", "reset-after", "network ban"],
)  # fmt: skip
def test_a_refusal_tells_when_to_come_back_and_what_it_closes(
    refusing: Refusing, headers: dict[str, str], body: Any, seconds: float, closed: str
) -> None:
    refusing.refuses(429, body, headers)
    with pytest.raises(RateLimited) as refused:
        refusing.api.messages("900", "0")
    wait = (refused.value.until - datetime.now(UTC)).total_seconds()
    assert seconds - 2 < wait <= seconds
    assert refused.value.scope == closed
    assert not refusing.is_open(closed)
    assert refusing.is_open("messages/901")
    assert refusing.is_open("global") is (closed != "global")


def test_an_epoch_of_a_reset_is_read_with_its_decimals(refusing: Refusing) -> None:
    at = datetime.now(UTC) + timedelta(seconds=120)
    refusing.refuses(
        429, {"message": "slow"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{at.timestamp():.3f}"}
    )
    with pytest.raises(RateLimited) as refused:
        refusing.api.messages("900", "0")
    assert abs((refused.value.until - at).total_seconds()) < 0.01


def test_less_than_a_second_is_waited_for_in_place_and_not_taken_for_nothing(refusing: Refusing) -> None:
    slow = answer(429, limited(0.57), headers={"X-RateLimit-Reset-After": "0.57", "X-RateLimit-Remaining": "0"})
    refusing.server.plays(CHANNEL, slow, answer(200, []))
    assert refusing.api.messages("900", "0") == []
    assert len(refusing.server.seen) == 2


def test_what_an_answer_says_is_left_closes_its_bucket_alone(refusing: Refusing) -> None:
    headers = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "600.5"}
    refusing.server.plays(CHANNEL, answer(200, [], headers=headers))
    refusing.api.messages("900", "0")
    assert not refusing.is_open("messages/900")
    assert refusing.is_open("messages/901")
    assert refusing.is_open("global")
