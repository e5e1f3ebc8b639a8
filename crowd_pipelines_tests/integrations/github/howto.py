"""The page about connecting GitHub."""

from pathlib import Path

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "connect-github.md"


def table_below(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, each as its cells."""
    lines = HOW_TO.read_text("utf-8").partition(f"## {heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
