"""What `crowd-pipelines up` opens to others: nothing of its files, and of the network the loopback only."""

import re
import stat
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from crowd_pipelines_tests.deployment.dagster_ui import DagsterUi
from crowd_pipelines_tests.deployment.installation import Deployment, eventually

LISTENING = "0A"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_no_other_user_can_open_what_it_keeps(deployment: Deployment, ui: DagsterUi, tenant: str) -> None:
    """Also in a folder that stood open before, and what Dagster's own processes and runs have written since."""
    deployment.connect(tenant)
    run = eventually(lambda: ui.runs("SUCCESS"), "a run that has written its logs")[0]
    kept = [deployment.home, *deployment.home.rglob("*")]
    assert any(run.id in path.name for path in kept if path.is_relative_to(deployment.home / "dagster" / "storage"))
    open_to_others = [path for path in kept if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []


@on_linux
def test_it_listens_on_loopback_only(deployment: Deployment) -> None:
    ports = {int(deployment.ui.rpartition(":")[2])}
    listening = [(address, port) for inode, address, port in sockets() if inode in inodes_of(deployment.home)]
    assert ports <= {port for _, port in listening}
    assert [address for address, _ in listening if not ip_address(address).is_loopback] == []


def sockets() -> Iterator[tuple[str, str, int]]:
    """The TCP sockets of this machine that listen: inode, address, port."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].partition(":")
            if words[3] == LISTENING:
                yield words[9], str(ip_address(_in_network_order(address))), int(port, 16)


def _in_network_order(address: str) -> bytes:
    """The kernel writes each word of four bytes the other way round."""
    raw = bytes.fromhex(address)
    return b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))


def inodes_of(home: Path) -> set[str]:
    """The sockets of all processes of an installation: those that have its state folder in their environment."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"CROWD_HOME={home}\0".encode() in (process / "environ").read_bytes():
                links = [str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()]
                found |= {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}
        except OSError:
            continue
    return found
