"""Sends an answer over a connection, broken in whatever manner it has to be."""

import select
import socket
import struct
import time
from email.utils import formatdate
from http import HTTPStatus

from crowd_pipelines.sandbox.effects import Delivery, Manner
from crowd_pipelines.sandbox.messages import Response

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def send(connection: socket.socket, delivery: Delivery, *, method: str) -> bool:
    """Delivers; True when the connection can carry another request."""
    if delivery.delay and _hung_up_within(connection, delivery.delay):
        return False
    head = _head(delivery.response)
    body = b"" if method == "HEAD" else delivery.response.body
    match delivery.manner:
        case Manner.WHOLE:
            connection.sendall(head + body)
            return True
        case Manner.SLOW:
            at_once = 0 if delivery.sent is None else len(head) + delivery.sent
            return _send_slowly(connection, head + body, delivery, at_once=at_once)
        case Manner.PART:
            connection.sendall(head + body[: delivery.sent])
        case Manner.RESET:
            _reset(connection, b"" if delivery.sent is None else head + body[: delivery.sent])
        case Manner.SILENT:
            pass
    return False


def _head(response: Response) -> bytes:
    fields = {"Date": formatdate(usegmt=True), "Content-Length": str(len(response.body))}
    if response.content_type is not None:
        fields["Content-Type"] = response.content_type
    fields.update(response.headers)
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _send_slowly(connection: socket.socket, data: bytes, delivery: Delivery, *, at_once: int) -> bool:
    connection.sendall(data[:at_once])
    for start in range(at_once, len(data), delivery.chunk):
        connection.sendall(data[start : start + delivery.chunk])
        if _hung_up_within(connection, delivery.pause):
            return False
    return True


def _reset(connection: socket.socket, first: bytes) -> None:
    connection.sendall(first)
    if first:
        time.sleep(0.05)  # a reset overtakes bytes that the client has not read yet
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    connection.close()


def _hung_up_within(connection: socket.socket, seconds: float) -> bool:
    """Waits, but no longer than the client does, so that a client that gave up holds no thread."""
    watch = select.poll()
    watch.register(connection, select.POLLIN)
    try:
        return bool(watch.poll(seconds * 1000)) and not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
