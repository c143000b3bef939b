import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.kit.addresses import Address
from app.kit.outbound import OutboundAnswer, OutboundClient, OutboundFailure

ADDRESS = ip_address("127.0.0.1")
NAME = "hooks.example.com"


@dataclass
class Receiver:
    """A TLS server on a loopback address that notes which name it was asked for and what was said."""

    port: int
    tls_names: list[str | None] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def receiver(tls: ssl.SSLContext) -> AsyncIterator[Receiver]:
    noted = Receiver(port=0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        noted.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    tls.sni_callback = lambda _socket, name, _context: noted.tls_names.append(name)
    server = await asyncio.start_server(answer, str(ADDRESS), 0, ssl=tls)
    noted.port = server.sockets[0].getsockname()[1]
    async with server:
        yield noted


async def post(url: str, trusted: ssl.SSLContext | None) -> OutboundAnswer:
    async def resolve(_: str) -> list[Address]:
        return [ADDRESS]

    outbound = OutboundClient(allowed_networks=[ip_network(ADDRESS)], ssl_context=trusted, resolve=resolve)
    try:
        return await outbound.post(url, b"{}", {})
    finally:
        await outbound.aclose()


@dataclass
class Authority:
    """A certificate authority of our own."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=pem(self.certificate))

    def server_context(self, host: x509.GeneralName) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        alternative = x509.SubjectAlternativeName([host])
        certificate = issue(self.name, self.key, subject, key, alternative)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(pem(certificate) + pem(key))
            file.flush()
            context.load_cert_chain(file.name)
        return context


def pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def issue(
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(extension, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    return Authority(name, key, issue(name, key, name, key, x509.BasicConstraints(ca=True, path_length=None)))


async def test_tls_asks_for_the_name_while_dialling_the_judged_address(authority: Authority) -> None:
    async with receiver(authority.server_context(x509.DNSName(NAME))) as server:
        got = await post(f"https://Hooks.Example.com.:{server.port}/", authority.client_context())
    assert got.status == 204
    assert server.tls_names == [NAME]
    assert f"Host: {NAME}:{server.port}\r\n".encode() in server.heads[0]


async def test_a_literal_address_is_accepted_when_the_certificate_names_it(authority: Authority) -> None:
    async with receiver(authority.server_context(x509.IPAddress(ADDRESS))) as server:
        got = await post(f"https://{ADDRESS}:{server.port}/", authority.client_context())
    assert got.status == 204


async def test_a_certificate_for_the_address_is_not_one_for_the_name(authority: Authority) -> None:
    async with receiver(authority.server_context(x509.IPAddress(ADDRESS))) as server:
        with pytest.raises(OutboundFailure, match=f"Hostname mismatch.*{NAME}") as failed:
            await post(f"https://{NAME}:{server.port}/", authority.client_context())
    assert failed.value.kind == "tls"
    assert server.heads == []


async def test_an_unknown_authority_is_not_trusted(authority: Authority) -> None:
    async with receiver(authority.server_context(x509.DNSName(NAME))) as server:
        with pytest.raises(OutboundFailure, match="unable to get local issuer certificate") as failed:
            await post(f"https://{NAME}:{server.port}/", None)
    assert failed.value.kind == "tls"
    assert server.heads == []
