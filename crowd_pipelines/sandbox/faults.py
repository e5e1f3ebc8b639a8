"""Faults on demand: which requests they meet, and how often they did."""

import itertools
import random
import re
import threading
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crowd_pipelines.sandbox.messages import Request, Response


class FaultKind(StrEnum):
    """What goes wrong on the way of an answer."""

    LATENCY = "latency"  # the answer comes after `seconds`
    RATE_LIMIT = "rate_limit"  # 429 (or `status`) with the `retry_after` given
    SERVER_ERROR = "server_error"  # 503 (or `status`) with an HTML page
    TIMEOUT = "timeout"  # the request is read and nothing is ever answered
    TRUNCATED = "truncated"  # half of the body, then the connection closes
    WRONG_CONTENT_TYPE = "wrong_content_type"  # an HTML page with status 200
    RESET = "reset"  # the connection is reset, before or `halfway` through the answer
    SLOW = "slow"  # `size` bytes at a time, `seconds` apart; `halfway`: only the body
    EMPTY = "empty"  # 200 (or `status`) without a body
    STALE = "stale"  # an older version of the body, as an edge cache keeps it
    REDIRECT_LOOP = "redirect_loop"  # 302 to itself (or to `location`)
    POISON = "poison"  # one record of the body is unusable; `what` says how
    REWRITE = "rewrite"  # answers as if asked with other query parameters (`query`)
    REPLACE = "replace"  # answers with `status`, `body`, `content_type`, `headers`
    GZIP_BOMB = "gzip_bomb"  # `size` bytes of blanks, sent as a few kilobytes
    FLOOD = "flood"  # `size` bytes of blanks, sent as they are
    REPLAY = "replay"  # the first `size` answers that it met (or one), again and again: pages that lead in a circle
    RECODE = "recode"  # the same answer in other bytes; `what` says which (see recoding.py)


class Fault(BaseModel):
    """A fault as it is ordered over the control API. Only the fields its kind names above have an effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    platform: str | None = None
    path: str = ""  # regular expression, searched in path and query
    asked: str = ""  # regular expression, searched in the request's body
    method: str | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    after: Annotated[int, Field(ge=0)] = 0
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int = 0
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    retry_after: str | None = None
    header: str = "Retry-After"
    headers: dict[str, str] = {}
    body: str | None = None
    content_type: str | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    honest_length: bool = False  # truncated: Content-Length tells the length that is sent
    halfway: bool = False
    what: str = "no_id"
    location: str | None = None
    query: dict[str, str] = {}

    @model_validator(mode="after")
    def _expressions_compile(self) -> Self:
        for name, expression in (("path", self.path), ("asked", self.asked)):
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"{name} {expression!r} is not a regular expression: {error}") from error
        return self

    def concerns(self, platform: str, request: Request) -> bool:
        return (
            self.platform in (None, platform)
            and self.method in (None, request.method)
            and re.search(self.path, request.target) is not None
            and (not self.asked or re.search(self.asked, request.body.decode(errors="replace")) is not None)
        )


class ArmedFault:
    """A fault in force, with its counts: a fault that never fired tested nothing."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.met = 0
        self.fired = 0
        self._dice = random.Random(fault.seed)
        self._kept: list[Response] = []
        self._replayed = itertools.count()

    def claim(self) -> bool:
        """Counts a request that the fault concerns; True when the fault takes it."""
        if self.fault.times is not None and self.fired >= self.fault.times:
            return False
        self.met += 1
        takes = self._turn() and (self.fault.share is None or self._dice.random() < self.fault.share)
        self.fired += takes
        return takes

    def _turn(self) -> bool:
        return self.met > self.fault.after and (self.met - self.fault.after) % self.fault.every == 0

    def replay(self, response: Response) -> Response:
        """The answer itself while there are too few to be repeated, then those before it in turn."""
        size = self.fault.size or 1
        if len(self._kept) < size:
            self._kept.append(response)
            return response
        return self._kept[next(self._replayed) % size]

    def as_json(self) -> dict[str, Any]:
        ordered = self.fault.model_dump(mode="json", exclude_defaults=True)
        return {"id": self.number, "fault": ordered, "met": self.met, "fired": self.fired}


class FaultBook:
    """The faults in force, in the order in which they were ordered; the first that takes a request wins."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> int:
        with self._lock:
            armed = ArmedFault(next(self._numbers), fault)
            self._armed.append(armed)
            return armed.number

    def clear(self) -> None:
        with self._lock:
            self._armed = []

    def claim(self, platform: str, request: Request) -> ArmedFault | None:
        with self._lock:
            concerned = (armed for armed in self._armed if armed.fault.concerns(platform, request))
            return next((armed for armed in concerned if armed.claim()), None)

    def give_back(self, armed: ArmedFault) -> None:
        """Un-counts a claim that had no effect."""
        with self._lock:
            armed.fired -= 1

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [armed.as_json() for armed in self._armed]
