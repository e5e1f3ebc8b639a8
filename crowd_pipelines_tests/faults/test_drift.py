"""Providers whose answers change their form: told, kept aside or tolerated, and never taken for something else."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from crowd_pipelines.http.errors import ProviderError
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.records import Activity
from crowd_pipelines.model.streams import (
    RetractActivities,
    RetractMissing,
    Stream,
    StreamResult,
    UpsertActivities,
)
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.faults.conftest import Tell
from crowd_pipelines_tests.faults.drift import Drift, Tape, some
from crowd_pipelines_tests.faults.ground import LENDERS
from crowd_pipelines_tests.integrations.test_contract import Reader, contract_of

A_SECOND = 1.0
QUICK = 15
"""So many drifts of each kind of stream are tried with all tests."""

ACCEPTED = {
    # Without its history an edited post cannot be told from a post of its own; X sends it with every post.
    "twitter": {"edit_history_tweet_ids"}
}
"""Fields without which a record may be taken for another one, per platform."""

KINDS = [(platform, kind) for platform in registry() for kind in contract_of(platform).KINDS]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a page says, as far as a mistake in it would do harm. What is not `live` may well be retracted."""

    activities: Mapping[tuple[str, str], Activity]
    present: Mapping[tuple[str, str], frozenset[str]]
    retracted: frozenset[tuple[str, str]]
    live: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, result: StreamResult, truth: Truth | None = None) -> "Meaning":
        activities, present, retracted = (
            dict[tuple[str, str], Activity](),
            dict[tuple[str, str], frozenset[str]](),
            set(),
        )
        for operation in result.operations:
            match operation:
                case UpsertActivities(activities=found):
                    activities |= {(one.type.name, one.source_id): one for one in found}
                case RetractMissing():
                    present[operation.type.name, operation.thread] = operation.present
                case RetractActivities():
                    retracted |= {(operation.type.name, one) for one in operation.source_ids}
        live = frozenset((one["type"], one["source_id"]) for one in (truth.activities if truth else ()))
        return cls(activities=activities, present=present, retracted=frozenset(retracted), live=live)


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    return Tape(monkeypatch)


@pytest.fixture
def reader(
    platform: str, sandbox_of: Callable[[str], Sandbox], tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    sandbox = sandbox_of(platform)
    sandbox.clear_faults()
    for name, value in sandbox.environment(LENDERS.get(platform, platform)).items():
        monkeypatch.setenv(name, value)
    return Reader(integration=registry()[platform], sandbox=sandbox)


@pytest.mark.parametrize(("platform", "kind"), KINDS)
def test_a_field_in_another_form_is_told_kept_aside_or_tolerated(
    reader: Reader, tape: Tape, kind: str, tell: Tell, request: pytest.FixtureRequest
) -> None:
    truth = _truth(reader)
    [stream] = [one for one in contract_of(reader.integration.platform).streams(truth) if one.kind == kind]
    tape.answers.clear()
    true = Meaning.of(reader.process(stream), truth)
    found = list(tape.drifts())
    chosen = found if request.config.getoption("--all-faults") else some(found, number=QUICK, seed=12)
    problems = [problem for drift in chosen if (problem := _problem(reader, tape, stream, true, drift))]
    assert problems == []
    tell(f"drift of {kind}", "told, kept aside or tolerated", drifts=len(chosen))


@pytest.mark.parametrize("platform", registry())
def test_a_plan_from_answers_in_another_form_fails_for_a_reason(
    reader: Reader, tape: Tape, tell: Tell, request: pytest.FixtureRequest
) -> None:
    tape.answers.clear()
    reader.integration.get_streams(reader.prepared())
    found = list(tape.drifts())
    chosen = found if request.config.getoption("--all-faults") else some(found, number=QUICK, seed=12)
    problems = [problem for drift in chosen if (problem := _planning(reader, tape, drift))]
    assert problems == []
    tell("drift of the plan", "told, kept aside or tolerated", drifts=len(chosen))


def _truth(reader: Reader) -> Truth:
    return reader.sandbox.truth(LENDERS.get(reader.integration.platform, reader.integration.platform))


def _planning(reader: Reader, tape: Tape, drift: Drift) -> str | None:
    tape.drift = drift
    try:
        reader.integration.get_streams(reader.prepared())
    except ProviderError:
        return None
    except Exception as error:  # noqa: BLE001  that there is none is what is tested
        return f"{drift}: {type(error).__name__}: {error}"[:500]
    finally:
        tape.drift = None
    return None


def _problem(reader: Reader, tape: Tape, stream: Stream, true: Meaning, drift: Drift) -> str | None:
    """What is wrong with how a drift is taken."""
    tape.drift = drift
    try:
        result = reader.process(stream)
    except ProviderError:
        return None
    except Exception as error:  # noqa: BLE001  that there is none is what is tested
        return f"{drift}: {type(error).__name__}: {error}"[:500]
    finally:
        tape.drift = None
    json.dumps(dict(result.watermarks), allow_nan=False)
    if drift.unclear or not ACCEPTED.get(reader.integration.platform, set()).isdisjoint(drift.way):
        return None
    wrong = next(_misread(true, Meaning.of(result)), None)
    return f"{drift}: {wrong}" if wrong else None


def _misread(true: Meaning, read: Meaning) -> Iterator[str]:
    """What a page is taken to say that it does not: somebody else's records, other times, or that something is gone."""
    people = {activity.member.key for activity in true.activities.values()}
    for key, activity in read.activities.items():
        known = true.activities.get(key)
        if known is None:
            yield f"{key} does not exist"
        elif activity.member.key != known.member.key and activity.member.key in people:
            yield f"{key} is somebody else's"
        elif abs((activity.timestamp - known.timestamp).total_seconds()) > A_SECOND:
            yield f"{key} is of {activity.timestamp} and not {known.timestamp}"
    for thread, present in read.present.items():
        if lost := true.present.get(thread, frozenset()) - present:
            yield f"{sorted(lost)[:3]} of {thread} would be retracted"
    if retracted := (read.retracted - true.retracted) & true.live:
        yield f"{sorted(retracted)[:3]} would be retracted"
