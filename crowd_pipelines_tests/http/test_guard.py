"""Addresses that users give lead to the public internet only, however they are spelled and whatever their names do."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

from crowd_pipelines.http import AddressRefused, Guard, Limits, Retryable, UnexpectedPayload, deadline
from crowd_pipelines_tests.http.conftest import MakeClient
from crowd_pipelines_tests.http.scripted_server import ScriptedServer, answer, redirect

OK = answer(payload={"secret": "of the inside"})
HERE = (ip_network("127.0.0.1/32"),)
PUBLIC = "93.184.215.14"


@dataclass(slots=True)
class Names:
    """A resolver that gives each name's answers in turn, the last one again and again."""

    answers: dict[str, list[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        try:
            answers = self.answers[host]
        except KeyError:
            raise socket.gaierror("no such name") from None
        return answers.pop(0) if len(answers) > 1 else answers[0]


def guard_for(name: str, *answers: Sequence[str], **options: Any) -> Guard:
    return Guard(resolve=Names({name: list(answers)}), **options)


@pytest.fixture(autouse=True)
def no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only numbers may be resolved by the system: a name would be a second look, after the check."""
    resolve = socket.getaddrinfo

    def numbers_only(host: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["flags"] = socket.AI_NUMERICHOST
        return resolve(host, *args[:3], **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", numbers_only)


CLOSED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "fd12:3456::1": "private",
    "fec0::1": "private",
    "100.64.0.1": "shared",
    "100.127.255.255": "shared",
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fd00:ec2::254": "machines of a cloud",
    "fd20:ce::254": "machines of a cloud",
    "100.100.100.200": "machines of a cloud",
    "168.63.129.16": "machines of a cloud",
    "192.0.0.192": "machines of a cloud",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "192.0.0.8": "reserved",
    "192.88.99.1": "reserved",
    "198.18.0.1": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "100::1": "reserved",
    "2001:10::1": "reserved",
    "5f00::1": "reserved",
    "4000::1": "reserved",
    "192.0.2.1": "documentation",
    "203.0.113.9": "documentation",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "::127.0.0.1": "inside an IPv6",
    "::ffff:127.0.0.1": "inside an IPv6",
    "::ffff:8.8.8.8": "inside an IPv6",
    "::ffff:169.254.169.254": "link-local",
    "::ffff:0:10.0.0.1": "inside an IPv6",
    "64:ff9b::10.0.0.1": "inside an IPv6",
    "64:ff9b::169.254.169.254": "link-local",
    "64:ff9b:1::10.0.0.1": "inside an IPv6",
    "2002:7f00:1::1": "inside an IPv6",
    "2002:a9fe:a9fe::1": "link-local",
    "2001:0:4136:e378:8000:63bf:80ff:fffe": "inside an IPv6",
    "2a00:1450::5efe:10.0.0.1": "inside an IPv6",
}


@pytest.mark.parametrize(("address", "kind"), CLOSED.items())
def test_a_name_that_leads_inside_is_refused(address: str, kind: str) -> None:
    with pytest.raises(AddressRefused, match=rf"^forum\.example is not asked: its address is .*{kind}") as raised:
        guard_for("forum.example", [address]).addresses("forum.example", 443)
    assert address not in str(raised.value), "what a name means inside is nothing for its users"


@pytest.mark.parametrize("address", CLOSED)
def test_one_closed_address_among_open_ones_is_enough(address: str) -> None:
    with pytest.raises(AddressRefused):
        guard_for("forum.example", [PUBLIC, address]).addresses("forum.example", 443)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::6810:84e5", "100.128.0.1", "172.32.0.1"])
def test_public_addresses_are_open(address: str) -> None:
    assert guard_for("forum.example", [address, address]).addresses("forum.example", 443) == [address]


@pytest.mark.parametrize(
    "address", [one for one, kind in CLOSED.items() if kind in {"link-local", "machines of a cloud"}]
)
def test_no_allow_list_opens_what_clouds_tell_their_machines(address: str) -> None:
    everything = tuple(map(ip_network, ("0.0.0.0/0", "::/0")))
    with pytest.raises(AddressRefused, match="machines of a cloud") as raised:
        guard_for("forum.example", [address], networks=everything).addresses("forum.example", 443)
    assert "CROWD_ALLOWED_NETWORKS" not in str(raised.value)


def test_the_operators_networks_are_open_and_nothing_beside_them() -> None:
    networks = tuple(map(ip_network, ("10.20.0.0/16", "fd12::/16")))
    names = Names({"in.example": [["10.20.0.7", "fd12::7"]], "beside.example": [["10.21.0.7"]]})
    guard = Guard(networks=networks, resolve=names)
    assert guard.addresses("in.example", 443) == ["10.20.0.7", "fd12::7"]
    with pytest.raises(AddressRefused, match="can be allowed with CROWD_ALLOWED_NETWORKS"):
        guard.addresses("beside.example", 443)


def test_an_address_inside_another_is_open_only_where_both_are() -> None:
    translated, private = ip_network("64:ff9b::/96"), ip_network("10.0.0.0/8")
    inside = guard_for("a", ["64:ff9b::10.0.0.1"], networks=(translated,))
    with pytest.raises(AddressRefused, match="private"):
        inside.addresses("a", 443)
    assert guard_for("a", ["64:ff9b::10.0.0.1"], networks=(translated, private)).addresses("a", 443)
    assert guard_for("a", ["64:ff9b::8.8.8.8"], networks=(translated,)).addresses("a", 443)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://0x7f.1/", "four decimal parts"),
        ("http://0x7f000001/", "four decimal parts"),
        ("http://2130706433/", "four decimal parts"),
        ("http://0177.0.0.1/", "four decimal parts"),
        ("http://127.1/", "four decimal parts"),
        ("http://127.0.0.1./", "loopback"),
        ("http://127.0.0.1/", "loopback"),
        ("http://[::1]/", "loopback"),
        ("http://[::ffff:169.254.169.254]/", "machines of a cloud"),
        ("http://[::ffff:7f00:1]/", "inside an IPv6"),
        ("http://169.254.169.254/latest/meta-data", "machines of a cloud"),
        ("http://metadata.google.internal/", "their own credentials"),
        ("http://METADATA.google.internal./", "their own credentials"),
        ("http://instance-data/", "their own credentials"),
        ("http://127\u30020\u30020\u30021/", "no web address"),
        ("http://\uff11\uff12\uff17.0.0.1/", "no web address"),
        ("ftp://forum.example/", "only addresses that begin with https"),
        ("file:///etc/passwd", "only addresses that begin with https"),
        ("gopher://forum.example/", "only addresses that begin with https"),
        ("//forum.example/", "only addresses that begin with https"),
        ("forum.example", "only addresses that begin with https"),
        ("http://", "only addresses that begin with https"),
        ("", "only addresses that begin with https"),
        ("http://me:hunter2@forum.example/", "no user name or password"),
        ("http://forum.example@127.0.0.1/", "no user name or password"),
        ("http://forum.example:22/", "port 22"),
        ("http://forum.example:6379/", "port 6379"),
        ("https://forum.example:8443/", "port 8443"),
        ("http://[broken/", "no web address"),
        ("http://forum.example:99999/", "no web address|port 99999"),
    ],
)
def test_an_address_is_refused_before_anything_is_sent(url: str, reason: str, make_client: MakeClient) -> None:
    names = Names({"forum.example": [[PUBLIC]]})
    guard = Guard(resolve=lambda host, port: names(host, port) if host in names.answers else [host])
    with pytest.raises(AddressRefused, match=reason) as raised:
        asked(make_client, guard, url)
    assert "hunter2" not in str(raised.value)


def asked(make_client: MakeClient, guard: Guard, url: str, path: str = "/a") -> Any:
    return make_client(base_url=url, guard=guard, headers={"Authorization": "Bearer hunter2"}).get(path).json


# --- over real sockets ---


def opened(server: ScriptedServer, names: Names, **options: Any) -> Guard:
    """Lets connections through to where the test's server is."""
    return Guard(networks=HERE, ports=(server.server_address[1],), resolve=names, **options)


def url_of(server: ScriptedServer, name: str) -> str:
    return f"http://{name}:{server.server_address[1]}"


def test_a_guarded_host_is_connected_to_by_its_checked_address(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", OK)
    names = Names({"forum.example": [["127.0.0.1"]]})
    assert asked(make_client, opened(server, names), url_of(server, "forum.example")) == {"secret": "of the inside"}
    assert [seen.headers["Host"] for seen in server.seen] == [f"forum.example:{server.server_address[1]}"]
    assert names.asked == ["forum.example"]


def test_without_the_operators_word_the_same_host_is_refused(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", OK)
    guard = Guard(ports=(server.server_address[1],), resolve=Names({"forum.example": [["127.0.0.1"]]}))
    with pytest.raises(AddressRefused, match=r"forum\.example is not asked: its address is loopback"):
        asked(make_client, guard, url_of(server, "forum.example"))
    assert server.seen == []


def test_a_name_that_turns_inside_after_the_check_leads_nowhere(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    """The first answer is what is connected to, and the second one, for a new connection, is checked like the first."""
    server.plays("/a", answer(payload={}, headers={"Connection": "close"}))
    names = Names({"forum.example": [["127.0.0.1"], ["10.0.0.1"]]})
    client = make_client(base_url=url_of(server, "forum.example"), guard=opened(server, names))
    assert client.get("/a").json == {}
    with pytest.raises(AddressRefused, match=r"its address is private"):
        client.get("/a")
    assert (len(server.seen), names.asked) == (1, ["forum.example", "forum.example"])


def test_the_next_address_is_tried_where_one_does_not_answer(server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", OK)
    names = Names({"forum.example": [["127.0.0.2", "127.0.0.1"]]})
    guard = Guard(networks=(ip_network("127.0.0.0/8"),), ports=(server.server_address[1],), resolve=names)
    assert asked(make_client, guard, url_of(server, "forum.example"))
    assert len(server.seen) == 1


def test_many_addresses_that_do_not_answer_take_no_longer_than_one_answer(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted: list[float] = []

    def silent(address: tuple[str, int], timeout: float, **options: Any) -> socket.socket:
        granted.append(timeout)
        time.sleep(timeout)
        raise TimeoutError

    monkeypatch.setattr(deadline, "create_connection", silent)
    guard = guard_for("forum.example", [f"93.184.215.{number}" for number in range(1, 200)])
    limits = Limits(connect_seconds=0.1, total_seconds=0.25)
    client = make_client(base_url="http://forum.example", guard=guard, limits=limits)
    with pytest.raises(Retryable, match="no connection could be made in time"):
        client.post("/a", repeatable=False)
    assert granted[0] == limits.connect_seconds
    assert sum(granted) <= limits.total_seconds


def test_a_name_without_an_address_is_tried_again_later(server: ScriptedServer, make_client: MakeClient) -> None:
    for names in (Names({}), Names({"forum.example": [[]]})):
        with pytest.raises(Retryable, match="the host's name could not be resolved"):
            asked(make_client, opened(server, names), url_of(server, "forum.example"))


@pytest.mark.parametrize("inside", ["http://localhost/b", "http://169.254.169.254/b", "http://forum.example/b"])
def test_a_redirect_inside_is_not_followed(inside: str, server: ScriptedServer, make_client: MakeClient) -> None:
    server.plays("/a", redirect(inside))
    names = Names({"forum.example": [["127.0.0.1"]], "localhost": [["127.0.0.1"]]})
    with pytest.raises(UnexpectedPayload, match="was redirected to"):
        asked(make_client, opened(server, names), url_of(server, "forum.example"))
    assert (len(server.seen), names.asked) == (1, ["forum.example"])


def test_a_proxy_does_not_go_where_the_guard_would_not(
    server: ScriptedServer, other_server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would resolve the name itself, perhaps to something else."""
    server.plays("/a", OK)
    other_server.plays("/a", OK)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", other_server.url)
    asked(make_client, opened(server, Names({"forum.example": [["127.0.0.1"]]})), url_of(server, "forum.example"))
    assert (len(server.seen), other_server.seen) == (1, [])


def test_the_systems_own_resolver_is_asked_where_no_other_is_given(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(AddressRefused, match=r"localhost is not asked: its address is loopback"):
        asked(make_client, Guard(ports=(server.server_address[1],)), url_of(server, "localhost"))
    assert server.seen == []
