import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowd_pipelines.http.waits import (
    WaitHeader,
    from_body,
    from_headers,
    quota,
    refused_until,
    refuses_for_rate,
    wait_until,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
DAY = 86_400.0


def seconds(until: datetime | None) -> float | None:
    return None if until is None else (until - NOW).total_seconds()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30", 30),
        ("1.5", 1.5),
        (" 7 ", 7),
        (64.57, 64.57),
        (18, 18),
        ("0", 1),
        (0.2, 1),
        ("-5", 1),
        ("1000000000", DAY),
        (10**9, DAY),
        (str(EPOCH + 900), 900),
        (f"{EPOCH + 3}.25", 3.25),
        (str((EPOCH + 900) * 1000), 900),
        (EPOCH - 60, 1),
        (EPOCH + 10**7, DAY),
        (10**18, DAY),
        ("Sun, 01 Mar 2026 12:00:45 GMT", 45),
        ("Sunday, 01-Mar-26 12:00:45 GMT", 45),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1),
        ("2026-03-01T12:02:00Z", 120),
        ("2026-03-01T14:02:00+02:00", 120),
        ("2026-03-01T12:02:00", 120),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00Z", 1),
        ("5, 5", 5),
        ("60;w=60", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("Infinity", None),
        (float("inf"), None),
        (10**400, None),
        ("9" * 5000, None),
        (None, None),
        (True, None),
        ([5], None),
    ],
)
def test_every_form_of_a_wait(value: object, expected: float | None) -> None:
    assert seconds(wait_until(value, now=NOW)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("headers", "payload", "expected"),
    [
        pytest.param({"Retry-After": "1"}, None, 1, id="DEV"),
        pytest.param({"RETRY-AFTER": "30"}, {"ok": False, "error": "ratelimited"}, 30, id="Slack"),
        pytest.param(
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(EPOCH + 600)}, None, 600, id="GitHub primary"
        ),
        pytest.param(
            {"X-RateLimit-Remaining": "4990", "X-RateLimit-Reset": str(EPOCH + 600), "Retry-After": "60"},
            None,
            60,
            id="GitHub secondary",
        ),
        pytest.param(
            {"X-RateLimit-Remaining": "4990", "X-RateLimit-Reset": str(EPOCH + 600)},
            {"message": "You have exceeded a secondary rate limit."},
            None,
            id="GitHub secondary, untold",
        ),
        pytest.param(
            {"X-RateLimit-Scope": "shared", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1336.57"},
            {"message": "You are being rate limited.", "retry_after": 64.57, "global": False},
            64.57,
            id="Discord body",
        ),
        pytest.param(
            {"Retry-After": "65", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1336.57"},
            {"retry_after": 64.57},
            65,
            id="Discord header",
        ),
        pytest.param(
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": f"{EPOCH + 9}.5",
                "X-RateLimit-Reset-After": "2.57",
            },
            None,
            2.57,
            id="Discord reset-after",
        ),
        pytest.param(
            {"x-rate-limit-limit": "15", "x-rate-limit-remaining": "0", "x-rate-limit-reset": str(EPOCH + 840)},
            None,
            840,
            id="X",
        ),
        pytest.param({"x-rate-limit-reset": str(EPOCH + 840)}, None, 840, id="X, remaining untold"),
        pytest.param(
            {
                "x-app-limit-24hour-remaining": "0",
                "x-app-limit-24hour-reset": str(EPOCH + 7200),
                "x-rate-limit-remaining": "39998",
                "x-rate-limit-reset": str(EPOCH + 840),
            },
            None,
            7200,
            id="X, the app's day",
        ),
        pytest.param(
            {"x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": str(EPOCH + 3600)},
            None,
            3600,
            id="X, the user's day",
        ),
        pytest.param(
            {"x-rate-limit-remaining": "200", "x-rate-limit-reset": str(EPOCH + 840)},
            {"title": "UsageCapExceeded"},
            None,
            id="X usage cap",
        ),
        pytest.param(
            {"X-Ratelimit-Used": "996", "X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Reset": "143"},
            None,
            143,
            id="Reddit",
        ),
        pytest.param({"RateLimit-Remaining": "0", "RateLimit-Reset": str(EPOCH + 50)}, None, 50, id="GitLab epoch"),
        pytest.param(
            {"RateLimit-Remaining": "0", "RateLimit-ResetTime": "Sun, 01 Mar 2026 12:00:50 GMT"},
            None,
            50,
            id="GitLab date",
        ),
        pytest.param(
            {"RateLimit-Remaining": "1990", "RateLimit-Reset": str(EPOCH + 50)}, None, None, id="GitLab endpoint"
        ),
        pytest.param({}, {"items": [], "backoff": 10}, 10, id="Stack Exchange backoff"),
        pytest.param(
            {},
            {
                "error_id": 502,
                "error_message": "too many requests from this IP, more requests available in 8216 seconds",
            },
            8216,
            id="Stack Exchange throttle",
        ),
        pytest.param(
            {},
            {"error_type": "rate_limit", "extras": {"wait_seconds": 18, "time_left": "18 seconds"}},
            18,
            id="Discourse",
        ),
        pytest.param({"Retry-After": "soon"}, {"retry_after": 3}, 3, id="unreadable header"),
        pytest.param({}, None, None, id="nothing told"),
        pytest.param({}, [1, 2], None, id="a list"),
    ],
)
def test_refusals_of_every_provider(headers: Mapping[str, str], payload: Any, expected: float | None) -> None:
    assert seconds(refused_until(headers, payload, now=NOW)) == pytest.approx(expected)


def test_a_provider_may_bring_its_own_headers() -> None:
    table = (WaitHeader(name="x-come-back"),)
    assert seconds(from_headers({"X-Come-Back": "12"}, now=NOW, table=table)) == 12


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"Retry-After": "0"}, True),
        ({"x-ratelimit-remaining": "0"}, True),
        ({"x-ratelimit-remaining": "12"}, False),
        ({"x-ratelimit-remaining": "many"}, False),
    ],
)
def test_a_403_about_the_rate_is_told_by_its_headers(headers: Mapping[str, str], expected: bool) -> None:
    assert refuses_for_rate(headers) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "7", "x-ratelimit-reset": str(EPOCH + 60)},
            (7, 5000, 60),
        ),
        ({"X-Ratelimit-Remaining": "599.0", "X-Ratelimit-Reset": "143"}, (599, None, 143)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "2.5", "X-RateLimit-Limit": "5"}, (0, 5, 2.5)),
        ({"RateLimit-Limit": "2000", "RateLimit-Remaining": "-3", "RateLimit-Reset": "10"}, (0, 2000, 10)),
        ({"x-ratelimit-remaining": "7"}, None),
        ({"x-ratelimit-reset": "7"}, None),
        ({}, None),
    ],
)
def test_quotas_in_headers(headers: Mapping[str, str], expected: tuple[int, int | None, float] | None) -> None:
    told = quota(headers, now=NOW)
    assert (told and (told.remaining, told.limit, seconds(told.resets_at))) == expected


NAMES = st.sampled_from(
    [
        "Retry-After",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
        "X-RateLimit-Reset-After",
        "x-rate-limit-reset",
        "x-rate-limit-remaining",
        "RateLimit-Reset",
        "RateLimit-ResetTime",
        "RateLimit-Remaining",
    ]
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(str),
    st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | VALUES,
    lambda inner: st.dictionaries(st.sampled_from(["retry_after", "backoff", "extras", "wait_seconds"]), inner),
    max_leaves=5,
)
NOWS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  naive bounds


@given(headers=st.dictionaries(NAMES, VALUES), payload=JSON_VALUES, now=NOWS)
def test_no_answer_makes_us_wait_longer_than_a_day(headers: dict[str, str], payload: Any, now: datetime) -> None:
    told = quota(headers, now=now)
    moments = [
        refused_until(headers, payload, now=now),
        from_headers(headers, now=now),
        from_body(payload, now=now),
        told.resets_at if told else None,
    ]
    refuses_for_rate(headers)
    for moment in moments:
        assert moment is None or timedelta(seconds=1) <= moment - now <= timedelta(hours=24)


@given(payload=st.text(max_size=50))
def test_a_body_that_is_just_text_tells_nothing(payload: str) -> None:
    assert from_body(json.dumps(payload), now=NOW) is None
