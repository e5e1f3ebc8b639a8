"""What reading costs: requests, waiting, and how much came of them, per integration."""

import pandas as pd
from sqlalchemy import Engine, func, select

from crowd_pipelines.store.schema import integration_runs as runs
from crowd_pipelines.store.schema import integration_streams as streams
from crowd_pipelines.store.schema import integrations


def costs(engine: Engine) -> pd.DataFrame:
    """Return a row per integration and kind of integration run, as far back as the retention keeps them.

    `requests_per_1000` counts requests per 1,000 activities read; waiting is in seconds.
    """
    counted = (streams.c.requests, streams.c.waited_seconds, streams.c.activities, streams.c.quarantined)
    wanted = (
        select(
            integrations.c.name.label("integration"),
            integrations.c.platform,
            runs.c.onboarding,
            func.count(runs.c.id.distinct()).label("runs"),
            *(func.coalesce(func.sum(column), 0).label(column.name) for column in counted),
        )
        .join(runs, runs.c.integration_id == integrations.c.id)
        .join(streams, streams.c.run_id == runs.c.id, isouter=True)
        .group_by(integrations.c.id, runs.c.onboarding)
        .order_by(integrations.c.platform, integrations.c.name, runs.c.onboarding.desc())
    )
    with engine.connect() as connection:
        rows = connection.execute(wanted).mappings().all()
    frame = pd.DataFrame(rows, columns=[column.name for column in wanted.selected_columns])
    frame["requests_per_1000"] = 1000 * frame["requests"] / frame["activities"].where(frame["activities"] > 0)
    return frame
