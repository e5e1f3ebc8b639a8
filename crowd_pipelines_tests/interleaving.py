"""Two pieces of work on one database, the one begun in the middle of the other: at every moment that there is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg
from sqlalchemy import Engine, event

STEPS = ("before_cursor_execute", "commit")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Interrupted(BaseException):
    """The work was stopped in the middle."""


@contextmanager
def interrupted(engine: Engine, *, at: int) -> Iterator[None]:
    """End what is done in the block before its statement or commit number `at`, as a kill would."""
    steps = count(1)

    def step(*_: Any, **__: Any) -> None:
        if next(steps) == at:
            raise Interrupted

    for name in STEPS:
        event.listen(engine, name, step)
    try:
        yield
    finally:
        for name in STEPS:
            event.remove(engine, name, step)


@dataclass(kw_only=True)
class Interleaving:
    """Starts `other` before the step number `at` of the work; goes on when it is done, or waits for the work.

    Steps are the statements and the commits of all threads but that of `other`. `happened` tells whether the work had
    so many.
    """

    engine: Engine
    other: Callable[[], Any]
    at: int
    happened: bool = False
    waited: bool = False
    _steps: int = 0
    _failed: BaseException | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, work: Callable[[], Any]) -> None:
        """Do both; raises what one of them raises."""
        thread = threading.Thread(target=self._do_other, name="other")

        def step(*_: Any, **__: Any) -> None:
            if threading.current_thread() is thread:
                return
            with self._lock:
                self._steps += 1
                if self._steps != self.at:
                    return
                self.happened = True
                thread.start()
                self._settle(thread)

        for name in STEPS:
            event.listen(self.engine, name, step)
        try:
            work()
        finally:
            for name in STEPS:
                event.remove(self.engine, name, step)
            if self.happened:
                thread.join()
        if self._failed:
            raise self._failed

    def _do_other(self) -> None:
        try:
            self.other()
        except BaseException as error:  # noqa: BLE001  it belongs to the test's thread
            self._failed = error

    def _settle(self, thread: threading.Thread) -> None:
        # Past the engine, whose statements are counted.
        url = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as watcher:
            while thread.is_alive():
                thread.join(0.01)
                if watcher.execute(WAITING).fetchall() != [(0,)]:
                    self.waited = True
                    return
