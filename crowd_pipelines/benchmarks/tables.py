"""The measurements as a table."""

from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from crowd_pipelines.benchmarks.onboarding import Measurement

LINES: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
    ("activities", lambda one: f"{one.activities:,}"),
    ("missing, as the provider sees it", lambda one: f"{one.missing:,}"),
    ("requests", lambda one: f"{one.onboarding.requests:,}"),
    ("requests per 1,000 activities", lambda one: f"{1000 * one.onboarding.requests / one.activities:.1f}"),
    ("database round trips per page", lambda one: f"{one.onboarding.round_trips / one.onboarding.pages:.2f}"),
    ("activities per second", lambda one: f"{one.activities / one.onboarding.seconds:,.0f}"),
    ("CPU seconds per 1,000 activities", lambda one: f"{1000 * one.onboarding.cpu_seconds / one.activities:.2f}"),
    ("peak memory, MB", lambda one: f"{one.peak_memory_mb:.0f}"),
    ("  of it before the onboarding", lambda one: f"{one.memory_before_mb:.0f}"),
    ("event rows of the onboarding", lambda one: f"{one.onboarding.event_rows}"),
    ("event rows of the check", lambda one: f"{one.check.event_rows}"),
    ("requests of the check", lambda one: f"{one.check.requests}"),
    ("written faster than record by record", lambda one: f"{one.times_faster:.1f} x"),
)


def show(measured: Sequence[Measurement]) -> None:
    """Print a column per onboarding; ratios are to the smallest, and to the same activities written one by one."""
    Console(highlight=False).print(_table(measured))


def growth(one: Measurement, smallest: Measurement) -> float:
    """Return the CPU time per activity as a ratio to that of the smallest onboarding: 1 is a straight line."""
    return (one.onboarding.cpu_seconds / one.activities) / (smallest.onboarding.cpu_seconds / smallest.activities)


def _table(measured: Sequence[Measurement]) -> Table:
    table = Table(title="Onboarding a simulated DEV without rate limit", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("comments")
    for one in measured:
        table.add_column(f"{one.comments:,}", justify="right")
    for name, told in LINES:
        table.add_row(name, *map(told, measured))
    ratios = [f"{growth(one, measured[0]):.2f} x" for one in measured]
    table.add_row("CPU per activity, to the smallest", *ratios)
    return table
