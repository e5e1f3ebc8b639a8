"""Dagster runs in the calling process: what the commands start appears in the UI like any other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from crowd_pipelines.defs import tags

_HERE = "__repository__@crowd_pipelines.definitions"
"""The code location as our workspace files name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """How a Dagster run ended. `error` says why it failed."""

    run_id: str
    success: bool
    error: str | None


def execute(job: dg.JobDefinition, start: Mapping[str, Any]) -> Executed:
    """Run a platform's job here and now with this configuration of `start_runs`; returns when it is over."""
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            run_config={
                "ops": {"start_runs": {"config": dict(start)}},
                # The event log has it all; in a terminal it would tear the progress apart.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags={tags.ONBOARDING: str(bool(start.get("onboarding"))).lower(), tags.CODE_LOCATION: _HERE},
            raise_on_error=False,
        )
    return Executed(run_id=result.run_id, success=result.success, error=_error(result))


def _error(result: dg.ExecuteInProcessResult) -> str | None:
    failures = [event for event in result.all_events if event.is_step_failure]
    if not failures:
        return None if result.success else f"Dagster run {result.run_id} failed outside of its steps; the UI shows why"
    data = failures[0].step_failure_data
    if data.user_failure_data:
        return data.user_failure_data.description
    return data.error_display_string
