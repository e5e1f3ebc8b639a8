"""Addresses where no provider can be reached, each in its own way."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Handler = Callable[[socket.socket], None]


@contextmanager
def refusing(_: Path) -> Iterator[str]:
    """Nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def unresolvable(_: Path) -> Iterator[str]:
    """The name is nobody's, and never will be (RFC 2606)."""
    yield "http://nobody.invalid"


@contextmanager
def deaf(_: Path) -> Iterator[str]:
    """Connections are neither made nor refused: the queue of those that wait is full."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(address)
        yield f"http://127.0.0.1:{address[1]}"
        for one in waiting:
            one.close()


@contextmanager
def hanging_up(_: Path) -> Iterator[str]:
    """Every connection is made, and ended at once."""
    with _server(lambda _: None) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def unencrypted(_: Path) -> Iterator[str]:
    """Something answers, but not in TLS."""
    with _server(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def self_signed(folder: Path) -> Iterator[str]:
    """It proves with a certificate of its own who it is."""
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with _server(answer) as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def _server(answer: Handler) -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answer), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        # Whoever waits for a connection is not woken by a close.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(listener: socket.socket, answer: Handler) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            answer(connection)


def _certificate(folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return file
