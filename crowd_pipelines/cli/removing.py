"""`erase-member`, `erasures`, `disconnect` and `delete-tenant`: what is to be forgotten."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection

from crowd_pipelines.cli.console import CommandError, JsonOption, err, print_json, print_table, tell
from crowd_pipelines.cli.session import Session, parse_ids, session
from crowd_pipelines.store import erasures, integrations, removals, traces
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.erasures import Identity, Person, Progress

TenantOption = Annotated[str, typer.Option(help="Whose community it is.")]
PlatformOption = Annotated[str, typer.Option("--platform", "-p", help="Where the account is: github, ...")]
UsernameOption = Annotated[str, typer.Option(help="The name of the account.")]
SourceIdOption = Annotated[str, typer.Option(help="The platform's own id of the account.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")]
_STAYS = {"answers of others": "stay, without what they answered"}
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("disconnect", no_args_is_help=True)(disconnect)
    app.command("delete-tenant", no_args_is_help=True)(delete_tenant)
    app.command("erase-member", no_args_is_help=True)(erase_member)
    erased = typer.Typer(help="People who were erased, and are not read again.", no_args_is_help=True)
    erased.command("list")(list_erasures)
    erased.command("lift", no_args_is_help=True)(lift_erasure)
    erased.command("apply")(apply_erasures)
    app.add_typer(erased, name="erasures")


def disconnect(
    integration: Annotated[str, typer.Argument(help="The id of an integration.")],
    *,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Also delete its activities, and members known by it alone.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a place no more: no check comes any more, and its credentials are forgotten. What it brought stays."""
    with session() as current:
        record = current.integration(parse_ids(integration)[0])
        counts = transact(current.engine, lambda conn: removals.count(conn, record))
        kept = {} if delete_data else {"activities": "stay", "members": "stay"}
        _show(f"What {record.name} ({record.platform}) has", counts, kept=kept, as_json=as_json, dry_run=dry_run)
        if dry_run:
            return
        _ask(f"Disconnect {record.name}" + (" and delete what it brought" if delete_data else ""), yes=yes)
        with _progress() as progress:
            (removals.remove if delete_data else removals.disconnect)(current.engine, record, progress)
    if as_json:
        print_json({"id": str(record.id), "data": "deleted" if delete_data else "kept", "counts": counts})
    tell(f"{record.name} is disconnected" + (", what it brought is deleted." if delete_data else "."))


def delete_tenant(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    *,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a tenant: its integrations, members, activities, and everything else that is stored of it."""
    with session() as current:
        tenant_id = _tenant(current, name)
        counts = transact(current.engine, lambda conn: removals.count_tenant(conn, tenant_id))
        _show(f"What {name} has", counts, as_json=as_json, dry_run=dry_run)
        if dry_run:
            return
        _ask(f"Delete all of {name}", yes=yes)
        with _progress() as progress:
            removals.remove_tenant(current.engine, tenant_id, progress)
    if as_json:
        print_json({"tenant": name, "counts": counts})
    tell(f"{name} is deleted.")


def erase_member(
    member: Annotated[str, typer.Argument(help="The id of a member; or name an account with --platform.")] = "",
    *,
    platform: PlatformOption = "",
    username: UsernameOption = "",
    source_id: SourceIdOption = "",
    tenant: TenantOption = "default",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: identities, activities, and traces in what belongs to others; and never read them again."""
    with session() as current:
        tenant_id = _tenant(current, tenant)
        if bool(member) == bool(platform):
            raise CommandError("name a member by id, or an account with --platform and --source-id or --username")
        person = (
            _member(current, tenant_id, member)
            if member
            else _owner(current, tenant_id, _account(current, platform, username, source_id))
        )
        read_by = _read_by(current)
        counts = transact(current.engine, lambda conn: erasures.count(conn, person, read_by))
        _show("What is stored of this person", counts, kept=_STAYS, as_json=as_json, dry_run=dry_run)
        if dry_run:
            return
        _ask("Erase this person, and never read them again", yes=yes)
        command = "erase-member by id" if member else f"erase-member by account on {platform}"
        with _progress() as progress:
            erasure = erasures.erase(current.engine, person, command=command, read_by=read_by, progress=progress)
        _warn_of_settings(current, tenant_id, person)
    if as_json:
        print_json({"erasure": str(erasure["id"]), "removed": erasure["removed"]})
    else:
        typer.echo(erasure["id"])
    tell("This person is erased, and will not be read again.")


def list_erasures(
    *,
    tenant: Annotated[str, typer.Option(help="Of this tenant only.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List erasures, newest first. Who was erased is not known: only hashes of their accounts are kept."""
    with session() as current:
        tenant_id = _tenant(current, tenant) if tenant else None
        found = transact(current.engine, lambda conn: erasures.find(conn, tenant_id))
    rows = [
        {
            "id": str(one["id"]),
            "tenant": one["tenant"],
            "erased": one["erased_at"],
            "completed": one["completed_at"],
            "lifted": one["lifted_at"],
            "hashes": one["hashes"],
            "by": one["command"],
        }
        for one in found
    ]
    if as_json:
        print_json([{**row, "removed": one["removed"]} for row, one in zip(rows, found, strict=True)])
        return
    print_table("Erasures", rows, empty="nobody was erased")


def lift_erasure(
    erasure: Annotated[str, typer.Argument(help="The id of an erasure; or name an account with --platform.")] = "",
    *,
    platform: PlatformOption = "",
    username: UsernameOption = "",
    source_id: SourceIdOption = "",
    tenant: TenantOption = "default",
) -> None:
    """Let somebody be read again who comes back willingly. What was erased returns with the next onboarding only."""
    with session() as current:
        lifted = (
            _lift(current, erasure)
            if erasure
            else _lift_account(current, _tenant(current, tenant), _account(current, platform, username, source_id))
        )
    for erasure_id in lifted:
        typer.echo(erasure_id)
    tell("They are read again. For what they did before, ask for an onboarding: crowd-pipelines process-integration -o")


def apply_erasures(*, dry_run: DryRunOption = False, yes: YesOption = False) -> None:
    """Erase again who was erased and is stored nevertheless: after a backup was restored, or an upgrade."""
    with session() as current:
        people = transact(current.engine, erasures.returned)
        tell(f"{len(people)} people who were erased are stored")
        if dry_run or not people:
            return
        _ask("Erase them again", yes=yes)
        read_by = _read_by(current)
        with _progress() as progress:
            for person in people:
                command = "erasures apply"
                erasures.erase(current.engine, person, command=command, read_by=read_by, progress=progress)
    tell("They are erased.")


def _lift(current: Session, erasure: str) -> list[UUID]:
    [erasure_id] = parse_ids(erasure)
    if not transact(current.engine, lambda conn: erasures.lift(conn, erasure_id)):
        raise CommandError(f"no erasure {erasure_id} is in force; see crowd-pipelines erasures list")
    return [erasure_id]


def _lift_account(current: Session, tenant_id: UUID, account: Identity) -> list[UUID]:
    person = Person(tenant_id=tenant_id, member_id=None, identities=(account,))
    lifted = transact(current.engine, lambda conn: erasures.lift_account(conn, person))
    if not lifted:
        raise CommandError("nobody of this account was erased")
    return lifted


def _member(current: Session, tenant_id: UUID, member: str) -> Person:
    [member_id] = parse_ids(member)
    found = transact(current.engine, lambda conn: erasures.find_member(conn, tenant_id, member_id))
    if found is None:
        raise CommandError(f"the tenant has no member {member_id}; --tenant names another tenant")
    return found


def _owner(current: Session, tenant_id: UUID, account: Identity) -> Person:
    """Return the person behind an account; somebody who is not stored must be named by id, or erased before."""
    people = transact(current.engine, lambda conn: erasures.find_account(conn, tenant_id, account))
    if len(people) > 1:
        told = ", ".join(str(person.member_id) for person in people)
        raise CommandError(f"{account.username!r} was the name of several members, {told}; say which by id")
    if people:
        return people[0]
    stranger = Person(tenant_id=tenant_id, member_id=None, identities=(account,))
    if not account.source_id and not transact(current.engine, lambda conn: erasures.is_erased(conn, stranger)):
        raise CommandError(
            f"no member is called {account.username!r} on {account.platform}; to keep somebody from being read who is "
            "not stored, give the account's --source-id"
        )
    return stranger


def _account(current: Session, platform: str, username: str, source_id: str) -> Identity:
    if not platform or not (username or source_id):
        raise CommandError("name an account with --platform and --source-id or --username")
    known = _read_by(current)
    if platform not in known:
        raise CommandError(f"there are no accounts of {platform!r}; there are those of {', '.join(sorted(known))}")
    return Identity(platform=platform, source_id=source_id or None, username=username or None)


def _read_by(current: Session) -> traces.ReadBy:
    """Return, by the platform of an account, the platforms that show it."""
    found: dict[str, list[str]] = {}
    for name, integration in current.platforms.items():
        found.setdefault(integration.member_platform or name, []).append(name)
    return found


def _tenant(current: Session, name: str) -> UUID:
    tenant_id = transact(current.engine, lambda conn: integrations.tenant_named(conn, name))
    if tenant_id is None:
        raise CommandError(f"there is no tenant {name!r}")
    return tenant_id


def _warn_of_settings(current: Session, tenant_id: UUID, person: Person) -> None:
    """Say which integrations are told to read this person: what is there is not stored, but asked for."""

    def read(conn: Connection) -> list[integrations.IntegrationRecord]:
        return integrations.find(conn, tenant_id=tenant_id)

    names = {word.lower() for one in person.identities for word in (one.source_id, one.username) if word}
    for record in transact(current.engine, read):
        if names & {word.lower() for word in traces.words_of(record.settings)}:
            tell(f"The settings of {record.name} ({record.platform}) name this person: change them with `connect`.")


def _show(
    title: str, counts: Mapping[str, int], *, kept: Mapping[str, str] | None = None, as_json: bool, dry_run: bool
) -> None:
    if as_json:
        if dry_run:
            print_json(dict(counts))
        return
    rows = [{"what": what, "rows": number, "then": (kept or {}).get(what, "go")} for what, number in counts.items()]
    print_table(title, rows, empty="nothing")


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(f"{question}? This cannot be undone", abort=True, err=True)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what goes, and how much of it has gone, while the block works."""
    with err.status("removing ...") as status:

        def show(what: str, number: int) -> None:
            status.update(f"{what}: {number:,} gone")

        yield show
