"""Partitions: one per integration. A partitioned Dagster run is an onboarding, so a backfill onboards any selection."""

from functools import cache

import dagster as dg


@cache
def integrations_of(platform: str) -> dg.DynamicPartitionsDefinition:
    """Return the partitions of a platform; the sensor `onboarding` keeps them equal to its integrations."""
    return dg.DynamicPartitionsDefinition(name=f"{platform}_integrations")
