"""An HTTP proxy that takes every host for the server under test: clients with a fixed address reach it over TLS."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CHUNK = 64 * 1024
_CONNECT = re.compile(rb"CONNECT ([\w.-]+):(\d+) HTTP/1\.1\r\n")
_REQUEST = re.compile(rb"^(GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class TlsProxy:
    """What a client needs to know of it, and what it saw."""

    def __init__(self, port: int, authority: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.authority = authority
        """The certificate authority, for `SSL_CERT_FILE`."""
        self.targets: list[str] = []
        """Hosts and ports that clients asked for."""
        self.requests: list[str] = []
        """Paths of the requests that went through."""


@contextmanager
def tls_proxy(host: str, upstream_port: int, folder: Path) -> Iterator[TlsProxy]:
    """A proxy that ends TLS for `host` and passes everything on to a plain port of this machine."""
    authority, context = _certificates(host, folder)
    ready = threading.Event()
    made: list[TlsProxy] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await _tunnel(made[0], context, upstream_port, reader, writer)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        made.append(TlsProxy(server.sockets[0].getsockname()[1], authority))
        ready.set()
        with suppress(asyncio.CancelledError):
            await server.serve_forever()

    def run() -> None:
        asyncio.set_event_loop(loop)
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()

    task = loop.create_task(serve())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10), "the proxy did not start"
    yield made[0]
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)


async def _tunnel(
    proxy: TlsProxy,
    context: ssl.SSLContext,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    match = _CONNECT.match(head)
    if match is None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return
    proxy.targets.append(f"{match[1].decode()}:{match[2].decode()}")
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await writer.drain()
    await writer.start_tls(context)
    above_reader, above_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pump(reader, above_writer, proxy), _pump(above_reader, writer, None))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seen: TlsProxy | None) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while chunk := await source.read(CHUNK):
            if seen is not None:
                seen.requests += [path.decode() for _, path in _REQUEST.findall(chunk)]
            sink.write(chunk)
            await sink.drain()
    sink.close()


def _certificates(host: str, folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate authority of our own, and a server with a certificate for `host`."""
    now = datetime.now(UTC)
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests of Campanile")])

    def built(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
        return builder.not_valid_after(now + timedelta(days=1))

    authority = (
        built(issuer, issuer_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    server = (
        built(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + server.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return folder / "authority.pem", context
