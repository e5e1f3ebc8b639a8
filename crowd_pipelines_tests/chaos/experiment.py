"""What an experiment of the chaos harness is: one disturbance, aimed and seeded, and what was found afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an experiment.

    `disturbances` counts those that really happened: an experiment in which none did proves nothing, and fails.
    `findings` says what was broken, a sentence each: promises, invariants, differences from the provider's truth.
    `measures` are numbers for the report, such as `claimable_after_s`, `clean_after_s`, `stale_commits_tried`,
    `stale_commits_refused`; seconds end in `_s`.
    """

    scenario: str  # S1, S2, ... of the goal sheet
    name: str
    platform: str
    seed: int
    disturbances: int
    findings: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.disturbances > 0 and not self.findings


class Experiment(Protocol):
    """Something that is done to a working installation; repeatable from its seed."""

    scenario: str
    name: str

    def run(self, seed: int) -> Outcome:
        """Disturb, let it recover, and look."""
        ...
