"""`python -m crowd_pipelines.benchmarks.onboarding COMMENTS`: measures one onboarding and a check, in a fresh process.

Both run through the Dagster job, with a Dagster instance on PostgreSQL, against a simulated DEV without a rate limit.
Prints JSON.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import dagster as dg
from sqlalchemy import Engine, text

from crowd_pipelines.benchmarks.meter import Cost, metered, peak_memory_mb
from crowd_pipelines.benchmarks.replay import times_faster
from crowd_pipelines.definitions import defs
from crowd_pipelines.defs.foreground import execute
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.database import transact

PLATFORM = "devto"

_UNPACED = "1000000"
_MOST_EVENTS = 100_000
_PAGES = text(
    "SELECT count(*) FROM integration_streams AS stream JOIN integration_runs AS run ON run.id = stream.run_id "
    "WHERE run.dagster_run_id = :run AND stream.state = 'processed'"
)
_STORED = text(
    "SELECT (SELECT count(*) FROM activities WHERE retracted_at IS NULL), (SELECT count(*) FROM members), "
    "(SELECT count(*) FROM quarantined_records)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one Dagster run cost and did."""

    seconds: float
    cpu_seconds: float
    requests: int
    pages: int
    round_trips: int
    event_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """An onboarding and the check after it. `missing` is how many activities the simulated provider has beyond ours."""

    comments: int
    activities: int
    members: int
    missing: int
    quarantined: int
    memory_before_mb: float
    peak_memory_mb: float
    onboarding: Pass
    check: Pass
    times_faster: float


class BenchmarkFailed(Exception):
    """What was to be measured did not do its work; the message says what went wrong."""


def measure(comments: int) -> Measurement:
    """Onboard and check a community of about this size. The environment names the databases and the Dagster home."""
    with Sandbox.start(size=f"comments={comments}", platforms=[PLATFORM]) as sandbox:
        os.environ |= {
            f"CROWD_{PLATFORM.upper()}_API_URL": sandbox.api_url(PLATFORM),
            f"CROWD_{PLATFORM.upper()}_REQUESTS_PER_SECOND": _UNPACED,
        }
        engine = database.create(Settings.load().require_database_url())
        integration_id = _connect(engine, sandbox)
        before = peak_memory_mb()
        onboarding = _pass(engine, sandbox, {"integration_ids": [str(integration_id)], "onboarding": True})
        check = _pass(engine, sandbox, {"integration_ids": [str(integration_id)]})
        # Before anything else is loaded into this process.
        peak = peak_memory_mb()
        activities, members, quarantined = transact(engine, lambda conn: conn.execute(_STORED).one())
        return Measurement(
            comments=comments,
            activities=activities,
            members=members,
            missing=len(sandbox.truth(PLATFORM).activities) - activities,
            quarantined=quarantined,
            memory_before_mb=before,
            peak_memory_mb=peak,
            onboarding=onboarding,
            check=check,
            times_faster=times_faster(engine),
        )


def _connect(engine: Engine, sandbox: Sandbox) -> UUID:
    with engine.begin() as conn:
        tenant_id = integrations.ensure_tenant(conn, "benchmark")
        settings = sandbox.settings(PLATFORM)
        return integrations.connect(conn, tenant_id=tenant_id, platform=PLATFORM, name="DEV", settings=settings).id


def _pass(engine: Engine, sandbox: Sandbox, start: dict[str, Any]) -> Pass:
    sandbox.forget_requests()
    with metered() as cost:
        executed = execute(defs.resolve_job_def(PLATFORM), start)
    if not executed.success:
        raise BenchmarkFailed(f"the Dagster run {executed.run_id} failed: {executed.error}")
    return _counted(engine, sandbox, executed.run_id, cost)


def _counted(engine: Engine, sandbox: Sandbox, dagster_run_id: str, cost: Cost) -> Pass:
    with dg.DagsterInstance.get() as instance:
        events = len(instance.get_records_for_run(dagster_run_id, limit=_MOST_EVENTS).records)
    return Pass(
        seconds=cost.seconds,
        cpu_seconds=cost.cpu_seconds,
        requests=len(sandbox.requests(PLATFORM)),
        pages=transact(engine, lambda conn: conn.execute(_PAGES, {"run": dagster_run_id}).scalar_one()),
        round_trips=cost.round_trips,
        event_rows=events,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(measure(int(sys.argv[1])))))
