"""Progress of integration runs, read from the database while someone else works on them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.live import Live
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection, Engine

from crowd_pipelines.cli.console import err
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store import integrations, runs, streams
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines.store.streams import Lineage

REFRESH_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An integration, its newest integration run, and that run's streams."""

    integration: IntegrationRecord
    run: RunRecord | None
    lineages: tuple[Lineage, ...]

    @property
    def waits(self) -> bool:
        """Tell whether an onboarding is asked for that nobody has begun."""
        return self.integration.onboarding_requested_at is not None

    @property
    def over(self) -> bool:
        """Tell whether nothing is left to be waited for."""
        return not self.waits and self.run is not None and self.run.processed_at is not None

    def total(self, name: str) -> int:
        """Return a count over all streams of the integration run."""
        return int(sum(getattr(lineage, name) for lineage in self.lineages))

    @property
    def seconds(self) -> float | None:
        """How long the integration run took, or has been going on."""
        if self.run is None:
            return None
        end = self.run.processed_at or datetime.now(self.run.created_at.tzinfo)
        return (end - self.run.created_at).total_seconds()


def standings(engine: Engine, integration_ids: Sequence[UUID]) -> list[Standing]:
    """Return how integrations are doing."""

    def read(conn: Connection) -> list[Standing]:
        return [_standing(conn, one) for one in integrations.find(conn, ids=integration_ids)]

    return transact(engine, read)


def _standing(conn: Connection, integration: IntegrationRecord) -> Standing:
    newest = runs.find(conn, integration_ids=[integration.id], limit=1)
    lineages = streams.lineages(conn, [newest[0].id]) if newest else []
    return Standing(integration=integration, run=newest[0] if newest else None, lineages=tuple(lineages))


@contextmanager
def shown(engine: Engine, integration_ids: Sequence[UUID]) -> Iterator[None]:
    """Show the progress of integrations in the terminal while the block works."""
    over = threading.Event()
    with Live(_view(standings(engine, integration_ids)), console=err, transient=True, auto_refresh=False) as live:

        def refresh() -> None:
            while not over.wait(REFRESH_SECONDS):
                live.update(_view(standings(engine, integration_ids)), refresh=True)

        thread = threading.Thread(target=refresh, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def summary(found: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return a row per integration for the table at the end."""
    return [
        {
            "integration": f"{one.integration.name} ({one.integration.platform})",
            "state": _state(one),
            "streams": one.total("streams"),
            "requests": one.total("requests"),
            "activities": one.integration.activity_count,
            "members": one.integration.member_count,
            "seconds": one.seconds,
        }
        for one in found
    ]


def _view(found: Sequence[Standing]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("integration", "state", "streams", "activities", "requests", "quarantined"):
        table.add_column(name, justify="left" if name in {"integration", "state"} else "right")
    for one in found:
        done = one.total("streams") - one.total("unfinished")
        table.add_row(
            escape(f"{one.integration.name} ({one.integration.platform})"),
            _state(one),
            f"{done:,} of {one.total('streams'):,}",
            f"{one.total('activities'):,}",
            f"{one.total('requests'):,}",
            f"{one.total('quarantined'):,}",
        )
    return table


def _state(one: Standing) -> str:
    if one.run is None or one.waits:
        return "waits for the sensor"
    if one.run.state is RunState.DELAYED and one.run.delayed_until:
        return f"delayed until {one.run.delayed_until:%H:%M:%S} UTC"
    return str(one.run.state)
