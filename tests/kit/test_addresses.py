from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from app.kit.addresses import (
    REFUSED_NETWORKS,
    Address,
    AddressRules,
    Network,
    RefusedAddress,
    is_refused,
    parse_target,
)

REFUSED_V4 = [network for network in REFUSED_NETWORKS if network.version == 4]
loopback = st.integers(0x7F000000, 0x7FFFFFFF)
digits = {ord(str(digit)): 0xFF10 + digit for digit in range(10)}


def words(text: str) -> list[str]:
    return text.split()


def check(url: str, *allowed: str) -> None:
    AddressRules([ip_network(network) for network in allowed]).check_target(parse_target(url))


def refusal(url: str, *allowed: str) -> str:
    with pytest.raises(RefusedAddress) as refused:
        check(url, *allowed)
    return str(refused.value)


def dotted(value: int, styles: list[str]) -> str:
    """The address as 1 to 4 numbers, one for each style, in the ways that the C library reads."""
    octets = list(value.to_bytes(4, "big"))
    head, tail = octets[: len(styles) - 1], octets[len(styles) - 1 :]
    numbers = [*head, int.from_bytes(tail, "big")]
    spell: dict[str, Callable[[int], str]] = {
        "dec": str,
        "hex": hex,
        "HEX": lambda n: f"0X{n:X}",
        "oct": lambda n: f"0{n:o}",
        "pad": lambda n: f"00{n:o}",
    }
    return ".".join(spell[style](number) for style, number in zip(styles, numbers, strict=True))


def disguises(address: int) -> list[IPv6Address]:
    """IPv6 addresses that lead to an IPv4 one, or are read as if they did."""
    teredo = (0x20010000 << 96) | (0x08080808 << 64) | (address ^ 0xFFFFFFFF)
    prefixes = [
        "::",
        "::ffff:0:0",
        "::ffff:0:0:0",
        "::5efe:0:0",
        "64:ff9b::",
        "64:ff9b:1::",
        "fe80::5efe:0:0",
    ]
    embedded = [int(IPv6Address(prefix)) | address for prefix in prefixes]
    return [IPv6Address(number) for number in [*embedded, (0x2002 << 112) | (address << 80) | 1, teredo]]


spellings = st.one_of(
    st.builds(
        dotted,
        loopback,
        st.lists(st.sampled_from(["dec", "hex", "HEX", "oct", "pad"]), min_size=1, max_size=4),
    ),
    loopback.map(lambda value: str(IPv4Address(value)).translate(digits)),
    loopback.map(lambda value: str(IPv4Address(value)).replace(".", "\u3002")),
    loopback.map(lambda value: str(IPv4Address(value)).replace("1", "\u2460")),
    loopback.map(lambda value: "".join(f"%{ord(char):02x}" for char in str(IPv4Address(value)))),
    loopback.flatmap(lambda value: st.sampled_from(disguises(value))).map(lambda address: f"[{address}]"),
    loopback.flatmap(lambda value: st.sampled_from(disguises(value))).map(
        lambda address: f"[{address.exploded}]"
    ),
    st.sampled_from(
        ["[::1]", "[::]", "[::1%25lo]", "[::1%lo]", "[0::0.0.0.1]", "[::ffff:127.0.0.1]", "[fe80::1%1]"]
    ),
    st.sampled_from(
        [
            "localhost",
            "LocalHost",
            "a.localhost",
            "\uff4cocalhost",
            "loca\u00adlhost",
            "\u24db\u24de\u24d2alhost",
        ]
    ),
)


@given(spelling=spellings, dot=st.sampled_from(["", "."]), port=st.sampled_from(["", ":443", ":8443"]))
@example(spelling="2130706433", dot="", port="")
@example(spelling="0x7f.1", dot=".", port="")
@example(spelling="[::ffff:0:7f00:1]", dot="", port="")
def test_this_machine_is_refused_in_every_spelling(spelling: str, dot: str, port: str) -> None:
    refusal(f"https://{spelling}{dot}{port}/hook")


@given(network=st.sampled_from(REFUSED_V4), offset=st.integers(0))
def test_a_refused_network_is_refused_whole_and_in_disguise(network: Network, offset: int) -> None:
    address = network[offset % network.num_addresses]
    assert is_refused(address)
    assert all(is_refused(disguise) for disguise in disguises(int(address)))


@pytest.mark.parametrize(
    "address",
    words(
        "0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 168.63.129.16 169.254.169.254 "
        "172.31.255.255 192.0.0.192 192.168.1.1 198.19.0.1 224.0.0.1 255.255.255.255 :: ::1 fe80::1 "
        "fc00::1 fd00:ec2::254 ff02::1 100::1 5f00::1 2001::1 2001:db8::1 2002:a00:1::1 3fff::1 4000::1 "
        "fec0::1"
    ),
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert is_refused(ip_address(address))


@pytest.mark.parametrize(
    "address",
    words(
        "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 "
        "172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 223.255.255.255 2001:200:: "
        "2001:4860:4860::8888 2003:: 2606:4700:4700::1111 2a00:1450::1 3ffd::1"
    ),
)
def test_public_addresses_are_accepted_up_to_the_edges(address: str) -> None:
    assert not is_refused(ip_address(address))


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM.:443/A?b=%2B#"[:-1], "https://example.com/A?b=%2B"),
        ("https://example.com?x=1", "https://example.com/?x=1"),
        ("https://B\u00dccher.example/\u00fc?q=\u00fc", "https://xn--bcher-kva.example/%C3%BC?q=%C3%BC"),
        ("https://my_service.example:8443/", "https://my_service.example:8443/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700:0::1111]/", "https://[2606:4700:4700::1111]/"),
        ("https://example.com/a%7Eb/../c//d;e=f@g:h", "https://example.com/a%7Eb/../c//d;e=f@g:h"),
    ],
)
def test_a_url_has_one_canonical_spelling(url: str, canonical: str) -> None:
    check(url)
    assert str(parse_target(url)) == canonical


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "the URL cannot be read"),
        ("example.com", "the URL cannot be read"),
        ("//example.com/", "the URL cannot be read"),
        ("https:/example.com/", "the URL cannot be read"),
        ("https://example.com/ x", "the URL cannot be read"),
        ("https://exam\tple.com/", "the URL cannot be read"),
        ("https://example.com/\r\nX: y", "the URL cannot be read"),
        ("https://example.com\\@127.0.0.1/", "the URL cannot be read"),
        ("https://example.com/\ud800", "the URL cannot be read"),
        ("https://example.com/" + "a" * 2048, "the URL is longer than 2048 characters"),
        ("ftp://example.com/", "the scheme is neither https nor http"),
        ("file:///etc/passwd", "the scheme is neither https nor http"),
        ("https://example.com/#x", "the URL has a fragment"),
        ("https://example.com/#", "the URL has a fragment"),
        ("https://me:secret@example.com/", "the URL holds a user name or password"),
        ("https://example.com@127.0.0.1/", "the URL holds a user name or password"),
        ("https://@example.com/", "the URL holds a user name or password"),
        ("https://example.com:/", "the host or port cannot be read"),
        ("https://example.com:x/", "the host or port cannot be read"),
        ("https://example.com:\u0664\u0664\u0663/", "the host or port cannot be read"),
        ("https://example.com:443:443/", "the host or port cannot be read"),
        ("https://::1/", "the host or port cannot be read"),
        ("https://[::1/", "the host or port cannot be read"),
        ("https://example.com:0/", "the port is not one for web servers"),
        ("https://example.com:22/", "the port is not one for web servers"),
        ("https://example.com:6667/", "the port is not one for web servers"),
        ("https://example.com:65536/", "the port is not one for web servers"),
        ("https:///path", "the host is not a valid name"),
        ("https://./", "the host is not a valid name"),
        ("https://a..b/", "the host is not a valid name"),
        ("https://example.com../", "the host is not a valid name"),
        ("https://-a.example/", "the host is not a valid name"),
        ("https://%65xample.com/", "the host is not a valid name"),
        (f"https://{'a' * 64}.example/", "the host is not a valid name"),
        ("https://\u2100.example\u2044/", "the host is not a valid name"),
        ("https://" + "a." * 128 + "example/", "the host is longer than a name can be"),
        ("https://[v1.x]/", "the host is not an IPv6 address"),
        ("https://[127.0.0.1]/", "the host is not an IPv6 address"),
        ("https://[2606:4700::1%25eth0]/", "the host is an IPv6 address with a zone"),
        ("https://134744072/", "the host is a number but not four decimal ones"),
        ("https://8.8.8.010/", "the host is a number but not four decimal ones"),
        ("https://example.0x/", "the host is a number but not four decimal ones"),
        ("https://10.0.0.1/", "the host is a private or reserved address"),
        ("https://localhost/", "the host is this machine"),
        ("http://example.com/", "only https is accepted"),
        ("http://8.8.8.8/", "only https is accepted outside the allow-listed networks"),
    ],
)
def test_a_refusal_names_its_reason(url: str, reason: str) -> None:
    assert refusal(url) == reason


@given(url=st.text(st.characters(codec=None), max_size=80) | st.from_regex(r"https?://[^/]{1,30}(/.*)?"))
def test_any_text_is_refused_or_read_as_other_libraries_read_it(url: str) -> None:
    try:
        target = parse_target(url)
    except RefusedAddress:
        return
    assert parse_target(str(target)) == target
    hosts = {
        urlsplit(str(target)).hostname,
        URL(str(target)).raw_host,
        httpx.URL(str(target)).raw_host.decode(),
    }
    assert hosts == {str(target.host)}


def test_an_allowed_network_may_be_reached_over_http() -> None:
    check("http://10.1.2.3:8080/", "10.0.0.0/8")
    check("https://10.1.2.3/", "10.0.0.0/8")
    check("http://[fd00::1]/", "10.0.0.0/8", "fd00::/8")
    assert refusal("http://192.168.0.1/", "10.0.0.0/8") == "the host is a private or reserved address"
    assert (
        refusal("http://8.8.8.8/", "10.0.0.0/8") == "only https is accepted outside the allow-listed networks"
    )


def test_an_allowed_network_does_not_open_its_disguises() -> None:
    for disguise in disguises(int(IPv4Address("10.0.0.1"))):
        refusal(f"https://[{disguise}]/", "10.0.0.0/8")


def test_local_names_need_an_allowed_loopback() -> None:
    check("http://localhost:8080/", "127.0.0.0/8")
    check("http://hooks.localhost/", "::1/128")
    refusal("http://localhost/", "10.0.0.0/8")


def check_addresses(encrypted: bool, *addresses: str) -> None:
    found: list[Address] = [ip_address(address) for address in addresses]
    rules = AddressRules([ip_network("10.0.0.0/8")])
    rules.check_addresses(found, encrypted=encrypted, subject="the name resolves to")


def test_one_bad_address_spoils_a_name() -> None:
    check_addresses(True, "8.8.8.8", "10.0.0.1", "2606:4700::1")
    with pytest.raises(RefusedAddress, match=r"^the name resolves to a private or reserved address$"):
        check_addresses(True, "8.8.8.8", "127.0.0.1")


def test_over_http_every_address_of_a_name_must_be_allowed() -> None:
    check_addresses(False, "10.0.0.1", "10.0.0.2")
    with pytest.raises(RefusedAddress, match=r"^only https"):
        check_addresses(False, "10.0.0.1", "8.8.8.8")
