"""Threads that process streams while the thread that owns the database's work waits for them."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Workers(Generic[T]):
    """A fixed number of daemon threads: unlike an executor's, they never keep a stopped process alive.

    Tasks must not raise: what goes wrong is part of their result.
    """

    def __init__(self, count: int) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], T] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._count = count
        self.busy = 0
        for number in range(count):
            threading.Thread(target=self._work, name=f"stream-{number}", daemon=True).start()

    def submit(self, task: Callable[[], T]) -> None:
        """Queue a task."""
        self.busy += 1
        self._tasks.put(task)

    def collect(self, *, timeout: float, window: float, limit: int) -> list[T]:
        """Return finished results: wait up to `timeout` s for the first, then up to `window` s for up to `limit`."""
        results: list[T] = []
        wait, deadline = timeout, time.monotonic() + timeout + window
        while self.busy and len(results) < limit:
            try:
                results.append(self._results.get(timeout=max(wait, 0)))
            except queue.Empty:
                break
            self.busy -= 1
            if len(results) == 1:
                deadline = time.monotonic() + window
            wait = deadline - time.monotonic()
        return results

    def close(self) -> None:
        """Let the threads end once they are idle."""
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._results.put(task())
