"""The log of the requests a simulated provider got."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from crowd_pipelines.sandbox.faults import ArmedFault
from crowd_pipelines.sandbox.messages import Request, Response

KEPT = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request; `at` in seconds since 1970 by this machine's clock. No header values but the User-Agent."""

    platform: str
    method: str
    path: str
    query: dict[str, str]
    status: int
    at: float
    fault: str | None
    fault_id: int | None
    violation: str | None
    asked: str | None
    authenticated: bool
    user_agent: str | None
    response_bytes: int


class RequestLog:
    """The newest requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, platform: str, request: Request, response: Response, armed: ArmedFault | None) -> None:
        entry = LoggedRequest(
            platform=platform,
            method=request.method,
            path=request.path,
            query=request.query,
            status=response.status,
            at=time.time(),
            fault=armed.fault.kind.value if armed else None,
            fault_id=armed.number if armed else None,
            violation=response.violation,
            asked=response.asked,
            authenticated="api-key" in request.headers or "authorization" in request.headers,
            user_agent=request.headers.get("user-agent"),
            response_bytes=len(response.body),
        )
        with self._lock:
            self._entries.append(entry)

    def lines(self, platform: str | None) -> Iterator[dict[str, Any]]:
        with self._lock:
            entries = list(self._entries)
        return (asdict(entry) for entry in entries if platform in (None, entry.platform))

    def forget(self, platform: str | None) -> None:
        with self._lock:
            kept = [entry for entry in self._entries if platform not in (None, entry.platform)]
            self._entries.clear()
            self._entries.extend(kept)
