"""The dynamic graph: which lineages each mapped step stands for.

A mapped step costs event rows and time, so there are at most so many, whatever the number of root streams. The
grouping follows from the stored roots alone: every process finds the same one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import Root

MAX_ONBOARDING_STEPS = 25
MAX_CHECK_STEPS = 3

_MAX_KEY = 60

Unit = tuple[str, tuple[UUID, ...]]
"""A name and the root streams that it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Root streams that one mapped step waits for. `key` is readable and unique in the Dagster run."""

    key: str
    roots: tuple[UUID, ...]


def groups(runs: Sequence[RunRecord], roots: Sequence[Root]) -> list[Group]:
    """Return the mapped steps of a Dagster run: over root streams in an onboarding, over integrations in checks."""
    names = {run.id: run.integration_key for run in runs}
    units: list[Unit]
    if any(run.onboarding for run in runs):
        units = [(root.label, (root.root_id,)) for root in roots]
        return _named(_chunks(units, MAX_ONBOARDING_STEPS))
    by_run = groupby(sorted(roots, key=lambda root: root.run_id), key=lambda root: root.run_id)
    units = [(names.get(run_id, str(run_id)), tuple(root.root_id for root in of_run)) for run_id, of_run in by_run]
    return _named(_chunks(units, MAX_CHECK_STEPS))


def _chunks(units: Sequence[Unit], most: int) -> list[Unit]:
    """Return at most so many units of about equal size, in order."""
    size = -(-len(units) // most) if units else 1
    return [_joined(units[start : start + size]) for start in range(0, len(units), size)]


def _joined(units: Sequence[Unit]) -> Unit:
    name = units[0][0] if len(units) == 1 else f"{units[0][0]} and {len(units) - 1} more"
    return name, tuple(root for _, roots in units for root in roots)


def _named(units: Sequence[Unit]) -> list[Group]:
    taken: set[str] = set()
    named = []
    for name, roots in units:
        key = base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_MAX_KEY] or "root"
        number = 1
        while key in taken:
            number += 1
            key = f"{base}_{number}"
        taken.add(key)
        named.append(Group(key=key, roots=roots))
    return named
