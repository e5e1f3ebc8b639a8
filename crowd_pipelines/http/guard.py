"""Where the address that a user gave may lead: to the public internet, and where the operator allows it.

A provider's own address and the operator's `CROWD_<PLATFORM>_API_URL` are trusted. An address that came in with
somebody's credentials is not: it may point into this network, and whoever gave it would read the answers. So its name
is resolved here, every address of it is checked, and the connection is made to one that was checked. Checking first
and letting the connection resolve again would leave a moment in which the name can be pointed elsewhere.
"""

import logging
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from crowd_pipelines.http.errors import AddressRefused

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host as text. Raises OSError where there are none."""

PORTS = (80, 443)
_DEFAULT_PORTS = {"http": 80, "https": 443}

_METADATA_NAMES = frozenset(
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"]
)
_TELLTALE = "link-local, or where machines of a cloud ask for their own credentials"
_EMBEDDED = "an IPv4 address inside an IPv6 one"
_REMEDY = ". If that is an installation of yours, its network can be allowed with CROWD_ALLOWED_NETWORKS"

# What a cloud tells its machines, credentials among it. No allow-list opens these.
_METADATA = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # Amazon, Google, Azure, Oracle and most others, and what containers are told
        "fe80::/10",
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::/32",  # Google
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's host, a public address
        "192.0.0.192/32",  # Oracle, older machines
    )
)
# IANA's registries of special-purpose addresses, as far as they are not to be reached from outside.
_CLOSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), kind)
    for kind, texts in {
        "unspecified": "0.0.0.0/8 ::/128",
        "loopback": "127.0.0.0/8 ::1/128",
        "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "shared by a provider's customers": "100.64.0.0/10",
        "multicast": "224.0.0.0/4 ff00::/8",
        "reserved": "192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23 100::/64",
        "for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        _EMBEDDED: "::/96",
    }.items()
    for text in texts.split()
)
_IN_USE = IPv6Network("2000::/3")
_TRANSLATED = tuple(
    IPv6Network(text) for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What may be connected to beside the public internet: the operator's own networks and ports."""

    networks: tuple[Network, ...] = ()
    ports: tuple[int, ...] = ()
    resolve: Resolver = system_resolver

    def check(self, url: str) -> None:
        """Raise AddressRefused for a URL that cannot be allowed, wherever its host may lead."""
        try:
            # The parser that the connection is made by: where two disagree, a check by the other one is none.
            parts = parse_url(url)
        except LocationParseError:
            raise AddressRefused(
                "The address given is no web address; give one like https://forum.example.org"
            ) from None
        host = parts.host or ""
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise _refused(host, "only addresses that begin with https:// or http:// are asked")
        if parts.auth is not None:
            raise _refused(host, "an address must hold no user name or password; give them as credentials")
        self._check_host(host, parts.port or _DEFAULT_PORTS[parts.scheme])

    def addresses(self, host: str, port: int) -> list[str]:
        """Return where a host may be connected to. Raises AddressRefused if any of its addresses is closed, OSError."""
        self._check_host(host, port)
        found = [ip_address(text) for text in self.resolve(_bare(host), port)]
        for address in found:
            if kind := self._closed(address):
                # The address goes to the operator's log: what a name means in this network is nothing for its users.
                logger.info("%s leads to %s, which is %s", host, address, kind)
                raise _refused(host, f"its address is {kind}{_REMEDY if kind != _TELLTALE else ''}")
        return list(dict.fromkeys(map(str, found)))

    def _check_host(self, host: str, port: int) -> None:
        name = _bare(host)
        if name in _METADATA_NAMES:
            raise _refused(host, "machines of a cloud ask there for their own credentials")
        if port not in (*PORTS, *self.ports):
            raise _refused(host, f"port {port} is not one of those allowed (see CROWD_ALLOWED_PORTS)")
        if ":" not in name and _NUMBER.fullmatch(name.rpartition(".")[2]) and not _is_plain(name):
            raise _refused(host, "a number stands for an address only as four decimal parts, like 192.0.2.1")

    def _closed(self, address: Address) -> str | None:
        """Return what kind of address it is if it may not be connected to."""
        inner = _embedded(address)
        if any(one in network for one in (address, inner) if one for network in _METADATA):
            return _TELLTALE
        if any(address in network for network in self.networks):
            return self._closed(inner) if inner else None
        if inner:
            return _EMBEDDED
        if kind := next((kind for network, kind in _CLOSED if address in network), None):
            return kind
        return None if address.version == 4 or address in _IN_USE else "reserved"


def _bare(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_plain(name: str) -> bool:
    try:
        IPv4Address(name)
    except ValueError:
        return False
    return True


def _embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address at which traffic to an IPv6 one ends up: mapped, translated or tunnelled."""
    if isinstance(address, IPv4Address):
        return None
    if address.teredo:
        return address.teredo[1]
    if address.sixtofour:
        return address.sixtofour
    number = int(address)
    is_inside = any(address in network for network in _TRANSLATED) or (number >> 32) & 0xFFFF_FFFF in _ISATAP
    return IPv4Address(number & 0xFFFF_FFFF) if is_inside else None


def _refused(host: str, reason: str) -> AddressRefused:
    return AddressRefused(f"{host[:200] or 'The address given'} is not asked: {reason}.")
