"""The work as `doctor` sees it: the invariants, and what waits, fails, grows or is left lying."""

# ruff: noqa: S608  nothing here comes from outside
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection, text

from crowd_pipelines.http.redaction import without_secrets
from crowd_pipelines.model.health import Finding, error, fine, graded, listed
from crowd_pipelines.store.invariants import Invariant, examine
from crowd_pipelines.store.schema import OPEN_RUN

_LONG_OPEN = timedelta(days=14)
_LONG_IDLE, _MANY_TRIES = timedelta(hours=26), 5
"""A quota may be a day's, and its provider's day end when it likes."""
_LONG_CLOSED = timedelta(hours=2)
_GRACE = timedelta(minutes=10)
_RETENTION_GRACE_DAYS = 2


def invariant(conn: Connection, wanted: Invariant) -> Iterator[Finding]:
    """Examine something that must be true of the data."""
    found = examine(conn, wanted)
    if found is None:
        yield fine(wanted.name, wanted.meaning)
        return
    more = f", and {found.count - len(found.examples)} more" if found.count > len(found.examples) else ""
    seen = f"Not so: {wanted.meaning} Found {found.count:,}: {'; '.join(found.examples)}{more}."
    yield error(wanted.name, without_secrets(seen), wanted.remedy)


def integrations(conn: Connection) -> Iterator[Finding]:
    """Examine the integrations that nothing is read from, or not everything."""
    rejected = _texts(conn, f"{_NAMED} WHERE credentials_rejected_at IS NOT NULL AND disconnected_at IS NULL")
    yield graded(
        "credentials-accepted",
        f"the provider refused the credentials of {listed(rejected)}"
        if rejected
        else "no provider has refused an integration's credentials",
        "They are tried again after an hour, then once a day. Else nothing is read from them until they are connected "
        "again (crowd-pipelines connect, same tenant and name) with credentials that work.",
        bad=bool(rejected),
        poor=False,
    )
    failing = _texts(
        conn,
        f"{_NAMED} WHERE status = 'error' AND credentials_rejected_at IS NULL AND disconnected_at IS NULL"
        " ORDER BY integrations.updated_at DESC",
    )
    latest = _texts(
        conn,
        "SELECT error FROM integrations WHERE status = 'error' AND error IS NOT NULL ORDER BY updated_at DESC LIMIT 1",
    )
    yield graded(
        "integrations",
        f"ended in error last: {listed(failing)}. The newest says: "
        f"{without_secrets(latest[0])[:300] if latest else 'nothing'}"
        if failing
        else "no integration ended in error last",
        "`crowd-pipelines runs -i INTEGRATION` says why; docs/how-to/recover.md says what then.",
        bad=False,
        poor=bool(failing),
    )
    owing = _texts(
        conn,
        "SELECT concat(integrations.name, ' (', platform, '): ', owed.label, ': ', left(owed.reason, 200))"
        " FROM owed_reads AS owed JOIN integrations ON integrations.id = owed.integration_id"
        " WHERE disconnected_at IS NULL ORDER BY owed.id",
    )
    yield graded(
        "nothing-owed",
        f"left unread, and owed: {without_secrets(listed(owing))}" if owing else "nothing is left unread and owed",
        "Each says what to do. Permissions are tried again once a day, failures by each check; `crowd-pipelines "
        "process-integration -i INTEGRATION` tries at once.",
        bad=False,
        poor=bool(owing),
    )
    asked = _texts(
        conn,
        f"{_NAMED} WHERE onboarding_requested_at < now() - CAST(:grace AS interval) AND disconnected_at IS NULL"
        f" AND NOT EXISTS (SELECT FROM integration_runs WHERE integration_id = integrations.id AND {OPEN_RUN})",
        grace=_GRACE,
    )
    yield graded(
        "onboardings-begin",
        f"onboardings are not begun since more than 10 minutes: {listed(asked)}"
        if asked
        else "every onboarding that was asked for was begun",
        "Is the daemon alive, and the sensor `onboarding` on? `crowd-pipelines process-integration -o -i INTEGRATION` "
        "begins one by hand.",
        bad=bool(asked),
        poor=False,
    )
    leaving = _texts(conn, f"{_NAMED} WHERE disconnected_at < now() - interval '1 day'")
    yield graded(
        "disconnections-end",
        f"disconnected a day ago or longer, and still there: {listed(leaving)}"
        if leaving
        else "what was disconnected is gone",
        "Repeat `crowd-pipelines disconnect`: it goes on where it stopped.",
        bad=False,
        poor=bool(leaving),
    )


def runs(conn: Connection) -> Iterator[Finding]:
    """Examine the integration runs that are open, and the streams that are in trouble."""
    standing = conn.execute(text(_OPEN)).mappings().one()
    reasons = _texts(conn, _WAITING)
    yield fine(
        "open-runs",
        f"{standing['processing']} integration runs are worked on, {standing['delayed']} wait"
        + (f" ({'; '.join(map(without_secrets, reasons))})" if reasons else ""),
    )
    old = _texts(
        conn,
        "SELECT concat(integrations.name, ' (', platform, '), since ', to_char(run.created_at, 'MM-DD'), ', slice ',"
        " run.attempt) FROM integration_runs AS run JOIN integrations ON integrations.id = run.integration_id"
        f" WHERE run.{OPEN_RUN} AND run.created_at < now() - CAST(:long AS interval) ORDER BY run.created_at",
        long=_LONG_OPEN,
    )
    yield graded(
        "runs-end",
        f"open for more than two weeks: {listed(old)}"
        if old
        else "no integration run has been open for more than two weeks",
        "`crowd-pipelines runs --open` says what they wait for: large histories of slow providers take that long, "
        "anything else does not.",
        bad=False,
        poor=bool(old),
    )
    idle = _texts(conn, _IDLE, long=_LONG_IDLE, tries=_MANY_TRIES)
    yield graded(
        "runs-get-on",
        f"taken up again and again, and nothing read for a day: {listed(idle)}"
        if idle
        else "what is worked on gets on",
        "`crowd-pipelines runs --open` and `streams -r RUN` say what keeps it; its Dagster runs' events say what "
        "became of each try.",
        bad=False,
        poor=bool(idle),
    )
    crashed = _texts(
        conn,
        "SELECT concat(integrations.name, ' (', platform, '): ', stream.label) FROM integration_streams AS stream"
        " JOIN integration_runs AS run ON run.id = stream.run_id"
        " JOIN integrations ON integrations.id = run.integration_id"
        f" WHERE stream.due_at IS NOT NULL AND stream.crashes > 1 AND run.{OPEN_RUN}",
    )
    yield graded(
        "workers-survive",
        f"with a worker when it went down, more than once: {listed(crashed)}"
        if crashed
        else "no stream takes its workers down",
        "The Dagster runs' events and the machine's log (out of memory?) say what ended the workers. The third time "
        "such a stream is given up, so that the others go on.",
        bad=False,
        poor=bool(crashed),
    )
    buried = _texts(
        conn,
        """
        SELECT concat(integrations.name, ' (', platform, '): ', count(*)) FROM integrations
        JOIN LATERAL (
            SELECT id, state FROM integration_runs WHERE integration_id = integrations.id
            ORDER BY created_at DESC LIMIT 1
        ) AS run ON run.state = 'error'
        JOIN integration_streams AS stream ON stream.run_id = run.id AND stream.state = 'error'
                                          AND stream.due_at IS NULL AND stream.crashes > 0
        GROUP BY integrations.id
        """,
    )
    yield graded(
        "nothing-given-up",
        f"streams were given up because they took their workers down: {listed(buried)}"
        if buried
        else "no stream was given up because it took its workers down",
        "`crowd-pipelines streams -r RUN` names them. When the reason is mended: crowd-pipelines continue-run -r RUN.",
        bad=False,
        poor=bool(buried),
    )


_NAMED = "SELECT concat(name, ' (', platform, ')') FROM integrations"
_OPEN = f"""
    SELECT count(*) FILTER (WHERE state = 'processing') AS processing,
           count(*) FILTER (WHERE state <> 'processing') AS delayed
    FROM integration_runs WHERE {OPEN_RUN}
"""
_IDLE = f"""
    SELECT concat(integrations.name, ' (', platform, '), try ', run.attempt) FROM integration_runs AS run
    JOIN integrations ON integrations.id = run.integration_id
    WHERE run.{OPEN_RUN} AND run.attempt >= :tries AND run.created_at < now() - CAST(:long AS interval)
      AND (run.delayed_until IS NULL OR run.delayed_until <= now())
      AND NOT EXISTS (
        SELECT FROM integration_streams
        WHERE run_id = run.id AND processed_at > now() - CAST(:long AS interval)
      )
"""
_WAITING = """
    SELECT concat(count(*), ' until ', to_char(max(delayed_until), 'MM-DD HH24:MI'), ' at the latest: ',
                  left(coalesce(delay_reason, 'no reason given'), 80))
    FROM integration_runs WHERE state = 'delayed' GROUP BY left(coalesce(delay_reason, 'no reason given'), 80)
    ORDER BY count(*) DESC LIMIT 3
"""


def budgets(conn: Connection) -> Iterator[Finding]:
    """Examine which providers let nothing through for long."""
    closed = _texts(
        conn,
        "SELECT concat(key, ' until ', to_char(closed_until, 'MM-DD HH24:MI')) FROM rate_budgets"
        " WHERE closed_until > now() + CAST(:long AS interval) ORDER BY closed_until DESC",
        long=_LONG_CLOSED,
    )
    yield graded(
        "budgets",
        f"rate budgets are closed for hours: {listed(closed)}" if closed else "no rate budget is closed for hours",
        "The provider asked for it; what it allows per day is used up, or shared with somebody. Deleting the row of "
        "rate_budgets tries at once.",
        bad=False,
        poor=bool(closed),
    )


def quarantine(conn: Connection) -> Iterator[Finding]:
    """Examine whether records that cannot be used are becoming more."""
    rows = conn.execute(text(_QUARANTINED)).mappings().all()
    total = sum(row["records"] for row in rows)
    growing = [row for row in rows if row["fresh"]]
    told = [
        f"{row['name']} ({row['platform']}) {row['fresh']:,} of {row['records']:,}, the newest: "
        f"{without_secrets(row['reason'])[:120]}"
        for row in growing
    ]
    yield graded(
        "quarantine",
        f"records that could not be used came in during the last day: {listed(told)}"
        if told
        else f"{total:,} records are in quarantine, none of the last day",
        "`crowd-pipelines quarantine list` shows them. When the mapping is mended, `quarantine retry` reads "
        "them again.",
        bad=False,
        poor=bool(told),
    )


_QUARANTINED = """
    SELECT integrations.name, platform, count(*) AS records,
           count(*) FILTER (WHERE record.created_at > now() - interval '1 day') AS fresh,
           (array_agg(record.reason ORDER BY record.created_at DESC))[1] AS reason
    FROM quarantined_records AS record JOIN integrations ON integrations.id = record.integration_id
    GROUP BY integrations.id ORDER BY fresh DESC
"""


def retention(conn: Connection, *, days: int) -> Iterator[Finding]:
    """Examine whether what is old goes."""
    # Ids are in the order of time, so that this finds the oldest by the index.
    oldest = conn.scalar(
        text(
            "SELECT extract(epoch FROM now() - processed_at) / 86400 FROM integration_runs"
            " WHERE processed_at IS NOT NULL ORDER BY id LIMIT 1"
        )
    )
    age = float(oldest or 0)
    yield graded(
        "retention",
        f"the oldest integration run ended {age:.0f} days ago, and should be gone after {days}"
        if age > days + _RETENTION_GRACE_DAYS
        else f"integration runs are deleted after {days} days",
        "Is the schedule `retention` on, and did its last Dagster run succeed? It runs every night at 03:17 UTC.",
        bad=False,
        poor=age > days + _RETENTION_GRACE_DAYS,
    )


def erasures(conn: Connection) -> Iterator[Finding]:
    """Examine whether erasures were completed."""
    left = conn.scalar(
        text("SELECT count(*) FROM erasures WHERE completed_at IS NULL AND erased_at < now() - interval '1 hour'")
    )
    yield graded(
        "erasures",
        f"{left} erasures of people were begun and not completed" if left else "every erasure was completed",
        "Repeat `crowd-pipelines erase-member` for them: it goes on where it stopped.",
        bad=bool(left),
        poor=False,
    )


def _texts(conn: Connection, sql: str, **values: object) -> list[str]:
    return list(conn.scalars(text(sql), values))
