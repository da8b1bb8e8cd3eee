"""Which addresses this server may connect to when a caller chose them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Resolve = Callable[[str, int], list[str]]
"""Host and port → the addresses of the host."""

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Stands for the IPv4 address in the last 32 bits, where a network has IPv6 only."""
_REFUSED = (IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"), IPv6Network("2001::/32"))
"""Networks that lead to addresses of somebody else's choice."""


class AddressRefused(Exception):
    """The host is not on the public internet."""


class HostUnknown(Exception):
    """The name has no address, now at least."""


def resolve(host: str, port: int) -> list[str]:
    """
    Raises:
        HostUnknown: the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnknown(host) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_address(host: str, port: int, *, allow_private: bool = False, lookup: Resolve = resolve) -> str:
    """The address to connect to. All addresses of the host must be public: which one answers is not ours to choose.

    The connection must go to this very address: a second lookup may give another one.

    Raises:
        AddressRefused: one of them is not. HostUnknown: there is none.
    """
    addresses = lookup(host, port)
    if not addresses:
        raise HostUnknown(host)
    if not allow_private:
        for address in addresses:
            if not is_public(address):
                raise AddressRefused(f"{host} is not a public address")
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an address belongs to the public internet; addresses inside of addresses count."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if any(address in network for network in _REFUSED):
            return False
        if address in _TRANSLATED:
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _is_public(inner)
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved
