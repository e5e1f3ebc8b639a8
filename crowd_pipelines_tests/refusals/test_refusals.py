"""Refusals that nobody named, at each kind of stream: nothing is lost by them, and nothing is kept silent."""

import pytest

from crowd_pipelines.integrations import registry
from crowd_pipelines_tests.refusals import kinds
from crowd_pipelines_tests.refusals.cases import Case
from crowd_pipelines_tests.refusals.conftest import Report
from crowd_pipelines_tests.refusals.readings import Readings
from crowd_pipelines_tests.refusals.trial import NAMED, trial_of


@pytest.mark.parametrize("platform", registry())
def test_every_kind_of_stream_can_be_refused_or_has_a_reason(platform: str) -> None:
    assert {one.model_fields["kind"].default for one in registry()[platform].stream_types} == set(kinds.OF[platform])


def test_a_refusal_that_nobody_named_costs_nothing_and_is_told(
    case: Case, readings: Readings, server_url: str, report: Report
) -> None:
    reading = readings.of(case.platform, case.mode, case.kind)
    with reading.begun(server_url) as read:
        trial = trial_of(case, reading, read)
        if trial.meaning in NAMED:
            report(case, "named by the table")
            return
        end = trial.passing() if case.times else trial.lasting()
    report(case, f"{'passing' if case.times else 'lasting'}, {end}")
