"""A little HTTP server that plays a script: per path a list of behaviours, of which the last one repeats."""

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Behaviour = Callable[["Handler"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: dict[str, list[Behaviour]] = {}
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def plays(self, path: str, *behaviours: Behaviour) -> None:
        self.script[path] = list(behaviours)

    def next_behaviour(self, path: str) -> Behaviour:
        with self.lock:
            script = self.script[path]
            return script.pop(0) if len(script) > 1 else script[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the play."""


class Handler(BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"
    # Headers and body in two packets would meet delayed acknowledgements.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        seen = Seen(
            method=self.command,
            path=self.path,
            headers=dict(self.headers.items()),
            body=self.rfile.read(length),
            port=self.client_address[1],
        )
        self.server.seen.append(seen)
        self.server.next_behaviour(urlsplit(self.path).path)(self)

    do_POST = do_GET  # noqa: N815  http.server finds its methods by these names

    def log_message(self, *_: object) -> None:
        """Silent."""

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def answer(
    status: int = 200,
    payload: Any = None,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    content_type: str | None = "application/json",
) -> Behaviour:
    content = json.dumps(payload).encode() if body is None else body

    def play(handler: Handler) -> None:
        handler.send_response(status)
        if content_type is not None:
            handler.send_header("Content-Type", content_type)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if status not in (204, 304):
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if status not in (204, 304):
            handler.raw(content)

    return play


def redirect(location: str, status: int = 302) -> Behaviour:
    return answer(status, body=b"<html>moved</html>", content_type="text/html", headers={"Location": location})


def bomb(megabytes: int) -> Behaviour:
    packed = gzip.compress(b'{"a": "' + b"0" * (megabytes * 1_000_000) + b'"}')
    return answer(body=packed, headers={"Content-Encoding": "gzip"})


def truncated(handler: Handler) -> None:
    handler.raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"items": [1, 2')
    handler.hang_up()


def reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The socket only closes, and so resets, once the files made of it are closed.
    for part in (handler.rfile, handler.wfile, handler.connection):
        part.close()
    handler.hang_up()


def hang_up(handler: Handler) -> None:
    handler.hang_up()


def black_hole(handler: Handler) -> None:
    handler.server.stopping.wait(10)
    handler.hang_up()


def dribbled(before: bytes, slowly: bytes, after: bytes = b"") -> Behaviour:
    """Sends the middle part a byte at a time, each well within any read timeout; complete after two seconds."""

    def play(handler: Handler) -> None:
        handler.raw(before)
        for byte in slowly:
            handler.raw(bytes([byte]))
            time.sleep(2 / len(slowly))
        handler.raw(after)
        handler.hang_up()

    return play
