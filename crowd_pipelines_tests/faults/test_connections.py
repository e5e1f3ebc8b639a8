"""Providers to which no connection can be made: every stream is given up in time, and says what to look at."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from crowd_pipelines.framework.slices import Slice
from crowd_pipelines.http.transport import Limits
from crowd_pipelines.model.states import RunState
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
def test_a_provider_out_of_reach_is_given_up_and_read_when_it_is_back(
    ground: Ground, case: Server, tell: Tell, tmp_path: Path, api_url: Callable[[str], AbstractContextManager[None]]
) -> None:
    run = replace(ground.connected, new_slice=lambda: Slice(0)).onboard()
    assert (run.state, run.delay_reason) == (RunState.DELAYED, "the slice was over")
    planned = ground.streams(run)
    with case.at(tmp_path) as address, api_url(address):
        away = replace(ground, connected=replace(ground.connected, limits=Limits(connect_seconds=0.2)))
        run, _ = away.work_off(run)
    given_up = ground.streams(run)
    assert run.state is RunState.ERROR
    assert (run.error or "").startswith(f"{len(planned)} of {len(planned)} streams failed: ")
    assert [stream["retries"] for stream in given_up] == [MOST_ATTEMPTS] * len(planned)
    assert [stream["requests"] for stream in given_up] == [MOST_ATTEMPTS * IN_PLACE] * len(planned)
    assert [stream["error"] for stream in given_up if not re.search(case.told, stream["error"])] == []
    tell(case.name, "given up, then read", requests=MOST_ATTEMPTS * IN_PLACE)
    assert ground.continue_run(run).state is RunState.PROCESSED
    ground.assert_database_is_the_truth()
