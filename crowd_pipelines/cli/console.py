"""What the commands print: tables and progress for people, JSON for programs, errors on standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crowd_pipelines.model.secrets import masked

# Where nobody looks, nothing needs to be folded to the width of a screen.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class CommandError(Exception):
    """The command cannot do what it was asked; the message says why and what to do."""


def printable(text: str) -> str:
    """Return a text that a terminal only shows: what would steer it, or hide something, is written as its code."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def fail(message: str) -> int:
    """Print an error; returns the exit code."""
    err.print(f"[bold red]error:[/] {escape(printable(masked(message)))}", soft_wrap=True)
    return 1


def tell(message: str) -> None:
    """Print a line for people; programs read standard output."""
    err.print(escape(printable(message)), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_text(value: Any) -> None:
    """Print a value as JSON for people, in their own letters and without anything that a terminal would obey."""
    sys.stdout.write(printable(json.dumps(value, indent=2, ensure_ascii=False, default=str)) + "\n")


def print_table(title: str, rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows as a table, numbers to the right; `empty` is said when there are none."""
    if not rows:
        tell(empty)
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name, value in rows[0].items():
        number = isinstance(value, int | float)
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=name == "id")
    for row in rows:
        table.add_row(*(escape(_shown(value)) for value in row.values()))
    out.print(table)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%m-%d %H:%M:%S")
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case _:
            return printable(str(value))
