"""The ops: one per step of the lifecycle, the same for every platform, so that the graph in the UI teaches it.

They pass nothing to each other but their order. Which integration runs a Dagster run works on stands in the database.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import dagster as dg
from pydantic import Field

from crowd_pipelines.defs import assets, fanout, outcome, tags
from crowd_pipelines.defs.resources import LifecycleResource
from crowd_pipelines.framework.processor import IntegrationProcessor, Started
from crowd_pipelines.http.logs import hides_secrets
from crowd_pipelines.store.runs import RunRecord

_AFTER = {"after": dg.In(dg.Nothing)}
_NOTHING = dg.Out(dg.Nothing)


class StartRuns(dg.Config):
    """What to work on: integrations to be read, or integration runs to be continued."""

    integration_ids: list[str] = Field(default=[], description="Integrations to onboard or to check.")
    integration_run_ids: list[str] = Field(default=[], description="Integration runs to continue.")
    onboarding: bool = Field(default=False, description="Read everything instead of what is new.")
    requested: bool = Field(
        default=False, description="Onboard only who still asks for it; an earlier onboarding makes it superfluous."
    )
    tick: str | None = Field(
        default=None, description="The minute (ISO 8601) that asked for a check; a later check makes it superfluous."
    )


@dg.op(out=_NOTHING, description="Opens integration runs, or takes over those to be continued, under a lease.")
@hides_secrets
def start_runs(context: dg.OpExecutionContext, config: StartRuns, lifecycle: LifecycleResource) -> None:
    """Open or take integration runs."""
    partition = context.partition_key if context.has_partition_key else None
    started = _start(lifecycle.processor, _meant(config, context.run), partition)
    begun = {**outcome.tags_of(lifecycle.lifecycle.handled()), tags.MAX_RETRIES: "0"}
    context.instance.add_run_tags(context.run_id, begun)
    for reason in started.passed_over:
        context.log.info(reason)
    context.add_output_metadata({"integration_runs": len(started.run_ids), "passed_over": len(started.passed_over)})


@dg.op(ins=_AFTER, out=_NOTHING, description="Loads what the whole run needs, once; a resume finds it stored.")
@hides_secrets
def preprocess(context: dg.OpExecutionContext, lifecycle: LifecycleResource) -> None:
    """Run the integration's `preprocess`."""
    with lifecycle.ends_on_sigterm():
        going_on = lifecycle.lifecycle.preprocess(lifecycle.lifecycle.mine())
    context.add_output_metadata({"integration_runs": len(going_on)})


@dg.op(ins=_AFTER, out=_NOTHING, description="Creates the member attributes that the tenants lack.")
@hides_secrets
def create_member_attributes(context: dg.OpExecutionContext, lifecycle: LifecycleResource) -> None:
    """Run the integration's `create_member_attributes`."""
    going_on = lifecycle.lifecycle.create_member_attributes(lifecycle.lifecycle.mine())
    context.add_output_metadata({"integration_runs": len(going_on)})


@dg.op(
    ins=_AFTER,
    out=dg.DynamicOut(dg.Nothing),
    description="Plans the root streams, once per integration run, and fans out over them.",
)
@hides_secrets
def get_streams(context: dg.OpExecutionContext, lifecycle: LifecycleResource) -> Iterator[dg.DynamicOutput[None]]:
    """Run the integration's `get_streams`; one mapped step per root stream, or per group of them."""
    with lifecycle.ends_on_sigterm():
        lifecycle.lifecycle.get_streams(lifecycle.lifecycle.mine())
    for group in _groups(lifecycle):
        context.add_output_metadata({"root_streams": len(group.roots)}, mapping_key=group.key)
        yield dg.DynamicOutput(None, mapping_key=group.key)


@dg.op(
    ins=_AFTER,
    out=_NOTHING,
    description="Works the queue until all pages that descend from its root streams are committed, or have to wait. "
    "Streams of other roots are processed meanwhile, so the first step often does the work of all.",
)
@hides_secrets
def process_stream(context: dg.OpExecutionContext, lifecycle: LifecycleResource) -> None:
    """Run the integration's `process_stream` for a lineage of streams."""
    roots = _roots_of(lifecycle, context.get_mapping_key())
    with lifecycle.ends_on_sigterm():
        lifecycle.lifecycle.process_streams(lifecycle.lifecycle.mine(), roots)
    done = lifecycle.lifecycle.lineages([run.id for run in lifecycle.lifecycle.handled()], roots)
    context.add_output_metadata(outcome.metadata_of(done))


@dg.op(
    ins=_AFTER,
    out=_NOTHING,
    description="Settles the integration runs: ended when no stream is left, delayed when some have to wait.",
)
@hides_secrets
def postprocess(context: dg.OpExecutionContext, lifecycle: LifecycleResource) -> None:
    """Run the integration's `postprocess` where nothing is left to do, and say how all of it ended."""
    with lifecycle.ends_on_sigterm():
        lifecycle.lifecycle.postprocess(lifecycle.lifecycle.mine())
    runs = lifecycle.lifecycle.handled()
    context.instance.add_run_tags(context.run_id, outcome.tags_of(runs))
    lineages = lifecycle.lifecycle.lineages([run.id for run in runs])
    notices = lifecycle.lifecycle.notices()
    context.add_output_metadata({**outcome.metadata_of(lineages), **outcome.metadata_of_notices(notices)})
    if any(line.activities or line.members for line in lineages):
        _report_growth(context, lifecycle, runs[0])
    failure = outcome.failure(runs)
    if failure is not None:
        raise failure


def _report_growth(context: dg.OpExecutionContext, lifecycle: LifecycleResource, run: RunRecord) -> None:
    platform = run.platform
    if not lifecycle.lifecycle.registry[platform].activity_types:
        return
    # Only an onboarding changes the picture enough to be worth its bytes in the event log.
    picture = lifecycle.picture(platform) if run.onboarding else None
    for materialization in assets.growth(platform, lifecycle.totals(platform), picture):
        context.log_event(materialization)


def _meant(config: StartRuns, run: dg.DagsterRun) -> StartRuns:
    """Return what is wanted; when someone executes a run again, what made the first launch superfluous counts no more.

    A run that Dagster launches again by itself, because it died, means what it meant.
    """
    if run.parent_run_id is None or tags.RETRY_NUMBER in run.tags:
        return config
    return config.model_copy(update={"requested": False, "tick": None})


def _start(processor: IntegrationProcessor, config: StartRuns, partition_key: str | None) -> Started:
    if config.integration_run_ids:
        return processor.resume([UUID(run_id) for run_id in config.integration_run_ids])
    ids = [UUID(integration_id) for integration_id in config.integration_ids]
    if partition_key is not None:
        integration_id = processor.integration_of_partition(partition_key)
        if integration_id is None:
            return Started(passed_over=(f"the integration of partition {partition_key} was removed",))
        return processor.onboard([integration_id], requested_only=config.requested)
    if config.onboarding:
        return processor.onboard(ids, requested_only=config.requested)
    return processor.check(ids, not_checked_since=datetime.fromisoformat(config.tick) if config.tick else None)


def _groups(lifecycle: LifecycleResource) -> list[fanout.Group]:
    runs = lifecycle.lifecycle.handled()
    return fanout.groups(runs, lifecycle.lifecycle.roots([run.id for run in runs]))


def _roots_of(lifecycle: LifecycleResource, mapping_key: str | None) -> tuple[UUID, ...]:
    return next((group.roots for group in _groups(lifecycle) if group.key == mapping_key), ())
