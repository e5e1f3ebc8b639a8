"""A worker of the core: what a Dagster run does, without Dagster, in a process that costs little to start.

It is forked from a process that has imported everything and opened nothing.
"""

import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from crowd_pipelines.framework.clients import ApiClients
from crowd_pipelines.framework.lifecycle import Lifecycle
from crowd_pipelines.framework.processor import IntegrationProcessor, Started
from crowd_pipelines.integrations import registry
from crowd_pipelines.settings import Settings
from crowd_pipelines.store import database, streams
from crowd_pipelines.store.budgets import RateBudget
from crowd_pipelines.store.streams import Ending
from crowd_pipelines.store.vault import Vault

CONNECTIONS = 3
PARENT_DEATH_SIGNAL = 1
EPOCHS = "SELECT id, lease_epoch FROM integration_streams WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker is started for, as a sensor or schedule would start it: `ids` are integrations, or runs to resume.

    In `fence` it notes every attempt to end streams; its messages go to `output`.
    """

    start: str
    ids: tuple[UUID, ...]
    owner: str
    environment: Mapping[str, str]
    fence: Path
    output: Path
    since: datetime | None = None


def work(task: Task) -> None:
    """Take integration runs as far as they go now. Runs in a process of its own."""
    _settle_in(task)
    _note_attempts(task.fence)
    settings = Settings.load()
    engine = database.create(settings.require_database_url(), pool_size=CONNECTIONS)
    clients = ApiClients(
        budget=RateBudget(engine=engine), vault=Vault(settings.require_encryption_key()), settings=settings
    )
    lifecycle = Lifecycle(clients=clients, settings=settings, registry=registry(), owner=task.owner)
    signal.signal(signal.SIGTERM, lambda *_: lifecycle.slice.stop())
    try:
        started = _started(IntegrationProcessor(lifecycle), task)
        _append(task.fence, pid=os.getpid(), at=time.time(), took=len(started.run_ids))
        mine = lifecycle.preprocess(started.run_ids)
        mine = lifecycle.get_streams(lifecycle.create_member_attributes(mine))
        lifecycle.process_streams(mine)
        lifecycle.postprocess(mine)
    finally:
        lifecycle.hand_over(canceled=False)


def _started(processor: IntegrationProcessor, task: Task) -> Started:
    match task.start:
        case "onboard":
            return processor.onboard(task.ids, requested_only=True)
        case "check":
            return processor.check(task.ids, not_checked_since=task.since)
        case _:
            return processor.resume(task.ids)


def _settle_in(task: Task) -> None:
    """Live no longer than the one who forks, speak into a file, and know nothing but what the task says."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    output = os.open(task.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s", force=True)
    os.environ.clear()
    os.environ.update(task.environment)


def _note_attempts(fence: Path) -> None:
    """Note what this worker asks the fence to end that has passed to another, and what of that is let through."""
    end = streams.end

    def noted(conn: Connection, endings: Sequence[Ending]) -> set[UUID]:
        accepted = end(conn, endings)
        # Whoever was let through has locked the row; so the epoch is the one that the fence saw.
        driver: Any = conn.connection.driver_connection
        epochs = dict(driver.execute(EPOCHS, [[one.stream.id for one in endings]]).fetchall())
        stale = {one.stream.id for one in endings if one.stream.lease_epoch != epochs.get(one.stream.id)}
        _append(fence, pid=os.getpid(), tried=len(endings), stale=len(stale), passed=len(stale & accepted))
        return accepted

    streams.end = noted


def _append(file: Path, **line: Any) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")
