"""`python -m crowd_pipelines_tests.refusals FILE` makes a table of what `--refusal-report FILE` has gathered."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HEAD = ("platform", "kind of stream", "cases", "ends")


def table(lines: Iterable[Mapping[str, Any]]) -> str:
    """Kinds of streams in Markdown, each with how refusals of it ended, and how often."""
    ends: dict[tuple[str, str], Counter[str]] = {}
    for line in lines:
        ends.setdefault((line["platform"], line["kind"]), Counter())[f"{line['mode']}: {line['end']}"] += 1
    rows = [HEAD, ["---"] * len(HEAD), *(_row(*place, counted) for place, counted in sorted(ends.items()))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(platform: str, kind: str, counted: Counter[str]) -> tuple[str, ...]:
    told = ", ".join(f"{end} ({times})" for end, times in sorted(counted.items()))
    return platform, kind, str(counted.total()), told


if __name__ == "__main__":
    print(table(map(json.loads, Path(sys.argv[1]).read_text().splitlines())))
