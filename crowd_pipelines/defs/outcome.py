"""What a Dagster run says at its end: tags, metadata, and a failure that names its reasons."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from crowd_pipelines.defs import tags
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import Lineage

_COUNTS = (
    "activities",
    "members",
    "streams",
    "skipped",
    "owed",
    "failed",
    "quarantined",
    "unread",
    "left_out",
    "requests",
)


def tags_of(runs: Sequence[RunRecord]) -> dict[str, str]:
    """Return the tags that find a Dagster run by what it works on or how that ended."""
    if not runs:
        return {tags.STATE: "nothing to do"}
    states = {run.state for run in runs}
    found = {tags.STATE: _worst(states).value, tags.ONBOARDING: str(runs[0].onboarding).lower()}
    if len(runs) == 1:
        run = runs[0]
        found |= {
            tags.TENANT: str(run.tenant_id),
            tags.INTEGRATION: str(run.integration_id),
            tags.INTEGRATION_RUN: str(run.id),
        }
    until = [run.delayed_until for run in runs if run.state is RunState.DELAYED and run.delayed_until]
    if until:
        found[tags.DELAYED_UNTIL] = min(until).isoformat(timespec="seconds")
    return found


def metadata_of(lineages: Sequence[Lineage]) -> dict[str, Any]:
    """Return what lineages did, summed, as metadata that the UI can show and plot."""
    counts = {name: sum(getattr(lineage, name) for lineage in lineages) for name in _COUNTS}
    waited = sum(lineage.waited_seconds for lineage in lineages)
    rate = round(1000 * counts["requests"] / counts["activities"], 1) if counts["activities"] else None
    return {
        **counts,
        "pages": sum(lineage.processed for lineage in lineages),
        "unfinished": sum(lineage.unfinished for lineage in lineages),
        "waiting_seconds": round(waited, 1),
        **({"requests_per_1000_activities": rate} if rate is not None else {}),
    }


def metadata_of_notices(notices: Sequence[str]) -> dict[str, Any]:
    """Return what the user should know of what cannot be read, as a list that the UI shows."""
    return {"notices": dg.MetadataValue.md("\n".join(f"- {notice}" for notice in notices))} if notices else {}


def failure(runs: Sequence[RunRecord]) -> dg.Failure | None:
    """Return the failure that ends a Dagster run with integration runs in error, None when there are none."""
    failed = [run for run in runs if run.state is RunState.ERROR]
    if not failed:
        return None
    told = "\n".join(f"{run.integration_name} ({run.integration_key}): {run.error}" for run in failed)
    return dg.Failure(
        description=f"{len(failed)} of {len(runs)} integration runs ended in error.\n{told}",
        metadata={"integration_runs": [str(run.id) for run in failed]},
        allow_retries=False,
    )


def _worst(states: set[RunState]) -> RunState:
    order = (RunState.ERROR, RunState.DELAYED, RunState.PROCESSING, RunState.PENDING, RunState.PROCESSED)
    return next(state for state in order if state in states)
