"""The jobs: one per platform, all of one graph, and the factory that makes them."""

from typing import Any

import dagster as dg

from crowd_pipelines.defs import ops, tags
from crowd_pipelines.defs.partitions import integrations_of
from crowd_pipelines.framework.clients import base_url
from crowd_pipelines.framework.integration import Integration
from crowd_pipelines.settings import Settings


def job_for(integration: Integration[Any, Any, Any]) -> dg.JobDefinition:
    """Return the job of a platform.

    It runs in one process: a process per step costs seconds each, and a killed worker would leave orphans behind.
    """

    @dg.job(
        name=integration.platform,
        description=_description(integration),
        config=_partitioned(integration.platform),
        executor_def=dg.in_process_executor,
        tags={tags.PLATFORM: integration.platform, tags.RETRY_STRATEGY: "ALL_STEPS"},
        metadata={
            "minutes between checks": integration.ticks_between_checks,
            "API": base_url(integration, Settings.load()),
        },
    )
    def lifecycle() -> None:
        planned = ops.get_streams(ops.create_member_attributes(ops.preprocess(ops.start_runs())))
        ops.postprocess(planned.map(ops.process_stream).collect())

    return lifecycle


def _partitioned(platform: str) -> dg.PartitionedConfig[dg.DynamicPartitionsDefinition]:
    """Return the configuration of a partition, which is none, and its tags, which backfills get by this way only."""
    lane = {tags.ONBOARDING: "true", tags.LANE: f"{platform}/onboarding"}
    return dg.PartitionedConfig(
        integrations_of(platform),
        run_config_for_partition_key_fn=lambda _: {},
        tags_for_partition_key_fn=lambda _: lane,
    )


def _description(integration: Integration[Any, Any, Any]) -> str:
    return (
        f"{integration.description}\n\n"
        "A partition is an integration: launching one, or backfilling several, onboards them (reads everything). "
        f"Without a partition, `integration_ids` are checked for what is new. The schedule "
        f"`{integration.platform}_ticks` does that; the sensors `onboarding` and `resume_runs` launch the rest."
    )
