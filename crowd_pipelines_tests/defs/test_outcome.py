"""What a Dagster run says at its end."""

from datetime import timedelta

import pytest

from crowd_pipelines.defs import outcome
from crowd_pipelines.model.states import RunState
from crowd_pipelines_tests.defs.records import NOON, lineage, run


def test_a_run_of_one_integration_is_found_by_all_of_its_ids() -> None:
    one = run()
    assert outcome.tags_of([one]) == {
        "crowd/state": "processed",
        "crowd/onboarding": "true",
        "crowd/tenant": str(one.tenant_id),
        "crowd/integration": str(one.integration_id),
        "crowd/integration_run": str(one.id),
    }


def test_a_batch_has_no_ids_and_says_when_the_first_of_it_goes_on() -> None:
    later = run(onboarding=False, state=RunState.DELAYED, delayed_until=NOON + timedelta(hours=2))
    sooner = run(onboarding=False, state=RunState.DELAYED, delayed_until=NOON + timedelta(seconds=61, microseconds=5))
    assert outcome.tags_of([run(onboarding=False), later, sooner]) == {
        "crowd/state": "delayed",
        "crowd/onboarding": "false",
        "crowd/delayed_until": "2024-05-01T12:01:01+00:00",
    }


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([RunState.PROCESSED], "processed"),
        ([RunState.PROCESSED, RunState.DELAYED], "delayed"),
        ([RunState.DELAYED, RunState.ERROR, RunState.PROCESSED], "error"),
        ([RunState.PROCESSED, RunState.PROCESSING], "processing"),
        ([], "nothing to do"),
    ],
)
def test_the_worst_state_stands_for_all(states: list[RunState], worst: str) -> None:
    assert outcome.tags_of([run(state=state, delayed_until=NOON) for state in states])["crowd/state"] == worst


def test_what_lineages_did_is_summed() -> None:
    one = run()
    told = outcome.metadata_of(
        [
            lineage(one, streams=3, processed=2, failed=1, requests=4, activities=10, members=2, waited_seconds=1.26),
            lineage(one, streams=2, processed=1, unfinished=1, requests=1, activities=5, skipped=1, left_out=4),
            lineage(one, quarantined=1, left_out=1, owed=2, unread=3),
        ]
    )
    assert told == {
        "pages": 3,
        "streams": 5,
        "skipped": 1,
        "owed": 2,
        "failed": 1,
        "activities": 15,
        "members": 2,
        "quarantined": 1,
        "unread": 3,
        "left_out": 5,
        "requests": 5,
        "unfinished": 1,
        "waiting_seconds": 1.3,
        "requests_per_1000_activities": 333.3,
    }


def test_there_is_no_rate_where_nothing_was_brought() -> None:
    assert "requests_per_1000_activities" not in outcome.metadata_of([lineage(run(), requests=4)])


def test_a_failure_names_each_integration_in_error_and_why() -> None:
    broken = run(state=RunState.ERROR, error="3 of 9 streams failed: page 2: 503", integration_name="North")
    failure = outcome.failure([run(), broken, run(state=RunState.DELAYED, delayed_until=NOON)])
    assert failure is not None
    assert failure.description == (
        "1 of 3 integration runs ended in error.\nNorth (town-1): 3 of 9 streams failed: page 2: 503"
    )
    assert failure.allow_retries is False


@pytest.mark.parametrize("state", [RunState.PROCESSED, RunState.DELAYED, RunState.PROCESSING])
def test_only_an_error_is_a_failure(state: RunState) -> None:
    assert outcome.failure([run(state=state)]) is None


def test_notices_are_shown_as_a_list_and_only_where_there_are_some() -> None:
    assert outcome.metadata_of_notices([]) == {}
    shown = outcome.metadata_of_notices(["Town: one.", "Village: another."])
    assert shown["notices"].value == "- Town: one.\n- Village: another."
