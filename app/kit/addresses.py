"""Where a URL that a stranger gave us may lead: the networks we never reach, and how hosts are read.

The networks are written out because the standard library's `is_global` and `is_private` are wrong for
several spellings of 127.0.0.1, and blocks are refused whole because lists of encodings have had holes.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from urllib.parse import quote

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

REFUSED_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, one cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent on an address that looks public
        "169.254.0.0/16",  # link-local, most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments, one cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        # Global unicast is 2000::/3, so all around it goes: loopback, mapped, compatible and translated
        # IPv4, NAT64, discard (::/3); unassigned (4000::/2); segment routing, unique local, link-local,
        # multicast (8000::/1 and the rest).
        "::/3",
        "4000::/2",
        "8000::/1",
        # Inside 2000::/3:
        "2001::/23",  # Teredo, benchmarks, ORCHID and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3ffe::/16",  # the former 6bone
        "3fff::/20",  # documentation
    )
)

MOST_URL_CHARACTERS = 2048
DEFAULT_PORTS = {"https": 443, "http": 80}
# Ports at which a POST could be taken for another protocol: the Fetch standard's list above 1023;
# below, only the web's own ports are open.
_OTHER_PROTOCOLS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}
)

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?P<fragment>#.*)?"
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_UNREADABLE = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRINTABLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class RefusedAddress(Exception):
    """A URL that Rapport does not call, for a reason that time will not mend: never to be retried.

    The text names the reason and holds neither the URL nor what a name resolved to.
    """


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its one canonical spelling: what was judged is, letter by letter, what is dialled."""

    scheme: str
    host: Address | str
    port: int
    path: str

    @property
    def encrypted(self) -> bool:
        return self.scheme == "https"

    def __str__(self) -> str:
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else str(self.host)
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What may be reached: public addresses over https, and anything inside `allowed` over http too."""

    allowed: Sequence[Network] = ()

    def check_target(self, target: Target) -> None:
        """RefusedAddress for what is known to be wrong before a name is resolved."""
        if not isinstance(target.host, str):
            self.check_addresses([target.host], encrypted=target.encrypted, subject="the host is")
        elif not target.encrypted and not self.allowed:
            raise RefusedAddress("only https is accepted")
        elif _is_local_name(target.host) and not self._allows_loopback():
            raise RefusedAddress("the host is this machine")

    def check_addresses(self, addresses: Iterable[Address], *, encrypted: bool, subject: str) -> None:
        """RefusedAddress if any one of them is bad; `subject` begins the sentence that says so."""
        others = [address for address in addresses if not self._allows(address)]
        if any(is_refused(address) for address in others):
            raise RefusedAddress(f"{subject} a private or reserved address")
        if others and not encrypted:
            raise RefusedAddress("only https is accepted outside the allow-listed networks")

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)

    def _allows_loopback(self) -> bool:
        return self._allows(IPv4Address("127.0.0.1")) or self._allows(IPv6Address("::1"))


def is_refused(address: Address) -> bool:
    """Whether the address lies in a network that is private, reserved or a disguise of one."""
    return any(address in network for network in REFUSED_NETWORKS)


@functools.lru_cache(maxsize=1024)
def parse_target(url: str) -> Target:
    """Reads an http or https URL strictly; RefusedAddress for every spelling with more than one reading.

    Remembered, since each message of an endpoint asks again; whether it may be called is not.
    """
    if len(url) > MOST_URL_CHARACTERS:
        raise RefusedAddress(f"the URL is longer than {MOST_URL_CHARACTERS} characters")
    parts = _URL.fullmatch(url)
    if parts is None or _UNREADABLE.search(url):
        raise RefusedAddress("the URL cannot be read")
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise RefusedAddress("the scheme is neither https nor http")
    if parts["fragment"] is not None:
        raise RefusedAddress("the URL has a fragment")
    if "@" in parts["authority"]:
        raise RefusedAddress("the URL holds a user name or password")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise RefusedAddress("the host or port cannot be read")
    return Target(
        scheme=scheme,
        host=parse_host(authority["host"]),
        port=_parse_port(authority["port"], scheme),
        path=_ascii_path(parts["rest"]),
    )


def parse_host(host: str) -> Address | str:
    """The address a host spells out, or the name in lower-case ASCII without a trailing dot."""
    if host.startswith("["):
        return _parse_ipv6(host[1:-1])
    name = _ascii_name(host)
    if _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        return _parse_ipv4(name)
    return name


def _parse_ipv6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise RefusedAddress("the host is not an IPv6 address") from None
    if address.scope_id is not None:
        raise RefusedAddress("the host is an IPv6 address with a zone")
    return address


def _parse_ipv4(text: str) -> IPv4Address:
    # Octal, hexadecimal and shortened numbers are read differently from one library to the next.
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise RefusedAddress("the host is a number but not four decimal ones") from None


def _ascii_name(host: str) -> str:
    if len(host) > 254:
        raise RefusedAddress("the host is longer than a name can be")
    try:
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except UnicodeError:
        raise RefusedAddress("the host is not a valid name") from None
    name = name.removesuffix(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise RefusedAddress("the host is not a valid name")
    return name


def _parse_port(text: str | None, scheme: str) -> int:
    port = DEFAULT_PORTS[scheme] if text is None else int(text)
    web = port in DEFAULT_PORTS.values() or 1024 <= port <= 65535
    if not web or port in _OTHER_PROTOCOLS:
        raise RefusedAddress("the port is not one for web servers")
    return port


def _ascii_path(rest: str) -> str:
    try:
        path = quote(rest, safe=_PRINTABLE_ASCII)
    except UnicodeEncodeError:
        raise RefusedAddress("the URL cannot be read") from None
    return path if path.startswith("/") else f"/{path}"


def _is_local_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")
