"""`doctor`: what is wrong with an installation, and what to do about it."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from crowd_pipelines.cli.console import JsonOption, out, print_json
from crowd_pipelines.cli.examination import Examination, examine
from crowd_pipelines.model.health import Finding, Verdict

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.ERROR: "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("doctor")(doctor)


def doctor(
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Also read whole tables: seconds per million rows.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also show what is as it should be.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 for warnings, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Examine the installation: database, data, key, Dagster, and what is stuck. Changes nothing, shows no secret.

    Ends with 1 when something is broken or nothing is read until somebody acts, else with 0; warnings are no errors,
    unless --strict.
    """
    found = examine(deep=deep)
    if as_json:
        print_json(_report(found))
    else:
        _show(found, everything=everything)
    if found.verdict is Verdict.ERROR or (strict and found.verdict is Verdict.WARNING):
        raise typer.Exit(1)


def _report(found: Examination) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "examined_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": {str(verdict): found.counted(verdict) for verdict in Verdict},
        "findings": [{"area": area, **asdict(finding)} for area, finding in found.found],
    }


def _show(found: Examination, *, everything: bool) -> None:
    """Print what needs a look, by area, and how many there are of the rest."""
    for area in dict.fromkeys(area for area, _ in found.found):
        findings = [finding for place, finding in found.found if place == area]
        shown = [one for one in findings if everything or one.verdict is not Verdict.OK]
        hidden = len(findings) - len(shown)
        out.print(f"[bold]{area}[/]" + (f"  [green]{hidden} ok[/]" if hidden else ""))
        if shown:
            out.print(_table(shown))
    counts = [f"{found.counted(verdict)} {verdict}" for verdict in Verdict if found.counted(verdict)]
    out.print(f"[{_COLOURS[found.verdict]}]{found.verdict}[/]: {', '.join(counts)}")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=True, padding=(0, 2, 0, 1))
    for width in (7, 26, None):
        table.add_column(width=width, overflow="fold")
    for one in sorted(findings, key=lambda finding: list(Verdict).index(finding.verdict), reverse=True):
        told = escape(one.seen) + (f"\n[dim]→ {escape(one.remedy)}[/]" if one.remedy else "")
        table.add_row(f"[{_COLOURS[one.verdict]}]{one.verdict}[/]", escape(one.name), told)
    return table
