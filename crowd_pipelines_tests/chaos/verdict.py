"""What is found after an experiment: invariants, differences from the provider's truth, requests that must not be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.invariants import broken
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.chaos.cell import Cell
from crowd_pipelines_tests.chaos.ground import Reading
from crowd_pipelines_tests.chaos.truth import differences, lost_and_doubled, reference, untruths
from crowd_pipelines_tests.honesty import silent_losses

IN_FLIGHT_SECONDS = 10.0
"""A request that is logged so soon after a provider closed a budget may have been under way."""

CLOCK_SECONDS = 0.5
"""The provider's clock and ours may differ by less than this: they are one."""

STREAMS_IN_TROUBLE = """
    SELECT s.label, s.state, s.error, s.crashes, s.retries FROM integration_streams AS s
    JOIN integration_runs AS r ON r.id = s.run_id
    WHERE r.integration_id = :id AND r.created_at >= :since AND (s.state = 'error' OR s.due_at IS NOT NULL)
"""
FAILURES = "SELECT label, reason FROM owed_reads WHERE integration_id = :id AND kind <> 'permission'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found; `lost` and `doubled` are numbers of records."""

    findings: tuple[str, ...]
    lost: int
    doubled: int


def verdict(cell: Cell, reading: Reading, run: RunRecord, *, alike: bool = True, whole: bool = True) -> Verdict:
    """Look at everything there is when the integration run of a cell is over.

    `alike`: it must also have come there as an undisturbed reading does. `whole`: every value must be the provider's;
    what tells of somebody who was erased is not.
    """
    by_reading = differences(reference(cell.connected, cell.since), reading.undisturbed) if alike else ()
    lost, doubled = lost_and_doubled(cell.connected, reading.truth)
    findings = [
        *_ended(cell, run),
        *cell.silent,
        *silent_losses(cell.connected, reading.truth),
        *_amounts("lost (I1)", lost),
        *_amounts("stored that never were (I2)", doubled),
        *(untruths(cell.connected, reading.truth, onboarding=cell.onboarding) if whole else ()),
        *by_reading,
        *_broken(cell),
        *_stale(cell),
        *_violations(cell.requests()),
        *into_closed_budgets(cell.requests(), at_once=_at_once(cell)),
        *_unknown_failpoints(cell),
    ]
    return Verdict(findings=tuple(findings), lost=len(lost), doubled=len(doubled))


def _ended(cell: Cell, run: RunRecord) -> Iterator[str]:
    if run.state is not RunState.PROCESSED:
        yield f"the integration run ended in {run.state}: {run.error}"
    for stream in cell.connected.rows(STREAMS_IN_TROUBLE, id=cell.connected.record.id, since=cell.since):
        yield (
            f"the stream {stream['label']} is left {stream['state']} after {stream['crashes']} crashes and "
            f"{stream['retries']} retries: {stream['error']}"
        )
    for debt in cell.connected.rows(FAILURES, id=cell.connected.record.id):
        yield f"{debt['label']} is left owed: {debt['reason']}"


def _amounts(what: str, records: set[tuple[str, str]]) -> Iterator[str]:
    if records:
        yield f"{len(records)} activities are {what}, {' '.join(min(records))} first"


def _broken(cell: Cell) -> Iterator[str]:
    with cell.engine.begin() as conn:
        for found in broken(conn):
            invariant = found.invariant
            yield f"invariant {invariant.name} ({invariant.promise}) is broken {found.count} times: {found.examples[0]}"


def _stale(cell: Cell) -> Iterator[str]:
    passed = sum(note.get("passed", 0) for note in cell.attempts)
    if passed:
        yield f"{passed} streams were ended by a worker whose lease had passed to another (G4)"


def _violations(requests: Sequence[dict[str, Any]]) -> Iterator[str]:
    wrong = [request for request in requests if request["violation"]]
    if wrong:
        yield f"{len(wrong)} requests break the provider's rules: {wrong[0]['violation']} ({wrong[0]['path']})"


def into_closed_budgets(requests: Sequence[dict[str, Any]], *, at_once: int) -> Iterator[str]:
    """After a 429 whose fault says for how long, nothing may come but what was under way (I10).

    That are fewer than may be under way at once, and they come soon.
    """
    for closed in requests:
        if closed["status"] != 429 or not closed["fault"]:
            continue
        ends = closed["at"] + RATE_LIMIT_SECONDS - CLOCK_SECONDS
        later = [one for one in requests if one["path"] == closed["path"] and closed["at"] < one["at"] < ends]
        early = [*later[at_once - 1 :], *(one for one in later if one["at"] > closed["at"] + IN_FLIGHT_SECONDS)]
        if early:
            after = early[0]["at"] - closed["at"]
            yield f"{len(early)} requests came while the budget was closed (I10), {after:.1f} s after that"


RATE_LIMIT_SECONDS = 20
"""For how long a provider that experiments make refuse wants to be left alone."""


def _at_once(cell: Cell) -> int:
    return registry()[cell.connected.record.platform].max_concurrency


def _unknown_failpoints(cell: Cell) -> Iterator[str]:
    unknown = sorted({fire["name"] for fire in cell.fires if fire["action"] == "unknown"})
    if unknown:
        yield f"statements that failpoints.STEPS does not list: {', '.join(unknown)}"
