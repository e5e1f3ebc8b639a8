"""Examining an installation part by part: what cannot be reached is a finding of its own, and the rest goes on."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from crowd_pipelines.framework import health as reading
from crowd_pipelines.http.redaction import without_secrets
from crowd_pipelines.integrations import registry
from crowd_pipelines.model.health import Finding, Verdict, error, fine
from crowd_pipelines.settings import Settings
from crowd_pipelines.stack import health as machine
from crowd_pipelines.stack.local import Installation, installation
from crowd_pipelines.store import database, migrations, server_health, work_health
from crowd_pipelines.store.invariants import INVARIANTS
from crowd_pipelines.store.vault import Vault

if TYPE_CHECKING:
    from crowd_pipelines.defs.health import Definitions

QUICK_SECONDS, DEEP_SECONDS = 15, 3600
"""How long one statement may take."""

OnDatabase = Callable[[Connection], Iterable[Finding]]

_SERVER: dict[str, OnDatabase] = {
    "schema": server_health.schema,
    "clock": server_health.clock,
    "settings": server_health.settings,
    "connections": server_health.connections,
    "size": server_health.sizes,
    "oldest-transaction": server_health.horizon,
}
_WORK: dict[str, OnDatabase] = {
    "integrations": work_health.integrations,
    "runs": work_health.runs,
    "budgets": work_health.budgets,
    "quarantine": work_health.quarantine,
    "erasures": work_health.erasures,
}


@dataclass(slots=True)
class Examination:
    """What was found so far: pairs of an area and a finding."""

    found: list[tuple[str, Finding]] = field(default_factory=list)

    def of(self, area: str, name: str, check: Callable[[], Iterable[Finding] | None]) -> bool:
        """Add what a check finds, as far as it adds nothing by itself; returns whether it could be made."""
        try:
            for finding in check() or ():
                self.found.append((area, finding))
        except Exception as failure:  # noqa: BLE001  a part that is down must not hide the others
            self.found.append((area, error(name, f"cannot be examined: {_told(failure)}", "Mend this first.")))
            return False
        return True

    @property
    def verdict(self) -> Verdict:
        """The worst that was found."""
        verdicts = {finding.verdict for _, finding in self.found}
        return next((one for one in (Verdict.ERROR, Verdict.WARNING) if one in verdicts), Verdict.OK)

    def counted(self, verdict: Verdict) -> int:
        """Return how many findings are of a verdict."""
        return sum(finding.verdict is verdict for _, finding in self.found)


def examine(*, deep: bool) -> Examination:
    """Examine the installation that the environment describes. Changes nothing. Raises SettingsError."""
    found, settings = Examination(), Settings.load()
    home = settings.home.absolute()
    found.of("machine", "state folder", lambda: machine.folder(home))
    if settings.database_url is None and not (home / "postgres").exists():
        nothing = error(
            "installation",
            f"there is none: CROWD_DATABASE_URL is not set, and {home} holds no database",
            "Begin with `crowd-pipelines up`; or set CROWD_DATABASE_URL, or CROWD_HOME where the folder is another.",
        )
        found.of("machine", "installation", lambda: [nothing])
        return found
    with ExitStack() as stack:
        entered: list[Installation] = []
        if found.of("database", "reachable", lambda: _enter(stack, settings, entered)):
            found.of("database", "examination", lambda: _examine_database(found, entered[0], deep=deep))
            found.of("dagster", "instance", lambda: _examine_dagster(found, entered[0]))
    return found


def _enter(stack: ExitStack, settings: Settings, entered: list[Installation]) -> None:
    entered.append(stack.enter_context(installation(settings)))


def _examine_database(found: Examination, installed: Installation, *, deep: bool) -> None:
    engine = database.create(installed.database_url, pool_size=1)
    seconds = DEEP_SECONDS if deep else QUICK_SECONDS

    def on_database(area: str, name: str, check: OnDatabase) -> None:
        found.of(area, name, lambda: _read_only(engine, check, seconds=seconds))

    vault: list[Vault] = []
    found.of("secrets", "encryption-key", lambda: _key(installed, vault))
    try:
        if not found.of("database", "reachable", lambda: _reachable(engine)):
            return
        for name, check in _SERVER.items():
            on_database("database", name, check)
        if migrations.current(engine) != migrations.newest():
            return
        if vault:
            on_database("secrets", "credentials", lambda conn: reading.credentials(conn, vault[0]))
        for wanted in INVARIANTS:
            if deep or not wanted.whole_tables:
                on_database("data", wanted.name, partial(work_health.invariant, wanted=wanted))
        platforms = registry()
        on_database("work", "platforms", lambda conn: reading.platforms(conn, platforms))
        on_database("work", "checks", lambda conn: reading.checks(conn, platforms))
        for name, check in _WORK.items():
            on_database("work", name, check)
        days = installed.settings.retention_days
        on_database("work", "retention", lambda conn: work_health.retention(conn, days=days))
    finally:
        engine.dispose()


def _reachable(engine: Engine) -> Iterator[Finding]:
    database.check(engine)
    yield fine("reachable", f"the database answers at {engine.url.render_as_string(hide_password=True)}")


def _key(installed: Installation, vault: list[Vault]) -> Iterator[Finding]:
    if installed.keyfile and not installed.keyfile.path.exists():
        yield fine("encryption-key", "there is no key yet; one is made when the first credentials are stored")
        return
    vault.append(Vault(installed.encryption_key))
    where = str(installed.keyfile.path) if installed.keyfile else "CROWD_ENCRYPTION_KEY"
    yield fine("encryption-key", f"the key that seals credentials is {vault[0].current}, from {where}")


def _read_only(engine: Engine, check: OnDatabase, *, seconds: int) -> Iterator[Finding]:
    """Make a check in a transaction that cannot write, and does not take for ever."""
    with engine.connect() as conn:
        conn.execute(text("SET TRANSACTION READ ONLY"))
        for setting, longest in (("statement_timeout", f"{seconds}s"), ("lock_timeout", "5s")):
            conn.execute(select(func.set_config(setting, longest, True)))
        yield from check(conn)


def _examine_dagster(found: Examination, installed: Installation) -> None:
    # Importing Dagster takes a second, which the other commands should not cost.
    from crowd_pipelines.defs import health  # noqa: PLC0415

    url, settings = installed.dagster_database_url.get_secret_value(), installed.settings
    own = settings.dagster_database_url if os.environ.get("DAGSTER_HOME") else None
    storage = health.storage(url, given=own.get_secret_value() if own else None)
    if not found.of("dagster", "storage", lambda: [storage]) or storage.verdict is Verdict.ERROR:
        return
    home = machine.dagster_home(installed.home)
    if home is None:
        nothing = error(
            "dagster.yaml",
            "there is no dagster.yaml, neither in DAGSTER_HOME nor in the state folder",
            "Set DAGSTER_HOME to the folder that Dagster's processes use.",
        )
        found.of("dagster", "dagster.yaml", lambda: [nothing])
        return
    os.environ["CROWD_DAGSTER_DATABASE_URL"] = url
    with health.instance(home) as instance:
        found.of("dagster", "daemon", lambda: health.daemon(instance))
        found.of("dagster", "dagster.yaml", lambda: health.settings(instance, slice_seconds=settings.slice_seconds))
        found.of("dagster", "queue", lambda: health.runs(instance, retention_days=settings.retention_days))
        found.of("dagster", "code-location", lambda: health.automation(instance, _code_location()))


def _code_location() -> "Definitions":
    from crowd_pipelines.definitions import defs  # noqa: PLC0415  that it does not load is a finding, too

    return defs


def _told(failure: Exception) -> str:
    cause = failure.orig if isinstance(failure, DBAPIError) and failure.orig else failure
    line = str(cause).strip().partition("\n")[0]
    return without_secrets(line if " " in line else f"{type(cause).__name__} {line}")
