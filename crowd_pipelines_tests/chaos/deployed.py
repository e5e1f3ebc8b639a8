"""Experiments on a whole installation: parts of Dagster that die, stop, or come twice; and all other experiments on it.

Each connects communities of its own, disturbs their onboarding and their next check at random moments, waits until the
installation is at rest again, and looks at everything that was promised.
"""

import signal
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from crowd_pipelines.stack.processes import stopped_by_signals
from crowd_pipelines_tests.chaos import clocks, outages
from crowd_pipelines_tests.chaos.deployed_experiment import CLEAN_SECONDS, Deployed
from crowd_pipelines_tests.chaos.deployed_site import LEASE_SECONDS, PARTS, wait_for
from crowd_pipelines_tests.chaos.deployed_truth import failed_streams, runs, under_way
from crowd_pipelines_tests.chaos.experiment import Experiment
from crowd_pipelines_tests.chaos.fairness import Fairness


class Killed(Deployed):
    """Something gets SIGKILL twice, at random moments, and what has died is started again."""

    scenario = "S2"
    times = 2

    def disturb(self, tenant: str) -> int:
        killed = 0
        for _ in range(self.times):
            self.random_moment(tenant)
            killed += self.site.kill(*self.victims())
            time.sleep(self.dice.uniform(0, 3))
            self.site.restart(*PARTS)
            if not self.at_work(tenant):
                break
        return killed

    @abstractmethod
    def victims(self) -> list[int]:
        """Who gets the signal."""


class WorkerKilled(Killed):
    """The process of one Dagster run."""

    scenario = "S1"
    name = "run worker killed"
    times = 3

    def victims(self) -> list[int]:
        alive = self.workers()
        return [self.dice.choice(alive).pid] if alive else []


class CodeServerKilled(Killed):
    """The code server alone: its workers go on as orphans, and nobody watches them."""

    name = "code server killed"

    def victims(self) -> list[int]:
        return [self.site.main("code")]


class CodeServerAndWorkersKilled(Killed):
    """What the end of a container does."""

    name = "code server and its workers killed"

    def victims(self) -> list[int]:
        return [process.pid for process in self.site.processes() if process.part == "code"]


class DaemonKilled(Killed):
    """Nobody launches, dequeues or watches."""

    name = "daemon killed"

    def victims(self) -> list[int]:
        return [self.site.main("daemon")]


class WebserverKilled(Killed):
    """Nothing depends on it."""

    name = "webserver killed"

    def victims(self) -> list[int]:
        return [self.site.main("webserver")]


class EverythingKilled(Killed):
    """All processes but PostgreSQL, all platforms."""

    name = "all of Dagster killed"
    platforms = 5
    times = 1

    def victims(self) -> list[int]:
        return [process.pid for process in self.site.processes()]


class Stopped(Deployed):
    """Workers get SIGTERM at a random moment: they end their slice, and are gone within seconds."""

    scenario = "S4"
    name = "run workers stopped by SIGTERM"
    black_hole = False

    def __init__(self) -> None:
        self._gone_after: list[float] = []

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=4)
        workers = [process.pid for process in self.workers()]
        if self.black_hole:
            self.site.sandbox.clear_faults()  # of several, the first one wins
            self.site.sandbox.fault(None, "timeout", times=4)
            time.sleep(2)
        stopped = self.site.kill(*workers, number=signal.SIGTERM)
        began = time.monotonic()
        for pid in workers:
            wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the worker's end", seconds=120)  # noqa: B023  at once
            self._gone_after.append(time.monotonic() - began)
        return stopped

    def look(self, tenant: str) -> list[str]:
        harmed = failed_streams(self.site, tenant)
        return [*super().look(tenant), *(f"a stopped worker cost a try: {one}" for one in harmed)]

    def measured(self) -> dict[str, float]:
        return {"gone_after_s": max(self._gone_after, default=0.0)}


class StoppedInABlackHole(Stopped):
    """The same while answers do not come."""

    name = "run workers stopped by SIGTERM while the provider is silent"
    black_hole = True


class Paused(Deployed):
    """Workers are frozen for longer than their leases, others take over, and then they go on."""

    scenario = "S4"
    name = "run workers frozen beyond their leases"
    lease = LEASE_SECONDS

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant)
        workers = [process.pid for process in self.workers()]
        frozen = self.site.kill(*workers, number=signal.SIGSTOP)
        time.sleep(self.lease + self.dice.uniform(2, 15))
        self.site.kill(*workers, number=signal.SIGCONT)
        return frozen


class PausedBeyondTheRealLease(Paused):
    """The same with the leases of every installation; the others have shorter ones to save time."""

    name = "run workers frozen beyond leases of 45 s"
    lease = 45
    phases = ("onboarding",)

    def begin(self, what: str, tenant: str, platforms: Sequence[str]) -> None:
        self.site.stop("code")
        self.site.start("code", CROWD_LEASE_SECONDS=str(self.lease))
        super().begin(what, tenant, platforms)

    def repair(self, tenant: str) -> None:
        self.site.stop("code")
        super().repair(tenant)


class Doubled(Deployed):
    """A second daemon and a second code server, for some minutes in which checks are due every minute."""

    scenario = "S5"
    name = "two daemons and two code servers"
    minutes = 3

    def disturb(self, tenant: str) -> int:
        self.site.start("code-2", "daemon-2")
        sql = "UPDATE integrations SET last_check_at = last_check_at - interval '1 hour' WHERE onboarded_at IS NOT NULL"
        for _ in range(self.minutes):
            self.site.database.execute(sql)
            time.sleep(60)
        extra = [process.pid for process in self.site.processes() if process.part == "daemon-2"]
        self.site.kill(*extra, number=signal.SIGTERM)
        return len(extra)

    def look(self, tenant: str) -> list[str]:
        return [*super().look(tenant), *self._doubled_ticks(tenant), *self._doubled_onboardings(tenant)]

    def repair(self, tenant: str) -> None:
        extra = [process.pid for process in self.site.processes() if process.part.endswith("-2")]
        wait_for(lambda: not under_way(self.site), "an end of all Dagster runs", seconds=CLEAN_SECONDS)
        self.site.kill(*extra)
        super().repair(tenant)

    def _doubled_ticks(self, tenant: str) -> Iterator[str]:
        sql = """
            SELECT i.platform, date_trunc('minute', r.created_at) AS minute, count(*) AS times
            FROM integration_runs AS r JOIN integrations AS i ON i.id = r.integration_id
            JOIN tenants AS t ON t.id = r.tenant_id
            WHERE t.name = %(tenant)s AND NOT r.onboarding GROUP BY 1, 2 HAVING count(*) > 1
        """
        for row in self.site.database.rows(sql, tenant=tenant):
            yield f"{row['platform']} was checked {row['times']} times in the minute {row['minute']}"

    def _doubled_onboardings(self, tenant: str) -> Iterator[str]:
        onboardings = [run["platform"] for run in runs(self.site, tenant) if run["onboarding"]]
        for platform in {name for name in onboardings if onboardings.count(name) > 1}:
            yield f"{platform} was onboarded {onboardings.count(platform)} times"


class BackfilledMeanwhile(Deployed):
    """All partitions of a platform are backfilled, the daemon dies in the middle, and checks of others go on."""

    scenario = "S20"
    name = "backfill while checks run, daemon restarted"
    phases = ("check",)

    def begin(self, what: str, tenant: str, platforms: Sequence[str]) -> None:
        self.onboard(tenant, platforms)
        self.at_rest(tenant, runs_wanted=len(platforms), what="onboarding")
        self._before = len(self._onboardings(tenant))
        self.check(tenant, platforms)

    def disturb(self, tenant: str) -> int:
        self._keys = {
            row["platform"]: row["key"]
            for row in self.site.database.rows(
                "SELECT i.platform, i.key FROM integrations AS i JOIN tenants AS t ON t.id = i.tenant_id"
                " WHERE t.name = %(tenant)s",
                tenant=tenant,
            )
        }
        self.random_moment(tenant, longest=2)
        for platform, key in self._keys.items():
            self.site.ui.backfill(platform, [key])
        time.sleep(self.dice.uniform(0, 10))
        killed = self.site.kill(self.site.main("daemon"))
        time.sleep(self.dice.uniform(0, 5))
        self.site.restart("daemon")
        again = "every partition to be onboarded again"
        wait_for(lambda: len(self._onboardings(tenant)) >= 2 * self._before, again, seconds=CLEAN_SECONDS)
        return killed

    def _onboardings(self, tenant: str) -> list[str]:
        return [run["platform"] for run in runs(self.site, tenant) if run["onboarding"]]

    def look(self, tenant: str) -> list[str]:
        times = len(self._onboardings(tenant))
        more = [f"{times} onboardings instead of {2 * self._before}"] if times != 2 * self._before else []
        return [*super().look(tenant), *more]


def experiments() -> list[Experiment]:
    """All experiments on an installation."""
    return [
        WorkerKilled(),
        DaemonKilled(),
        WebserverKilled(),
        CodeServerKilled(),
        CodeServerAndWorkersKilled(),
        EverythingKilled(),
        Stopped(),
        StoppedInABlackHole(),
        Paused(),
        PausedBeyondTheRealLease(),
        Doubled(),
        BackfilledMeanwhile(),
        *outages.experiments(),
        *clocks.experiments(),
        Fairness(),
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the experiments in whose name a text is, with a seed; returns how many failed."""
    wanted, seed = (arguments[0] if arguments else ""), int(arguments[1]) if len(arguments) > 1 else 1
    failed = 0
    for experiment in experiments():
        if wanted in experiment.name:
            began = time.monotonic()
            outcome = experiment.run(seed)
            failed += not outcome.passed
            print(
                f"{'passed' if outcome.passed else 'FAILED'} in {time.monotonic() - began:.0f} s: {outcome}", flush=True
            )
    return failed


if __name__ == "__main__":
    with stopped_by_signals():
        sys.exit(main(sys.argv[1:]))
