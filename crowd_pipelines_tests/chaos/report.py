"""What a campaign found: a table for the terminal, and a report in Markdown."""

import os
import platform as machine
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from crowd_pipelines_tests.chaos.experiment import Outcome

NO_PROOF = "the disturbance never happened, so that nothing is proven"
TOTALS = ("kills", "lost", "doubled", "stale_commits_tried", "stale_commits_refused")
TIMES = ("claimable_after_s", "resumed_after_s", "clean_after_s", "gone_after_s")
HEAD = (
    "scenario",
    "platform",
    "experiments",
    "failed",
    "disturbances",
    "kills",
    "lost",
    "doubled",
    "stale tried",
    "refused",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign that is over. `fired` says how often each failpoint did; those of `wanted` had to."""

    command: str
    seconds: float
    outcomes: Sequence[Outcome]
    fired: Mapping[str, int]
    wanted: Sequence[str]

    @property
    def never_fired(self) -> list[str]:
        return sorted({name for name in self.wanted if not self.fired.get(name)})

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.passed]

    @property
    def passed(self) -> bool:
        return bool(self.outcomes) and not self.failed and not self.never_fired


_MEASURES = (
    "Seconds. `claimable_after_s`: from a kill until everything that the dead worker held may be claimed; "
    "`resumed_after_s`: until another worker had taken the integration run; `clean_after_s`: from the last "
    "disturbance until the integration run was over; `gone_after_s`: from SIGTERM until the process had ended."
)


def summary(outcomes: Iterable[Outcome]) -> list[tuple[str, ...]]:
    """Return a row for every scenario and platform, and one of all."""
    grouped: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        grouped[outcome.scenario, outcome.platform].append(outcome)
    everything = [outcome for group in grouped.values() for outcome in group]
    rows = [_row(scenario, platform, group) for (scenario, platform), group in sorted(grouped.items())]
    return [*rows, _row("all", "", everything)]


def _row(scenario: str, platform: str, group: Sequence[Outcome]) -> tuple[str, ...]:
    totals: Counter[str] = Counter()
    for outcome in group:
        totals.update({name: round(outcome.measures.get(name, 0)) for name in TOTALS})
    failed = sum(not outcome.passed for outcome in group)
    numbers = (len(group), failed, sum(outcome.disturbances for outcome in group), *(totals[name] for name in TOTALS))
    return (scenario, platform, *map(str, numbers))


def markdown(campaign: Campaign) -> str:
    """Return the report."""
    verdict = "Nothing was found." if campaign.passed else "**Something was found.**"
    parts = [
        "# Chaos report",
        f"`{campaign.command}` on {_machine()}, {timedelta(seconds=round(campaign.seconds))} h. {verdict}",
        "## Experiments",
        table(HEAD, summary(campaign.outcomes)),
        "## How long it took",
        _MEASURES,
        table(("lease", "measure", "count", "median", "95 %", "longest"), list(_times(campaign.outcomes))),
        "## Failpoints",
        table(
            ("failpoint", "fired"), [(name, str(campaign.fired.get(name, 0))) for name in sorted(set(campaign.wanted))]
        ),
    ]
    if not campaign.passed:
        found = [*findings(campaign.failed), *map(never_fired, campaign.never_fired)]
        parts += ["## Findings", "\n".join(f"- {line}" for line in found)]
    return "\n\n".join(parts) + "\n"


def findings(failed: Iterable[Outcome]) -> Iterator[str]:
    """Tell what was found, and how to see it again."""
    for outcome in failed:
        again = f"--only {outcome.name} --platform {outcome.platform} --seed {outcome.seed}"
        for finding in outcome.findings or (NO_PROOF,):
            yield f"{outcome.scenario} {outcome.name} on {outcome.platform}: {finding} (again: {again})"


def never_fired(name: str) -> str:
    """Tell that a failpoint proves nothing."""
    return f"the failpoint {name} never fired"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _times(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    leases = sorted({outcome.measures["lease_s"] for outcome in outcomes if "lease_s" in outcome.measures})
    for lease in leases:
        for name in TIMES:
            found = sorted(
                o.measures[name] for o in outcomes if o.measures.get("lease_s") == lease and name in o.measures
            )
            if found:
                spread = (found[len(found) // 2], found[min(len(found) * 95 // 100, len(found) - 1)], found[-1])
                yield (f"{lease:g} s", name, str(len(found)), *(f"{seconds:.1f}" for seconds in spread))


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"Python {machine.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {machine.system()} {machine.machine()}, {python}"
