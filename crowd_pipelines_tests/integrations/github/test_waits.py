"""Every way in which GitHub says "later", and until when that is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.http.errors import RateLimited
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.github.hub import REPOSITORY, Hub, api, budget, of_repository

SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
ABUSE = "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again."
PRIMARY = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1."}]}
SOON, HOUR = 600, 3600


def reset(seconds: int, remaining: int = 0) -> dict[str, str]:
    epoch = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
    return {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Limit": "5000", "X-RateLimit-Reset": str(epoch)}


def in_the_query(seconds: int) -> dict[str, Any]:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return {**PRIMARY, "data": {"repository": None, "rateLimit": {**budget(0), "resetAt": at.isoformat()}}}


def told(answer_or_part: Any) -> Any:
    """What a case says; one with a moment in it is made when its test runs, not when all are collected."""
    return answer_or_part() if callable(answer_or_part) else answer_or_part


@pytest.mark.parametrize(
    ("status", "body", "headers", "seconds"),
    [
        (200, PRIMARY, lambda: reset(SOON), SOON),
        (200, lambda: in_the_query(SOON), {}, SOON),
        (200, {"errors": [{"type": "RATE_LIMIT", "message": "API rate limit exceeded"}]}, lambda: reset(SOON), SOON),
        (403, {"message": "API rate limit exceeded for user ID 1."}, lambda: reset(SOON), SOON),
        (429, {"message": "API rate limit exceeded for user ID 1."}, lambda: reset(SOON), SOON),
        (200, {"errors": [{"message": SECONDARY}]}, {"Retry-After": "90"}, 90),
        (403, {"message": SECONDARY}, lambda: {"Retry-After": "90", **reset(HOUR, 4000)}, 90),
        (429, {"message": SECONDARY}, {"Retry-After": "90"}, 90),
        (403, {"message": SECONDARY}, lambda: reset(SOON), SOON),
        (403, {"message": SECONDARY}, lambda: reset(HOUR, 4000), 60),
        (200, {"errors": [{"message": SECONDARY}]}, {}, 60),
        (403, {"message": ABUSE}, {}, 60),
    ],
    ids=[
        "200 typed, reset", "200 typed, reset in the query", "200 typed otherwise, reset", "403 used up", "429 used up",
        "200 secondary, retry-after", "403 secondary, retry-after", "429 secondary, retry-after",
        "403 secondary, used up", "403 secondary, budget left", "200 secondary, untold", "403 abuse, untold",
    ],
)  # fmt: skip
def test_a_wait_is_read(hub: Hub, status: int, body: Any, headers: Any, seconds: int) -> None:
    with pytest.raises(RateLimited) as refused:
        hub.plays(REPOSITORY, answer(status, told(body), headers=told(headers)))
    assert seconds - 10 < (refused.value.until - datetime.now(UTC)).total_seconds() <= seconds + 1
    assert len(hub.server.seen) == 1


def test_a_short_wait_is_waited_for_in_place(hub: Hub) -> None:
    refusal = answer(403, {"message": SECONDARY}, headers={"Retry-After": "2"})
    result = hub.plays(REPOSITORY, refusal, answer(payload=of_repository()))
    assert result.skipped is None
    assert len(hub.server.seen) == 2


@pytest.mark.parametrize(
    ("status", "headers"), [(403, lambda: reset(SOON)), (429, lambda: reset(SOON)), (429, {"Retry-After": "600"})]
)
def test_an_app_waits_for_its_token(hub: Hub, rsa_key: str, status: int, headers: Any) -> None:
    refusal = answer(status, {"message": "limit"}, headers=told(headers))
    hub.server.plays("/app/installations/7/access_tokens", refusal)
    app = api(hub.server, {"app_id": "5", "installation_id": "7", "private_key": rsa_key})
    with pytest.raises(RateLimited) as refused:
        Hub(server=hub.server, api=app).read(REPOSITORY, of_repository())
    assert SOON - 10 < (refused.value.until - datetime.now(UTC)).total_seconds() <= SOON + 1
