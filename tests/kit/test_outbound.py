import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import cycle
from typing import Any

import pytest

from app.kit.addresses import Address
from app.kit.outbound import OutboundClient, OutboundFailure, RefusedAddress, Resolve

LOOPBACK = ip_network("127.0.0.0/8")

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Answer = Callable[[Reader, Writer], Awaitable[None]]


@dataclass
class Receiver:
    """A real server on a loopback address that notes who came and what was said."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", path: str = "/hook", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def receiver(answer: Answer, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Receiver]:
    noted = Receiver()

    async def handle(reader: Reader, writer: Writer) -> None:
        noted.connections += 1
        try:
            while request := await read_request(reader):
                noted.requests.append(request)
                await answer(reader, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, port)
    noted.port = server.sockets[0].getsockname()[1]
    async with server:
        yield noted


async def read_request(reader: Reader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def says(text: bytes) -> Answer:
    async def answer(_: Reader, writer: Writer) -> None:
        writer.write(text)

    return answer


def says_and_hangs_up(text: bytes) -> Answer:
    async def answer(_: Reader, writer: Writer) -> None:
        writer.write(text)
        await writer.drain()
        writer.close()

    return answer


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


OK = says(head("200 OK", "Content-Length: 2") + b"ok")


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[OutboundClient]:
    outbound = OutboundClient(**{"allowed_networks": [LOOPBACK], **options})
    try:
        yield outbound
    finally:
        await outbound.aclose()


def always(*addresses: str) -> Resolve:
    return in_turn(addresses)


def in_turn(*answers: Sequence[str]) -> Resolve:
    """A name server whose answers change from one question to the next."""
    turns = cycle(answers)

    async def resolve(_: str) -> list[Address]:
        return [ip_address(address) for address in next(turns)]

    return resolve


async def failure(url: str, **options: Any) -> OutboundFailure:
    async with client(**options) as outbound:
        with pytest.raises(OutboundFailure) as failed:
            await outbound.post(url, b"{}", {})
    return failed.value


async def refusal(url: str, **options: Any) -> str:
    async with client(**options) as outbound:
        with pytest.raises(RefusedAddress) as refused:
            await outbound.post(url, b"{}", {})
    return str(refused.value)


async def test_a_post_carries_body_and_headers_and_brings_the_answer_back() -> None:
    answer = says(head("201 Created", "X-A: 1", "x-a: 2", "Content-Length: 4") + b"done")
    async with receiver(answer) as server, client() as outbound:
        got = await outbound.post(server.url(path="/h%7Ea?b=%2B"), b'{"a":1}', {"Webhook-Id": "m1"})
    assert (got.status, got.body, got.truncated) == (201, b"done", False)
    assert got.headers == {"x-a": "1, 2", "content-length": "4"}
    assert got.duration_ms > 0
    request = server.requests[0]
    assert request.startswith(b"POST /h%7Ea?b=%2B HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a":1}')
    assert f"Host: 127.0.0.1:{server.port}\r\n".encode() in request
    assert b"Webhook-Id: m1\r\n" in request
    assert b"Accept-Encoding: identity\r\n" in request


async def test_a_connection_is_used_again() -> None:
    async with receiver(OK) as server, client() as outbound:
        for _ in range(3):
            await outbound.post(server.url(), b"{}", {})
    assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_a_redirect_is_an_answer_and_not_followed(status: str) -> None:
    async with receiver(OK) as elsewhere, client() as outbound:
        moved = says(head(status, f"Location: {elsewhere.url()}", "Content-Length: 0"))
        async with receiver(moved) as server:
            got = await outbound.post(server.url(), b"{}", {})
    assert got.status == int(status[:3])
    assert got.headers["location"] == elsewhere.url()
    assert elsewhere.connections == 0


async def test_cookies_are_not_kept() -> None:
    answer = says(head("200 OK", "Set-Cookie: a=1; Path=/", "Content-Length: 0"))
    async with receiver(answer) as server, client(resolve=always("127.0.0.1")) as outbound:
        for _ in range(2):
            await outbound.post(server.url("hooks.example.com"), b"{}", {})
    assert b"cookie" not in server.requests[1].lower()


async def test_proxies_from_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(OK) as proxy, receiver(OK) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(path=""))
        async with client() as outbound:
            await outbound.post(server.url(), b"{}", {})
    assert (proxy.connections, server.connections) == (0, 1)


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nA: ", head("200 OK", "Content-Length: 9") + b"a"]
)
async def test_a_server_that_hangs_is_given_up(begun: bytes) -> None:
    async def hang(reader: Reader, writer: Writer) -> None:
        writer.write(begun)
        await reader.read()

    async with receiver(hang) as server:
        assert (await failure(server.url(), timeout=0.2)).kind == "timeout"
    assert len(server.requests) == 1


async def test_a_dripping_body_does_not_stretch_the_timeout() -> None:
    async def drip(_: Reader, writer: Writer) -> None:
        writer.write(head("200 OK", "Content-Length: 100000"))
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with receiver(drip) as server:
        assert (await failure(server.url(), timeout=0.3)).kind == "timeout"


@pytest.mark.parametrize(
    "framing", ["Content-Length: 104857600", "Transfer-Encoding: chunked", "Connection: close"]
)
async def test_of_a_huge_answer_only_the_beginning_is_read(framing: str) -> None:
    megabyte = b"a" * 1024 * 1024
    sent = 0

    async def pour(_reader: Reader, writer: Writer) -> None:
        nonlocal sent
        writer.write(head("200 OK", framing))
        for _ in range(100):
            writer.write(b"100000\r\n" + megabyte + b"\r\n" if "chunked" in framing else megabyte)
            await writer.drain()
            sent += 1

    async with receiver(pour) as server, client() as outbound:
        got = await outbound.post(server.url(), b"{}", {})
        assert (got.status, len(got.body), got.truncated) == (200, 16 * 1024, True)
    assert sent < 100


@pytest.mark.parametrize(("size", "truncated"), [(0, False), (99, False), (100, False), (101, True)])
async def test_an_answer_is_truncated_only_when_it_is_over_the_limit(size: int, truncated: bool) -> None:
    answer = says(head("200 OK", f"Content-Length: {size}") + b"a" * size)
    async with receiver(answer) as server, client(answer_limit=100) as outbound:
        got = await outbound.post(server.url(), b"{}", {})
    assert (got.body, got.truncated) == (b"a" * min(size, 100), truncated)


async def test_a_compressed_answer_stays_as_it_is() -> None:
    answer = says(head("200 OK", "Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8b\x08\x00")
    async with receiver(answer) as server, client() as outbound:
        assert (await outbound.post(server.url(), b"{}", {})).body == b"\x1f\x8b\x08\x00"


async def test_a_reset_is_a_failure() -> None:
    async def reset(_: Reader, writer: Writer) -> None:
        writer.transport.abort()

    async with receiver(reset) as server:
        assert (await failure(server.url())).kind == "protocol"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_a_whole_http_answer_is_a_failure(text: bytes) -> None:
    async with receiver(says_and_hangs_up(text)) as server:
        assert (await failure(server.url())).kind == "protocol"


async def test_header_bytes_that_are_not_text_come_back_as_text() -> None:
    answer = says(b"HTTP/1.1 200 OK\r\nA: \xff\r\nContent-Length: 0\r\n\r\n")
    async with receiver(answer) as server, client() as outbound:
        assert (await outbound.post(server.url(), b"{}", {})).headers["a"] == "\ufffd"


async def test_nobody_listening_is_a_failure_without_the_address() -> None:
    async with receiver(OK) as server:
        pass
    failed = await failure(server.url("hooks.example.com"), resolve=always("127.0.0.1"))
    assert (failed.kind, str(failed)) == ("connect", "the connection failed: connection refused")


async def test_a_name_that_does_not_exist_is_a_failure() -> None:
    async def unknown(_: str) -> list[Address]:
        raise OSError("Name or service not known")

    for resolve in (unknown, always()):
        failed = await failure("https://hooks.example.com/", resolve=resolve)
        assert (failed.kind, str(failed)) == ("dns", "the name could not be resolved")


async def test_a_name_server_that_hangs_is_given_up() -> None:
    async def hang(_: str) -> list[Address]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    failed = await failure("https://hooks.example.com/", resolve=hang, connect_timeout=0.1, timeout=3600)
    assert failed.kind == "timeout"


async def test_names_are_resolved_by_the_system_unless_told_otherwise() -> None:
    async with receiver(OK) as server, client(allowed_networks=[LOOPBACK, ip_network("::1/128")]) as outbound:
        assert (await outbound.post(server.url("localhost"), b"{}", {})).status == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "https://127.0.0.1:{}/", "https://localhost:{}/", "http://127.1:{}/"]
)
async def test_without_an_allow_list_nothing_local_is_dialled(url: str) -> None:
    async with receiver(OK) as server:
        await refusal(url.format(server.port), allowed_networks=[])
    assert server.connections == 0


@pytest.mark.parametrize(
    "bad", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "169.254.169.254", "fe80::1%lo"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_name_with_one_bad_address_is_refused(bad: str, scheme: str) -> None:
    async with receiver(OK) as inside, receiver(OK, host="127.0.0.2") as good:
        for port in (inside.port, good.port):
            reason = await refusal(
                f"{scheme}://hooks.example.com:{port}/",
                allowed_networks=[ip_network("127.0.0.2/32")],
                resolve=always("127.0.0.2", bad),
            )
            assert reason == "the name resolves to a private or reserved address"
    assert (inside.connections, good.connections) == (0, 0)


async def test_plain_http_is_refused_when_any_address_is_public() -> None:
    async with receiver(OK) as server:
        reason = await refusal(server.url("hooks.example.com"), resolve=always("127.0.0.1", "8.8.8.8"))
    assert reason == "only https is accepted outside the allow-listed networks"
    assert server.connections == 0


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_name_that_flips_to_a_bad_address_never_connects_there(keep_alive: bool) -> None:
    good = OK if keep_alive else says_and_hangs_up(head("200 OK", "Content-Length: 0", "Connection: close"))
    flips = in_turn(["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"])
    async with (
        receiver(good, host="127.0.0.2") as outside,
        receiver(OK, port=outside.port) as inside,
        client(allowed_networks=[ip_network("127.0.0.2/32")], resolve=flips) as outbound,
    ):
        outcomes = [await outcome(outbound, outside.url("hooks.example.com")) for _ in range(9)]
    assert outcomes == (["answered"] * 9 if keep_alive else ["answered", "refused", "refused"] * 3)
    assert (inside.connections, outside.connections) == (0, 1 if keep_alive else 3)


async def outcome(outbound: OutboundClient, url: str) -> str:
    try:
        await outbound.post(url, b"{}", {})
    except RefusedAddress:
        return "refused"
    return "answered"


async def test_posts_at_the_same_time_share_one_lookup() -> None:
    asked: list[str] = []

    async def resolve(name: str) -> list[Address]:
        asked.append(name)
        await asyncio.sleep(0)
        return [ip_address("127.0.0.1")]

    async with receiver(OK) as server, client(resolve=resolve) as outbound:
        await asyncio.gather(*(outbound.post(server.url("hooks.example.com"), b"{}", {}) for _ in range(10)))
    assert (len(server.requests), asked) == (10, ["hooks.example.com"])


@pytest.mark.parametrize("name", ["X\r\nY", "X Y", "", "Host", "content-length", "Transfer-Encoding"])
async def test_header_names_that_could_change_the_message_are_refused(name: str) -> None:
    await refused_header(name, "a")


@pytest.mark.parametrize("value", ["a\r\nY: b", "a\n", "a\0", "\u00e9"])
async def test_header_values_that_could_change_the_message_are_refused(value: str) -> None:
    await refused_header("X", value)


async def refused_header(name: str, value: str) -> None:
    async with receiver(OK) as server, client() as outbound:
        with pytest.raises(ValueError, match="header"):
            await outbound.post(server.url(), b"{}", {name: value})
    assert server.connections == 0


async def test_cancelling_a_post_is_not_a_failure() -> None:
    arrived = asyncio.Event()

    async def hang(reader: Reader, _: Writer) -> None:
        arrived.set()
        await reader.read()

    async with receiver(hang) as server, client() as outbound:
        post = asyncio.create_task(outbound.post(server.url(), b"{}", {}))
        await arrived.wait()
        post.cancel()
        with pytest.raises(asyncio.CancelledError):
            await post


async def test_a_server_that_does_not_speak_tls_is_a_failure() -> None:
    async with receiver(says_and_hangs_up(b"hello")) as server:
        await failure(server.url(scheme="https"), connect_timeout=0.2)
    assert server.requests == []
