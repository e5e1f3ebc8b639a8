"""The database server as `doctor` sees it: its settings, its clock, its room, and whether it can clean up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, RowMapping, text
from sqlalchemy.sql.schema import SchemaItem

from crowd_pipelines.model.health import Finding, fine, graded
from crowd_pipelines.store import migrations
from crowd_pipelines.store.database import current_time
from crowd_pipelines.store.schema import metadata

_BEHIND = timedelta(hours=1)
"""A transaction that is open for so long keeps everything that was deleted since from being cleaned up."""


def schema(conn: Connection) -> Iterator[Finding]:
    """Examine whether the tables are those that this version needs."""
    found = MigrationContext.configure(conn, opts={"version_table": migrations.VERSION_TABLE}).get_current_revision()
    needed = migrations.newest()
    yield graded(
        "migrations",
        f"the schema is at revision {found or 'none'}, this version needs {needed}"
        + ("" if found == needed else "; data and work cannot be examined"),
        "Run `crowd-pipelines db upgrade`; when the database is the newer one, upgrade crowd_pipelines here.",
        bad=found != needed,
        poor=False,
    )
    if found == needed:
        differences = _differences(conn)
        yield graded(
            "schema",
            f"the tables differ from what this version declares: {'; '.join(differences[:5])}"
            if differences
            else "every table is as this version declares it",
            "Somebody changed tables by hand. Undo that; docs/database.md describes them.",
            bad=bool(differences),
            poor=False,
        )


def _differences(conn: Connection) -> list[str]:
    """Return what a migration would have to do; what is there beyond our tables is nobody's business."""

    def ours(_item: SchemaItem, _name: str | None, kind: str, reflected: bool, compared: object) -> bool:
        return not (reflected and compared is None and kind in {"table", "index"})

    options = {"compare_type": True, "include_object": ours, "version_table": migrations.VERSION_TABLE}
    found = compare_metadata(MigrationContext.configure(conn, opts=options), metadata)
    return [_told(difference) for difference in found]


def _told(difference: Any) -> str:
    # Changes of one column come as lists.
    kind, *about = difference[0] if isinstance(difference, list) else difference
    names = [str(getattr(part, "name", part)) for part in about if isinstance(part, str) or hasattr(part, "name")]
    return " ".join([kind.replace("_", " "), *names])


def clock(conn: Connection) -> Iterator[Finding]:
    """Examine how far this machine's clock is from the database's, which decides what is due."""
    before = datetime.now(UTC)
    theirs = current_time(conn)
    after = datetime.now(UTC)
    apart = abs((theirs - (before + (after - before) / 2)).total_seconds())
    yield graded(
        "clock",
        f"this machine's clock and the database's are {apart:.1f} s apart",
        "Let both keep time with NTP. What is due is decided by the database's clock; tokens and what providers say of "
        "their limits go by this one.",
        bad=apart > 120,
        poor=apart > 5,
    )


def settings(conn: Connection) -> Iterator[Finding]:
    """Examine the settings on which the promises rest."""
    shown = {row.name: row.setting for row in conn.execute(text("SELECT name, setting FROM pg_settings"))}
    yield fine("version", f"PostgreSQL {shown['server_version']}")
    careless = [name for name in ("fsync", "full_page_writes") if shown[name] == "off"]
    yield graded(
        "durability",
        f"{' and '.join(careless)} off: a crash of its machine can destroy the database"
        if careless
        else f"a commit is on the disk when it is reported (synchronous_commit {shown['synchronous_commit']})",
        "ALTER SYSTEM RESET fsync (full_page_writes, synchronous_commit), and reload the server.",
        bad=bool(careless),
        poor=shown["synchronous_commit"] == "off",
    )
    read_only = conn.scalar(text("SELECT pg_is_in_recovery()")) or shown["default_transaction_read_only"] == "on"
    yield graded(
        "writable",
        "the database is read-only" if read_only else "the database takes writes",
        "CROWD_DATABASE_URL leads to a standby, or default_transaction_read_only is on: name the primary.",
        bad=bool(read_only),
        poor=False,
    )
    yield graded(
        "encoding",
        f"the database's encoding is {shown['server_encoding']}",
        "Texts of every language need UTF8: create the database anew with it, and restore a dump into it.",
        bad=shown["server_encoding"] != "UTF8",
        poor=False,
    )
    yield graded(
        "autovacuum",
        f"autovacuum is {shown['autovacuum']}",
        "ALTER SYSTEM RESET autovacuum: without it, tables grow by every change.",
        bad=shown["autovacuum"] != "on",
        poor=False,
    )


def connections(conn: Connection) -> Iterator[Finding]:
    """Examine how many connections are left, to everybody and to the role that this is."""
    rows = conn.execute(text(_CONNECTIONS)).all()
    whose, used, most = max(rows, key=lambda row: row.used / row.most)
    yield graded(
        "connections",
        f"{used} of the {most} connections {whose} are used",
        "Raise max_connections (or the role's CONNECTION LIMIT), or lower max_concurrent_runs in dagster.yaml: a "
        "Dagster run takes up to 20 here, and some five of Dagster's own.",
        bad=used > 0.95 * most,
        poor=used > 0.8 * most,
    )


_CONNECTIONS = """
    SELECT 'of the server' AS whose, count(*) AS used,
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most
    FROM pg_stat_activity WHERE backend_type = 'client backend'
    UNION ALL
    SELECT concat('of the role ', rolname), (SELECT count(*) FROM pg_stat_activity WHERE usename = rolname),
           rolconnlimit
    FROM pg_roles WHERE rolname = current_user AND rolconnlimit > 0
"""


def sizes(conn: Connection) -> Iterator[Finding]:
    """Examine how large the tables are, and whether what was deleted in them is cleaned up."""
    tables = conn.execute(text(_SIZES)).mappings().all()
    total = conn.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
    largest = ", ".join(f"{row['name']} {row['size']}" for row in tables[:3])
    yield fine("size", f"the database has {total}: {largest}")
    dead = [row for row in tables if row["dead"] > 50_000 and row["dead"] > row["live"]]
    yield graded(
        "dead-rows",
        "; ".join(map(_dead, dead)) if dead else "deleted rows are cleaned up",
        "VACUUM (VERBOSE, ANALYZE) the table; it says what keeps rows from being cleaned up.",
        bad=False,
        poor=bool(dead),
    )


def _dead(row: RowMapping) -> str:
    cleaned = f"{row['cleaned']:%m-%d %H:%M}" if row["cleaned"] else "never"
    return f"{row['name']} has {row['dead']:,} dead rows beside {row['live']:,} live ones (last cleaned up: {cleaned})"


_SIZES = """
    SELECT relname AS name, pg_size_pretty(pg_total_relation_size(relid)) AS size, n_live_tup AS live,
           n_dead_tup AS dead, greatest(last_vacuum, last_autovacuum) AS cleaned
    FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC
"""


def horizon(conn: Connection) -> Iterator[Finding]:
    """Examine what holds back the clean-up of deleted rows, and of transaction numbers."""
    holding = conn.execute(text(_HOLDING), {"behind": _BEHIND}).scalars().all()
    yield graded(
        "oldest-transaction",
        "; ".join(holding) if holding else "no transaction has been open for an hour",
        "End it (pg_terminate_backend, ROLLBACK PREPARED, pg_drop_replication_slot): nothing that was deleted "
        "since can be cleaned up.",
        bad=False,
        poor=bool(holding),
    )
    age = conn.scalar(text("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")) or 0
    yield graded(
        "transaction-numbers",
        f"{age / 2**31:.0%} of the transaction numbers are used since they were frozen",
        "VACUUM (FREEZE) the largest tables; at the end of the numbers PostgreSQL refuses every write.",
        bad=age > 1_700_000_000,
        poor=age > 1_000_000_000,
    )


_HOLDING = """
    SELECT concat('process ', pid, ' (', coalesce(nullif(application_name, ''), 'no name'), ') has a transaction open '
                  'since ', to_char(xact_start, 'MM-DD HH24:MI')) AS what
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - CAST(:behind AS interval)
    UNION ALL
    SELECT concat('a prepared transaction waits since ', to_char(prepared, 'MM-DD HH24:MI'))
    FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - CAST(:behind AS interval)
    UNION ALL
    SELECT concat('the replication slot ', slot_name, ' is used by nobody')
    FROM pg_replication_slots WHERE NOT active
"""
