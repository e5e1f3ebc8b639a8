"""Pictures of reports, drawn without a screen."""

import base64
import io
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

MONTHS = 36
"""Months that a picture shows."""


def activity_picture(monthly: pd.DataFrame, *, title: str) -> Figure:
    """Return stacked bars of activities per month by type, of the latest months."""
    monthly = monthly.assign(kind=monthly["platform"] + " " + monthly["type"])
    counts = monthly.pivot_table(index="month", columns="kind", values="activities", aggfunc="sum", fill_value=0)
    counts = counts.asfreq("M", fill_value=0).tail(MONTHS)
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    labels = [str(month) for month in counts.index]
    bottom = pd.Series(0, index=counts.index)
    for kind in counts.columns:
        axes.bar(labels, counts[kind], bottom=bottom, label=kind, width=0.85)
        bottom = bottom + counts[kind]
    axes.set_title(title, loc="left")
    axes.set_ylabel("per month")
    axes.set_xticks(range(0, len(labels), max(len(labels) // 9, 1)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=4, fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a picture to a file; its ending names the format."""
    figure.savefig(path, dpi=120)


def as_markdown(figure: Figure, *, alt: str) -> str:
    """Return a picture as Markdown with everything in it, for the Dagster UI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return f"![{alt}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
