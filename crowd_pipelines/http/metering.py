"""Counts what a unit of work costs: requests, waiting, bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Meter:
    """Running totals of one unit of work; bytes as they came over the wire, before decompression."""

    requests: int = 0
    waited_seconds: float = 0.0
    received_bytes: int = 0

    def add(self, *, requests: int = 0, waited_seconds: float = 0.0, received_bytes: int = 0) -> None:
        """Add to the totals."""
        self.requests += requests
        self.waited_seconds += waited_seconds
        self.received_bytes += received_bytes


_current: ContextVar[Meter | None] = ContextVar("crowd_pipelines_meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what this thread's requests cost inside the block; an outer block counts it, too."""
    outer, meter = _current.get(), Meter()
    token = _current.set(meter)
    try:
        yield meter
    finally:
        _current.reset(token)
        if outer:
            outer.add(
                requests=meter.requests,
                waited_seconds=meter.waited_seconds,
                received_bytes=meter.received_bytes,
            )


def count(*, requests: int = 0, waited_seconds: float = 0.0, received_bytes: int = 0) -> None:
    """Add to the current meter, if there is one."""
    if meter := _current.get():
        meter.add(requests=requests, waited_seconds=waited_seconds, received_bytes=received_bytes)
