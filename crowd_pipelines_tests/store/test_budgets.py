"""Budgets are shared by all who use one scope, on the database's clock; here the rows move, not the time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from crowd_pipelines.http.errors import RateLimited
from crowd_pipelines.http.pacing import RateLimit
from crowd_pipelines.store.budgets import PostgresPacer, RateBudget, fingerprint
from crowd_pipelines_tests.store.tenant import Tenant

# Slots far apart, so that what a test itself takes does not count.
SLOW = {"default": RateLimit(requests=1, seconds=10)}
BURST = {"default": RateLimit(requests=1, seconds=10, burst=3)}
ABOUT = 2.0
RESERVE = 0.2


def pacer(engine: Engine, *, onboarding: bool = False, limits: Mapping[str, RateLimit] = SLOW) -> PostgresPacer:
    return RateBudget(engine=engine, check_reserve=RESERVE).pacer("scope", limits, onboarding=onboarding)


def about(seconds: float) -> object:
    return pytest.approx(seconds, abs=ABOUT)


def pass_time(tenant: Tenant, seconds: float) -> None:
    tenant.execute(
        "UPDATE rate_budgets SET next_free_at = next_free_at - make_interval(secs => :s),"
        " resets_at = resets_at - make_interval(secs => :s)",
        s=seconds,
    )


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_two_pacers_of_a_scope_take_turns(engine: Engine) -> None:
    one, other = pacer(engine), pacer(engine)
    assert [one.reserve("default"), other.reserve("default"), one.reserve("default")] == [0, about(10), about(20)]


def test_a_slot_further_away_than_thirty_seconds_is_refused_and_not_taken(engine: Engine, tenant: Tenant) -> None:
    one = pacer(engine)
    for _ in range(4):
        one.reserve("default")
    for _ in range(3):
        with pytest.raises(RateLimited) as refused:
            one.reserve("default")
    assert (refused.value.until - datetime.now(UTC)).total_seconds() == about(40)
    pass_time(tenant, 20)
    assert one.reserve("default") == about(20)


def test_rest_gives_a_burst_and_no_more(engine: Engine, tenant: Tenant) -> None:
    one = pacer(engine, limits=BURST)
    assert [one.reserve("default") for _ in range(4)] == [0, 0, 0, about(10)]
    pass_time(tenant, 3600)
    assert [one.reserve("default") for _ in range(4)] == [0, 0, 0, about(10)]


def test_scopes_and_buckets_have_budgets_of_their_own(engine: Engine) -> None:
    limits = {"read": SLOW["default"], "write": SLOW["default"]}
    one, other = (RateBudget(engine=engine).pacer(scope, limits, onboarding=False) for scope in "ab")
    assert [one.reserve("read"), one.reserve("write"), other.reserve("read")] == [0, 0, 0]


def test_a_bucket_without_a_limit_is_not_paced_but_can_be_closed(engine: Engine) -> None:
    one = pacer(engine)
    assert [one.reserve("other") for _ in range(50)] == [0] * 50
    one.close("other", in_seconds(20))
    assert one.reserve("other") == about(20)


def test_a_closed_budget_is_closed_for_everybody_until_then(engine: Engine, tenant: Tenant) -> None:
    until = in_seconds(600)
    pacer(engine).close("default", until)
    for other in (pacer(engine), pacer(engine, onboarding=True)):
        with pytest.raises(RateLimited) as refused:
            other.reserve("default")
        assert refused.value.until == until
    pass_time(tenant, 601)
    assert pacer(engine).reserve("default") == 0


def test_after_a_closure_one_request_probes_before_any_burst(engine: Engine, tenant: Tenant) -> None:
    one = pacer(engine, limits=BURST)
    one.close("default", in_seconds(600))
    pass_time(tenant, 600)
    assert [one.reserve("default") for _ in range(2)] == [about(0), about(10)]


def test_a_closure_is_never_shortened(engine: Engine) -> None:
    one = pacer(engine)
    one.close("default", in_seconds(600))
    one.close("default", in_seconds(60))
    with pytest.raises(RateLimited) as refused:
        one.reserve("default")
    assert (refused.value.until - datetime.now(UTC)).total_seconds() == about(600)


def test_a_quota_that_is_told_to_be_used_up_closes_the_budget(engine: Engine) -> None:
    resets_at = in_seconds(900)
    pacer(engine).learn("default", remaining=0, limit=100, resets_at=resets_at)
    with pytest.raises(RateLimited) as refused:
        pacer(engine).reserve("default")
    assert refused.value.until == resets_at


def test_an_onboarding_leaves_the_last_fifth_of_a_told_quota_to_checks(engine: Engine, tenant: Tenant) -> None:
    resets_at = in_seconds(900)
    limits = {"default": RateLimit(requests=1, seconds=0.001)}
    onboarding, check = (pacer(engine, onboarding=flag, limits=limits) for flag in (True, False))
    check.learn("default", remaining=21, limit=100, resets_at=resets_at)
    assert onboarding.reserve("default") == about(0)
    with pytest.raises(RateLimited) as refused:
        onboarding.reserve("default")
    assert refused.value.until == resets_at
    assert check.reserve("default") == about(0)
    pass_time(tenant, 901)
    assert onboarding.reserve("default") == about(0)


def test_a_window_that_ends_within_seconds_is_waited_for_and_no_reason_to_let_go_of_the_work(
    engine: Engine, tenant: Tenant
) -> None:
    limits = {"default": RateLimit(requests=1, seconds=0.001)}
    onboarding, check = (pacer(engine, onboarding=flag, limits=limits) for flag in (True, False))
    check.learn("default", remaining=2, limit=10, resets_at=in_seconds(8))
    assert onboarding.reserve("default") == about(8)
    assert check.reserve("default") == about(0)
    pass_time(tenant, 9)
    assert onboarding.reserve("default") == about(0)


def test_an_onboarding_goes_slower_than_the_budget_so_that_a_check_finds_room(engine: Engine, tenant: Tenant) -> None:
    onboarding, check = pacer(engine, onboarding=True), pacer(engine)
    pace = 10 / (1 - RESERVE)
    assert [onboarding.reserve("default"), onboarding.reserve("default")] == [0, about(pace)]
    pass_time(tenant, 20)
    assert check.reserve("default") == 0


def test_a_fingerprint_tells_credentials_apart_and_shows_none() -> None:
    one, other = fingerprint("town", "url", "secret-1"), fingerprint("town", "url", "secret-2")
    assert one == fingerprint("town", "url", "secret-1")
    assert one != other
    assert fingerprint("town", "ab", "c") != fingerprint("town", "a", "bc")
    assert one.startswith("town:")
    assert "secret" not in one


def test_a_request_takes_a_slot_of_each_of_its_buckets_or_of_none(engine: Engine) -> None:
    limits = {"all": RateLimit(requests=1, seconds=5), "messages": RateLimit(requests=1, seconds=40)}
    one = pacer(engine, limits=limits)
    assert [one.reserve("messages/1", "all"), one.reserve("messages/2", "all")] == [0, about(5)]
    with pytest.raises(RateLimited):
        one.reserve("messages/1", "all")
    assert one.reserve("messages/3", "all") == about(10)


def test_while_much_is_left_nothing_is_written(engine: Engine, tenant: Tenant) -> None:
    one = pacer(engine)
    one.learn("default", remaining=51, limit=100, resets_at=in_seconds(60))
    assert tenant.rows("SELECT FROM rate_budgets") == []
    one.learn("default", remaining=50, limit=100, resets_at=in_seconds(60))
    assert tenant.value("SELECT remaining FROM rate_budgets") == 50
