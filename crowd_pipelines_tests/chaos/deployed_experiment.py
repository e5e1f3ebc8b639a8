"""What every experiment on a whole installation has in common: something to disturb, and a look at what came of it."""

import atexit
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache

from crowd_pipelines.stack.processes import StackError
from crowd_pipelines_tests.chaos.deployed_site import CHECKOUT, PARTS, Process, Site, wait_for
from crowd_pipelines_tests.chaos.deployed_truth import differences, failed_streams, out_of_reach, runs, under_way
from crowd_pipelines_tests.chaos.experiment import Outcome

CLEAN_SECONDS = 300
"""G3: after any disturbance the whole installation is at rest again within five minutes."""

ONBOARDED_SECONDS = 600
"""More than an onboarding takes on the slowest machine, its waits included."""

SLOW_ANSWER_SECONDS = 0.5

WEEKLY = ("devto", "slack", "twitter")
"""Providers whose next check brings all that happened in a week; the others show some of it on the next day."""


_stack = ExitStack()
atexit.register(_stack.close)


@cache
def standing() -> Site:
    """The installation that all experiments share, made when the first one needs it."""
    return _stack.enter_context(Site.running(CHECKOUT / ".crowd" / "chaos" / "deployed"))


def end_standing() -> None:
    """Take the installation down; the next experiment gets a new one."""
    standing.cache_clear()
    _stack.pop_all().close()


class Deployed(ABC):
    """Something that is done to an installation while communities are onboarded and checked."""

    scenario: str
    name: str
    phases: tuple[str, ...] = ("onboarding", "check")
    platforms: int = 2
    """So many are onboarded at once; which ones, the seed decides. One of them has news for its next check."""

    site: Site
    dice: random.Random

    def run(self, seed: int) -> Outcome:
        """Disturb an onboarding and a check, let both recover, and look."""
        self.site, self.dice = standing(), random.Random(f"{self.name}/{seed}")
        tenant = f"{self.name} {seed}"
        platforms = self._choice()
        findings: list[str] = []
        measures: dict[str, float] = {}
        disturbances = 0
        try:
            for what in self.phases:
                # Else a fast machine is done before the disturbance comes.
                self.site.sandbox.fault(None, "latency", seconds=SLOW_ANSWER_SECONDS)
                self.begin(what, tenant, platforms)
                disturbances += self.disturb(tenant)
                self.site.sandbox.clear_faults()
                disturbed_at = time.monotonic()
                at_rest_after = self.at_rest(tenant, runs_wanted=len(platforms), what=what)
                measures[f"{what}_clean_after_s"] = at_rest_after - disturbed_at
                findings += [f"after the {what}: {found}" for found in self.look(tenant)]
            measures["clean_after_s"] = max(value for name, value in measures.items() if name.endswith("clean_after_s"))
        except StackError as error:
            findings.append(f"{error}; {self._state(tenant)}")
        finally:
            self.repair(tenant)
        return Outcome(
            scenario=self.scenario,
            name=self.name,
            platform=", ".join(platforms),
            seed=seed,
            disturbances=disturbances,
            findings=tuple(findings),
            measures={name: round(value, 1) for name, value in {**measures, **self.measured()}.items()},
        )

    def begin(self, what: str, tenant: str, platforms: Sequence[str]) -> None:
        """Let there be work to disturb."""
        (self.onboard if what == "onboarding" else self.check)(tenant, platforms)

    @abstractmethod
    def disturb(self, tenant: str) -> int:
        """Do it, while work is under way; returns how often it was really done."""

    def look(self, tenant: str) -> list[str]:
        """Everything that is not as promised."""
        return differences(self.site, tenant)

    def measured(self) -> dict[str, float]:
        """Further numbers for the report."""
        return {}

    def repair(self, tenant: str) -> None:
        """Leave the installation to the next experiment as it was."""
        self.site.restart(*PARTS)
        try:
            wait_for(lambda: not under_way(self.site), "an end of all Dagster runs", seconds=CLEAN_SECONDS)
        except StackError:
            end_standing()
        else:
            self.site.forget(tenant)

    def random_moment(self, tenant: str, *, longest: float = 8) -> None:
        """Wait until work is under way, and for a random time after that."""
        wait_for(lambda: self.at_work(tenant), "work under way", seconds=ONBOARDED_SECONDS, every=0.05)
        time.sleep(self.dice.uniform(0, longest))

    def at_work(self, tenant: str) -> bool:
        """Tell whether some integration run of the tenant is with a worker."""
        return any(run["state"] == "processing" for run in runs(self.site, tenant))

    def workers(self) -> list[Process]:
        """Processes of Dagster runs, in the order in which they came."""
        return sorted(self.site.workers(), key=lambda process: process.pid)

    def _choice(self) -> list[str]:
        """Platforms for this seed: one that has news every week, and others."""
        news = self.dice.choice(WEEKLY)
        others = [name for name in self.site.platforms if name not in (news, "twitter_reach")]
        chosen = [news, *self.dice.sample(others, min(self.platforms - 1, len(others)))]
        # It reads with the credentials of twitter, so it comes with it.
        return [*chosen, "twitter_reach"] if "twitter" in chosen and self.platforms > 2 else chosen

    def onboard(self, tenant: str, platforms: Sequence[str]) -> None:
        """Connect communities; the sensor sees that they ask for an onboarding."""
        self.site.out_of_reach = out_of_reach(self.site.sandbox, set(platforms) - {"twitter_reach"})
        for platform in platforms:
            self.site.connect(platform, tenant)

    def check(self, tenant: str, platforms: Sequence[str]) -> None:
        """A week passes for who shows it, and all integrations become due."""
        for platform in set(platforms) & set(WEEKLY):
            self.site.sandbox.change(platform, [{"do": "week", "seed": self.dice.randrange(1000)}])
        self.site.database.execute(
            "UPDATE integrations SET last_check_at = now() - interval '1 day' WHERE tenant_id ="
            " (SELECT id FROM tenants WHERE name = %(name)s)",
            name=tenant,
        )

    def at_rest(self, tenant: str, *, runs_wanted: int, what: str) -> float:
        """Wait until the tenant's integration runs and all Dagster runs are over; returns the moment."""

        def look() -> bool:
            found = [run for run in runs(self.site, tenant) if run["onboarding"] == (what == "onboarding")]
            over = all(run["state"] in {"processed", "error"} for run in found)
            return len(found) >= runs_wanted and over and not under_way(self.site)

        wait_for(look, f"the {what} to end", seconds=CLEAN_SECONDS)
        return time.monotonic()

    def _state(self, tenant: str) -> str:
        open_runs = [f"{run['platform']} {run['state']}" for run in runs(self.site, tenant)]
        dagsters = [f"{run['job']} {run['status']}" for run in under_way(self.site)]
        return f"integration runs: {open_runs}; Dagster runs: {dagsters}; {failed_streams(self.site, tenant)[:3]}"
