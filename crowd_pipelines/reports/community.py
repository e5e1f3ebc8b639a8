"""What the community did: activities and active members per month."""

import pandas as pd
from sqlalchemy import Engine, func, select

from crowd_pipelines.store.schema import activities as table


def monthly(engine: Engine, platform: str | None = None) -> pd.DataFrame:
    """Return a row per month, platform and type with `activities` and active `members`; retracted ones count, too."""
    month = func.date_trunc("month", table.c.timestamp).label("month")
    wanted = (
        select(
            month,
            table.c.platform,
            table.c.type,
            func.count().label("activities"),
            func.count(table.c.member_id.distinct()).label("members"),
        )
        .group_by(month, table.c.platform, table.c.type)
        .order_by(month, table.c.platform, table.c.type)
    )
    if platform is not None:
        wanted = wanted.where(table.c.platform == platform)
    with engine.connect() as connection:
        frame = pd.DataFrame(
            connection.execute(wanted).mappings().all(), columns=[c.name for c in wanted.selected_columns]
        )
    frame["month"] = pd.to_datetime(frame["month"], utc=True).dt.tz_localize(None).dt.to_period("M")
    return frame
