"""The ground that experiments stand on: readings to disturb, each with its provider, its database and its reference.

A reading is prepared once: a template database, so that every experiment begins at the same point, and a note of what
an undisturbed reading makes of it.
"""

import itertools
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, func, select

from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import database, integrations
from crowd_pipelines.store.integrations import IntegrationRecord
from crowd_pipelines.store.vault import Vault, new_key
from crowd_pipelines_tests.chaos.cell import PATIENCE_SECONDS, Cell, closing
from crowd_pipelines_tests.chaos.truth import Reference, lost_and_doubled, reference, untruths
from crowd_pipelines_tests.conftest import database_on, name_of
from crowd_pipelines_tests.integrations.connected import FAST, Connected

PLATFORMS = ("devto", "discord", "github", "slack", "twitter", "twitter_reach")
ONBOARDING, CHECK = "onboarding", "check"
MODES = (ONBOARDING, CHECK)
LENDERS = {"twitter_reach": ("twitter",)}
"""Whose credentials, and whose members, a platform builds on."""

SANDBOX_SEED = 7
WEEK = {"do": "week", "seed": 2}
GAINING = 3
"""At every stage so large a part of the people, one in three, has gained followers."""

AGEING = {
    "discord": """
        UPDATE watermarks SET value = jsonb_set(value, '{day}', '"2020-01-01"') WHERE subject IN ('guild', 'members')
    """,
    "twitter_reach": """
        UPDATE member_reach SET first_seen_at = first_seen_at - interval '2 days',
                                last_seen_at = last_seen_at - interval '2 days'
    """,
}
"""What a day makes of the database, where a platform looks at something once a day: the week passes in no time."""


class Unusable(Exception):
    """A reading that is not even right undisturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An onboarding, or a check after a week, of a platform's community; all of one are alike."""

    platform: str
    mode: str
    template: str
    integration: IntegrationRecord
    truth: Truth
    undisturbed: Reference
    seconds: float
    reached: Mapping[str, int]

    @property
    def name(self) -> str:
        return f"{self.platform} {self.mode}"


class Ground:
    """Databases, providers and readings for any number of threads. Use `with ground(...)`."""

    def __init__(
        self, server_url: str, migrated: str, folder: Path, stack: ExitStack, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._server_url = server_url
        self._migrated = migrated
        self.folder = folder
        self._stack = stack
        self._patience = patience
        self._key = new_key()
        self._numbers = itertools.count(1)
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._readings: dict[tuple[str, str], Reading] = {}
        self._idle: defaultdict[tuple[str, int], list[Sandbox]] = defaultdict(list)
        self._borrowing = threading.Lock()
        self.fired: Counter[str] = Counter()

    def reading(self, platform: str, mode: str) -> Reading:
        """Return a reading, prepared at first use. Raises Unusable."""
        with self._locks[platform, mode]:
            if (platform, mode) not in self._readings:
                self._readings[platform, mode] = self._prepared(platform, mode)
        return self._readings[platform, mode]

    def prepare(self, platforms: Sequence[str], modes: Sequence[str]) -> None:
        """Prepare readings of some platforms at once."""
        with ThreadPoolExecutor(len(platforms)) as pool:
            for mode in modes:
                list(pool.map(self.reading, platforms, itertools.repeat(mode)))

    @contextmanager
    def cell(self, reading: Reading, *, lease_seconds: float = 45) -> Iterator[Cell]:
        """A copy of the reading that nobody has begun, with a provider of its own."""
        stage = len(_history(reading.platform, reading.mode)) - 1
        with (
            self._sandbox(reading.platform, stage) as sandbox,
            self._database(reading.template) as url,
            self._opened(reading.integration, reading.mode, sandbox, url, lease_seconds) as cell,
        ):
            cell.patience, cell.truth = self._patience, reading.truth
            yield cell
            with self._borrowing:
                self.fired.update(fire["name"] for fire in cell.fires if fire["action"] != "note")

    def _prepared(self, platform: str, mode: str) -> Reading:
        """Read what comes before, keep that as a template, and see what an undisturbed reading makes of a copy."""
        *before, _ = history = _history(platform, mode)
        url = self._stack.enter_context(self._database(self._migrated))
        records = self._connected(url, platform)
        for stage, (name, earlier) in enumerate(before):
            with self._sandbox(platform, stage) as sandbox, self._opened(records[name], earlier, sandbox, url) as cell:
                _read(cell)
        with (
            self._sandbox(platform, len(history) - 1) as sandbox,
            self._database(name_of(url)) as copy,
            self._opened(records[platform], mode, sandbox, copy) as cell,
        ):
            began = time.monotonic()
            _read(cell, failpoints="*=note")
            truth = sandbox.truth(platform)
            wrong = [*untruths(cell.connected, truth, onboarding=mode == ONBOARDING)]
            if wrong or any(lost_and_doubled(cell.connected, truth)):
                raise Unusable(f"an undisturbed {mode} of {platform} is {wrong or 'not what is true'}")
            return Reading(
                platform=platform,
                mode=mode,
                template=name_of(url),
                integration=records[platform],
                truth=truth,
                undisturbed=reference(cell.connected, cell.since),
                seconds=time.monotonic() - began,
                reached=Counter(fire["name"] for fire in cell.fires),
            )

    def _connected(self, url: str, platform: str) -> Mapping[str, IntegrationRecord]:
        """Store an integration that has asked for its onboarding, and the one whose credentials it borrows."""
        records = {}
        engine = database.create(url)
        with self._sandbox(platform, 0) as sandbox, engine.begin() as conn:
            tenant_id = integrations.ensure_tenant(conn, "acme")
            for name in (*LENDERS.get(platform, ()), platform):
                records[name] = integrations.connect(
                    conn, tenant_id=tenant_id, platform=name, name="Community", settings=sandbox.settings(name)
                )
            integrations.request_onboarding(conn, [record.id for record in records.values()])
        engine.dispose()
        return records

    @contextmanager
    def _opened(
        self, record: IntegrationRecord, mode: str, sandbox: Sandbox, url: str, lease_seconds: float = 45
    ) -> Iterator[Cell]:
        # Not as workers have it: this process may be slow, and is no worker whose silence means anything.
        engine = create_engine(database.engine_url(url), pool_size=1)
        vault = Vault(self._key)
        with engine.begin() as conn:
            for name in (*LENDERS.get(record.platform, ()), record.platform):
                [one] = integrations.find(conn, platform=name)
                if credentials := sandbox.credentials(name):
                    integrations.set_credentials(conn, one.id, vault.seal(credentials, one.id))
            if record.platform in AGEING:
                conn.exec_driver_sql(AGEING[record.platform])
            since = conn.scalar(select(func.now()))
        folder = self.folder / f"{next(self._numbers):05}"
        folder.mkdir(parents=True)
        cell = Cell(
            connected=Connected(engine=engine, sandbox=sandbox, record=record, vault=vault),
            onboarding=mode == ONBOARDING,
            since=since,
            environment=self._environment(sandbox, url, lease_seconds),
            folder=folder,
        )
        with closing(cell):
            yield cell

    def _environment(self, sandbox: Sandbox, url: str, lease_seconds: float) -> dict[str, str]:
        addresses = {f"CROWD_{name.upper()}_API_URL": sandbox.api_url(name) for name in sandbox.platforms}
        paces = {f"CROWD_{name.upper()}_REQUESTS_PER_SECOND": FAST for name in sandbox.platforms}
        # Far away, so that records are counted and nothing waits.
        limits = {f"CROWD_{name.upper()}_GLOBAL_LIMIT": "1000000000" for name in sandbox.platforms}
        apps = {name: value for one in sandbox.platforms for name, value in sandbox.environment(one).items()}
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "CROWD_DATABASE_URL": url,
            "CROWD_ENCRYPTION_KEY": self._key,
            "CROWD_LEASE_SECONDS": str(lease_seconds),
            **addresses,
            **paces,
            **limits,
            **apps,
        }

    @contextmanager
    def _sandbox(self, platform: str, stage: int) -> Iterator[Sandbox]:
        """A provider whose community is at this stage of its life; reading changes nothing in it."""
        idle = self._idle[platform, stage]
        with self._borrowing:
            sandbox = idle.pop() if idle else None
        if sandbox is None:
            [provider, *_] = (*LENDERS.get(platform, ()), platform)
            sandbox = Sandbox.start(platforms=(provider,), seed=SANDBOX_SEED)
            self._stack.callback(sandbox.stop)
            for passed in range(stage):
                live_on(sandbox, platform, passed)
        sandbox.forget_requests()
        yield sandbox
        # Not after an error: who knows how it stands.
        sandbox.clear_faults()
        with self._borrowing:
            idle.append(sandbox)

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        with database_on(self._server_url, prefix="chaos", template=template) as url:
            yield url


@contextmanager
def ground(server_url: str, migrated: str, folder: Path, *, patience: float = PATIENCE_SECONDS) -> Iterator[Ground]:
    """Ground on a server, from a migrated template; what workers say goes to the folder."""
    with ExitStack() as stack:
        yield Ground(server_url, migrated, folder, stack, patience=patience)


def _history(platform: str, mode: str) -> list[tuple[str, str]]:
    """Return the readings that lead to this one, itself last; between two of them the community lives on."""
    history = [(name, ONBOARDING) for name in (*LENDERS.get(platform, ()), platform)]
    return [*history, (platform, CHECK)] if mode == CHECK else history


def live_on(sandbox: Sandbox, platform: str, stage: int) -> None:
    """Let a week pass, or for reach, people gain followers."""
    if platform != "twitter_reach":
        sandbox.change(platform, [WEEK])
        return
    people = sorted(member["source_id"] for member in sandbox.truth(platform).members if member["shown"])
    gain = {"do": "gain_followers", "followers": 100}
    sandbox.change("twitter", [{**gain, "user": int(one)} for one in people[stage::GAINING]])


def _read(cell: Cell, *, failpoints: str = "") -> None:
    cell.begin(failpoints=failpoints)
    run = cell.finish()
    if run.state is not RunState.PROCESSED:
        raise Unusable(f"an undisturbed reading of {run.platform} ended in {run.state}: {run.error}")
