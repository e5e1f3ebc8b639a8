"""One deadline for a whole answer, whatever pace its bytes come at.

A read timeout only bounds the silence between two bytes, so a server that sends one byte every few seconds, in the
headers, in a chunk's size line or in the body, could hold a thread for days. Here every read of the socket gets no
more time than is left.
"""

import io
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util.connection import create_connection

from crowd_pipelines.http.guard import Guard

OLDEST_TLS = ssl.TLSVersion.TLSv1_2

_deadline: ContextVar[float | None] = ContextVar("crowd_pipelines_answer_deadline", default=None)


@contextmanager
def answer_within(seconds: float) -> Iterator[float]:
    """Answers that begin inside the block must be complete in time; yields the deadline on the monotonic clock."""
    deadline = time.monotonic() + seconds
    token = _deadline.set(deadline)
    try:
        yield deadline
    finally:
        _deadline.reset(token)


class _TimedReader(io.RawIOBase):
    """Reads a socket, each time with the smaller of its read timeout and what is left until the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._silence = sock.gettimeout() or float("inf")
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not complete in time")
        self._socket.settimeout(min(left, self._silence))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if deadline := _deadline.get():
            self.fp.close()
            self.fp = io.BufferedReader(_TimedReader(sock, deadline))


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse
    guard: Guard | None = None

    def _new_conn(self) -> socket.socket:
        return _checked_connection(self, self.guard) if self.guard else super()._new_conn()


class _TimedSecureConnection(_TimedConnection, HTTPSConnection):
    """Verifies the certificate of the host's name, also when it is connected to a checked address of it."""


def _checked_connection(connection: HTTPConnection, guard: Guard) -> socket.socket:
    """Connect to the first address that answers, by its number: the name is not resolved a second time."""
    addresses = guard.addresses(connection.host, connection.port)
    failure: OSError = socket.gaierror("the name has no address")
    for address in addresses:
        left = (_deadline.get() or float("inf")) - time.monotonic()
        if left <= 0:
            break
        seconds = min(left, connection.timeout) if isinstance(connection.timeout, int | float) else None
        try:
            return create_connection((address, connection.port), seconds, socket_options=connection.socket_options)
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "no address answered in time") from failure
    raise failure


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection

    def __init__(self, *args: Any, guard: Guard | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.guard = self._guard
        return connection


class _TimedSecurePool(_TimedPool, HTTPSConnectionPool):
    ConnectionCls = _TimedSecureConnection


class DeadlineAdapter(HTTPAdapter):
    """Connections that keep `answer_within` and the guard; those through a proxy keep only the read timeout."""

    def __init__(self, *, guard: Guard | None, **options: Any) -> None:
        self._guard = guard
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_minimum_version=OLDEST_TLS)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_TimedPool, guard=self._guard),
            "https": partial(_TimedSecurePool, guard=self._guard),
        }

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, ssl_minimum_version=OLDEST_TLS)
