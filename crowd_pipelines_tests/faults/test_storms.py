"""Providers that refuse for rate: while they do nothing is asked, and afterwards everything is read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.faults.choice import PLATFORMS, on_every_platform
from crowd_pipelines_tests.faults.conftest import Tell
from crowd_pipelines_tests.faults.ground import LENDERS, Ground, provider_of
from crowd_pipelines_tests.faults.storms import DAY, HEADERS, OWN, Refusal

QUICK = frozenset({"Retry-After 120", "Retry-After 1000000000", "Retry-After epoch-ms", "Retry-After soon"})

QUICK_OWN = frozenset({"global limit", "secondary limit as 403", "x-rate-limit with 0 left"})


@on_every_platform(HEADERS, quick=QUICK)
def test_nothing_is_asked_while_everything_is_refused(ground: Ground, platform: str, case: Refusal, tell: Tell) -> None:
    _weather(ground, case, tell)


@pytest.mark.parametrize(
    ("platform", "case"),
    [
        pytest.param(
            platform,
            case,
            id=f"{platform}-{case}",
            marks=() if str(case) in QUICK_OWN else pytest.mark.rest_of_the_matrix,
        )
        for platform, cases in OWN.items()
        for case in cases
    ],
)
def test_each_providers_own_way_is_understood(ground: Ground, platform: str, case: Refusal, tell: Tell) -> None:
    _weather(ground, case, tell)


def _weather(ground: Ground, refusal: Refusal, tell: Tell) -> None:
    ground.connected.sandbox.fault(None, **refusal.fault)
    run, most = ground.connected.onboard(), refusal.requests * ground.places.tokens
    assert ground.met() == most
    _assert_it_waits(ground, run, refusal)
    ground.connected.sandbox.forget_requests()
    early = ground.too_early(run)
    assert ground.connected.sandbox.requests() == []
    assert early.state is RunState.DELAYED
    probed = ground.connected.resume(early)
    assert len(ground.connected.sandbox.requests()) == most
    _assert_it_waits(ground, probed, refusal)
    tell(f"refused: {refusal.name}", "waits, then read", requests=most)
    ground.lift()
    again = ground.connected.resume(probed)
    assert again.state is RunState.PROCESSED, again.error or again.delay_reason
    ground.assert_database_is_the_truth()


def _assert_it_waits(ground: Ground, run: RunRecord, refusal: Refusal) -> None:
    """For as long as it should and never for more than a day; and waiting is no attempt."""
    assert (run.state, run.retries) == (RunState.DELAYED, 0)
    assert run.delayed_until is not None
    seconds = (run.delayed_until - datetime.now(UTC)).total_seconds()
    least, most = refusal.waits
    assert least <= seconds <= min(most, DAY + 1), run.delay_reason
    assert [stream["retries"] for stream in ground.streams(run) if stream["retries"]] == []


# Whoever borrows asks too seldom for a storm.
@pytest.mark.parametrize(
    "platform",
    [
        pytest.param(platform, marks=() if platform == "slack" else pytest.mark.rest_of_the_matrix)
        for platform in PLATFORMS
        if platform not in LENDERS
    ],
)
def test_in_a_storm_a_refused_bucket_is_left_alone_for_as_long_as_it_said(
    ground: Ground, platform: str, tell: Tell
) -> None:
    patient = ground.patient()
    patient.connected.sandbox.fault(None, "rate_limit", retry_after="1", share=0.3, seed=5)
    run, _ = patient.work_off(patient.connected.onboard())
    assert run.state is RunState.PROCESSED, run.error or run.delay_reason
    log = patient.connected.sandbox.requests(provider_of(platform))
    refused = [entry for entry in log if entry["status"] == 429]
    under_way = registry()[platform].max_concurrency - 1
    assert refused
    # Which of several tokens was refused, the log does not tell: the others may go on.
    for refusal in refused if patient.places.tokens == 1 else ():
        assert len(_asked_during(refusal, log)) <= under_way
    assert len(refused) <= len(log) / 2
    assert [stream for stream in patient.streams(run) if stream["retries"]] == []
    tell("30 % refused", "waits, then read", requests=len(log), refused=len(refused))
    patient.lift()
    patient.assert_database_is_the_truth()


def _asked_during(refusal: dict[str, Any], log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Requests of the refused bucket in the second half of the second: by then the refusal has arrived."""
    learnt, end = refusal["at"] + 0.5, refusal["at"] + 1.0
    return [entry for entry in log if entry["path"] == refusal["path"] and learnt < entry["at"] < end]
