"""What people see and do in Dagster's UI, over the API that it uses itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from crowd_pipelines_tests.deployment.installation import eventually

LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "crowd_pipelines.definitions"}
OVER = {"SUCCESS", "FAILURE", "CANCELED"}

_DIRECT = build_opener(ProxyHandler({}))

_RUN = "runId status jobName runConfigYaml tags { key value }"


@dataclass(frozen=True, slots=True, kw_only=True)
class DagsterRun:
    """A Dagster run, with the text of its configuration."""

    id: str
    job: str
    status: str
    tags: Mapping[str, str]
    config: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DagsterUi:
    """The webserver at an address."""

    url: str

    def runs(self, *statuses: str, **tags: str) -> list[DagsterRun]:
        """The newest first; tag names without `crowd/`."""
        wanted: dict[str, Any] = {"tags": [{"key": f"crowd/{key}", "value": value} for key, value in tags.items()]}
        if statuses:
            wanted["statuses"] = list(statuses)
        query = f"query($f: RunsFilter!) {{ runsOrError(filter: $f) {{ ... on Runs {{ results {{ {_RUN} }} }} }} }}"
        return [_run(found) for found in self._ask(query, f=wanted)["runsOrError"]["results"]]

    def run(self, run_id: str) -> DagsterRun:
        query = f"query($id: ID!) {{ runOrError(runId: $id) {{ ... on Run {{ {_RUN} }} }} }}"
        return _run(self._ask(query, id=run_id)["runOrError"])

    def over(self, run_id: str) -> DagsterRun:
        """A run when it has ended."""

        def look() -> DagsterRun | None:
            found = self.run(run_id)
            return found if found.status in OVER else None

        return eventually(look, f"an end of Dagster run {run_id}")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """What the run's page lists: type, message and error of every event."""
        query = """
        query($id: ID!, $after: String) { logsForRun(runId: $id, afterCursor: $after) { ... on EventConnection {
          cursor hasMore
          events {
            __typename
            ... on MessageEvent { message eventType stepKey }
            ... on ExecutionStepFailureEvent { error { message } failureMetadata { description } }
            ... on MaterializationEvent { assetKey { path } }
          } } } }
        """
        events: list[dict[str, Any]] = []
        page = {"hasMore": True, "cursor": None}
        while page["hasMore"]:
            page = self._ask(query, id=run_id, after=page["cursor"])["logsForRun"]
            events += page["events"]
        return events

    def partitions(self, job: str) -> list[str]:
        query = """
        query($s: PipelineSelector!) { pipelineOrError(params: $s) { ... on Pipeline {
          partitionKeysOrError { partitionKeys } } } }
        """
        selector = {**LOCATION, "pipelineName": job}
        return list(self._ask(query, s=selector)["pipelineOrError"]["partitionKeysOrError"]["partitionKeys"])

    def backfill(self, job: str, keys: Sequence[str]) -> str:
        """Launch partitions as the backfill dialog does; the id of the backfill."""
        mutation = """
        mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
          ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
        """
        selector = {"partitionSetName": f"{job}_partition_set", "repositorySelector": LOCATION}
        params = {"selector": selector, "partitionNames": list(keys)}
        return str(self._ask(mutation, p=params)["launchPartitionBackfill"]["backfillId"])

    def launch(self, original: DagsterRun) -> str:
        """Launch the job with the configuration and the tags of another run; the id of the new one."""
        mutation = """
        mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
          __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
        """
        params = {
            "selector": {**LOCATION, "pipelineName": original.job},
            "runConfigData": original.config,
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in original.tags.items()]},
        }
        return str(self._ask(mutation, p=params)["launchRun"]["run"]["runId"])

    def execute_again(self, run_id: str) -> str:
        """What the button "Re-execute" does; the id of the new run."""
        mutation = """
        mutation($p: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $p) {
          __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
        """
        params = {"parentRunId": run_id, "strategy": "ALL_STEPS"}
        return str(self._ask(mutation, p=params)["launchRunReexecution"]["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        mutation = """
        mutation($id: String!) { terminateRun(runId: $id) { __typename ... on TerminateRunFailure { message } } }
        """
        done = self._ask(mutation, id=run_id)["terminateRun"]
        assert done["__typename"] == "TerminateRunSuccess", done

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """The last ticks of a schedule or sensor, newest first."""
        query = """
        query($s: InstigationSelector!) { instigationStateOrError(instigationSelector: $s) { ... on InstigationState {
          ticks(limit: 50) { timestamp status skipReason runIds error { message } } } } }
        """
        return list(self._ask(query, s={**LOCATION, "name": name})["instigationStateOrError"]["ticks"])

    def daemons(self) -> dict[str, bool]:
        """Every daemon, and whether it is healthy."""
        query = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
        found = self._ask(query)["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {daemon["daemonType"]: bool(daemon["healthy"]) for daemon in found}

    def instance(self) -> dict[str, Any]:
        """What the pages about the deployment show: its configuration, code locations, resources, assets, sensors."""
        query = """
        { instance { info hasInfo runQueueConfig { maxConcurrentRuns tagConcurrencyLimitsYaml } }
          workspaceOrError { ... on Workspace { locationEntries { name loadStatus displayMetadata { key value }
            locationOrLoadError { ... on PythonError { message stack } ... on RepositoryLocation { repositories {
              allTopLevelResourceDetails { name description configuredValues { key value type }
                configFields { name description defaultValueAsJson } }
              sensors { name description } schedules { name description } jobs { name description }
              assetNodes { assetKey { path } description } } } } } } } }
        """
        return dict(self._ask(query))

    def page(self, path: str) -> str:
        with _DIRECT.open(f"{self.url}{path}") as response:
            return str(response.read().decode("utf-8", "replace"))

    def _ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.url}/graphql", data=body, headers={"Content-Type": "application/json"})
        with _DIRECT.open(request) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


def _run(found: Mapping[str, Any]) -> DagsterRun:
    return DagsterRun(
        id=found["runId"],
        job=found["jobName"],
        status=found["status"],
        tags={tag["key"]: tag["value"] for tag in found["tags"]},
        config=found["runConfigYaml"],
    )
