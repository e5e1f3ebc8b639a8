from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from crowd_pipelines.http import LocalPacer, RateLimit, RateLimited
from crowd_pipelines.http.pacing import Refusals
from crowd_pipelines_tests.http.conftest import ManualTime


def pacer(clock: ManualTime, *, requests: int = 2, seconds: float = 1.0, burst: int = 1) -> LocalPacer:
    return LocalPacer({"read": RateLimit(requests=requests, seconds=seconds, burst=burst)}, clock=clock)


def test_requests_are_spaced_evenly(clock: ManualTime) -> None:
    paced = pacer(clock)
    assert [paced.reserve("read") for _ in range(4)] == [0, 0.5, 1.0, 1.5]


def test_a_burst_is_let_through_after_a_rest(clock: ManualTime) -> None:
    paced = pacer(clock, burst=3)
    assert [paced.reserve("read") for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    clock.sleep(100)
    assert [paced.reserve("read") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_long_wait_is_raised_and_reserves_nothing(clock: ManualTime) -> None:
    paced = pacer(clock, requests=1, seconds=20)
    assert [paced.reserve("read"), paced.reserve("read")] == [0, 20]
    for _ in range(3):
        with pytest.raises(RateLimited) as raised:
            paced.reserve("read")
        assert raised.value.until == clock.now + timedelta(seconds=40)
        assert raised.value.scope == "read"
    clock.sleep(15)
    assert paced.reserve("read") == 25


def test_a_wait_of_thirty_seconds_is_still_short(clock: ManualTime) -> None:
    paced = pacer(clock, requests=1, seconds=30)
    assert [paced.reserve("read"), paced.reserve("read")] == [0, 30]


def test_after_a_closure_one_request_probes_before_the_others(clock: ManualTime) -> None:
    paced = pacer(clock, burst=10)
    paced.close("read", clock.now + timedelta(seconds=10))
    assert [paced.reserve("read") for _ in range(3)] == [10, 10.5, 11]


def test_a_shorter_closure_does_not_shorten_a_longer_one(clock: ManualTime) -> None:
    paced = LocalPacer(clock=clock)
    paced.close("x", clock.now + timedelta(seconds=20))
    paced.close("x", clock.now + timedelta(seconds=5))
    assert paced.reserve("x") == 20
    assert paced.reserve("another") == 0


def test_a_quota_that_is_used_up_closes_the_bucket(clock: ManualTime) -> None:
    paced = LocalPacer(clock=clock)
    resets_at = clock.now + timedelta(seconds=9)
    paced.learn("x", remaining=1, limit=5, resets_at=resets_at)
    assert paced.reserve("x") == 0
    paced.learn("x", remaining=0, limit=5, resets_at=resets_at)
    assert paced.reserve("x") == 9


def test_threads_share_the_budget(clock: ManualTime) -> None:
    paced = pacer(clock, requests=100)
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: paced.reserve("read"), range(200)))
    assert waits == pytest.approx([n / 100 for n in range(200)])


@pytest.mark.parametrize(("requests", "seconds", "burst"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limit_that_lets_nothing_through_is_refused(requests: int, seconds: float, burst: int) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        RateLimit(requests=requests, seconds=seconds, burst=burst)


def test_untold_waits_grow_per_bucket_up_to_a_day(clock: ManualTime) -> None:
    refusals, waits = Refusals(), []
    for _ in range(13):
        until = refusals.growing_wait("x", now=clock.now)
        waits.append((until - clock.now).total_seconds())
        clock.now = until
    assert waits == [60 * 2**n for n in range(11)] + [86_400, 86_400]
    assert refusals.growing_wait("y", now=clock.now) == clock.now + timedelta(seconds=60)
    refusals.forget("x")
    assert refusals.growing_wait("x", now=clock.now) == clock.now + timedelta(seconds=60)


def test_one_storm_grows_the_wait_once(clock: ManualTime) -> None:
    refusals = Refusals()
    assert {refusals.growing_wait("x", now=clock.now) for _ in range(10)} == {clock.now + timedelta(seconds=60)}
