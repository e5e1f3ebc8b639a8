"""`runs` and `streams`: what the engine is doing."""

from typing import Annotated

import typer

from crowd_pipelines.cli.console import JsonOption, print_json, print_table
from crowd_pipelines.cli.session import parse_ids, session
from crowd_pipelines.store import runs, streams
from crowd_pipelines.store.database import transact

_LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="So many at most.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("runs")(list_runs)
    app.command("streams", no_args_is_help=True)(list_streams)


def list_runs(
    *,
    integration: Annotated[str, typer.Option("--integration", "-i", help="Ids, separated by commas.")] = "",
    limit: _LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List integration runs, newest first."""
    with session() as current:
        ids = [current.integration(id_).id for id_ in parse_ids(integration)] if integration else None
        found = transact(current.engine, lambda conn: runs.find(conn, integration_ids=ids, limit=limit))
    rows = [
        {
            "id": str(run.id),
            "integration": f"{run.integration_name} ({run.platform})",
            "kind": "onboarding" if run.onboarding else "check",
            "state": str(run.state),
            "began": run.created_at,
            "ended": run.processed_at,
            "until": run.delayed_until,
            "why": run.error or run.delay_reason,
        }
        for run in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Integration runs", rows, empty="no integration run yet")


def list_streams(
    *,
    run: Annotated[str, typer.Option("--run", "-r", help="The id of an integration run.")],
    limit: _LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the streams of an integration run, those in trouble first."""
    with session() as current:
        record = current.run(parse_ids(run)[0])
        found = transact(current.engine, lambda conn: streams.find(conn, record.id, limit=limit))
    rows = [
        {
            "id": str(stream["id"]),
            "stream": stream["label"],
            "state": stream["state"],
            "retries": stream["retries"],
            "due": stream["due_at"],
            "activities": stream["activities"],
            "requests": stream["requests"],
            "error": stream["error"],
        }
        for stream in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table(f"Streams of integration run {record.id}", rows, empty="it has no streams yet")
