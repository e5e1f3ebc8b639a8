"""Experiments with wrong clocks: the database's is the authority, so that nothing may wait for hours, or come twice.

The processes get their time from `wrong_clock`. A daemon cannot be sent back in time so: its calls to the code server
would end before they began. Nor can a code server be sent ahead, only its workers: it would hear no call. What a daemon
that was ahead leaves behind is looked at instead.
"""

import time
from collections.abc import Iterator, Sequence

from crowd_pipelines_tests.chaos.deployed_experiment import Deployed
from crowd_pipelines_tests.chaos.deployed_truth import failed_streams
from crowd_pipelines_tests.chaos.experiment import Experiment

HOURS = 2

REMEDY = (
    "DELETE FROM job_ticks WHERE timestamp > now() AT TIME ZONE 'UTC'",
    "DELETE FROM instigators",
    "DELETE FROM jobs",
)
"""What docs/how-to/recover.md tells to run in Dagster's database. Dagster keeps a state in both of the last tables."""


class WrongClock(Deployed):
    """Some parts have another time than the database, all the while."""

    scenario = "S9"
    parts: tuple[str, ...] = ("code",)

    def __init__(self, name: str, *, ahead: float, phases: tuple[str, ...] = ("onboarding", "check")) -> None:
        self.name = name
        self.ahead = ahead
        self.phases = phases

    def begin(self, what: str, tenant: str, platforms: Sequence[str]) -> None:
        if what == self.phases[0]:
            self._tell(self.ahead)
            self.site.stop(*self.parts)
            self.site.start(*self.parts, **self.site.wrong_clock)
        super().begin(what, tenant, platforms)

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=1)
        return 1

    def look(self, tenant: str) -> list[str]:
        return [*super().look(tenant), *failed_streams(self.site, tenant), *self._double_checks(tenant)]

    def repair(self, tenant: str) -> None:
        self._tell(0)
        self.site.stop(*self.parts)
        super().repair(tenant)

    def _tell(self, hours: float) -> None:
        self.site.clock_file.write_text(str(hours * 3600))

    def _double_checks(self, tenant: str) -> Iterator[str]:
        """Each integration was made due once."""
        sql = """
            SELECT i.platform, count(*) AS times FROM integration_runs AS r
            JOIN integrations AS i ON i.id = r.integration_id JOIN tenants AS t ON t.id = i.tenant_id
            WHERE t.name = %(tenant)s AND NOT r.onboarding GROUP BY 1 HAVING count(*) > 1
        """
        for row in self.site.database.rows(sql, tenant=tenant):
            yield f"{row['platform']} was checked {row['times']} times"


class JumpingClock(WrongClock):
    """The clock of code server and workers is set forth and back, again and again."""

    def disturb(self, tenant: str) -> int:
        self.random_moment(tenant, longest=1)
        jumps = 8
        for number in range(jumps):
            self._tell(HOURS if number % 2 else -HOURS)
            time.sleep(self.dice.uniform(0.5, 2))
        return jumps


class DaemonAhead(WrongClock):
    """The daemon's clock is ahead for an onboarding, and is set right before the check.

    Dagster's daemon evaluates nothing whose last evaluation lies ahead: until then, or until somebody does what
    docs/how-to/recover.md says.
    """

    parts = ("daemon",)

    def begin(self, what: str, tenant: str, platforms: Sequence[str]) -> None:
        if what == "check":
            self._tell(0)
            self.site.stop("daemon")
            for statement in REMEDY:
                self.site.dagster.execute(statement)
            self.site.start("daemon")
        super().begin(what, tenant, platforms)


def experiments() -> list[Experiment]:
    """All experiments with clocks."""
    return [
        WrongClock("workers' clock two hours behind", ahead=-HOURS),
        WrongClock("workers' clock two hours ahead", ahead=HOURS),
        JumpingClock("workers' clock jumping", ahead=HOURS, phases=("onboarding",)),
        DaemonAhead("daemon's clock two hours ahead, then set right", ahead=HOURS),
    ]
