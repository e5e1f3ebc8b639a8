"""`up` and `demo`: the whole installation on this machine."""

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from crowd_pipelines.cli import connecting, progress
from crowd_pipelines.cli.console import CommandError, out, print_table, tell
from crowd_pipelines.cli.session import Session, session
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.settings import Settings
from crowd_pipelines.stack.local import dagster
from crowd_pipelines.stack.processes import alone, stopped_by_signals
from crowd_pipelines.store.embedded import EmbeddedPostgres
from crowd_pipelines.store.integrations import IntegrationRecord

DEMO_REQUESTS_PER_SECOND = 100
"""What the simulated providers allow: the real ones' pace would make a demo of minutes."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("up")(up)
    app.command("demo")(demo)


_PortOption = Annotated[int, typer.Option(help="The UI's port; another one is taken if it is in use.")]


def up(*, port: _PortOption = 3000) -> None:
    """Run PostgreSQL (unless CROWD_DATABASE_URL names one), Dagster's daemon and its UI, until Ctrl-C."""
    with stopped_by_signals(), session() as current, dagster(current.installed, port=port) as url:
        out.print(f"Dagster is at [bold]{url}[/]")
        tell("Connect a place from another terminal: crowd-pipelines connect --help. Ctrl-C stops everything.")
        _wait_for_ctrl_c()


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the summary.")] = False,
    size: Annotated[str, typer.Option(help="Of the simulated communities: small, medium, large.")] = "small",
    port: _PortOption = 3000,
) -> None:
    """Onboard a simulated community of every platform through the real Dagster daemon, and stay up until Ctrl-C.

    Every demo begins afresh, in `.crowd/demo`. Things keep happening there, so that checks find something.
    """
    home = Settings.load().home.absolute() / "demo"
    with stopped_by_signals(), alone(home, "demo"), ExitStack() as stack:
        tell("Starting PostgreSQL, the simulated providers and Dagster ...")
        stack.enter_context(_fresh_database(home))
        sandbox = stack.enter_context(
            Sandbox.start(size=size, requests_per_second=DEMO_REQUESTS_PER_SECOND, until=datetime.now(UTC), evolve=20)
        )
        environment = _demo_environment(home, sandbox)
        os.environ.update(environment)
        current = stack.enter_context(session())
        url = stack.enter_context(dagster(current.installed, port=port))
        tell(f"Dagster is at {url}; connecting {', '.join(sandbox.platforms)} ...")
        ids = [_connect(current, sandbox, platform).id for platform in sandbox.platforms]
        failed = _wait_until_over(current, ids)
        print_table(
            "Onboarded", progress.summary(progress.standings(current.engine, ids)), empty="nothing was connected"
        )
        if failed:
            raise CommandError(f"{failed} integrations did not end well; `crowd-pipelines runs` says why")
        out.print(f"Dagster is at [bold]{url}[/]")
        if not once:
            tell("Have a look at the jobs, the partitions and the assets. For the commands, in another terminal:")
            tell(f"  . {_exports(home, environment)}")
            tell("Ctrl-C stops everything.")
            _wait_for_ctrl_c()


@contextmanager
def _fresh_database(home: Path) -> Iterator[None]:
    """Forget what an earlier demo, finished or not, left behind, and keep the server for this one."""
    shutil.rmtree(home / "dagster", ignore_errors=True)
    server = EmbeddedPostgres.at(home)
    try:
        server.start(fresh=True)
        yield
    finally:
        server.stop()


def _demo_environment(home: Path, sandbox: Sandbox) -> Mapping[str, str]:
    for name in ("CROWD_DATABASE_URL", "CROWD_DAGSTER_DATABASE_URL", "CROWD_ENCRYPTION_KEY", "DAGSTER_HOME"):
        os.environ.pop(name, None)  # the demo never touches a real installation
    urls = {f"CROWD_{name.upper()}_API_URL": sandbox.api_url(name) for name in sandbox.platforms}
    pace = str(DEMO_REQUESTS_PER_SECOND * 0.8)
    paces = {f"CROWD_{name.upper()}_REQUESTS_PER_SECOND": pace for name in sandbox.platforms}
    apps = {key: value for name in sandbox.platforms for key, value in sandbox.environment(name).items()}
    return {"CROWD_HOME": str(home), **urls, **paces, **apps}


def _exports(home: Path, environment: Mapping[str, str]) -> Path:
    """Write a file that lets a shell's commands find the demo; returns it."""
    path = home / "environment.sh"
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()))
    return path


def _connect(current: Session, sandbox: Sandbox, platform: str) -> IntegrationRecord:
    return connecting.add(
        current,
        platform,
        tenant="demo",
        name=f"{current.platform(platform).title} demo",
        settings=sandbox.settings(platform),
        credentials=sandbox.credentials(platform),
    )


def _wait_until_over(current: Session, ids: list[UUID]) -> int:
    """Show progress until every integration is onboarded; returns how many failed."""
    with progress.shown(current.engine, ids):
        while not all(one.over for one in progress.standings(current.engine, ids)):
            time.sleep(progress.REFRESH_SECONDS)
    return sum(one.run is not None and one.run.error is not None for one in progress.standings(current.engine, ids))


def _wait_for_ctrl_c() -> None:
    """Return when the command is asked to end: that is how it ends well."""
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
