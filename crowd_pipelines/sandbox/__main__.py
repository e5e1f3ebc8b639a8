"""`python -m crowd_pipelines.sandbox`: serves the simulated providers until stopped, or until its parent dies."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from crowd_pipelines.sandbox.platform import HISTORY_ENDS, ChangeRefused, Options, records_wanted
from crowd_pipelines.sandbox.registry import PLATFORMS
from crowd_pipelines.sandbox.server import SandboxServer

PARENT_CHECK_SECONDS = 0.25


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    options = Options(
        seed=chosen.seed,
        size=chosen.size,
        until=chosen.until,
        requests_per_second=chosen.requests_per_second,
        page_size_max=chosen.page_size_max,
    )
    parent = chosen.parent_pid or os.getppid()
    names = chosen.platform or sorted(PLATFORMS)
    try:
        server = SandboxServer({name: PLATFORMS[name].create(options) for name in names}, port=chosen.port)
    except OSError as error:
        sys.exit(f"cannot listen on port {chosen.port}: {error.strerror}; choose another --port, or 0 for a free one")
    _serve(server, parent=parent, evolve=chosen.evolve)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m crowd_pipelines.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=_size, default="small", help="small, medium, large, or comments=NUMBER")
    parser.add_argument("--platform", action="append", choices=sorted(PLATFORMS), help="repeatable; default all")
    parser.add_argument("--requests-per-second", type=int, help="limit per client address; default none")
    parser.add_argument("--page-size-max", type=int, default=1000)
    parser.add_argument("--until", type=_moment, default=HISTORY_ENDS, help="when the history ends, ISO 8601")
    parser.add_argument("--evolve", type=float, metavar="SECONDS", help="something happens this often")
    parser.add_argument("--parent-pid", type=int, help="ends when this is no longer its parent process")
    return parser


def _size(text: str) -> str:
    try:
        records_wanted(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.astimezone()


def _serve(server: SandboxServer, *, parent: int, evolve: float | None) -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if evolve:
        threading.Thread(target=_evolve, args=(server, evolve, stopped), daemon=True).start()
    ready = {"url": server.url, "platforms": server.world.connections(server.url)}
    print(json.dumps(ready), flush=True)
    while os.getppid() == parent and not stopped.wait(PARENT_CHECK_SECONDS):
        pass


def _evolve(server: SandboxServer, seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(seconds):
        for platform in server.world.platforms.values():
            with platform.lock, suppress(ChangeRefused):
                platform.evolve(seconds)


if __name__ == "__main__":
    sys.exit(main())
