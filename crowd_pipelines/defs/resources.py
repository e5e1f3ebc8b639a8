"""Resources: the database, the rate budget, the API clients, and the lifecycle that uses them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr
from sqlalchemy import Engine

from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.http.logs import hides_secrets
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import Totals
from crowd_pipelines.store.vault import Vault


@cache
def _engine(url: Secret) -> Engine:
    # One pool per process: sensors and schedules evaluate every few seconds.
    return database.create(url)


class DatabaseResource(dg.ConfigurableResource[Any]):
    """The PostgreSQL database of members and activities."""

    url: str = Field(repr=False)

    def engine(self) -> Engine:
        """Return this process's engine."""
        return _engine(Secret(self.url))


class RateBudgetResource(dg.ConfigurableResource[Any]):
    """The rate budgets that all processes share. Onboardings leave the part `check_reserve` of each to checks."""

    database: DatabaseResource
    check_reserve: float = 0.2

    def budget(self) -> RateBudget:
        """Return the rate budget."""
        return RateBudget(engine=self.database.engine(), check_reserve=self.check_reserve)


class ApiClientsResource(dg.ConfigurableResource[Any]):
    """The clients of the providers' APIs, opened with credentials that only this process can unseal."""

    rate_budget: RateBudgetResource
    encryption_key: str = Field(repr=False)

    def clients(self) -> ApiClients:
        """Return the maker of clients."""
        vault = Vault(Secret(self.encryption_key))
        return ApiClients(budget=self.rate_budget.budget(), vault=vault, settings=Settings.load())


_LASTED_TOO_LONG = "exceeding maximum runtime"


def canceled_by_a_person(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Tell whether a person cancels a Dagster run. Run monitoring does so, too: to one that lasts too long."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status is not dg.DagsterRunStatus.CANCELING:
        return False
    asked = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_CANCELING).records
    events = [record.event_log_entry.dagster_event for record in asked]
    return not any(event and _LASTED_TOO_LONG in (event.message or "") for event in events)


class LifecycleResource(dg.ConfigurableResource[Any]):
    """Takes the integration runs of one Dagster run through their lifecycle; its ops are the steps of it."""

    api_clients: ApiClientsResource
    slice_seconds: float | None = None

    _processor: IntegrationProcessor | None = PrivateAttr(default=None)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["LifecycleResource"]:
        """Serve one Dagster run; whatever ends it, its integration runs are handed over."""
        if context.run is None:  # a schedule's evaluation
            yield self
            return
        run_id = context.run.run_id
        self._processor = self.new_processor(owner=run_id)
        try:
            yield self
        finally:
            self._hand_over(canceled=context.instance is not None and canceled_by_a_person(context.instance, run_id))

    @hides_secrets
    def _hand_over(self, *, canceled: bool) -> None:
        self.lifecycle.hand_over(canceled=canceled)

    @property
    def processor(self) -> IntegrationProcessor:
        """The processor of the Dagster run under way."""
        if self._processor is None:
            raise RuntimeError("the lifecycle is only there while a Dagster run executes")
        return self._processor

    @property
    def lifecycle(self) -> Lifecycle:
        """The lifecycle of the Dagster run under way."""
        return self.processor.lifecycle

    @hides_secrets
    def new_processor(self, *, owner: str) -> IntegrationProcessor:
        """Return a processor that works under this name."""
        settings = Settings.load()
        if self.slice_seconds is not None:
            settings = settings.model_copy(update={"slice_seconds": self.slice_seconds})
        return IntegrationProcessor(
            Lifecycle(clients=self.api_clients.clients(), settings=settings, registry=registry(), owner=owner)
        )

    def totals(self, platform: str) -> Totals:
        """Return what the database holds of a platform."""
        return transact(self._engine(), lambda conn: integrations.totals(conn, platform))

    def picture(self, platform: str) -> str | None:
        """Return the platform's activities per month as a picture in Markdown, None when there is none to be had.

        It is drawn by another process: pandas and matplotlib would stay in this one's memory to the end of its slice.
        """
        drawn = subprocess.run(
            [sys.executable, "-m", "crowd_pipelines.reports", platform],
            env={**os.environ, "CROWD_DATABASE_URL": self.api_clients.rate_budget.database.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        return drawn.stdout if drawn.returncode == 0 and drawn.stdout else None

    def _engine(self) -> Engine:
        return self.api_clients.rate_budget.database.engine()

    @contextlib.contextmanager
    def ends_on_sigterm(self) -> Iterator[None]:
        """Let SIGTERM end the slice instead of breaking the step: deploys and restarts send it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, lambda *_: self.lifecycle.slice.stop())
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def resources() -> dict[str, object]:
    """Return the resources of the deployment, configured from the environment."""
    db = DatabaseResource(url=dg.EnvVar("CROWD_DATABASE_URL"))
    budget = RateBudgetResource(database=db)
    clients = ApiClientsResource(rate_budget=budget, encryption_key=dg.EnvVar("CROWD_ENCRYPTION_KEY"))
    return {
        "database": db,
        "rate_budget": budget,
        "api_clients": clients,
        "lifecycle": LifecycleResource(api_clients=clients),
        # Ops exchange nothing but their order: what they work on is in the database.
        "io_manager": dg.mem_io_manager,
    }
