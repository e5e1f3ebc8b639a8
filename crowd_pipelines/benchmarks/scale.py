"""`python -m crowd_pipelines.benchmarks.scale`: what the engine itself can do, and what a large database costs it.

Nothing of it waits for a network; each measurement has a database of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from crowd_pipelines.benchmarks import mill
from crowd_pipelines.benchmarks.meter import peak_memory_mb
from crowd_pipelines.benchmarks.surroundings import environment, temporary_folder
from crowd_pipelines.model.states import StreamState
from crowd_pipelines.model.streams import UpsertActivities
from crowd_pipelines.store import activities, database, integrations, migrations, streams
from crowd_pipelines.store.activities import PageRecords
from crowd_pipelines.store.database import transact

PAGES = 5_000
UPSERTS = 50_000
UPSERTS_AT_ONCE = 1_000
STREAMS = 1_000_000
LARGE_PAGES = 100
LARGE_PAGE_BYTES = 10_000_000
CLAIMS = 50

_DOCUMENT = "page.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number of the goal sheet (docs/reliability.md) and what was measured."""

    promise: str
    what: str
    goal: str
    measured: str


def pages_per_second(url: str) -> list[Reading]:
    """Read pages of one activity each through the runner."""
    engine = database.create(url)
    integration_id = _connect(engine, pages=PAGES, activities_per_page=1)
    began = time.perf_counter()
    _onboard(engine, integration_id)
    pace = PAGES / (time.perf_counter() - began)
    return [
        Reading(promise="G11", what="pages per second, one worker", goal="at least 200", measured=f"{pace:,.0f}"),
    ]


def upserts_per_second(url: str) -> list[Reading]:
    """Write new activities with their members, then the same ones again."""
    engine = database.create(url)
    integration_id = _connect(engine, pages=0)
    tenant_id = transact(engine, lambda conn: conn.execute(text("SELECT id FROM tenants")).scalar_one())
    paces = []
    for _ in range(2):
        began = time.perf_counter()
        for start in range(0, UPSERTS, UPSERTS_AT_ONCE):
            records = tuple(map(mill.activity, range(start, start + UPSERTS_AT_ONCE)))
            page = PageRecords(
                integration_id=integration_id,
                platform=mill.PLATFORM,
                operations=(UpsertActivities(activities=records),),
            )
            transact(engine, partial(activities.write, tenant_id=tenant_id, pages=[page], priority=()))
        paces.append(UPSERTS / (time.perf_counter() - began))
    new, known = paces
    told = f"{new:,.0f} new, {known:,.0f} known"
    return [
        Reading(promise="G11", what="activities written per second", goal="at least 5,000", measured=told),
    ]


def memory(url: str) -> list[Reading]:
    """Read large pages over HTTP; the server is another process."""
    engine = database.create(url)
    with _large_document() as api_url:
        os.environ["CROWD_MILL_API_URL"] = api_url
        integration_id = _connect(engine, pages=LARGE_PAGES, document=_DOCUMENT)
        _onboard(engine, integration_id)
    return [
        Reading(
            promise="G9",
            what=f"peak memory of a worker, {LARGE_PAGES} pages of {LARGE_PAGE_BYTES // 1_000_000} MB",
            goal="below 300 MB",
            measured=f"{peak_memory_mb():.0f} MB",
        )
    ]


def queue(url: str) -> list[Reading]:
    """Claim and finish streams of an integration run with a million of them, beside those of another."""
    engine = database.create(url)
    large, small = _connect(engine, pages=1), _connect(engine, pages=1, name="Small")
    runs = [_planned(engine, integration_id) for integration_id in (large, small)]
    _fill(engine, runs[0])
    spent = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        claimed = transact(engine, lambda conn: streams.claim(conn, runs, owner="benchmark", limit=16))
        spent.append(time.perf_counter() - began)
        ended = [streams.Ending(stream=one, state=StreamState.PROCESSED) for one in claimed]
        transact(engine, partial(streams.end, endings=ended))
    typical, longest = 1000 * sorted(spent)[len(spent) // 2], 1000 * max(spent)
    return [
        Reading(
            promise="G8",
            what=f"a claim among {STREAMS:,} waiting streams",
            goal="as among few",
            measured=f"{typical:.1f} ms, at most {longest:.0f}",
        )
    ]


def migration(url: str) -> list[Reading]:
    """Bring a database of the version before, with a million streams, up to date while somebody writes to it."""
    before = migrations.previous()
    migrations.downgrade(url, before)
    engine = database.create(url)
    run_id = _old_run(engine)
    _fill(engine, run_id)
    with _writer(engine, run_id) as waits:
        began = time.perf_counter()
        migrations.upgrade(url)
        took = time.perf_counter() - began
    return [
        Reading(
            promise="G15",
            what=f"migration {before} to {migrations.newest()} with {STREAMS:,} streams, under load",
            goal="below 60 s, lock-free",
            measured=f"{took:.1f} s; {len(waits):,} writes meanwhile, the slowest {max(waits):.2f} s",
        )
    ]


MEASUREMENTS: Mapping[str, Callable[[str], list[Reading]]] = {
    one.__name__: one for one in (pages_per_second, upserts_per_second, memory, queue, migration)
}


def main(
    *,
    only: Annotated[str, typer.Option(help=f"Some of these, separated by commas: {', '.join(MEASUREMENTS)}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure, each in a fresh process with a database of its own, and print the numbers beside their goals."""
    names = [name for name in only.split(",") if name] or list(MEASUREMENTS)
    readings = [reading for name in names for reading in _apart(name)]
    if as_json:
        sys.stdout.write(json.dumps([asdict(reading) for reading in readings], indent=2) + "\n")
        return
    table = Table(title="What the engine itself can do", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("promise", "what", "goal", "measured"):
        table.add_column(heading)
    for reading in readings:
        table.add_row(reading.promise, reading.what, reading.goal, reading.measured)
    Console(highlight=False).print(table)


def _apart(name: str) -> list[Reading]:
    if name not in MEASUREMENTS:
        raise typer.BadParameter(f"there is no measurement {name!r}; there are: {', '.join(MEASUREMENTS)}")
    program = "import sys; from crowd_pipelines.benchmarks import scale; scale.measure(*sys.argv[1:])"
    with temporary_folder() as folder, environment(folder) as variables:
        command = [sys.executable, "-c", program, name, variables["CROWD_DATABASE_URL"]]
        done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True)
    return [Reading(**told) for told in json.loads(done.stdout.splitlines()[-1])]


def measure(name: str, url: str) -> None:
    """Do one measurement in this process and print it as JSON."""
    sys.stdout.write(json.dumps([asdict(reading) for reading in MEASUREMENTS[name](url)]) + "\n")


def _connect(engine: Engine, *, name: str = "Mill", **settings: Any) -> UUID:
    with engine.begin() as conn:
        tenant_id = integrations.ensure_tenant(conn, "benchmark")
        record = integrations.connect(conn, tenant_id=tenant_id, platform=mill.PLATFORM, name=name, settings=settings)
        return record.id


def _onboard(engine: Engine, integration_id: UUID) -> None:
    processor = mill.processor(engine)
    run_id = processor.start_onboarding(integration_id)
    run = processor.process(run_id) if run_id else None
    if run is None or run.state != "processed":
        raise RuntimeError(f"the onboarding did not end well: {run}")


def _planned(engine: Engine, integration_id: UUID) -> UUID:
    lifecycle = mill.processor(engine).lifecycle
    run_id = mill.processor(engine).start_onboarding(integration_id)
    [planned] = lifecycle.get_streams(lifecycle.take([run_id] if run_id else []))
    return planned


_FILL = """
INSERT INTO integration_streams (run_id, root_id, name, label, metadata, key)
SELECT :run_id, CAST(:run_id AS uuid), 'sack', 'sack', jsonb_build_object('number', number), md5(number::text)
FROM generate_series(1, :streams) AS number
"""


def _fill(engine: Engine, run_id: UUID) -> None:
    with engine.begin() as conn:
        conn.execute(text(_FILL), {"run_id": run_id, "streams": STREAMS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE integration_streams"))


def _old_run(engine: Engine) -> UUID:
    """Add an open integration run in plain SQL: today's statements need not know the schema of the version before."""
    with engine.begin() as conn:
        run_id: UUID = conn.execute(
            text(
                "WITH tenant AS (INSERT INTO tenants (name) VALUES ('benchmark') RETURNING id), "
                "one AS (INSERT INTO integrations (tenant_id, platform, name, key) "
                "SELECT id, 'mill', 'Mill', 'mill' FROM tenant RETURNING id, tenant_id) "
                "INSERT INTO integration_runs (tenant_id, integration_id, onboarding, state) "
                "SELECT tenant_id, id, TRUE, 'pending' FROM one RETURNING id"
            )
        ).scalar_one()
    return run_id


@contextmanager
def _writer(engine: Engine, run_id: UUID) -> Iterator[list[float]]:
    """Add a stream, change one and read members again and again; yields how long each took, in seconds."""
    waits: list[float] = []
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            began = time.perf_counter()
            with engine.begin() as conn:
                conn.execute(
                    text(
                        "INSERT INTO integration_streams (run_id, root_id, name, label, key) "
                        "VALUES (:run_id, :run_id, 'sack', 'sack', :key)"
                    ),
                    {"run_id": run_id, "key": f"written {number}"},
                )
                conn.execute(text("UPDATE integrations SET activity_count = activity_count + 1"))
                conn.execute(text("SELECT count(*) FROM members"))
            waits.append(time.perf_counter() - began)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while not waits:
            time.sleep(0.01)
        yield waits
    finally:
        done.set()
        thread.join()


@contextmanager
def _large_document() -> Iterator[str]:
    """Serve a JSON list of texts from another process; yields the address."""
    program = "import sys; from crowd_pipelines.benchmarks import scale; scale.serve(sys.argv[1])"
    with tempfile.TemporaryDirectory(prefix="crowd-benchmark-") as folder:
        texts = [f"{number:06d} " + "flour " * 166 for number in range(LARGE_PAGE_BYTES // 1006)]
        (Path(folder) / _DOCUMENT).write_text(json.dumps(texts))
        command = [sys.executable, "-c", program, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                port = server.stdout.readline().strip() if server.stdout else ""
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(folder: str) -> None:
    """Serve a folder until the process is stopped; prints the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    typer.run(main)
