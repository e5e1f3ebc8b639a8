"""`python -m crowd_pipelines.reports PLATFORM`: prints a platform's activities per month as a picture in Markdown.

Prints nothing when there are none. Reads CROWD_DATABASE_URL.
"""

import sys

from crowd_pipelines.reports.community import monthly
from crowd_pipelines.reports.pictures import activity_picture, as_markdown
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database


def main(platform: str) -> None:
    """Print the picture of a platform."""
    engine = database.create(Settings.load().require_database_url(), pool_size=1)
    counted = monthly(engine, platform)
    if not counted.empty:
        picture = activity_picture(counted, title=f"{platform}: activities per month")
        sys.stdout.write(as_markdown(picture, alt="activities per month"))


if __name__ == "__main__":
    main(sys.argv[1])
