"""Leases, in one place: how long a worker may be silent before others take over, and how often it says it is alive."""

from functools import cache

from sqlalchemy import Function, func

from crowd_pipelines.settings import Settings

BEATS_PER_LEASE = 4.5
"""Several heartbeats may get lost, or come late, before a worker that lives loses what it holds."""


@cache
def lease_seconds() -> float:
    """Return how long a claim holds without a heartbeat. Raises SettingsError when the environment says nonsense."""
    return Settings.load().lease_seconds


def heartbeat_seconds() -> float:
    """Return how often a worker extends its leases."""
    return lease_seconds() / BEATS_PER_LEASE


def lease() -> Function[object]:
    """Return a lease's length as an interval of the database."""
    return func.make_interval(0, 0, 0, 0, 0, 0, lease_seconds())
