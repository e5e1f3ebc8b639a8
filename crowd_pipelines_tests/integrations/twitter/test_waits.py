"""Every way in which X asks to wait is read right, and none of them as a number of seconds since 1970."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from crowd_pipelines.http import RateLimited
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.twitter.scripted import MENTIONS, ScriptedX, payload, problem

TOO_MANY = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
CAP = {"title": "UsageCapExceeded", "detail": "Usage cap exceeded: Monthly product cap", "period": "Monthly"}
DAY = 86_400


def window(*, remaining: int, seconds: int) -> dict[str, str]:
    told = {"limit": 300, "remaining": remaining, "reset": int(time.time()) + seconds}
    return {f"x-rate-limit-{name}": str(value) for name, value in told.items()}


def refused_for(x: ScriptedX) -> float:
    with pytest.raises(RateLimited) as refused:
        x.read(MENTIONS, x.server.script["/2/users/4001/mentions"][0])
    return (refused.value.until - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(
    ("status", "body", "headers", "seconds"),
    [
        (429, TOO_MANY, {"remaining": 0, "seconds": 700}, 700),
        (429, {}, {"remaining": 0, "seconds": 45}, 45),
        (429, TOO_MANY, {"remaining": 0, "seconds": 40 * DAY}, DAY),
        (429, TOO_MANY, {}, 60),
        (
            429,
            {**CAP, "type": "https://api.twitter.com/2/problems/usage-capped"},
            {"remaining": 250, "seconds": 700},
            DAY,
        ),
        (429, {**CAP, "type": "https://api.x.com/2/problems/usage-capped"}, {"remaining": 0, "seconds": 700}, DAY),
        (402, {"title": "CreditsDepleted", "type": "https://api.x.com/2/problems/credits"}, {}, DAY),
    ],
    ids=["window", "no body", "absurd", "no headers", "cap, old name", "cap, new name", "no credits"],
)
def test_a_refusal_tells_until_when(
    scripted: ScriptedX, status: int, body: dict[str, Any], headers: Mapping[str, int], seconds: int
) -> None:
    told = window(**headers) if headers else {}
    scripted.plays("mentions", answer(status, body, headers=told))
    assert refused_for(scripted) == pytest.approx(seconds, abs=5)


def test_retry_after_is_heeded_too(scripted: ScriptedX) -> None:
    scripted.plays("mentions", answer(429, TOO_MANY, headers={"retry-after": "90", **window(remaining=0, seconds=700)}))
    assert refused_for(scripted) == pytest.approx(90, abs=5)


def test_the_last_answer_of_a_window_is_kept_and_the_next_request_waits_for_the_reset(scripted: ScriptedX) -> None:
    last = answer(200, payload("mentions"), headers=window(remaining=0, seconds=600))
    assert scripted.read(MENTIONS, last).operations
    assert refused_for(scripted) == pytest.approx(600, abs=5)
    assert len(scripted.server.seen) == 1


def test_a_cap_closes_every_endpoint_at_once(scripted: ScriptedX) -> None:
    scripted.plays("mentions", answer(429, {**CAP, "type": "https://api.x.com/2/problems/usage-capped"}))
    assert refused_for(scripted) == pytest.approx(DAY, abs=5)
    with pytest.raises(RateLimited, match="account"):
        scripted.api.users(["1"])
    assert len(scripted.server.seen) == 1


def test_a_cap_is_told_with_what_to_do(scripted: ScriptedX) -> None:
    scripted.plays("mentions", problem(429, "usage-capped"))
    with pytest.raises(RateLimited, match="raise the cap or buy credits"):
        scripted.read(MENTIONS, problem(429, "usage-capped"))
