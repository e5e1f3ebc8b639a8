"""How long Slack wants us to wait, in every form in which it says so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.http import RateLimited
from crowd_pipelines_tests.integrations.slack.web_api import HISTORY, WebApi

REFUSED = {"ok": False, "error": "ratelimited"}


@pytest.mark.parametrize(
    ("status", "header", "body", "seconds"),
    [
        (429, {"Retry-After": "120"}, REFUSED, 120),
        (429, {"retry-after": "90"}, REFUSED, 90),
        (429, {"RETRY-AFTER": "45"}, "ratelimited", 45),
        (429, {"Retry-After": "3600"}, {"ok": False, "error": "rate_limited"}, 3600),
        (429, {}, REFUSED, 60),
        (429, {"Retry-After": "soon"}, REFUSED, 60),
        (200, {"Retry-After": "75"}, REFUSED, 75),
        (200, {}, REFUSED, 60),
        (429, {"Retry-After": "999999999"}, REFUSED, 86_400),
    ],
    ids=str,
)
def test_a_refusal_for_rate_is_told_with_its_end(
    web_api: WebApi, status: int, header: dict[str, str], body: Any, seconds: int
) -> None:
    web_api.answers("conversations.history", body, status=status, headers=header)
    before = datetime.now(UTC)
    with pytest.raises(RateLimited) as refused:
        web_api.api.history("C01", oldest="0", latest="1", cursor="", limit=15, bucket="conversations.history")
    assert timedelta() <= refused.value.until - before - timedelta(seconds=seconds) < timedelta(seconds=5)
    assert refused.value.scope == "conversations.history"
    assert len(web_api.server.seen) == 1


def test_a_closed_budget_is_that_of_one_method(web_api: WebApi) -> None:
    web_api.answers("conversations.history", REFUSED, status=429, headers={"Retry-After": "120"})
    web_api.answers("auth.test", {"ok": True})
    with pytest.raises(RateLimited):
        web_api.read(HISTORY, REFUSED, status=429)
    web_api.api.workspace()
