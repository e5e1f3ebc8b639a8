"""`process-integration`, `continue-run` and `process-stream`: work that starts at once, in the foreground."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from crowd_pipelines.cli import progress
from crowd_pipelines.cli.console import CommandError, JsonOption, fail, print_json, print_table, tell
from crowd_pipelines.cli.session import Session, parse_ids, session
from crowd_pipelines.model.states import RunState
from crowd_pipelines.store import integrations, owed, runs, streams
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("process-integration", no_args_is_help=True)(process_integration)
    app.command("continue-run", no_args_is_help=True)(continue_run)
    app.command("process-stream", no_args_is_help=True)(process_stream)


def process_integration(
    *,
    integration: Annotated[str, typer.Option("--integration", "-i", help="Ids, separated by commas.")] = "",
    platform: Annotated[str, typer.Option("--platform", "-p", help="All integrations of a platform.")] = "",
    onboarding: Annotated[bool, typer.Option("--onboarding", "-o", help="Read everything, not what is new.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start integration runs at once and wait for them. They appear in the Dagster UI like any other."""
    with session() as current:
        wanted = _wanted(current, integration, platform)
        _require_free(current, wanted)
        batches = [[one] for one in wanted] if onboarding else _by_platform(wanted)
        ids = [one.id for one in wanted]
        with progress.shown(current.engine, ids):
            errors = [_execute(current, batch, onboarding=onboarding) for batch in batches]
        _report(current, ids, errors, as_json=as_json)


def continue_run(
    *,
    run: Annotated[str, typer.Option("--run", "-r", help="The id of an integration run.")],
    as_json: JsonOption = False,
) -> None:
    """Go on with a stuck or failed integration run: its pending, failed and owed streams, with new attempts."""
    with session() as current:
        (run_id,) = _one(run)
        record = current.run(run_id)
        if record.state is RunState.PROCESSED and not _owes(current, run_id):
            raise CommandError(
                f"integration run {run_id} is over and nothing of it failed; a new one starts with "
                f"crowd-pipelines process-integration -i {record.integration_id}"
            )
        if not transact(current.engine, lambda conn: runs.reopen(conn, run_id)):
            raise CommandError(
                f"integration run {run_id} is being worked on right now (Dagster run {record.dagster_run_id}); "
                "wait for its end, or terminate it in the UI"
            )
        start = {"integration_run_ids": [str(run_id)], "onboarding": record.onboarding}
        with progress.shown(current.engine, [record.integration_id]):
            error = _in_dagster(current, record.platform, start)
        _report(current, [record.integration_id], [error], as_json=as_json)


def process_stream(
    *,
    stream: Annotated[str, typer.Option("--stream", "-s", help="The id of a stream.")],
) -> None:
    """Fetch a stream's page again and print what it would give. Nothing is written."""
    with session() as current:
        (stream_id,) = _one(stream)
        found = transact(current.engine, lambda conn: streams.get(conn, stream_id))
        if found is None:
            raise CommandError(
                f"there is no stream {stream_id}; `crowd-pipelines streams -r RUN` lists those of an integration run"
            )
        result = current.processor().lifecycle.fetch(current.run(found.run_id), found)
    print_json(dataclasses.asdict(result))


def check_now(current: Session, wanted: Sequence[IntegrationRecord]) -> list[str]:
    """Check integrations at once, and show how far that is; returns the errors with which it ended."""
    with progress.shown(current.engine, [one.id for one in wanted]):
        errors = [_execute(current, batch, onboarding=False) for batch in _by_platform(wanted)]
    return [error for error in errors if error]


def _wanted(current: Session, ids: str, platform: str) -> list[IntegrationRecord]:
    if bool(ids) == bool(platform):
        raise CommandError("name integrations with -i ID[,ID] or all of a platform with -p PLATFORM, one of the two")
    if ids:
        return [_connected(current.integration(integration_id)) for integration_id in parse_ids(ids)]
    current.platform(platform)
    found = transact(current.engine, lambda conn: integrations.find(conn, platform=platform))
    if not found:
        raise CommandError(f"no integration of {platform} is connected; see `crowd-pipelines connect --help`")
    return found


def _connected(record: IntegrationRecord) -> IntegrationRecord:
    if record.disconnected_at:
        raise CommandError(
            f"{record.name} was disconnected; `crowd-pipelines connect {record.platform} --name {record.name!r}` with "
            "credentials connects it again"
        )
    return record


def _require_free(current: Session, wanted: Sequence[IntegrationRecord]) -> None:
    ids = [one.id for one in wanted]
    open_runs = transact(current.engine, lambda conn: runs.find(conn, integration_ids=ids, open_only=True))
    if open_runs:
        run = open_runs[0]
        at_work = run.state is RunState.PROCESSING
        remedy = "wait for its end" if at_work else f"go on with it: crowd-pipelines continue-run -r {run.id}"
        raise CommandError(
            f"{run.integration_name} is being read already: integration run {run.id} is {run.state}; {remedy}"
        )


def _by_platform(wanted: Sequence[IntegrationRecord]) -> list[list[IntegrationRecord]]:
    platforms = dict.fromkeys(one.platform for one in wanted)
    return [[one for one in wanted if one.platform == platform] for platform in platforms]


def _execute(current: Session, batch: Sequence[IntegrationRecord], *, onboarding: bool) -> str | None:
    start = {"integration_ids": [str(one.id) for one in batch], "onboarding": onboarding}
    return _in_dagster(current, batch[0].platform, start)


def _in_dagster(current: Session, platform: str, start: dict[str, Any]) -> str | None:
    """Execute a platform's job in this process; returns the error it ended with."""
    os.environ.update(current.installed.dagster_environment())
    # Importing Dagster takes a second, which the other commands should not cost.
    from crowd_pipelines.definitions import defs  # noqa: PLC0415
    from crowd_pipelines.defs.foreground import execute  # noqa: PLC0415

    return execute(defs.resolve_job_def(platform), start).error


def _report(current: Session, ids: Sequence[UUID], errors: Sequence[str | None], *, as_json: bool) -> None:
    rows = progress.summary(progress.standings(current.engine, ids))
    if as_json:
        print_json(rows)
    else:
        print_table("Integration runs", rows, empty="nothing was done")
    for sentences in transact(current.engine, lambda conn: owed.sentences(conn, ids)).values():
        for sentence in sentences:
            tell(sentence)
    failed = [error for error in errors if error]
    for error in failed:
        fail(error)
    if failed:
        raise typer.Exit(1)
    if any(str(row["state"]).startswith("delayed") for row in rows):
        tell("What is delayed goes on by itself when Dagster's daemon runs (`crowd-pipelines up`).")


def _owes(current: Session, run_id: UUID) -> bool:
    return bool(transact(current.engine, lambda conn: streams.owed_reasons(conn, run_id)))


def _one(text: str) -> tuple[UUID]:
    ids = parse_ids(text)
    if len(ids) != 1:
        raise CommandError("give one id")
    return (ids[0],)
