"""Fairness (G8): fifty tenants whose checks fall due while huge onboardings of the same platform want everything."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.integrations import registry
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database, integrations, migrations
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.vault import Vault
from crowd_pipelines_tests.chaos.experiment import Outcome
from crowd_pipelines_tests.deployment.installation import Deployment, Row, installed

PLATFORM = "devto"
INTERVAL = timedelta(minutes=registry()[PLATFORM].ticks_between_checks)

# A list that was read, and articles that the provider does not have: each costs a request, and there are a million.
_HUGE = """
WITH run AS (
    INSERT INTO integration_runs (tenant_id, integration_id, onboarding, state, delayed_until, streams_planned_at)
    SELECT tenant_id, id, TRUE, 'delayed', now(), now() FROM integrations WHERE id = %(id)s RETURNING id
), root AS (
    INSERT INTO integration_streams (id, run_id, root_id, name, label, key, state, processed_at, due_at)
    SELECT root.id, run.id, root.id, 'articles', 'articles', 'articles', 'processed', now(), NULL
    FROM run, gen_random_uuid() AS root (id) RETURNING id, run_id
)
INSERT INTO integration_streams (run_id, parent_id, root_id, name, label, metadata, key)
SELECT root.run_id, root.id, root.id, 'comments', 'comments of article ' || number,
       jsonb_build_object('article_id', number, 'title', '', 'url', '', 'last_comment_at', NULL, 'comments_count', 1),
       md5(number::text)
FROM root, generate_series(900000001, 900000000 + %(pages)s) AS number
"""
_CHECKS = """
SELECT run.integration_id, min(run.created_at) AS began_at,
       count(*) FILTER (WHERE run.state = 'processed') AS processed
FROM integration_runs AS run WHERE run.integration_id = ANY(%(ids)s) AND NOT run.onboarding AND
      run.created_at > %(since)s
GROUP BY 1
"""
_HUGE_PROGRESS = """
SELECT count(*) FROM integration_streams AS stream JOIN integration_runs AS run ON run.id = stream.run_id
WHERE run.integration_id = ANY(%(ids)s) AND stream.state = 'skipped'
"""


@dataclass(frozen=True, kw_only=True)
class Fairness:
    """Checks of many tenants beside a few huge onboardings: how long after they were due did they begin?

    `pages` are those of all huge onboardings together; checks fall due during `minutes`.
    """

    scenario: str = "G8"
    name: str = "checks beside huge onboardings"
    tenants: int = 50
    huge: int = 4
    pages: int = 1_000_000
    minutes: int = 6

    def run(self, seed: int) -> Outcome:
        """Measure on an installation of its own."""
        with _installation() as deployment:
            small = [self._connect(deployment, f"small {number}", onboard=True) for number in range(self.tenants)]
            huge = [self._connect(deployment, f"huge {number}", onboard=False) for number in range(self.huge)]
            for integration_id in huge:
                deployment.database.execute(_HUGE, id=integration_id, pages=self.pages // self.huge)
            due, since = self._fall_due(deployment, small), datetime.now(UTC)
            time.sleep(60 * (self.minutes + 2))
            checks = deployment.database.rows(_CHECKS, ids=small, since=since)
            progress = int(deployment.database.value(_HUGE_PROGRESS, ids=huge))
        return self._outcome(seed, due, checks, progress)

    def _connect(self, deployment: Deployment, tenant: str, *, onboard: bool) -> UUID:
        """Connect one author's articles; the small ones are read at once, without Dagster, to save time."""
        engine = database.create(deployment.database.url)
        settings = deployment.sandbox.settings(PLATFORM)
        [author, *_] = settings["users"]
        with engine.begin() as conn:
            tenant_id = integrations.ensure_tenant(conn, tenant)
            record = integrations.connect(
                conn, tenant_id=tenant_id, platform=PLATFORM, name="DEV", settings={"users": [author]}
            )
        if onboard:
            with _environment(deployment.environment):
                _onboard(deployment, record.id)
        engine.dispose()
        return record.id

    def _fall_due(self, deployment: Deployment, ids: list[UUID]) -> Mapping[UUID, datetime]:
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        due = {one: minute + timedelta(minutes=1 + number % self.minutes) for number, one in enumerate(ids)}
        for integration_id, moment in due.items():
            deployment.database.execute(
                "UPDATE integrations SET last_check_at = %(at)s WHERE id = %(id)s",
                id=integration_id,
                at=moment - INTERVAL,
            )
        return due

    def _outcome(self, seed: int, due: Mapping[UUID, datetime], checks: list[Row], progress: int) -> Outcome:
        delays = sorted((row["began_at"] - due[row["integration_id"]]).total_seconds() for row in checks)
        findings = []
        if len(delays) < len(due):
            findings.append(f"{len(due) - len(delays)} of {len(due)} checks did not begin")
        if unfinished := sum(not row["processed"] for row in checks):
            findings.append(f"{unfinished} checks did not end")
        p95 = statistics.quantiles(delays, n=20)[-1] if len(delays) > 1 else float("inf")
        if p95 >= 2 * INTERVAL.total_seconds():
            findings.append(f"checks began {p95:.0f} s after they were due (95th percentile), more than two intervals")
        return Outcome(
            scenario=self.scenario,
            name=self.name,
            platform=PLATFORM,
            seed=seed,
            # Huge onboardings that were not read meanwhile disturbed nobody.
            disturbances=progress,
            findings=tuple(findings),
            measures={
                "start_delay_p50_s": statistics.median(delays) if delays else float("inf"),
                "start_delay_p95_s": p95,
                "start_delay_max_s": max(delays, default=float("inf")),
                "checks": len(delays),
                "pages_of_huge_onboardings": progress,
            },
        )


def _onboard(deployment: Deployment, integration_id: UUID) -> None:
    engine, settings = database.create(deployment.database.url), Settings.load()
    vault = Vault(settings.require_encryption_key())
    clients = ApiClients(budget=RateBudget(engine=engine), vault=vault, settings=settings)
    lifecycle = Lifecycle(clients=clients, settings=settings, registry=registry(), owner="fairness")
    processor = IntegrationProcessor(lifecycle)
    run_id = processor.start_onboarding(integration_id)
    run = processor.process(run_id) if run_id else None
    assert run is not None
    assert run.state == "processed", run.error
    engine.dispose()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    kept = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def _installation() -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="crowd-chaos-") as folder:
        server = EmbeddedPostgres.at(Path(folder), durable=False)
        url = server.start()
        try:
            migrations.upgrade(url)
            # Some times the provider's own pace: the budget is what they all want a part of.
            dagster_url = server.url("dagster")
            with installed(Path(folder), database_url=url, dagster_database_url=dagster_url, pace=20) as deployment:
                yield deployment
        finally:
            server.stop()


if __name__ == "__main__":
    outcome = Fairness().run(0)
    print(outcome)
    raise SystemExit(not outcome.passed)
