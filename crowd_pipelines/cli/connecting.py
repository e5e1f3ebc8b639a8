"""`connect` and `integrations`: the places where a community lives."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection

from crowd_pipelines.cli.console import CommandError, JsonOption, print_json, print_table, tell
from crowd_pipelines.cli.session import Session, session
from crowd_pipelines.framework.clients import PacedConnector, connected, parse_settings, trial_connector
from crowd_pipelines.framework.credentials import Credentials, GivenCredentials, StoredCredentials, app_credentials
from crowd_pipelines.framework.integration import Integration
from crowd_pipelines.http import ProviderError
from crowd_pipelines.http.redaction import secret_fields
from crowd_pipelines.model.secrets import Secret, hidden
from crowd_pipelines.store import integrations, owed
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
    secret = None if credentials is None else hidden(_json_object(_read(credentials), "--credentials"))
    with session() as current:
        record = add(
            current, platform, tenant=tenant, name=name, settings=wanted, credentials=secret, onboarding=onboarding
        )
    if secret and credentials and credentials.lstrip().startswith("{"):
        tell(
            "The credentials stood in the command line, where this machine's other users and the shell's history see "
            "them; give @file, - or env:NAME instead."
        )
    if as_json:
        print_json({"id": record.id, "platform": platform, "name": name, "tenant": tenant, "key": record.key})
        return
    typer.echo(record.id)
    tell(f"{name} is connected" + (", its onboarding is asked for." if onboarding else "."))


def list_integrations(*, as_json: JsonOption = False) -> None:
    """List the connected places and how they are doing."""
    with session() as current:
        found = transact(current.engine, lambda conn: integrations.find(conn, disconnected=True))
        ids = [one.id for one in found]
        debts = transact(current.engine, lambda conn: owed.sentences(conn, ids))
    rows = [
        {
            "id": str(one.id),
            "platform": one.platform,
            "name": one.name,
            "status": "disconnected" if one.disconnected_at else one.status,
            "activities": one.activity_count,
            "members": one.member_count,
            "last check": one.last_check_at,
            "error": one.error,
        }
        for one in found
    ]
    if as_json:
        told = [{"notices": one.notices, "owed": debts[one.id]} for one in found]
        print_json([{**row, **more} for row, more in zip(rows, told, strict=True)])
        return
    print_table("Integrations", rows, empty="nothing is connected yet; see `crowd-pipelines connect --help`")
    for one in found:
        for notice in (*one.notices, *debts[one.id]):
            tell(f"{one.name} ({one.platform}): {notice}")


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
    integration, vault = current.platform(platform), current.vault
    _refuse_secrets({"settings": settings, "name": name, "tenant": tenant}, credentials or {})
    trial = _on_trial(current, integration, tenant=tenant, name=name, credentials=credentials)
    _check(integration, trial_connector(integration, current.settings, trial), settings)

    def write(conn: Connection) -> IntegrationRecord:
        tenant_id = integrations.ensure_tenant(conn, tenant)
        record = integrations.connect(conn, tenant_id=tenant_id, platform=platform, name=name, settings=settings)
        if isinstance(trial, GivenCredentials):
            # What was given, or what the check made of it.
            sealed = vault.seal(trial.given, record.id) if trial.given else None
            integrations.set_credentials(conn, record.id, sealed)
            integrations.accept_credentials(conn, tenant_id, _borrowers(current, platform))
        if onboarding:
            integrations.request_onboarding(conn, [record.id])
        return record

    return transact(current.engine, write)


def _refuse_secrets(open_to_see: Mapping[str, Any], credentials: Mapping[str, Any]) -> None:
    """Keep credentials out of what everybody sees who sees the database, the logs or Dagster's UI."""
    places = secret_fields(open_to_see, given=[secret for secret in credentials.values() if isinstance(secret, Secret)])
    if places:
        raise CommandError(
            f"{', '.join(places)} looks like a credential, and settings are not kept secret; take it out, and give it "
            "as --credentials if it is one. If it was shown to anybody, have the provider make a new one"
        )


def _check(integration: Integration[Any, Any, Any], connector: PacedConnector, settings: Mapping[str, Any]) -> None:
    """Make the cheap call; tokens that serve only once may be used up by it."""
    before = connector.credentials.read()
    try:
        integration.check_credentials(connected(integration, connector), parse_settings(integration, settings))
    except ProviderError as error:
        if isinstance(connector.credentials, StoredCredentials) or connector.credentials.read() == before:
            raise
        used_up = "The tokens given serve once and were renewed by this attempt: get new ones before the next."
        raise CommandError(f"{error} {used_up}") from None


def _on_trial(
    current: Session,
    integration: Integration[Any, Any, Any],
    *,
    tenant: str,
    name: str,
    credentials: Mapping[str, Any] | None,
) -> Credentials:
    """Return the credentials to be checked: given ones, else those that this connection has stored or borrows."""
    if integration.credentials_of and credentials:
        raise CommandError(
            f"{integration.title} uses the credentials of the tenant's {integration.credentials_of} integration; "
            "leave out --credentials"
        )

    def read(conn: Connection) -> tuple[UUID, IntegrationRecord | None]:
        return integrations.ensure_tenant(conn, tenant), integrations.named(conn, tenant, integration.platform, name)

    if credentials is None or integration.credentials_of:
        tenant_id, known = transact(current.engine, read)
        if known or integration.credentials_of:
            return current.clients.credentials_of(integration, tenant_id, known.id if known else tenant_id)
    return GivenCredentials(
        given=dict(credentials or {}), from_environment=app_credentials(integration, current.settings)
    )


def _borrowers(current: Session, platform: str) -> list[str]:
    return [name for name, integration in current.platforms.items() if integration.credentials_of == platform]


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
    except (ValueError, RecursionError) as error:
        # Neither the text nor its place: it may hold a secret.
        raise CommandError(f"{option} is not JSON ({getattr(error, 'msg', 'unreadable')})") from None
    if not isinstance(value, dict):
        raise CommandError(f"{option} must be a JSON object such as {{}}, not {type(value).__name__}")
    return value
