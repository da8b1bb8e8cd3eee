"""Getting small documents from addresses that somebody else chose."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from campanile import __version__
from campanile.net.addresses import AddressRefused, HostUnknown, Resolve, public_address, resolve

FETCH_SECONDS = 5.0
"""Time to connect, and for each part of the answer."""
FETCH_BYTES = 64 * 1024
"""Longest document; a certificate has 2 KB."""


class FetchRefused(Exception):
    """It must not be fetched, or will never work: a private address, a redirect, an answer that is too long."""


class FetchFailed(Exception):
    """It may work later."""


class Fetcher:
    """Fetches over https from public addresses. Follows no redirect, uses no proxy of the environment. Blocks.

    Args:
        lookup: finds addresses.
        transport: for tests.
    """

    def __init__(self, *, lookup: Resolve = resolve, transport: httpx.BaseTransport | None = None) -> None:
        self._lookup = lookup
        self._http = httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False, trust_env=False, transport=transport)

    def close(self) -> None:
        self._http.close()

    def __call__(self, url: str) -> bytes:
        """The document at `url`, which the caller has checked to name a host that may be asked.

        The connection goes to the address that was found public, and to no other.

        Raises:
            FetchRefused: never. FetchFailed: not now.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            port = parts.port or 443
            if parts.scheme != "https" or not host:
                raise FetchRefused("only https is fetched")
            address = public_address(host, port, lookup=self._lookup)
        except (AddressRefused, ValueError) as error:
            raise FetchRefused(f"{host} is not a public address") from error
        except HostUnknown as error:
            raise FetchFailed(f"{host} has no address") from error
        literal = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{literal}:{port}", fragment="").geturl()
        headers = {"Host": host, "User-Agent": f"campanile/{__version__}"}
        try:
            with self._http.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as answer:
                if answer.is_redirect or 400 <= answer.status_code < 500:
                    raise FetchRefused(f"answered with status {answer.status_code}")
                if answer.status_code != httpx.codes.OK:
                    raise FetchFailed(f"answered with status {answer.status_code}")
                found = bytearray()
                for chunk in answer.iter_bytes():
                    found += chunk
                    if len(found) > FETCH_BYTES:
                        raise FetchRefused(f"longer than {FETCH_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(type(error).__name__) from error
        return bytes(found)
