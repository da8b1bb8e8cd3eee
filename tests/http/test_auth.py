"""Credentials: how they are read, who is let in, who is slowed down."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import anyio
import httpx
import pytest
import structlog
from litestar import Request

from campanile.http.auth import Credentials, parse_authorization, require, source_of
from campanile.http.responses import ReadyResponse
from tests.http.apps import app_with, client_of, handler
from tests.http.gates import FakeGate, principal, workspace


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} " + base64.b64encode(f"{user}:{password}".encode()).decode()


READABLE = [
    (basic("WS1", "key"), Credentials("WS1", "key")),
    (basic("WS1", "key", scheme="bAsIc"), Credentials("WS1", "key")),
    (basic("WS1", "a:b:c"), Credentials("WS1", "a:b:c")),
    (basic(" WS1 ", " key "), Credentials(" WS1 ", " key ")),
    (basic("WS1", ""), Credentials("WS1", "")),
    (basic("", "key"), Credentials("", "key")),
    (basic("Überwerk", "schlüssel"), Credentials("Überwerk", "schlüssel")),
    ("Bearer cmpi_abc", Credentials(None, "cmpi_abc")),
    ("bearer x:y", Credentials(None, "x:y")),
]
UNREADABLE = [
    "",
    "Basic",
    "Basic ",
    "Basic ????",
    "Basic " + base64.b64encode(b"no-colon").decode(),
    "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
    "Basic " + base64.b64encode(b"W\0S1:key").decode(),
    "Basic  " + base64.b64encode(b"two:spaces").decode(),
    "Digest username=WS1",
    "V1NEOmtleQ==",
    "Bearer schlüssel",
    "Bearer a\0b",
]


@pytest.mark.parametrize(("header", "credentials"), READABLE)
def test_readable_credentials(header: str, credentials: Credentials) -> None:
    assert parse_authorization(header.encode(), bearer=True) == credentials


@pytest.mark.parametrize("header", UNREADABLE)
def test_unreadable_credentials(header: str) -> None:
    assert parse_authorization(header.encode(), bearer=True) is None


def test_bearer_keys_only_where_they_are_welcome() -> None:
    assert parse_authorization(b"Bearer cmpi_abc", bearer=False) is None


Headers = Sequence[tuple[str, str]]


def call(gate: FakeGate, *requests: Headers, scope: str = "stats:read", address: str = "192.0.2.7") -> list[Any]:
    """Send the requests one after the other; statuses and bodies."""

    async def act(request: Request[Any, Any, Any]) -> ReadyResponse:
        found = await require(request, gate, scope)
        return ReadyResponse(b'"%s"' % found.workspace.id.encode())

    async def run() -> list[httpx.Response]:
        async with client_of(app_with(handler("/v1/things", act)), address=address) as client:
            return [await client.post("/v1/things", headers=list(headers)) for headers in requests]

    return anyio.run(run)


RIGHT = ("Authorization", basic("WS1", "secret"))
WRONG = ("Authorization", basic("WS1", "guess"))


def test_the_right_key_opens() -> None:
    (response,) = call(FakeGate(("secret", principal())), [RIGHT])
    assert (response.status_code, response.json()) == (200, "WS1")


def test_a_bearer_key_opens() -> None:
    (response,) = call(FakeGate(("secret", principal())), [("Authorization", "Bearer secret")])
    assert response.status_code == 200


@pytest.mark.parametrize("headers", [[], [WRONG], [("Authorization", basic("WS2", "secret"))], [RIGHT, WRONG]])
def test_anything_else_is_401_and_says_no_more(headers: Headers) -> None:
    (response,) = call(FakeGate(("secret", principal())), headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith('Basic realm="campanile"')
    assert "WS" not in response.text


def test_missing_scope_is_403() -> None:
    (response,) = call(FakeGate(("secret", principal(kind="ingest"))), [RIGHT])
    assert (response.status_code, response.json()["error"]["type"]) == (403, "missing_scope")


@pytest.mark.parametrize(("app_key", "status"), [("WS1", 200), ("WS2", 403), ("ws1", 403), ("", 403)])
def test_an_app_key_must_name_the_same_workspace(app_key: str, status: int) -> None:
    (response,) = call(FakeGate(("secret", principal())), [RIGHT, ("MOE-APPKEY", app_key)])
    assert response.status_code == status
    if status == 403:
        assert response.json()["error"]["type"] == "workspace_mismatch"


def test_one_of_two_app_keys_being_right_is_not_enough() -> None:
    (response,) = call(FakeGate(("secret", principal())), [RIGHT, ("MOE-APPKEY", "WS1"), ("MOE-APPKEY", "WS2")])
    assert response.status_code == 403


def test_guessing_is_slowed_down_per_address() -> None:
    gate = FakeGate(("secret", principal()), failed_logins_per_minute=3)
    responses = call(gate, [WRONG], [WRONG], [WRONG], [WRONG], [RIGHT])
    assert [response.status_code for response in responses] == [401, 401, 401, 429, 429]
    assert responses[3].headers["retry-after"] == "60"
    assert gate.workspaces.asked == 3, "a throttled guess is not even looked at"
    (other,) = call(gate, [RIGHT], address="192.0.2.8")
    assert other.status_code == 200
    gate.clock.advance(60)
    (later,) = call(gate, [RIGHT])
    assert later.status_code == 200


def test_right_keys_and_missing_ones_are_no_guesses() -> None:
    gate = FakeGate(("secret", principal()), failed_logins_per_minute=1)
    responses = call(gate, [], [], [RIGHT], [RIGHT], [WRONG], [RIGHT])
    assert [response.status_code for response in responses] == [401, 401, 200, 200, 401, 429]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_sources(address: str, source: str) -> None:
    scope: Any = {"type": "http", "client": (address, 1) if address else None}
    assert source_of(Request(scope)) == source


def test_no_secret_reaches_log_or_answer() -> None:
    gate = FakeGate(("t0psecret", principal(workspace("WS1"))), failed_logins_per_minute=1)
    right = ("Authorization", basic("WS1", "t0psecret"))
    bearer = ("Authorization", "Bearer t0psecret")
    wrong = ("Authorization", basic("WS1", "t0psecret-guess"))
    secret = ("APP_SECRET_KEY", "t0psecret")
    with structlog.testing.capture_logs() as lines:
        responses = call(gate, [right, secret], [bearer], [wrong, secret], [wrong], [right])
    assert [response.status_code for response in responses] == [200, 200, 401, 429, 429]
    everything = repr(lines) + repr([(response.text, response.headers) for response in responses])
    assert "t0psecret" not in everything
    assert right[1].split()[1] not in everything
    assert {line["workspace_id"] for line in lines if line["event"] == "request"} == {"WS1", ""}
