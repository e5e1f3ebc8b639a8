"""Certificates are always verified, whoever is asked and whatever the environment says."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crowd_pipelines.http import Guard, Retryable
from crowd_pipelines.http.deadline import OLDEST_TLS, DeadlineAdapter
from crowd_pipelines_tests.http.conftest import MakeClient
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, scripted_server

NOT_SECURE = r"no secure connection \(TLS\) could be made; check the certificate and the host's name"
FORUM = "forum.example"


def self_signed(folder: Path, name: str = FORUM) -> Path:
    """A certificate that only whoever is told to trust it accepts, for a name and for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(pem) + private)
    return path


@dataclass(slots=True)
class Secure:
    """A server that speaks TLS, the certificate it shows, and the names that it was asked for."""

    server: ScriptedServer
    certificate: Path
    names: list[str | None] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


@contextmanager
def secured(certificate: Path, *, newest: ssl.TLSVersion | None = None) -> Iterator[Secure]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
    with scripted_server() as server:
        secure = Secure(server, certificate)
        context.sni_callback = lambda _connection, name, _context: secure.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.plays("/a", answer(payload={"fine": True}))
        yield secure


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    with secured(self_signed(tmp_path)) as running:
        yield running


@pytest.fixture
def trusted(secure: Secure, monkeypatch: pytest.MonkeyPatch) -> Secure:
    """One that the operator trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.certificate))
    return secure


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"REQUESTS_CA_BUNDLE": ""},
        {"CURL_CA_BUNDLE": ""},
        {"PYTHONHTTPSVERIFY": "0"},
        {"REQUESTS_CA_BUNDLE": "0"},
        {"REQUESTS_CA_BUNDLE": "False"},
    ],
    ids=str,
)
def test_a_certificate_that_nobody_vouches_for_is_refused(
    environment: dict[str, str], secure: Secure, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Retryable):
        make_client(base_url=f"https://127.0.0.1:{secure.port}").post("/a", repeatable=False)
    assert secure.server.seen == []


def test_the_operator_can_vouch_for_one(trusted: Secure, make_client: MakeClient) -> None:
    assert make_client(base_url=f"https://127.0.0.1:{trusted.port}").get("/a").json == {"fine": True}


def test_a_certificate_for_another_name_is_refused(trusted: Secure, make_client: MakeClient) -> None:
    with pytest.raises(Retryable, match=NOT_SECURE):
        make_client(base_url=f"https://localhost:{trusted.port}").post("/a", repeatable=False)
    assert trusted.server.seen == []


@pytest.mark.parametrize(("name", "accepted"), [(FORUM, True), ("other.example", False)])
def test_a_guarded_host_is_verified_by_its_name_although_its_address_is_connected_to(
    name: str, accepted: bool, trusted: Secure, make_client: MakeClient
) -> None:
    """127.0.0.1 is in the certificate, too: verifying the address would let the other name through."""
    guard = Guard(networks=(ip_network("127.0.0.1/32"),), ports=(trusted.port,), resolve=lambda *_: ["127.0.0.1"])
    client = make_client(base_url=f"https://{name}:{trusted.port}", guard=guard)
    if accepted:
        assert client.get("/a").json == {"fine": True}
    else:
        with pytest.raises(Retryable, match=NOT_SECURE):
            client.post("/a", repeatable=False)
    assert trusted.names == [name]
    assert len(trusted.server.seen) == accepted


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_of_tls_are_refused(
    tmp_path: Path, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with secured(certificate, newest=ssl.TLSVersion.TLSv1_1) as old:
        with pytest.raises(Retryable, match=NOT_SECURE):
            make_client(base_url=f"https://127.0.0.1:{old.port}").post("/a", repeatable=False)
        assert old.server.seen == []
    with secured(certificate, newest=OLDEST_TLS) as oldest:
        assert make_client(base_url=f"https://127.0.0.1:{oldest.port}").get("/a").status == 200


def test_the_oldest_version_is_said_to_every_connection_and_to_proxies() -> None:
    """Here OpenSSL's own settings refuse older ones already; elsewhere they may not."""
    adapter = DeadlineAdapter(guard=None)
    for manager in (adapter.poolmanager, adapter.proxy_manager_for("http://proxy.example")):
        assert manager.connection_pool_kw["ssl_minimum_version"] is ssl.TLSVersion.TLSv1_2
