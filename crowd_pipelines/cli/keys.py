"""`keys`: what seals the credentials, and changing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from crowd_pipelines.cli.console import JsonOption, err, print_json, print_table, tell
from crowd_pipelines.cli.session import Session, session
from crowd_pipelines.store import integrations
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.rotation import Rotation
from crowd_pipelines.store.rotation import rotate as reseal_all
from crowd_pipelines.store.vault import Vault, new_key

_SEALS, _OPENS, _MISSING = "seals and opens", "opens", "not held"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    keys = typer.Typer(help="Keys that seal credentials.", no_args_is_help=True)
    keys.command("new")(make_key)
    keys.command("list")(list_keys)
    keys.command("rotate")(rotate)
    app.add_typer(keys, name="keys")


def make_key() -> None:
    """Print a new key for CROWD_ENCRYPTION_KEY. Whoever has it can open the credentials in the database."""
    typer.echo(new_key())


def list_keys(*, as_json: JsonOption = False) -> None:
    """List the keys by their ids, and how many integrations' credentials each of them seals.

    Ends with 1 when credentials are sealed with a key that is not held.
    """
    with session() as current:
        rows = _standing(current, current.vault)
    if as_json:
        print_json(rows)
    else:
        print_table("Keys", rows, empty="there is no key")
    if any(row["use"] == _MISSING for row in rows):
        tell(
            "Credentials sealed with a key that is not held cannot be used: add that key to CROWD_ENCRYPTION_KEY, "
            "behind the first, or connect their integrations again."
        )
        raise typer.Exit(1)


def rotate(*, as_json: JsonOption = False) -> None:
    """Seal all credentials with the first key of CROWD_ENCRYPTION_KEY=NEW,OLD, while everything goes on working.

    Can be stopped and repeated. Ends with 1 when credentials could not be opened.
    """
    with session() as current, _key_to_rotate_to(current):
        vault = current.vault
        with err.status("Sealing ...") as status:
            done = reseal_all(
                current.engine, vault, progress=lambda so_far: status.update(f"Sealing ... {so_far.resealed:,} done")
            )
        rows = _standing(current, vault)
        failed = _failed(current, done)
        left = sum(row["integrations"] for row in rows if row["use"] != _SEALS)
        if not left and current.installed.keyfile:
            current.installed.keyfile.keep_first()
    if as_json:
        print_json({"key": vault.current, "resealed": done.resealed, "failed": failed, "keys": rows})
    else:
        if failed:
            print_table("Could not be opened", failed, empty="")
        tell(_told(done, vault, left, own=current.installed.keyfile is not None))
    if failed:
        raise typer.Exit(1)


@contextmanager
def _key_to_rotate_to(current: Session) -> Iterator[None]:
    """An embedded installation makes the new key itself, while nobody works with the old one."""
    installed = current.installed
    if installed.keyfile is None or installed.server is None:
        yield
        return
    with installed.server.alone():
        installed.keyfile.put_new_key_first()
        yield


def _standing(current: Session, vault: Vault) -> list[dict[str, Any]]:
    counts = transact(current.engine, integrations.sealed_by)
    ids = [*vault.key_ids, *sorted(counts.keys() - set(vault.key_ids))]
    return [{"key": id_, "use": _use(vault, id_), "integrations": counts.get(id_, 0)} for id_ in ids]


def _use(vault: Vault, key_id: str) -> str:
    if key_id == vault.current:
        return _SEALS
    return _OPENS if key_id in vault.key_ids else _MISSING


def _failed(current: Session, done: Rotation) -> list[dict[str, Any]]:
    ids = list(done.failed)
    found: list[IntegrationRecord] = transact(current.engine, lambda conn: integrations.find(conn, ids=ids))
    return [
        {"id": str(one.id), "platform": one.platform, "name": one.name, "reason": done.failed[one.id]} for one in found
    ]


def _told(done: Rotation, vault: Vault, left: int, *, own: bool) -> str:
    said = (
        f"{done.resealed:,} sealed anew; the credentials of {left:,} integrations are not sealed with {vault.current}."
    )
    if left:
        return f"{said} Keep the old key; repeat this when they were connected again, or their key was added."
    if own:
        return f"{done.resealed:,} sealed anew with {vault.current}; the old key was taken out of the key's file."
    if len(vault.key_ids) == 1:
        return (
            f"{done.resealed:,} sealed anew; all are sealed with {vault.current}, the only key. To change it, make one "
            "(crowd-pipelines keys new), set CROWD_ENCRYPTION_KEY=NEW,OLD everywhere, restart, and repeat this."
        )
    return (
        f"{done.resealed:,} sealed anew; all are sealed with {vault.current} now. Take the other keys out of "
        "CROWD_ENCRYPTION_KEY and restart; keep them as long as backups from before are kept."
    )
