"""Slices: the stretch of time that one process works before it hands over."""

import threading
import time


class SliceOver(Exception):
    """The worker has to stop; whatever it was doing is given back to the queue."""


class Slice:
    """Ends after some seconds, or when someone asks for it."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._stopping = threading.Event()
        self._stopped_at = 0.0

    @property
    def over(self) -> bool:
        """Tell whether no more work should begin."""
        return self.stopping or time.monotonic() >= self._deadline

    @property
    def stopping(self) -> bool:
        """Tell whether work under way should be given back soon, too."""
        return self._stopping.is_set()

    @property
    def stopped_for(self) -> float:
        """Tell how many seconds ago it was asked to end, 0 when it was not."""
        return time.monotonic() - self._stopped_at if self.stopping else 0.0

    def stop(self) -> None:
        """End the slice now."""
        if not self.stopping:
            self._stopped_at = time.monotonic()
            self._stopping.set()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises SliceOver as soon as the slice is asked to end."""
        if self._stopping.wait(seconds):
            raise SliceOver
