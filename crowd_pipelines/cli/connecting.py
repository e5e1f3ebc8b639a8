"""`connect` and `integrations`: the places where a community lives."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from crowd_pipelines.cli.console import CommandError, JsonOption, print_json, print_table, tell
from crowd_pipelines.cli.session import Session, session
from crowd_pipelines.framework.clients import parse_credentials, parse_settings, trial_connector
from crowd_pipelines.store import integrations
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("connect")(connect)
    app.command("integrations")(list_integrations)


def connect(
    platform: Annotated[str, typer.Argument(help="devto, ...")],
    *,
    name: Annotated[str, typer.Option(help="What you call this connection.")],
    settings: Annotated[str, typer.Option(help="What to read, as JSON.")] = "{}",
    credentials: Annotated[
        str | None,
        typer.Option(
            help="JSON, or where it is: @file, - for standard input, env:NAME for a variable. Those stored before "
            "stay if none are given."
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose community it is.")] = "default",
    onboarding: Annotated[bool, typer.Option(help="Read the whole history now.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Connect a place: check settings and credentials with a cheap call, store them, ask for the onboarding.

    The same tenant, platform and name again changes that connection.
    """
    wanted = _json_object(settings, "--settings")
    secret = None if credentials is None else _json_object(_read(credentials), "--credentials")
    with session() as current:
        record = add(
            current, platform, tenant=tenant, name=name, settings=wanted, credentials=secret, onboarding=onboarding
        )
    if as_json:
        print_json({"id": record.id, "platform": platform, "name": name, "tenant": tenant, "key": record.key})
        return
    typer.echo(record.id)
    tell(f"{name} is connected" + (", its onboarding is asked for." if onboarding else "."))


def list_integrations(*, as_json: JsonOption = False) -> None:
    """List the connected places and how they are doing."""
    with session() as current:
        found = transact(current.engine, integrations.find)
    rows = [
        {
            "id": str(one.id),
            "platform": one.platform,
            "name": one.name,
            "status": one.status,
            "activities": one.activity_count,
            "members": one.member_count,
            "last check": one.last_check_at,
            "error": one.error,
        }
        for one in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Integrations", rows, empty="nothing is connected yet; see `crowd-pipelines connect --help`")


def add(
    current: Session,
    platform: str,
    *,
    tenant: str,
    name: str,
    settings: Mapping[str, Any],
    credentials: Mapping[str, Any] | None,
    onboarding: bool = True,
) -> IntegrationRecord:
    """Store a connection whose settings and credentials were found to work, and ask for its onboarding.

    Without `credentials`, those that a connection of this name has stay.
    """
    current.platform(platform)
    vault = current.vault
    known = transact(current.engine, lambda conn: integrations.named(conn, tenant, platform, name))
    if credentials is None and known is not None:
        stored = transact(current.engine, lambda conn: integrations.credentials(conn, known.id, vault))
        _check(current, platform, settings, stored)
    else:
        _check(current, platform, settings, credentials or {})

    def write(conn: Connection) -> IntegrationRecord:
        tenant_id = integrations.ensure_tenant(conn, tenant)
        record = integrations.connect(conn, tenant_id=tenant_id, platform=platform, name=name, settings=settings)
        if credentials is not None:
            sealed = vault.seal(credentials, record.id) if credentials else None
            integrations.set_credentials(conn, record.id, sealed)
        if onboarding:
            integrations.request_onboarding(conn, [record.id])
        return record

    return transact(current.engine, write)


def _check(current: Session, platform: str, settings: Mapping[str, Any], credentials: Mapping[str, Any]) -> None:
    integration = current.platform(platform)
    typed = parse_settings(integration, settings)
    connector = trial_connector(integration, current.settings)
    api = integration.connect(connector, parse_credentials(integration, credentials))
    integration.check_credentials(api, typed)


def _read(given: str) -> str:
    """Return credentials from where they are, so that they need not stand in the shell's history."""
    if given == "-":
        return sys.stdin.read()
    if given.startswith("@"):
        try:
            return Path(given[1:]).read_text("utf-8")
        except OSError as error:
            raise CommandError(f"the credentials' file {given[1:]} cannot be read: {error.strerror}") from None
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        if name not in os.environ:
            raise CommandError(f"the variable {name}, where the credentials should be, is not set")
        return os.environ[name]
    return given


def _json_object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        # Neither the text nor its place: it may hold a secret.
        raise CommandError(f"{option} is not JSON ({getattr(error, 'msg', 'unreadable')})") from None
    if not isinstance(value, dict):
        raise CommandError(f"{option} must be a JSON object such as {{}}, not {type(value).__name__}")
    return value
