"""Moments in time as providers write them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator

from crowd_pipelines.model import clock

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LEEWAY = timedelta(days=2)


def in_utc(moment: datetime) -> datetime:
    """Return `moment` in UTC, which one without a zone is taken to be in.

    Raises ValueError for a moment before 1990 or in the future: no community was there, so it is a mistake.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _EARLIEST <= aware <= clock.now() + _LEEWAY:
        raise ValueError(f"{moment.isoformat()} is not a moment at which something can have happened")
    return aware.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(in_utc)]
"""A payload's field that tells when something happened."""
