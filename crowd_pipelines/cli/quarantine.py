"""`quarantine`: records that could not be used; looking at them, reading them again, and dropping them."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection, RowMapping

from crowd_pipelines.cli.console import CommandError, JsonOption, print_json, print_table, print_text, tell
from crowd_pipelines.cli.running import check_now
from crowd_pipelines.cli.session import Session, parse_ids, session
from crowd_pipelines.http.redaction import redact
from crowd_pipelines.model.secrets import MASK
from crowd_pipelines.store import quarantine, runs
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.quarantine import Selection

_IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of records.", show_default=False)]
_IntegrationOption = Annotated[str, typer.Option("--integration", "-i", help="Ids of integrations, by commas.")]
_PlatformOption = Annotated[str, typer.Option("--platform", "-p", help="All integrations of a platform.")]
_ReasonOption = Annotated[str, typer.Option("--reason", help="Those whose reason contains this.")]
_AllOption = Annotated[bool, typer.Option("--all", help="All records.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Records that could not be used.", no_args_is_help=True)
    commands.command("list")(list_records)
    commands.command("show", no_args_is_help=True)(show)
    commands.command("retry", no_args_is_help=True)(retry)
    commands.command("drop", no_args_is_help=True)(drop)
    app.add_typer(commands, name="quarantine")


def list_records(
    *,
    integration: _IntegrationOption = "",
    platform: _PlatformOption = "",
    reason: _ReasonOption = "",
    each: Annotated[bool, typer.Option("--each", help="A line for every record, those that came last first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many lines at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List kept records by integration, kind of stream and reason, the most frequent first."""
    with session() as current:
        wanted = _selection(current, (), integration, platform, reason)
        listed = quarantine.find if each else quarantine.groups
        rows = [
            _without_secrets(dict(row))
            for row in transact(current.engine, lambda conn: listed(conn, wanted, limit=limit))
        ]
        total = transact(current.engine, lambda conn: quarantine.count(conn, wanted))
    if as_json:
        print_json(rows)
        return
    print_table(
        f"Quarantine: {total:,} records",
        [_record_line(row) if each else _group_line(row) for row in rows],
        empty="no record is in quarantine" if wanted == Selection() else "no record in quarantine fits",
    )


def show(
    record: Annotated[str, typer.Argument(help="The id of a record.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show a kept record: why it could not be used, where it came from, and what it is. It may hold personal data."""
    with session() as current:
        (record_id, *more) = parse_ids(record)
        if more:
            raise CommandError("give one id")
        found = transact(current.engine, lambda conn: quarantine.get(conn, record_id))
    if found is None:
        raise CommandError(
            f"there is no record {record_id} in quarantine; `crowd-pipelines quarantine list --each` lists those that "
            "there are"
        )
    shown = _without_secrets(dict(found))
    if as_json:
        print_json(shown)
        return
    payload = shown.pop("payload")
    print_table("Record in quarantine", [{"what": name, "": value} for name, value in _about(shown).items()], empty="")
    print_text(payload)


def retry(
    records: _IdsArgument = None,
    *,
    integration: _IntegrationOption = "",
    platform: _PlatformOption = "",
    reason: _ReasonOption = "",
    everything: _AllOption = False,
    later: Annotated[bool, typer.Option("--later", help="Leave it to the next check.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the streams of kept records again, in a check. A record that can be used now leaves quarantine."""
    with session() as current:
        wanted = _chosen(current, records, integration, platform, reason, everything=everything)
        before = transact(current.engine, lambda conn: quarantine.count(conn, wanted))
        asked = transact(current.engine, lambda conn: quarantine.request_retry(conn, wanted))
        _require_some(asked, before)
        concerned = [current.integration(id_) for id_ in dict.fromkeys(asked)]
        now, waiting = ([], concerned) if later else _split(current, concerned)
        errors = check_now(current, now)
        report = _outcome(current, wanted, now, asked=len(asked))
    if as_json:
        print_json({**report, "later": [str(one.id) for one in waiting]})
    else:
        if now:
            _tell(report)
        _tell_of_others(waiting, streamless=before - len(asked))
    for error in errors:
        raise CommandError(error)
    if report["kept"]:
        raise typer.Exit(1)


def drop(
    records: _IdsArgument = None,
    *,
    integration: _IntegrationOption = "",
    platform: _PlatformOption = "",
    reason: _ReasonOption = "",
    everything: _AllOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete kept records for good."""
    with session() as current:
        wanted = _chosen(current, records, integration, platform, reason, everything=everything)
        meant = transact(current.engine, lambda conn: quarantine.count(conn, wanted))
        if not meant:
            raise CommandError("no record in quarantine fits")
        if not yes:
            typer.confirm(f"Delete {meant:,} records that are stored nowhere else?", abort=True)
        gone = transact(current.engine, lambda conn: quarantine.drop(conn, wanted))
        tell(f"{gone:,} records are deleted")


def _chosen(
    current: Session, records: Sequence[str] | None, integration: str, platform: str, reason: str, *, everything: bool
) -> Selection:
    ids = parse_ids(",".join(records)) if records else []
    chosen = _selection(current, ids, integration, platform, reason)
    if (chosen == Selection()) is not everything:
        raise CommandError("say which records: by id, with -i, -p or --reason, or --all of them")
    return chosen


def _selection(current: Session, ids: Sequence[UUID], integration: str, platform: str, reason: str) -> Selection:
    if platform:
        current.platform(platform)
    return Selection(
        ids=tuple(ids),
        integration_ids=tuple(current.integration(id_).id for id_ in parse_ids(integration)) if integration else (),
        platform=platform or None,
        reason=reason or None,
    )


def _require_some(asked: Sequence[UUID], before: int) -> None:
    if not before:
        raise CommandError("no record in quarantine fits")
    if not asked:
        raise CommandError(
            f"these {before:,} records were kept by a version that did not note where they came from; onboard their "
            "integration again: crowd-pipelines process-integration -o -i INTEGRATION"
        )


def _split(
    current: Session, concerned: Sequence[IntegrationRecord]
) -> tuple[list[IntegrationRecord], list[IntegrationRecord]]:
    """Return integrations that can be checked now, and those of which somebody else's next integration run takes care.

    One that was never onboarded waits for that: a check would pass for its onboarding.
    """
    ids = [one.id for one in concerned]
    open_runs = transact(current.engine, lambda conn: runs.find(conn, integration_ids=ids, open_only=True))
    busy = {run.integration_id for run in open_runs}
    now = [one for one in concerned if one.id not in busy and one.onboarded_at is not None]
    return now, [one for one in concerned if one not in now]


def _outcome(
    current: Session, wanted: Selection, checked: Sequence[IntegrationRecord], *, asked: int
) -> dict[str, Any]:
    """Return what became of the records: how many left quarantine, and why others did not."""

    def read(conn: Connection) -> tuple[list[RowMapping], int]:
        newest = [run.id for one in checked for run in runs.find(conn, integration_ids=[one.id], limit=1)]
        return quarantine.retried(conn, newest), quarantine.count(conn, wanted)

    kept, left = transact(current.engine, read)
    return {"asked": asked, "usable": max(asked - left, 0), "kept": [_without_secrets(dict(row)) for row in kept]}


def _tell(report: Mapping[str, Any]) -> None:
    tell(f"{report['usable']:,} of {report['asked']:,} records could be used and left quarantine")
    kept = [
        {"id": str(row["id"]), "stream": row["stream_label"], "reason": row["reason"], "its stream": row["error"]}
        for row in report["kept"]
    ]
    if kept:
        print_table("Still in quarantine", kept, empty="")


def _tell_of_others(waiting: Sequence[IntegrationRecord], *, streamless: int) -> None:
    for one in waiting:
        how = "next check" if one.onboarded_at else "onboarding"
        tell(f"{one.name} ({one.platform}): its {how} reads them again")
    if streamless:
        tell(f"{streamless:,} records do not say where they came from: onboard their integration again")


def _group_line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "records": row["records"],
        "integration": f"{row['integration']} ({row['platform']})",
        "stream": row["stream_name"],
        "reason": row["reason"],
        "seen": row["seen"],
        "last": row["last"],
        "example": row["example"],
    }


def _record_line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "integration": f"{row['integration']} ({row['platform']})",
        "stream": row["stream_label"] or row["stream_name"],
        "reason": row["reason"],
        "seen": row["seen"],
        "first": row["created_at"],
        "last": row["last_seen_at"],
        "retries": row["retries"],
    }


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "reason": row["reason"],
        "integration": f"{row['integration']} ({row['platform']}), {row['integration_id']}",
        "stream": row["stream_label"] or row["stream_name"],
        "parameters": json.dumps(row["stream_metadata"], ensure_ascii=False),
        "integration run": row["run_id"],
        "first": row["created_at"],
        "last": row["last_seen_at"],
        "seen": row["seen"],
        "retries": row["retries"],
        "retry asked for": row["retry_requested_at"],
    }


def _without_secrets(value: Any, name: str = "") -> Any:
    """Return a value of any shape with everything masked that looks like a secret, by itself or by its name."""
    match value:
        case dict():
            return {key: _without_secrets(part, str(key)) for key, part in value.items()}
        case list():
            return [_without_secrets(part, name) for part in value]
        case str():
            shown = redact(value)
            return MASK if value and redact(f"{name}: {value}") != redact(f"{name}: ") + shown else shown
        case _:
            return value
