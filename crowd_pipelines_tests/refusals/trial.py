"""A refusal in a reading: what may come of it, and what must not."""

import re
from dataclasses import dataclass, replace
from typing import Any

from crowd_pipelines.framework.runner import EVERYTHING_REFUSED
from crowd_pipelines.http.outcomes import Outcome
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.faults.ground import MOST_ATTEMPTS, Hasty, provider_of, stored_records
from crowd_pipelines_tests.faults.troubles import IN_PLACE, SMALLER_QUERIES
from crowd_pipelines_tests.integrations.connected import Connected
from crowd_pipelines_tests.refusals.cases import Case
from crowd_pipelines_tests.refusals.kinds import EVERYTHING
from crowd_pipelines_tests.refusals.readings import MOST_CHECKS, ONBOARDING, Reading, places_of

TURNS = MOST_ATTEMPTS + 2
"""So often a worker takes a refused integration run up again: once more than a stream is tried."""

FEW = 8
"""Requests that a refusal may cost besides: second looks at credentials, and whether a place still answers."""

NAMED = frozenset({Outcome.GONE, Outcome.OK})
"""What a platform's table says of an answer that proves something: it is tested with the platform."""

_SMALLER = ("github", frozenset({502, 504}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A reading that has begun in a database of its own, and a refusal that meets it."""

    reading: Reading
    case: Case
    read: Connected
    meaning: Outcome

    def passing(self) -> str:
        """A refusal that is over soon leaves the truth, after a check or two, and costs little."""
        self._refuse(times=self.case.times)
        run = self._worked_off(self._begin())
        for number in range(MOST_CHECKS + 1):
            if run.state is RunState.PROCESSED and self._is_true():
                self._assert_cheap(number)
                return f"read, {number} checks later" if number else "read"
            if number < MOST_CHECKS:
                run = self._checked()
        raise AssertionError(self._left_over(run))

    def lasting(self) -> str:
        """A refusal that stays is waited for or owed and told, costs little, and when it is over everything is read."""
        self._refuse(times=None)
        run, turns = self._worn_out(self._begin(), most=TURNS)
        assert 0 < self._met() <= (turns + 1) * self._most_requests_a_turn()
        end = self._end_of(run)
        if run.state is RunState.PROCESSED:
            run = self._another_check()
        self.reading.sandbox.clear_faults()
        if run.state is RunState.DELAYED:
            self._worked_off(self._resumed(run))
        self._assert_whole_again()
        return end

    def _refuse(self, *, times: int | None) -> None:
        after = {"after": min(FEW, self.reading.asked[EVERYTHING]) // 2} if self.case.kind == EVERYTHING else {}
        place = {**places_of(self.case.platform)[self.case.kind], **after}
        self.reading.sandbox.fault(None, times=times, **self.case.answer.fault, **place)

    def _begin(self) -> RunRecord:
        return self.read.onboard() if self.reading.mode == ONBOARDING else self.read.check()

    def _checked(self) -> RunRecord:
        self.read.pass_time()
        return self._worked_off(self.read.check())

    def _resumed(self, run: RunRecord) -> RunRecord:
        return self.read.resume(run)

    def _worked_off(self, run: RunRecord) -> RunRecord:
        run, _ = self._worn_out(run, most=2 * MOST_ATTEMPTS)
        assert run.state is not RunState.DELAYED, f"it never ends: {run.delay_reason}"
        return run

    def _worn_out(self, run: RunRecord, *, most: int) -> tuple[RunRecord, int]:
        turns = 0
        while run.state is RunState.DELAYED and turns < most:
            run, turns = self._resumed(run), turns + 1
        return run, turns

    def _met(self) -> int:
        return sum(fault["fired"] for fault in self.reading.sandbox.faults())

    def _most_requests_a_turn(self) -> int:
        """Each stream of the kind is tried a few times in place; when all fail, few of them are tried at all."""
        platform, statuses = _SMALLER
        each = IN_PLACE * (2 if self.case.platform == "github" else 1)
        if self.case.platform == platform and self.case.answer.status in statuses:
            each *= SMALLER_QUERIES
        at_once = EVERYTHING_REFUSED + 2 * registry()[self.case.platform].max_concurrency
        asked = self.reading.asked[self.case.kind]
        return each * (min(asked, at_once) if self.case.kind == EVERYTHING else asked) + FEW

    def _assert_cheap(self, checks: int) -> None:
        undisturbed, made = self.reading.milestones[checks].requests, self.reading.requests()
        most = max(2 * undisturbed, undisturbed + self.case.times + FEW)
        assert made <= most, f"{made} requests, and {undisturbed} undisturbed"

    def _end_of(self, run: RunRecord) -> str:
        """Return how it ended, which has to be told with the answer's status."""
        match run.state:
            case RunState.ERROR:
                assert self.meaning in (Outcome.UNEXPECTED, Outcome.CREDENTIALS), run.error
                self._assert_told(run.error)
                return "error"
            case RunState.DELAYED:
                self._assert_told(run.delay_reason)
                return "waits"
            case RunState.PROCESSED if self._is_true():
                return "read all the same"
        reasons = [debt["reason"] for debt in self._owed()]
        assert reasons, "rows are missing, and nothing is owed"
        self._assert_told(*reasons)
        return "owed"

    def _assert_told(self, *sentences: str | None) -> None:
        status = rf"\b{self.case.answer.status}\b"
        assert any(re.search(status, sentence or "") for sentence in sentences), sentences

    def _owed(self) -> list[dict[str, Any]]:
        return self.read.rows("SELECT * FROM owed_reads WHERE integration_id = :id", id=self.read.record.id)

    def _another_check(self) -> RunRecord:
        """Check while the refusal lasts: what is owed is tried once, and nothing fails for it."""
        before, owed = self._met(), len(self._owed())
        self.read.pass_time()
        run = self.read.check()
        assert run.state is not RunState.ERROR or self.meaning in (Outcome.UNEXPECTED, Outcome.CREDENTIALS), run.error
        asked = self.reading.asked[self.case.kind]
        assert self._met() - before <= (owed + asked) * self._most_requests_a_turn() // max(asked, 1)
        return run

    def _assert_whole_again(self) -> None:
        for number in range(MOST_CHECKS + 1):
            if self._is_true():
                return
            if number < MOST_CHECKS:
                run = self._checked()
        raise AssertionError(self._left_over(run))

    def _is_true(self) -> bool:
        """Whether everything is stored as an undisturbed reading or one of the checks after it stores it."""
        stored = stored_records(self.read)
        return any(stored == milestone.records for milestone in self.reading.milestones)

    def _left_over(self, run: RunRecord) -> str:
        """Tell how an integration run that did not come to the truth differs from it."""
        stored, true = stored_records(self.read), self.reading.milestones[-1].records
        missing, more = sorted(true.keys() - stored.keys()), sorted(stored.keys() - true.keys())
        other = sorted(key for key in stored.keys() & true.keys() if stored[key] != true[key])
        first = "".join(f"\n{stored[key]}\nand not\n{true[key]}" for key in other[:1])
        return (
            f"{run.state} ({run.error or run.delay_reason}): {len(missing)} are missing {missing[:2]}, {len(more)} are "
            f"made up {more[:2]}, {len(other)} are otherwise {other[:2]}{first}; owed: {len(self._owed())}"
        )


def trial_of(case: Case, reading: Reading, read: Connected) -> Trial:
    """Return a trial in which nobody waits."""
    table = registry()[case.platform].refusals
    url = reading.sandbox.api_url(provider_of(case.platform))
    meaning = case.answer.meaning(table, url)
    return Trial(reading=reading, case=case, read=replace(read, new_slice=lambda: Hasty(600)), meaning=meaning)
