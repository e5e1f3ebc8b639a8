from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crowd_pipelines.http import HttpClient, LocalPacer
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, scripted_server

MakeClient = Callable[..., HttpClient]


@dataclass(slots=True)
class ManualTime:
    """A clock that moves only when somebody sleeps."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def other_server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def clock() -> ManualTime:
    return ManualTime()


@pytest.fixture
def make_client(server: ScriptedServer, clock: ManualTime) -> Iterator[MakeClient]:
    with ExitStack() as stack:

        def make(**given: Any) -> HttpClient:
            defaults: dict[str, Any] = {
                "base_url": server.url,
                "pacer": LocalPacer(clock=clock),
                "sleep": clock.sleep,
                "clock": clock,
            }
            return stack.enter_context(HttpClient(**(defaults | given)))

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> HttpClient:
    return make_client()
