"""Counts what a stretch of work costs this process: time, CPU, statements and transactions of the core."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event


@dataclass(slots=True, kw_only=True)
class Cost:
    """What it cost; transactions of a single statement, which need no COMMIT, are not counted as such."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    statements: int = 0
    transactions: int = 0

    @property
    def round_trips(self) -> int:
        """Statements, with a BEGIN and a COMMIT for each transaction."""
        return self.statements + 2 * self.transactions


@contextmanager
def metered() -> Iterator[Cost]:
    """Count until the block's end."""
    cost = Cost()

    def on_statement(conn: Connection, *_: Any) -> None:
        cost.statements += _is_ours(conn)

    def on_commit(conn: Connection) -> None:
        cost.transactions += _is_ours(conn)

    event.listen(Engine, "before_cursor_execute", on_statement)
    event.listen(Engine, "commit", on_commit)
    began, cpu_began = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds, cost.cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        event.remove(Engine, "before_cursor_execute", on_statement)
        event.remove(Engine, "commit", on_commit)


def peak_memory_mb() -> float:
    """Return the most memory (RSS) that this process ever had, in millions of bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _is_ours(conn: Connection) -> bool:
    # Dagster's storage speaks through another driver.
    return conn.dialect.driver == "psycopg"
