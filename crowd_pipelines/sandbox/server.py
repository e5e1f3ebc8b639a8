"""The HTTP server: the standard library's, because faults need the bare socket, which web frameworks hide."""

import socket
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from crowd_pipelines.sandbox import wire
from crowd_pipelines.sandbox.control import PREFIX, Control, Lines
from crowd_pipelines.sandbox.effects import Delivery
from crowd_pipelines.sandbox.messages import Request, Response, json_response
from crowd_pipelines.sandbox.platform import SimulatedPlatform
from crowd_pipelines.sandbox.world import World


class SandboxServer(ThreadingHTTPServer):
    """Serves simulated providers, each below its own name, on the loopback interface."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, platforms: Mapping[str, SimulatedPlatform], *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), SandboxHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.world = World(platforms)
        self.control = Control(self.world, self.url)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are this server's daily bread; everything else is answered with a 500."""


class SandboxHandler(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    server: SandboxServer
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        request = self._request()
        if len(request.body) < self._announced:
            # Whoever sent it is gone; what never arrived was never asked.
            self.close_connection = True
            return
        try:
            answer = self._answer(request)
        except Exception as error:
            self.close_connection = True
            message = f"the sandbox failed: {type(error).__name__}: {error}"
            wire.send(self.connection, Delivery(response=json_response(message, status=500)), method="GET")
            raise
        self._deliver(request, answer)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815  the base class looks for these

    def _request(self) -> Request:
        return Request(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            client=self.client_address[0],
            body=self.rfile.read(self._announced),
        )

    @property
    def _announced(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _answer(self, request: Request) -> Delivery | Lines:
        if request.segments[:1] == (PREFIX,):
            answer = self.server.control.answer(request)
            return Delivery(response=answer) if isinstance(answer, Response) else answer
        platform = self.server.world.platform_of(request)
        if platform is None:
            return Delivery(response=json_response({"error": "no such provider here"}, status=404))
        return self.server.world.exchange(platform, request)

    def _deliver(self, request: Request, answer: Delivery | Lines) -> None:
        if isinstance(answer, Lines):
            self._stream(answer)
        elif not wire.send(self.connection, answer, method=request.method):
            self.close_connection = True

    def _stream(self, lines: Lines) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.wfile.write(head.encode())
        for line in lines:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Silent: the request log answers who asked what."""
