"""Whom to believe about who is calling."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from litestar import Request

from campanile.errors import ConfigurationError
from campanile.http.auth import source_of
from campanile.http.middleware import wrap
from campanile.http.proxies import MOST_HOPS, address_of, caller, trusted_networks
from campanile.http.responses import ReadyResponse
from tests.conftest import NOW
from tests.http.apps import app_with, client_of, handler
from tests.stats.inprocess import running
from tests.support.engines import EmbeddedEngine

PROXIES = trusted_networks("192.0.2.1, 198.51.100.0/24\n2001:db8:ffff::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        pytest.param("203.0.113.9", [], "203.0.113.9", id="directly"),
        pytest.param("203.0.113.9", ["192.0.2.50"], "203.0.113.9", id="a caller who says it is a proxy"),
        pytest.param("192.0.2.1", [], "192.0.2.1", id="a proxy that says nothing"),
        pytest.param("192.0.2.1", ["203.0.113.9"], "203.0.113.9", id="one proxy"),
        pytest.param("192.0.2.1", ["203.0.113.9, 198.51.100.7"], "203.0.113.9", id="two proxies"),
        pytest.param("192.0.2.1", ["203.0.113.9", "198.51.100.7"], "203.0.113.9", id="two headers"),
        pytest.param("192.0.2.1", ["8.8.8.8, 203.0.113.9"], "203.0.113.9", id="what the caller wrote is not reached"),
        pytest.param("192.0.2.1", ["8.8.8.8, 203.0.113.9, 198.51.100.7"], "203.0.113.9", id="nor through two proxies"),
        pytest.param("192.0.2.1", ["198.51.100.8, 198.51.100.7"], "198.51.100.8", id="a proxy itself calls"),
        pytest.param("192.0.2.1", ["203.0.113.9, unknown"], "192.0.2.1", id="no address: the last one known"),
        pytest.param("192.0.2.1", ["unknown, 198.51.100.7"], "198.51.100.7", id="no address before a proxy"),
        pytest.param("192.0.2.1", ["", " , "], "192.0.2.1", id="nothing in it"),
        pytest.param("192.0.2.1", ["203.0.113.9:4711"], "203.0.113.9", id="with a port"),
        pytest.param("192.0.2.1", ["[2001:db8::9]:4711"], "2001:db8::9", id="IPv6 with a port"),
        pytest.param("192.0.2.1", ["2001:db8::9"], "2001:db8::9", id="IPv6"),
        pytest.param("::ffff:192.0.2.1", ["203.0.113.9"], "203.0.113.9", id="a proxy on a socket for both"),
        pytest.param("2001:db8:ffff::1", ["203.0.113.9"], "203.0.113.9", id="a proxy over IPv6"),
        pytest.param("unix:", ["203.0.113.9"], "unix:", id="no address at all"),
        pytest.param(
            "192.0.2.1", ["203.0.113.9," + "198.51.100.7," * MOST_HOPS + "198.51.100.7"], "198.51.100.7", id="too many"
        ),
    ],
)
def test_who_is_calling(peer: str, forwarded: list[str], found: str) -> None:
    assert caller(peer, forwarded, PROXIES) == found


def test_nobody_is_believed_unless_named() -> None:
    assert trusted_networks("") == ()
    assert caller("127.0.0.1", ["203.0.113.9"], ()) == "127.0.0.1"


@pytest.mark.parametrize("text", ["proxy.example.com", "192.0.2.1/33", "192.0.2.1/24", "*", "0.0.0.0/0", "::/0"])
def test_what_cannot_be_trusted(text: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies") as caught:
        trusted_networks(f"127.0.0.1 {text}")
    assert caught.value.attribute == "trusted_proxies"


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4.5", "[::1", "::1]:80", "1.2.3.4:port", "1:2"])
def test_what_is_no_address(text: str) -> None:
    assert address_of(text) is None


@pytest.mark.parametrize(("trusted", "source"), [("", "192.0.2.7"), ("192.0.2.7", "203.0.113.9")])
def test_everything_inside_sees_the_caller(trusted: str, source: str) -> None:
    async def say(request: Request[Any, Any, Any]) -> ReadyResponse:
        return ReadyResponse(source_of(request).encode())

    async def ask() -> str:
        app = wrap(app_with(handler("/who", say)), trusted=trusted_networks(trusted))
        async with client_of(app, address="192.0.2.7") as client:
            return (await client.post("/who", headers={"X-Forwarded-For": "8.8.8.8, 203.0.113.9"})).text

    assert anyio.run(ask) == source


@pytest.mark.slow
def test_failed_logins_behind_a_proxy(embedded: EmbeddedEngine) -> None:
    """Of the whole server: one caller's failures do not shut out the others, and cannot be blamed on them."""

    async def ask(app: Any) -> list[int]:
        found = []
        async with client_of(app, address="127.0.0.1") as client:
            for forwarded in ("203.0.113.9", "8.8.8.8, 203.0.113.9", "203.0.113.10", ""):
                headers = {"Authorization": "Bearer wrong", **({"X-Forwarded-For": forwarded} if forwarded else {})}
                found.append((await client.get("/v1/ingest/status", headers=headers)).status_code)
        return found

    with running(embedded, NOW, trusted_proxies="127.0.0.1", failed_logins_per_minute=1) as server:
        assert anyio.run(ask, server.client.app) == [401, 429, 401, 401]
