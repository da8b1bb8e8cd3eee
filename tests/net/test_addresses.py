"""Addresses that webhooks may go to."""

from __future__ import annotations

import pytest

from campanile.net.addresses import AddressRefused, HostUnknown, is_public, public_address, resolve


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34",
                                     "64:ff9b::5db8:d822", "2002:5db8:d822::1"])  # fmt: skip
def test_public_ones(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.1",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "nonsense",
        "",
    ],
)
def test_others(address: str) -> None:
    assert not is_public(address)


def test_all_addresses_of_a_host_must_be_public() -> None:
    with pytest.raises(AddressRefused):
        public_address("host", 80, lookup=lambda *_: ["93.184.216.34", "127.0.0.1"])
    assert public_address("host", 80, lookup=lambda *_: ["93.184.216.34", "8.8.8.8"]) == "93.184.216.34"
    assert public_address("host", 80, allow_private=True, lookup=lambda *_: ["127.0.0.1"]) == "127.0.0.1"
    with pytest.raises(HostUnknown):
        public_address("host", 80, lookup=lambda *_: [])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "localhost"]
)
def test_spellings_of_loopback_do_not_help(host: str) -> None:
    """Whatever the resolver of the machine makes of them, it is looked at after it was resolved."""
    with pytest.raises((AddressRefused, HostUnknown)):
        public_address(host.strip("[]"), 80)


def test_unknown_names() -> None:
    for host in ("nothing.invalid", "a" * 300, "\0"):
        with pytest.raises(HostUnknown):
            resolve(host, 80)
