"""Who is calling when proxies stand in front of the server: `X-Forwarded-For`, believed from named addresses only."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from campanile.errors import ConfigurationError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

FORWARDED_FOR = b"x-forwarded-for"
MOST_HOPS = 32
"""Addresses looked at, from the nearest on; nobody chains so many proxies, and callers may write as many as fit."""

_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:]+))(?::\d{1,5})?")


def trusted_networks(text: str) -> tuple[Network, ...]:
    """The proxies that a setting names: addresses and networks, separated by spaces or commas.

    Raises:
        ConfigurationError: something is neither, or a network that holds everybody.
    """
    return tuple(_network(part) for part in re.split(r"[\s,]+", text) if part)


def address_of(text: str) -> Address | None:
    """An address as connections and proxies write it, perhaps with a port or a zone; None if it is none."""
    text = text.strip()
    with_port = _PORT.fullmatch(text)
    if with_port is not None and (with_port["six"] or "." in text):
        text = with_port["six"] or with_port["four"]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def caller(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address of whoever sent a request, as far as it is known from those who are trusted.

    Each proxy appends the address it was called from. So the list is read from its end: as long as an address is that
    of a trusted proxy, the one before is believed. What a caller wrote itself stands further left and is never reached.

    Args:
        peer: the other end of the connection.
        forwarded: the values of `X-Forwarded-For`, in their order.
    """
    known = address_of(peer)
    if known is None or not _is_trusted(known, trusted):
        return peer
    hops = [hop for value in forwarded for hop in value.split(",")][-MOST_HOPS:]
    for hop in reversed(hops):
        said = address_of(hop)
        if said is None:
            break
        known = said
        if not _is_trusted(known, trusted):
            break
    return str(known)


class CallerMiddleware:
    """Puts the address of the caller where that of the connection was, before anything else looks at it."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]], trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        peer = scope.get("client") if scope["type"] == "http" else None
        if peer:
            values = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED_FOR]
            if values:
                scope = {**scope, "client": (caller(peer[0], values, self._trusted), peer[1])}
        await self._app(scope, receive, send)


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            f"trusted_proxies: {text} is neither an address nor a network", attribute="trusted_proxies"
        ) from error
    if network.prefixlen == 0:
        raise ConfigurationError(
            f"trusted_proxies: {text} holds everybody, so everybody could choose an address",
            attribute="trusted_proxies",
        )
    return network
