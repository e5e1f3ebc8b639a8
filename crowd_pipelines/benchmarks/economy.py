"""`python -m crowd_pipelines.benchmarks.economy`: the requests we make, beside those that crowd.dev's way would take.

Ours are counted by the simulated provider, in an onboarding and in a check with nothing new; crowd.dev's pattern is
worked out for the same community (`originals/`).
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from crowd_pipelines.benchmarks.surroundings import environment, temporary_folder
from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor
from crowd_pipelines.integrations import registry
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.sandbox.registry import PLATFORMS
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.vault import Vault

GOALS: Mapping[str, float] = {"github": 1 / 15, "slack": 1 / 3, "discord": 1 / 2, "twitter": 1}
"""The largest part of crowd.dev's requests that our onboarding may take."""

_UNPACED = "1000000"


class NotWhole(Exception):
    """An integration run did not end well, so that its requests tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """Requests for one platform's community."""

    platform: str
    activities: int
    requests: int
    original: int
    check: int
    check_bound: int

    @property
    def part(self) -> float:
        """Our requests as a part of the original's."""
        return self.requests / self.original if self.original else 0.0

    @property
    def missed(self) -> list[str]:
        """What is more than it should be."""
        goal = GOALS.get(self.platform, 1)
        too_much = (
            f"{self.platform}: onboarding took {self.part:.3f} of the original's requests, at most {goal:.3f} wanted"
        )
        too_often = f"{self.platform}: a check with nothing new took {self.check} requests, {self.check_bound} wanted"
        return [*([too_much] if self.part > goal else []), *([too_often] if self.check > self.check_bound else [])]


def main(
    *,
    size: Annotated[str, typer.Option(help="Of the simulated communities: small, medium, large.")] = "medium",
    platform: Annotated[list[str] | None, typer.Option(help="Repeatable; default all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Onboard and check every simulated provider; print requests beside crowd.dev's. Fails when a goal is missed."""
    measured = [one for name in platform or sorted(PLATFORMS) for one in measure(name, size)]
    if as_json:
        sys.stdout.write(json.dumps([{**asdict(one), "part": one.part} for one in measured], indent=2) + "\n")
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 110).print(_table(measured, size))
    missed = [told for one in measured for told in one.missed]
    if missed:
        sys.exit("\n".join(missed))


def measure(provider: str, size: str) -> list[Economy]:
    """Read one simulated provider with every platform that reads it."""
    with (
        temporary_folder() as folder,
        environment(folder) as variables,
        Sandbox.start(size=size, platforms=[provider]) as sandbox,
    ):
        os.environ |= {**variables, **dict(_addresses(sandbox))}
        engine = database.create(variables["CROWD_DATABASE_URL"])
        try:
            return [_measured(engine, sandbox, name) for name in sandbox.platforms]
        finally:
            engine.dispose()


def _addresses(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    for name in sandbox.platforms:
        yield f"CROWD_{name.upper()}_API_URL", sandbox.api_url(name)
        yield f"CROWD_{name.upper()}_REQUESTS_PER_SECOND", _UNPACED
        yield from sandbox.environment(name).items()


def _measured(engine: Engine, sandbox: Sandbox, platform: str) -> Economy:
    vault = Vault(os.environ["CROWD_ENCRYPTION_KEY"])
    settings = Settings.load()
    clients = ApiClients(budget=RateBudget(engine=engine), vault=vault, settings=settings)
    processor = IntegrationProcessor(
        Lifecycle(clients=clients, settings=settings, registry=registry(), owner="benchmark")
    )
    record = _connect(engine, sandbox, platform, vault)
    onboarding = processor.start_onboarding(record.id)
    requests = _requests_of(sandbox, platform, processor, onboarding)
    [check] = processor.process_check([record.id])
    of_check = _requests_of(sandbox, platform, processor, check)
    truth = sandbox.truth(platform)
    original = importlib.import_module(f"crowd_pipelines.benchmarks.originals.{platform}")
    return Economy(
        platform=platform,
        activities=transact(engine, lambda conn: integrations.totals(conn, platform)).activities,
        requests=requests,
        original=sum(original.requests(truth).values()),
        check=of_check,
        check_bound=original.quiet_check(truth),
    )


def _requests_of(sandbox: Sandbox, platform: str, processor: IntegrationProcessor, run_id: Any) -> int:
    sandbox.forget_requests(platform)
    run = processor.process(run_id)
    if run is None or run.state != "processed":
        raise NotWhole(f"the integration run of {platform} ended {run and run.state}: {run and run.error}")
    return len(sandbox.requests(platform))


def _connect(engine: Engine, sandbox: Sandbox, platform: str, vault: Vault) -> IntegrationRecord:
    credentials = sandbox.credentials(platform)
    with engine.begin() as conn:
        tenant_id = integrations.ensure_tenant(conn, "benchmark")
        record = integrations.connect(
            conn, tenant_id=tenant_id, platform=platform, name=platform, settings=sandbox.settings(platform)
        )
        if credentials:
            integrations.set_credentials(conn, record.id, vault.seal(credentials, record.id))
    return record


def _table(measured: Sequence[Economy], size: str) -> Table:
    title = f"Requests for {size} communities: ours, and crowd.dev's way of reading"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("platform")
    for heading in ("activities", "requests", "per 1,000", "crowd.dev's", "ratio", "goal", "quiet check", "at most"):
        table.add_column(heading, justify="right")
    for one in measured:
        goal = GOALS.get(one.platform)
        table.add_row(
            one.platform,
            f"{one.activities:,}",
            f"{one.requests:,}",
            f"{1000 * one.requests / one.activities:.1f}" if one.activities else "",
            f"{one.original:,}",
            f"1/{1 / one.part:.1f}" if one.part else "0",
            f"1/{1 / goal:.0f}" if goal else "",
            f"{one.check:,}",
            f"{one.check_bound:,}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
