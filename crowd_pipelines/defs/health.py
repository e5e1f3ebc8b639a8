"""Dagster as `doctor` sees it: its storage, its daemon, what is switched on, and the settings that we rely on."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from crowd_pipelines.http.redaction import without_secrets
from crowd_pipelines.model.health import Finding, error, fine, graded, listed

Definitions = dg.Definitions

SILENT_SECONDS = 120
"""A daemon sends a heartbeat every 30 s."""

_TICKS = 3
_LONG_QUEUED = timedelta(minutes=15)
_RETENTION_GRACE_DAYS = 2
_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_TABLES = {"runs", "event_logs", "job_ticks", "daemon_heartbeats"}
_UP = "Run `crowd-pipelines up`, or start dagster-daemon as docs/how-to/deploy.md does."


def storage(url: str, *, given: str | None) -> Finding:
    """Examine whether Dagster's database is there, with its tables in it. Makes none, as Dagster itself would.

    `given` is the URL as Dagster's own processes read it from the environment, where they do.
    """
    name = "storage"
    driver = make_url(given).drivername if given else None
    if driver not in {None, "postgresql+psycopg2"}:
        return error(
            name,
            f"CROWD_DAGSTER_DATABASE_URL begins with {driver}://, on which Dagster's event stream fails",
            "Begin it with postgresql+psycopg2:// in the environment of webserver, daemon and code server.",
        )
    engine = create_engine(url, connect_args={"connect_timeout": 10, "options": "-c statement_timeout=15s"})
    try:
        missing = _TABLES - set(inspect(engine).get_table_names())
    except SQLAlchemyError as failure:
        reason = _first_line(str(getattr(failure, "orig", failure)))
        return error(
            name, f"Dagster's database cannot be reached: {reason}", "Check that CROWD_DAGSTER_DATABASE_URL is right."
        )
    finally:
        engine.dispose()
    if missing:
        return error(name, "Dagster has never run on its database: it has no tables there", _UP)
    return fine(name, "Dagster's database is there, and so are its tables")


def instance(home: Path) -> AbstractContextManager[dg.DagsterInstance]:
    """Return the Dagster instance whose settings lie in a folder."""
    return dg.DagsterInstance.from_config(str(home))


def daemon(instance: dg.DagsterInstance) -> Iterator[Finding]:
    """Examine whether every part of the daemon is alive, without errors, and alone."""
    beats = instance.get_daemon_heartbeats()
    now = datetime.now(UTC).timestamp()
    needed = instance.get_required_daemon_types()
    ages = {kind: now - beats[kind].timestamp for kind in needed if kind in beats}
    alive = {kind: beats[kind] for kind, age in ages.items() if age <= SILENT_SECONDS}
    silent = [
        f"{kind.lower()} (for {timedelta(seconds=round(ages[kind]))})"
        if kind in ages
        else f"{kind.lower()} (never seen)"
        for kind in needed
        if kind not in alive
    ]
    yield graded(
        "daemon",
        f"{len(silent)} of the daemon's {len(needed)} parts are silent: {listed(silent)}"
        if silent
        else f"all {len(needed)} parts of the daemon were heard within {max(ages.values(), default=0):.0f} s",
        f"Without it nothing is launched. {_UP}",
        bad=bool(silent),
        poor=False,
    )
    failing = [f"{kind.lower()}: {_first_line(beat.errors[0].message)}" for kind, beat in alive.items() if beat.errors]
    yield graded(
        "daemon-errors",
        f"the daemon reports errors: {listed(failing)}" if failing else "the daemon reports no errors",
        "Its log has the whole: .crowd/logs/dagster.log of `up`, else that of dagster-daemon.",
        bad=False,
        poor=bool(failing),
    )
    # Each process has one id for all its parts, and whoever wrote last is the one that is seen.
    daemons = {beat.daemon_id for beat in alive.values()}
    yield graded(
        "one-daemon",
        f"{len(daemons)} daemons were heard within two minutes"
        if len(daemons) > 1
        else "no more than one daemon was heard",
        "Dagster supports one: stop the others. When it was restarted just now, ask again in two minutes.",
        bad=False,
        poor=len(daemons) > 1,
    )


def automation(instance: dg.DagsterInstance, defs: Definitions) -> Iterator[Finding]:
    """Examine whether all sensors and schedules are on, and whether their last ticks went well."""
    yield fine("code-location", "the code location loads")
    names = {one.name for one in (*(defs.sensors or ()), *(defs.schedules or ()))}
    states = [state for state in instance.all_instigator_state() if state.name in names]
    # Without a state, the code decides; there, all are on.
    off = sorted({state.name for state in states if state.status.value == "STOPPED"})
    yield graded(
        "automation-on",
        f"switched off: {listed(off)}" if off else f"all {len(names)} sensors and schedules are on",
        "Switch them on in Dagster's UI under Automation: meanwhile nothing is onboarded, checked, gone on with or "
        "deleted by them.",
        bad=bool(off),
        poor=False,
    )
    failing = []
    for state in states:
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS)
        if ticks and all(tick.status.value == "FAILURE" for tick in ticks):
            reason = _first_line(ticks[0].error.message) if ticks[0].error else "no reason given"
            failing.append(f"{state.name}: {reason}")
    yield graded(
        "ticks",
        f"the last {_TICKS} ticks failed: {listed(failing)}" if failing else "the last ticks went well",
        "Dagster's UI shows the whole error under Automation.",
        bad=bool(failing),
        poor=False,
    )


def runs(instance: dg.DagsterInstance, *, retention_days: int) -> Iterator[Finding]:
    """Examine what waits in Dagster's queue, and whether what is old goes."""
    now = datetime.now(UTC)
    queued = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], created_before=now - _LONG_QUEUED), limit=100
    )
    yield graded(
        "queue",
        f"{len(queued)} Dagster runs have been queued for more than 15 minutes"
        if queued
        else "no Dagster run is queued for long",
        "The daemon launches them as far as the limits in dagster.yaml allow; Runs > Queued in the UI says what is "
        "under way. Raise max_concurrent_runs if the machine can bear it.",
        bad=False,
        poor=bool(queued),
    )
    before = now - timedelta(days=retention_days + _RETENTION_GRACE_DAYS)
    old = instance.get_run_records(dg.RunsFilter(statuses=_OVER, updated_before=before), limit=1, ascending=True)
    yield graded(
        "dagster-retention",
        f"there are Dagster runs that should have been deleted after {retention_days} days"
        if old
        else f"Dagster runs are deleted after {retention_days} days",
        "Is the schedule `retention` on, and did its last Dagster run succeed? It runs every night at 03:17 UTC.",
        bad=False,
        poor=bool(old),
    )


def settings(instance: dg.DagsterInstance, *, slice_seconds: float) -> Iterator[Finding]:
    """Examine the settings of dagster.yaml on which recovery and fairness rest."""
    queue = instance.get_concurrency_config().run_queue_config
    limited = {limit.get("key") for limit in (queue.tag_concurrency_limits if queue else ())}
    purged = instance.get_settings("retention") or {}
    longest = instance.run_monitoring_max_runtime_seconds
    wrong = [
        complaint
        for complaint, holds in {
            "run_monitoring is not enabled": instance.run_monitoring_enabled,
            f"run_monitoring.max_runtime_seconds ({longest}) is not above CROWD_SLICE_SECONDS ({slice_seconds:g})": (
                longest > slice_seconds
            ),
            "the run coordinator is not QueuedRunCoordinator": type(instance.run_coordinator).__name__
            == "QueuedRunCoordinator",
            "concurrency.runs has no limit for crowd/integration": "crowd/integration" in limited,
            "concurrency.runs has no limit for crowd/platform": "crowd/platform" in limited,
            "retention of ticks is not set": {"sensor", "schedule"} <= purged.keys(),
        }.items()
        if not holds
    ]
    yield graded(
        "dagster.yaml",
        listed(wrong) if wrong else "dagster.yaml has the settings that recovery and fairness need",
        "Take them from the dagster.yaml that comes with this version, and restart webserver and daemon.",
        bad=False,
        poor=bool(wrong),
    )
    versions = instance.run_storage.alembic_version()
    found, needed = versions or (None, None)
    yield graded(
        "dagster-schema",
        f"Dagster's tables are at revision {found}, its version here needs {needed}"
        if found != needed
        else "Dagster's tables are those of its version",
        "Stop everything, run `dagster instance migrate`, and start again.",
        bad=False,
        poor=found != needed,
    )


def _first_line(message: str) -> str:
    return without_secrets(message.strip().partition("\n")[0])[:200]
