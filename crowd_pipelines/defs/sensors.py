"""The sensors: onboarding requests, and integration runs that wait for someone to go on with them."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import dagster as dg

from crowd_pipelines.defs import tags
from crowd_pipelines.defs.partitions import integrations_of
from crowd_pipelines.defs.requests import Memory, request_once
from crowd_pipelines.defs.resources import DatabaseResource
from crowd_pipelines.http.logs import hides_secrets
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import integrations, runs
from crowd_pipelines.store.database import BRIEF_PATIENCE_SECONDS, current_time, transact
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.runs import RunRecord

_AT_ONCE = 100

PartitionChange = dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest


def onboarding_sensor(jobs: Mapping[str, dg.JobDefinition]) -> dg.SensorDefinition:
    """Return the sensor that launches requested onboardings and keeps the partitions."""

    @hides_secrets
    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult:
        requested, everyone, now = transact(
            database.engine(),
            lambda conn: (
                integrations.requested_onboardings(conn, limit=_AT_ONCE),
                integrations.find(conn),
                current_time(conn),
            ),
            patience=BRIEF_PATIENCE_SECONDS,
        )
        known, memory = [one for one in requested if one.platform in jobs], Memory(context.cursor, now)
        return _result(
            [_onboarding_request(context.instance, one, memory) for one in known],
            memory,
            nothing="no onboarding is asked for",
            partition_changes=_partition_changes(context.instance, everyone, jobs),
        )

    return dg.SensorDefinition(
        name="onboarding",
        evaluation_fn=evaluate,
        jobs=list(jobs.values()),
        minimum_interval_seconds=3,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches an onboarding for every integration that asks for one (onboarding_requested_at), and "
        "keeps one partition per integration.",
    )


def resume_sensor(jobs: Mapping[str, dg.JobDefinition]) -> dg.SensorDefinition:
    """Return the sensor that goes on with delayed and abandoned integration runs."""

    @hides_secrets
    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult:
        waiting, now = transact(
            database.engine(),
            lambda conn: (runs.waiting(conn, limit=_AT_ONCE), current_time(conn)),
            patience=BRIEF_PATIENCE_SECONDS,
        )
        known, memory = [run for run in waiting if run.platform in jobs], Memory(context.cursor, now)
        return _result(
            [_resume_request(context.instance, batch, memory) for batch in _batches(known)],
            memory,
            nothing="no integration run waits for someone to go on with it",
        )

    return dg.SensorDefinition(
        name="resume_runs",
        evaluation_fn=evaluate,
        jobs=list(jobs.values()),
        minimum_interval_seconds=8,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Goes on with integration runs that are delayed and due, or whose worker died (its lease expired).",
    )


def _result(
    wanted: Sequence[dg.RunRequest | None],
    memory: Memory,
    *,
    nothing: str,
    partition_changes: Sequence[PartitionChange] = (),
) -> dg.SensorResult:
    requests = [request for request in wanted if request]
    reason = f"{len(wanted)} wait; a Dagster run for each is under way, or died a moment ago" if wanted else nothing
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=partition_changes,
        skip_reason=None if requests else reason,
        cursor=memory.cursor,
    )


def _onboarding_request(instance: dg.DagsterInstance, one: IntegrationRecord, memory: Memory) -> dg.RunRequest | None:
    asked_at = one.onboarding_requested_at
    return request_once(
        instance,
        f"onboarding:{one.id}:{asked_at.timestamp() if asked_at else 0}",
        job_name=one.platform,
        # Two daemons may launch it twice, one after the other.
        start={"requested": True},
        partition_key=one.key,
        run_tags={tags.INTEGRATION: str(one.id), tags.TENANT: str(one.tenant_id), tags.ONBOARDING: "true"},
        memory=memory,
    )


def _batches(waiting: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """Return onboardings one by one, and checks by platform up to the batch size."""
    size = Settings.load().check_batch_size
    batches = [[run] for run in waiting if run.onboarding]
    checks = sorted((run for run in waiting if not run.onboarding), key=lambda run: run.platform)
    for _, group in groupby(checks, key=lambda run: run.platform):
        of_platform = list(group)
        batches += [of_platform[start : start + size] for start in range(0, len(of_platform), size)]
    return batches


def _resume_request(instance: dg.DagsterInstance, batch: Sequence[RunRecord], memory: Memory) -> dg.RunRequest | None:
    # The longest waiting one and its attempt name the batch.
    head = batch[0]
    run_tags = {tags.ONBOARDING: str(head.onboarding).lower()}
    if len(batch) == 1:
        run_tags |= {tags.INTEGRATION: str(head.integration_id), tags.TENANT: str(head.tenant_id)}
    if not head.onboarding:
        run_tags[tags.PRIORITY] = "1"
    start: dict[str, Any] = {"integration_run_ids": [str(run.id) for run in batch], "onboarding": head.onboarding}
    return request_once(
        instance,
        f"resume:{head.id}:{head.attempt}",
        job_name=head.platform,
        start=start,
        # So that the partitions page tells how the onboarding as a whole is doing.
        partition_key=head.integration_key if head.onboarding else None,
        run_tags=run_tags,
        memory=memory,
    )


def _partition_changes(
    instance: dg.DagsterInstance, everyone: Sequence[IntegrationRecord], platforms: Mapping[str, Any]
) -> list[PartitionChange]:
    changes: list[PartitionChange] = []
    for platform in platforms:
        partitions = integrations_of(platform)
        wanted = {one.key for one in everyone if one.platform == platform}
        present = set(instance.get_dynamic_partitions(f"{platform}_integrations"))
        if new := sorted(wanted - present):
            changes.append(partitions.build_add_request(new))
        if gone := sorted(present - wanted):
            changes.append(partitions.build_delete_request(gone))
    return changes
