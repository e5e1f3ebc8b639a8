"""Readings that are refused: onboardings and checks, each prepared once, with what an undisturbed one leaves and costs.

A check follows a week in which the community lived on. Kinds of streams that such a check does not come to are refused
in a check for which everything is new: what was stored and how far it was read is forgotten.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Engine, text

from crowd_pipelines.integrations.github import asking
from crowd_pipelines.model.states import RunState
from crowd_pipelines.sandbox.client import Truth
from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines.store import integrations
from crowd_pipelines_tests.chaos.ground import AGEING, live_on
from crowd_pipelines_tests.conftest import database_on, name_of
from crowd_pipelines_tests.faults.ground import (
    Records,
    closing_engine,
    connected_to,
    provider_of,
    short_paged,
    stored_records,
)
from crowd_pipelines_tests.honesty import silent_losses
from crowd_pipelines_tests.integrations.connected import FAST, Connected
from crowd_pipelines_tests.refusals import kinds

ONBOARDING, CHECK, CHECK_OF_ALL = "onboarding", "check", "check of all"

MOST_CHECKS = 2
"""So many checks may pass until everything is there."""

_NEVER = 1_000_000_000
_SHORT_LISTS = {"Forks": 3, "Issues": 5, "PullRequests": 5, "Discussions": 5}
"""So little comes with a repository, so that a small community has further pages of every list: GitHub's to choose."""

_FORGET = ("DELETE FROM watermarks", "DELETE FROM member_reach", "UPDATE members SET reach = '{}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """What is stored at a point of an undisturbed reading, and how many requests that took since its beginning."""

    records: Records = field(repr=False)
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An onboarding or a check, and the database in which it begins.

    `milestones` are those after the reading itself and after each of some checks more; `asked` has, by kinds of
    streams, how many requests the reading makes.
    """

    platform: str
    mode: str
    sandbox: Sandbox
    template: str
    connected: Connected = field(repr=False)
    truth: Truth = field(repr=False)
    milestones: tuple[Milestone, ...] = field(default=(), repr=False)
    asked: Mapping[str, int] = field(default_factory=dict)

    @contextmanager
    def begun(self, server_url: str) -> Iterator[Connected]:
        """Return a copy of the integration that is ready for the reading, with credentials that are good."""
        with (
            database_on(server_url, prefix="refusal", template=self.template) as url,
            closing_engine(url) as engine,
            pytest.MonkeyPatch.context() as patch,
        ):
            read = replace(self.connected, engine=engine, inspection=lambda read: silent_losses(read, self.truth))
            for sizes in ("_FIRST", "_FIRST_IN_CHECK"):
                patch.setattr(asking, sizes, _SHORT_LISTS)
            for name in {self.platform, provider_of(self.platform)}:
                patch.setenv(f"CROWD_{name.upper()}_API_URL", self.sandbox.api_url(provider_of(name)))
                patch.setenv(f"CROWD_{name.upper()}_REQUESTS_PER_SECOND", FAST)
            for name, value in self.sandbox.environment(provider_of(self.platform)).items():
                patch.setenv(name, value)
            _renew_credentials(read, engine)
            self.sandbox.clear_faults()
            self.sandbox.forget_requests()
            yield read
            self.sandbox.clear_faults()

    def requests(self) -> int:
        """Return how many requests were made since the reading began."""
        return len(self.sandbox.requests(provider_of(self.platform)))


class Readings:
    """Prepares readings when they are wanted first; they live as long as the stack."""

    def __init__(self, server_url: str, migrated: str, stack: ExitStack) -> None:
        self._server_url = server_url
        self._migrated = migrated
        self._stack = stack
        self._prepared: dict[tuple[str, str], Reading] = {}

    def of(self, platform: str, mode: str, kind: str) -> Reading:
        """Return the reading in which a kind of stream is asked for."""
        reading = self._reading(platform, mode)
        if mode == CHECK and not reading.asked[kind]:
            reading = self._reading(platform, CHECK_OF_ALL)
        assert reading.asked[kind], f"no {reading.mode} of {platform} asks for {kind}: give a reason in kinds.OF"
        return reading

    def _reading(self, platform: str, mode: str) -> Reading:
        if (platform, mode) not in self._prepared:
            self._prepared[platform, mode] = self._measured(self._ready(platform, mode))
        return self._prepared[platform, mode]

    def _ready(self, platform: str, mode: str) -> Reading:
        """Bring a database to where the reading begins."""
        url = self._stack.enter_context(database_on(self._server_url, prefix="ready", template=self._migrated))
        sandbox = self._stack.enter_context(short_paged(provider_of(platform)))
        with (
            pytest.MonkeyPatch.context() as patch,
            closing_engine(url) as engine,
            connected_to(sandbox, platform, engine, patch) as connected,
        ):
            if mode != ONBOARDING:
                assert connected.onboard().state is RunState.PROCESSED
            if mode == CHECK:
                live_on(sandbox, platform, 0)
            if mode == CHECK_OF_ALL:
                _forget(connected)
            if platform in AGEING:
                with engine.begin() as conn:
                    conn.execute(text(AGEING[platform]))
        return Reading(
            platform=platform,
            mode=mode,
            sandbox=sandbox,
            template=name_of(url),
            connected=connected,
            truth=sandbox.truth(provider_of(platform)),
        )

    def _measured(self, reading: Reading) -> Reading:
        """Look at what an undisturbed reading leaves, and what it asks for."""
        milestones = []
        with reading.begun(self._server_url) as read:
            for place in places_of(reading.platform).values():
                reading.sandbox.fault(None, "latency", after=_NEVER, **place)
            for number in range(MOST_CHECKS + 1):
                run = read.onboard() if reading.mode == ONBOARDING and not number else read.check()
                assert run.state is RunState.PROCESSED, run.error or run.delay_reason
                milestones.append(Milestone(records=stored_records(read), requests=reading.requests()))
                if not number:
                    met = [fault["met"] for fault in reading.sandbox.faults()]
        asked = dict(zip(places_of(reading.platform), met, strict=True))
        return replace(reading, milestones=tuple(milestones), asked=asked)


def places_of(platform: str) -> Mapping[str, kinds.Place]:
    """Return where a platform can be refused: at each kind of stream, and everywhere."""
    return {**kinds.asked(platform), kinds.EVERYTHING: {}}


def _forget(read: Connected) -> None:
    read.lose("TRUE")
    with read.engine.begin() as conn:
        for statement in _FORGET:
            conn.execute(text(statement))


def _renew_credentials(read: Connected, engine: Engine) -> None:
    """Store what the provider accepts now: some tokens serve once, and were used by another copy."""
    with engine.begin() as conn:
        for record in integrations.find(conn):
            if credentials := read.sandbox.credentials(record.platform):
                integrations.set_credentials(conn, record.id, read.vault.seal(credentials, record.id))
