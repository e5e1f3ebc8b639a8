"""`report`: what the community did, and what reading it costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from crowd_pipelines.cli.console import JsonOption, print_json, print_table, tell
from crowd_pipelines.cli.session import session

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("report")(report)


def report(
    *,
    months: Annotated[int, typer.Option(min=1, help="So many months back.")] = 12,
    plot: Annotated[Path | None, typer.Option(help="Also draw a picture into this file (.png, .svg, .pdf).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show activities and active members per month, and requests per 1,000 activities."""
    # pandas and matplotlib take a second to import, which the other commands should not cost.
    from crowd_pipelines.reports.community import monthly  # noqa: PLC0415
    from crowd_pipelines.reports.costs import costs  # noqa: PLC0415

    with session() as current:
        community, spent = monthly(current.engine), costs(current.engine)
    latest = community[community["month"].isin(community["month"].drop_duplicates().tail(months))]
    activity = _records(latest.assign(month=latest["month"].astype(str)))
    cost = _records(spent.astype(object).where(spent.notna(), None))
    if as_json:
        print_json({"community": activity, "costs": cost})
    else:
        print_table("Activities and active members per month", activity, empty="no activity yet")
        print_table("What reading cost", cost, empty="nothing was read yet")
    if plot is not None and not community.empty:
        from crowd_pipelines.reports.pictures import activity_picture, save  # noqa: PLC0415

        save(activity_picture(community, title="Activities per month"), plot)
        tell(f"drawn into {plot}")


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))
