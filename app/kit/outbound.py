"""The only place that speaks HTTP to the outside: guarded, bounded, and never surprised by an answer.

A name is resolved here, every address it has is judged, and only a judged address is dialled, under the
name's own Host and TLS name. Nothing resolves it a second time, so there is no gap for a changed answer.
"""

import asyncio
import os
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

import certifi
from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    StreamReader,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.kit.addresses import Address, AddressRules, Network, RefusedAddress, parse_target

__all__ = ["FailureKind", "OutboundAnswer", "OutboundClient", "OutboundFailure", "RefusedAddress", "Resolve"]

FailureKind = Literal["timeout", "connect", "tls", "dns", "protocol"]
Resolve = Callable[[str], Awaitable[Sequence[Address]]]

OWN_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "Rapport"}
# These decide where a message ends or who it is for, and belong to the client alone.
FRAMING_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Common servers hang up after 5 s of idling; a connection reused later may die under the request.
KEEP_ALIVE_SECONDS = 4.0
# A lookup can hang for as long as the system resolver likes, and each one holds a thread meanwhile.
MOST_LOOKUPS = 64

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")

_EXPLANATIONS: dict[FailureKind, str] = {
    "timeout": "no complete answer in time",
    "connect": "the connection failed",
    "tls": "no trusted TLS connection",
    "dns": "the name could not be resolved",
    "protocol": "the answer broke off or was not HTTP",
}
# In this order: the first that fits names the failure.
_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (ClientConnectorDNSError, "dns"),
    (ClientSSLError, "tls"),
    (ssl.SSLError, "tls"),
    (ClientConnectorError, "connect"),
    (TimeoutError, "timeout"),
    (ClientError, "protocol"),
    (OSError, "connect"),
)


class OutboundFailure(Exception):
    """No usable answer this time; worth another try. The text is safe to show to the URL's owner."""

    def __init__(self, kind: FailureKind, detail: str | None = None) -> None:
        super().__init__(_EXPLANATIONS[kind] + (f": {detail}" if detail else ""))
        self.kind: FailureKind = kind


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What came back, redirects and errors included.

    `headers` has lower-case names, repeated ones joined by a comma. `body` is raw, at most the client's
    limit; `truncated` says that there was more. `duration_ms` runs from the call to the last byte read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    duration_ms: float


class OutboundClient:
    """Posts to URLs that strangers chose. One per process; made anywhere, used in one event loop.

    `allowed_networks` may be reached although private, and over plain http. `timeout` and
    `connect_timeout` are seconds for the whole exchange and, within it, for name, connection and TLS;
    `answer_limit` is bytes. Concurrency is for the caller to bound: nothing queues in here, so that one
    slow receiver never stands in another's way.
    """

    def __init__(
        self,
        *,
        allowed_networks: Sequence[Network] = (),
        timeout: float = 15.0,
        connect_timeout: float = 5.0,
        answer_limit: int = 16 * 1024,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._rules = AddressRules(tuple(allowed_networks))
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._answer_limit = answer_limit
        self._ssl_context = ssl_context or _default_ssl_context()
        self._lookups = ThreadPoolExecutor(MOST_LOOKUPS, thread_name_prefix="outbound-dns")
        self._resolve = resolve or self._look_up
        self._sessions: dict[str, ClientSession] = {}

    def check_url(self, url: str) -> None:
        """RefusedAddress for what can be known to be wrong about a URL without resolving its name."""
        self._rules.check_target(parse_target(url))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> OutboundAnswer:
        """One POST and its answer, whatever its status; redirects are not followed.

        RefusedAddress for a URL that must not be called, OutboundFailure when no complete answer came,
        ValueError for headers that are malformed or the client's own.
        """
        target = parse_target(url)
        self._rules.check_target(target)
        _check_headers(headers)
        started = time.perf_counter()
        with _failures_named():
            async with asyncio.timeout(self._timeout):
                session = self._session(target.scheme)
                async with session.post(
                    URL(str(target), encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response:
                    return await self._read_answer(response, started)

    async def aclose(self) -> None:
        """Closes all connections; the client can't be used afterwards."""
        for session in self._sessions.values():
            await session.close()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def _read_answer(self, response: ClientResponse, started: float) -> OutboundAnswer:
        body, truncated = await _read_up_to(response.content, self._answer_limit)
        return OutboundAnswer(
            status=response.status,
            headers=_plain_headers(response),
            body=body,
            truncated=truncated,
            duration_ms=(time.perf_counter() - started) * 1000,
        )

    def _session(self, scheme: str) -> ClientSession:
        # One pool for each scheme, because the addresses a name may have depend on the encryption.
        # Made late, because it belongs to the event loop that runs.
        if scheme not in self._sessions:
            self._sessions[scheme] = ClientSession(
                connector=self._connector(encrypted=scheme == "https"),
                headers=OWN_HEADERS,
                timeout=ClientTimeout(total=None, connect=self._connect_timeout),
                cookie_jar=DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                read_bufsize=self._answer_limit,
            )
        return self._sessions[scheme]

    def _connector(self, *, encrypted: bool) -> TCPConnector:
        return TCPConnector(
            resolver=_JudgingResolver(self._resolve, self._rules, encrypted=encrypted),
            ssl=self._ssl_context,
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            # Connections opened at the same time share a lookup, later ones ask again.
            ttl_dns_cache=0,
        )

    async def _look_up(self, name: str) -> list[Address]:
        """Every address of a name; OSError when it has none.

        In threads of its own: the event loop's are few, and names that never answer would use them up.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._lookups, _system_addresses, name)


class _JudgingResolver(AbstractResolver):
    """Gives a connector the addresses of a name if all of them are good, and none otherwise."""

    def __init__(self, resolve: Resolve, rules: AddressRules, *, encrypted: bool) -> None:
        self._resolve = resolve
        self._rules = rules
        self._encrypted = encrypted

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the connector's interface
    ) -> list[ResolveResult]:
        """Addresses of both families, whatever `family` asks for: one bad address spoils the name."""
        addresses = await self._resolve(host)
        if not addresses:
            raise OSError("the name has no address")
        self._rules.check_addresses(addresses, encrypted=self._encrypted, subject="the name resolves to")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close: the lookups belong to the client."""


def _system_addresses(name: str) -> list[Address]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


def _default_ssl_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    # The system's authorities come first; slim images have none.
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError("a header name or value has characters that HTTP does not allow")
        if name.lower() in FRAMING_HEADERS:
            raise ValueError(f"the header {name.lower()} is set by the client itself")


async def _read_up_to(content: StreamReader, limit: int) -> tuple[bytes, bool]:
    received = bytearray()
    # One byte more than wanted tells a full answer from a cut one; leaving the rest unread makes
    # the response close its connection when it is released.
    while len(received) <= limit:
        chunk = await content.read(limit + 1 - len(received))
        if not chunk:
            return bytes(received), False
        received += chunk
    return bytes(received[:limit]), True


def _plain_headers(response: ClientResponse) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name = raw_name.decode(errors="replace").lower()
        value = raw_value.decode(errors="replace")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except (ClientError, OSError) as error:
        kind = next(kind for type_, kind in _KINDS if isinstance(error, type_))
        raise OutboundFailure(kind, _detail(error)) from error


def _detail(error: Exception) -> str | None:
    """What helps the receiver's owner, without the addresses that the library's own text holds."""
    cause = getattr(error, "certificate_error", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(error, ClientConnectorDNSError):
        return None
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower() if not isinstance(error, ssl.SSLError) else None
    return None
