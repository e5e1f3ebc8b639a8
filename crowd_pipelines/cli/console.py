"""What the commands print: tables and progress for people, JSON for programs, errors on standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crowd_pipelines.model.secrets import masked

# Where nobody looks, nothing needs to be folded to the width of a screen.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False)

# Within a table, words of so many characters may be folded; were shorter ones, nobody could read it.
_FOLDED_FROM = 16
_BETWEEN_COLUMNS = 3
# Columns of ids, which are there to be copied.
_WHOLE = ("id", "example")

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
    """Print rows as a table, numbers to the right; `empty` is said when there are none.

    Where the screen is too narrow for the columns, each row is printed as lines of its own.
    """
    if not rows:
        tell(empty)
        return
    cells = [[_shown(value) for value in row.values()] for row in rows]
    fits = _width_needed(list(rows[0]), cells) <= out.width
    out.print(_table(title, rows[0], cells) if fits else _lines(title, list(rows[0]), cells))


def _table(title: str, first: Mapping[str, Any], cells: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name, value in first.items():
        number = isinstance(value, int | float)
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=name in _WHOLE)
    for row in cells:
        table.add_row(*map(escape, row))
    return table


def _lines(title: str, names: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    """A line per value that there is, and an empty one between the rows."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.show_header = False
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for row in cells:
        for name, value in zip(names, row, strict=True):
            if value:
                table.add_row(name, escape(value))
        table.add_section()
    return table


def _width_needed(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Return how wide a table must be, in characters, that no short word and no id in it is broken.

    Of a table that is too wide, the widest columns are narrowed first, all to the same width.
    """
    columns = {name: (name, *column) for name, *column in zip(names, *cells, strict=True)}
    foldable = " ".join(" ".join(texts) for name, texts in columns.items() if name not in _WHOLE)
    narrowest = min(max(map(cell_len, foldable.split()), default=0), _FOLDED_FROM)
    needed = 0
    for name, texts in columns.items():
        wanted = max(map(cell_len, texts))
        needed += _BETWEEN_COLUMNS + (wanted if name in _WHOLE else min(wanted, narrowest))
    return needed


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
