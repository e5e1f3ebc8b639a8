"""The integrations as `doctor` sees them: whether their platforms are here, credentials open, and checks come."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from crowd_pipelines.framework.integration import Integration
from crowd_pipelines.model.health import Finding, graded, listed
from crowd_pipelines.store import integrations, runs
from crowd_pipelines.store.database import current_time
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.vault import Vault, VaultError

_LATE = timedelta(minutes=15)
"""How late a check may be beyond its interval: the queue may be full, a minute's tick may be lost."""

_KEY_REMEDY = (
    "Put the lost key behind the new one (CROWD_ENCRYPTION_KEY=NEW,OLD); without it, connect the integrations again. "
    "`crowd-pipelines keys list` says which keys are needed."
)


def credentials(conn: Connection, vault: Vault) -> Iterator[Finding]:
    """Examine whether every stored credential can be opened, and by the key that seals."""
    counts = integrations.sealed_by(conn)
    closed = list(_closed(conn, vault))
    yield graded(
        "credentials-open",
        f"credentials cannot be opened with the key that is here: {listed(closed)}"
        if closed
        else f"the credentials of {sum(counts.values())} integrations can be opened",
        _KEY_REMEDY,
        bad=bool(closed),
        poor=False,
    )
    old = sum(count for key, count in counts.items() if key != vault.current and key in vault.key_ids)
    yield graded(
        "key-rotation",
        f"the credentials of {old} integrations are sealed with an old key"
        if old
        else f"no credentials are sealed with a key before {vault.current}",
        "Run `crowd-pipelines keys rotate`, then take the old key out of CROWD_ENCRYPTION_KEY.",
        bad=False,
        poor=bool(old),
    )


def _closed(conn: Connection, vault: Vault) -> Iterator[str]:
    for one in integrations.find(conn):
        try:
            integrations.credentials(conn, one.id, vault)
        except VaultError:
            yield _named(one)


def platforms(conn: Connection, registry: Mapping[str, Integration[Any, Any, Any]]) -> Iterator[Finding]:
    """Examine whether somebody knows how to read each integration."""
    strange = [_named(one) for one in integrations.find(conn) if one.platform not in registry]
    yield graded(
        "platforms",
        f"nobody here can read {listed(strange)}"
        if strange
        else f"{len(registry)} platforms are registered, and every integration is of one",
        "Install the package that brings the platform, or disconnect the integration.",
        bad=bool(strange),
        poor=False,
    )


def checks(conn: Connection, registry: Mapping[str, Integration[Any, Any, Any]]) -> Iterator[Finding]:
    """Examine whether checks come when they are due."""
    now = current_time(conn)
    reading = {run.integration_id for run in runs.find(conn, open_only=True, limit=100_000)}
    late = []
    for one in integrations.find(conn):
        platform = registry.get(one.platform)
        if not platform or platform.ticks_between_checks < 0 or not one.onboarded_at or one.credentials_rejected_at:
            continue
        interval = timedelta(minutes=platform.ticks_between_checks)
        if one.id not in reading and (one.last_check_at is None or one.last_check_at < now - interval - _LATE):
            when = f"{one.last_check_at:%m-%d %H:%M}" if one.last_check_at else "never"
            late.append(f"{_named(one)}, last {when}")
    yield graded(
        "checks-come",
        f"checks are overdue: {listed(late)}" if late else "every check came in its time",
        "Is the daemon alive, and the platform's schedule on? Its ticks tell what keeps it. `crowd-pipelines "
        "process-integration -i INTEGRATION` checks by hand.",
        bad=bool(late),
        poor=False,
    )


def _named(one: IntegrationRecord) -> str:
    return f"{one.name} ({one.platform})"
