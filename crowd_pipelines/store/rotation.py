"""Changing the key that seals credentials: every integration's are sealed anew, one row at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Engine

from crowd_pipelines.store import integrations
from crowd_pipelines.store.database import transact
from crowd_pipelines.store.vault import Vault, VaultError

_AT_ONCE = 100


@dataclass(slots=True, kw_only=True)
class Rotation:
    """How many credentials were sealed anew, and those that could not be opened, with the reason."""

    resealed: int = 0
    failed: dict[UUID, str] = field(default_factory=dict)


def rotate(engine: Engine, vault: Vault, *, progress: Callable[[Rotation], None] = lambda _: None) -> Rotation:
    """Seal all credentials with the vault's first key. Can be stopped and repeated at any time.

    Each row is a transaction under the row's lock, which a renewal of tokens also takes: whoever comes second sees what
    the first one stored. Rows that are locked now are waited for at the end, so that one slow renewal holds up nobody.
    """
    done = Rotation()
    for wait in (False, True):
        for integration_id in _sealed_otherwise(engine, vault):
            if integration_id not in done.failed:
                _reseal(engine, vault, integration_id, done, wait=wait)
                progress(done)
    return done


def _sealed_otherwise(engine: Engine, vault: Vault) -> Iterator[UUID]:
    batch = _batch(engine, vault, after=None)
    while batch:
        yield from batch
        batch = _batch(engine, vault, after=batch[-1])


def _batch(engine: Engine, vault: Vault, *, after: UUID | None) -> list[UUID]:
    return transact(
        engine, lambda conn: integrations.sealed_otherwise(conn, vault.current, after=after, limit=_AT_ONCE)
    )


def _reseal(engine: Engine, vault: Vault, integration_id: UUID, done: Rotation, *, wait: bool) -> None:
    try:
        done.resealed += transact(
            engine, lambda conn: integrations.reseal_credentials(conn, integration_id, vault, wait=wait)
        )
    except VaultError as error:
        done.failed[integration_id] = str(error)
