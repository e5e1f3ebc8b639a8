"""Providers to which no connection can be made: they are waited for, and it is said what to look at."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from crowd_pipelines.framework.runner import LONGEST_RETRY
from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.transport import Limits
from crowd_pipelines.model.states import RunState, StreamState
from crowd_pipelines.store.runs import RunRecord
from crowd_pipelines_tests.faults import broken_servers
from crowd_pipelines_tests.faults.choice import on_every_platform
from crowd_pipelines_tests.faults.conftest import Tell
from crowd_pipelines_tests.faults.ground import MOST_ATTEMPTS, Ground
from crowd_pipelines_tests.faults.troubles import BROKE_OFF, IN_PLACE

TLS = r"no secure connection \(TLS\) could be made"


@dataclass(frozen=True, kw_only=True)
class Server:
    """An address where nothing is to be had, and how an error calls that."""

    name: str
    at: Callable[[Path], AbstractContextManager[str]]
    told: str

    def __str__(self) -> str:
        return self.name


SERVERS = [
    Server(name="refused connection", at=broken_servers.refusing, told="the connection was refused"),
    Server(name="unknown host", at=broken_servers.unresolvable, told="the host's name could not be resolved"),
    Server(name="connection never made", at=broken_servers.deaf, told="no connection could be made in time"),
    Server(name="connection ended at once", at=broken_servers.hanging_up, told=BROKE_OFF),
    Server(name="no TLS behind https", at=broken_servers.unencrypted, told=TLS),
    Server(name="self-signed certificate", at=broken_servers.self_signed, told=TLS),
]


@on_every_platform(SERVERS, quick={"refused connection", "self-signed certificate"})
def test_a_provider_out_of_reach_is_waited_for_and_read_when_it_is_back(
    ground: Ground, case: Server, tell: Tell, tmp_path: Path, api_url: Callable[[str], AbstractContextManager[None]]
) -> None:
    run = replace(ground.connected, new_slice=lambda: Slice(0)).onboard()
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "the slice was over")
    planned = ground.streams(run)
    with case.at(tmp_path) as address, api_url(address):
        away = replace(ground, connected=replace(ground.connected, limits=Limits(connect_seconds=0.2)))
        run, turns = away.wear_out(run, most=MOST_ATTEMPTS + 1)
    _assert_it_waits(run, case.told)
    waiting = ground.streams(run)
    assert [stream["key"] for stream in waiting] == [stream["key"] for stream in planned]
    assert {stream["state"] for stream in waiting} <= {StreamState.ERROR, StreamState.PENDING}
    assert sum(stream["requests"] for stream in waiting) <= turns * len(planned) * IN_PLACE
    errors = [stream["error"] for stream in waiting if stream["error"]]
    assert [error for error in errors if not re.search(case.told, error)] == []
    tell(case.name, "waits, then read", requests=turns * IN_PLACE)
    again = ground.connected.resume(run)
    assert again.state is RunState.PROCESSED, again.error or again.delay_reason
    ground.assert_whole()


def _assert_it_waits(run: RunRecord, told: str) -> None:
    """Nothing was read, so it is nobody's fault: nothing is given up, and it is looked again within the hour."""
    assert run.state is RunState.DELAYED, run.error
    assert re.search(told, run.delay_reason or ""), run.delay_reason
    assert run.delayed_until is not None
    # Waits are made longer by up to a fifth, so that not all come back at once.
    assert run.delayed_until - datetime.now(UTC) <= 1.2 * LONGEST_RETRY
