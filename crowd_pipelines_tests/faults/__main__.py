"""`python -m crowd_pipelines_tests.faults FILE` makes a table of what `--fault-report FILE` has gathered."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


def table(lines: Iterable[Line]) -> str:
    """Faults by platforms in Markdown; the last word on each counts. Numbers are requests that the fault met."""
    cells = {(line["fault"], line["platform"]): _cell(line) for line in lines}
    faults, platforms = dict.fromkeys(fault for fault, _ in cells), sorted({platform for _, platform in cells})
    rows = [["fault", *platforms], ["---"] * (len(platforms) + 1)]
    rows += [[fault, *(cells.get((fault, platform), "") for platform in platforms)] for fault in faults]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(line: Line) -> str:
    numbers = [f"{value} {name}" for name, value in line.items() if name not in ("platform", "fault", "outcome")]
    return f"{line['outcome']} ({', '.join(numbers)})" if numbers else str(line["outcome"])


if __name__ == "__main__":
    print(table(map(json.loads, Path(sys.argv[1]).read_text().splitlines())))
