"""The schedules: every minute is a tick; enough of them make a check."""

from typing import Any

import dagster as dg

from crowd_pipelines.defs import tags
from crowd_pipelines.defs.resources import LifecycleResource
from crowd_pipelines.framework.integration import Integration
from crowd_pipelines.framework.processor import Tick
from crowd_pipelines.http.logs import hides_secrets
from crowd_pipelines.settings import Settings


def ticks_of(integration: Integration[Any, Any, Any], job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Return the schedule that checks a platform's integrations when enough ticks have passed."""
    platform, ticks = integration.platform, max(integration.ticks_between_checks, 1)

    @dg.schedule(
        name=f"{platform}_ticks",
        job=job,
        cron_schedule="* * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Checks the {integration.title} integrations for what is new, each every {ticks} min. "
        "When each was checked last stands in the database: a restart neither loses nor shifts a check.",
    )
    @hides_secrets
    def tick(lifecycle: LifecycleResource) -> list[dg.RunRequest] | dg.SkipReason:
        what = lifecycle.new_processor(owner="schedule").process_tick(platform)
        if not what.due:
            return dg.SkipReason(_why_not(integration, what))
        return _checks(what)

    return tick


def _checks(what: Tick) -> list[dg.RunRequest]:
    """Return a Dagster run per batch: one for each integration would cost seconds of CPU and many event rows."""
    size = Settings.load().check_batch_size
    batches = [what.due[start : start + size] for start in range(0, len(what.due), size)]
    minute = what.minute.isoformat()
    return [
        dg.RunRequest(
            run_key=f"check:{minute}:{number}",
            run_config={"ops": {"start_runs": {"config": {"integration_ids": list(map(str, batch)), "tick": minute}}}},
            tags={tags.ONBOARDING: "false", tags.PRIORITY: "1"},
        )
        for number, batch in enumerate(batches)
    ]


def _why_not(integration: Integration[Any, Any, Any], what: Tick) -> str:
    if not what.number:
        return f"no {integration.title} integration is onboarded yet"
    return f"tick {min(what.number, what.of)} of {what.of}"
