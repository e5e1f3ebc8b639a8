"""Writes the tables of refusals into the platforms' how-to pages, as the code has them."""

import re
from pathlib import Path

from crowd_pipelines.integrations import registry

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
_TABLE = re.compile(r"(<!-- refusals -->\n).*?(<!-- /refusals -->)", re.DOTALL)


def main() -> None:
    """Write every table anew."""
    for platform, integration in registry().items():
        page = HOW_TO / f"connect-{platform}.md"
        if integration.refusals and page.exists():
            table = integration.refusals.markdown()
            text = page.read_text("utf-8")
            page.write_text(_TABLE.sub(lambda marks: f"{marks[1]}{table}\n{marks[2]}", text, count=1), "utf-8")  # noqa: B023


if __name__ == "__main__":
    main()
