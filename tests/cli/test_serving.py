"""Running an application: readiness, limits, orderly end, on both server libraries."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.processes import free_ports

pytestmark = pytest.mark.slow

APP = """
import asyncio, contextlib, sys
from campanile.cli import serving
from campanile.cli.main import leave
from campanile.errors import ConfigurationError
from campanile.http.logs import configure_logging
from campanile.settings import Settings

class App:
    @contextlib.asynccontextmanager
    async def lifespan(self):
        if MODE == "fail":
            raise ConfigurationError("the store is gone")
        print("opened", flush=True)
        try:
            yield
        finally:
            print("closed", flush=True)

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "http", scope["type"]
        if scope["path"] == "/slow":
            print("working", flush=True)
            await asyncio.sleep(SECONDS)
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = (scope["client"][0] if scope["path"] == "/who" else str(size)).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

library, port, MODE, SECONDS = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
serving.DRAIN_SECONDS = 1.5
companion = None
if MODE == "companion":
    async def companion():
        print("along", flush=True)
elif MODE == "broken":
    async def companion():
        raise ConfigurationError("the companion failed")
configure_logging("info")
try:
    serving.run_server(App(), Settings(port=port, http_server=library), companion)
except ConfigurationError as error:
    print("error:", error.message, flush=True)
    leave(2)
leave(0)
"""


class Served:
    """One process that serves the application above."""

    def __init__(self, library: str, mode: str = "plain", seconds: float = 0.5, port: int = 0) -> None:
        self.port = port or free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", APP, library, str(self.port), mode, str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> dict[str, str]:
        assert self.process.stderr is not None
        entry: dict[str, str] = json.loads(self.process.stderr.readline())
        assert entry["message"] == "ready", entry
        return entry

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextmanager
def served(library: str, mode: str = "plain", seconds: float = 0.5, port: int = 0) -> Iterator[Served]:
    server = Served(library, mode, seconds, port)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


both = pytest.mark.parametrize("library", ["granian", "uvicorn"])


@both
def test_it_says_where_when_it_is_ready(library: str) -> None:
    with served(library) as server:
        entry = server.wait_ready()
        assert entry["url"] == server.url
        assert server.line() == "opened"
        assert httpx.post(server.url, content=b"x" * 3_000_000).text == "3000000"


@both
def test_nobody_says_who_is_calling(library: str) -> None:
    """Whom to believe is decided behind the libraries, by `trusted_proxies`."""
    with served(library) as server:
        server.wait_ready()
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
        assert httpx.get(f"{server.url}/who", headers=headers).text == "127.0.0.1"


@both
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish(library: str, number: signal.Signals) -> None:
    with served(library, seconds=0.6) as server:
        server.wait_ready()
        assert server.line() == "opened"
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(httpx.get(f"{server.url}/slow")))
        thread.start()
        assert server.line() == "working"
        server.process.send_signal(number)
        thread.join(20)
        assert [answer.status_code for answer in answers] == [200]
        code, out, err = server.end()
        assert code == 0, err
        assert out == "closed\n"
        assert '"stopped"' in err


@both
def test_a_request_that_never_ends_does_not_keep_it_alive(library: str) -> None:
    with served(library, seconds=600) as server:
        server.wait_ready()
        assert server.line() == "opened"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            assert server.line() == "working"
            server.process.send_signal(signal.SIGTERM)
            code, out, err = server.end()
        assert code == 0, err
        assert out == "closed\n"
        assert "requests_cut_off" in err


@both
def test_long_headers_are_refused(library: str) -> None:
    with served(library) as server:
        server.wait_ready()
        assert httpx.get(server.url, headers={"X-Long": "x" * 12_000}).status_code == 200
        assert httpx.get(server.url, headers={"X-Long": "x" * 17_000}).status_code == 431


@both
def test_a_taken_port_is_named(library: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with served(library, port=port) as server:
            code, out, _ = server.end()
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in out
    assert "opened" not in out


def test_two_servers_do_not_share_a_port() -> None:
    """granian opens its port for sharing, so it would start a second time without a word."""
    with served("granian") as first:
        first.wait_ready()
        with served("granian", port=first.port) as second:
            code, out, _ = second.end()
        assert code == 2
        assert "cannot listen" in out
        assert httpx.get(first.url).status_code == 200


@both
def test_what_fails_at_the_start_is_the_error_of_the_command(library: str) -> None:
    with served(library, "fail") as server:
        code, out, _ = server.end()
    assert (code, out) == (2, "error: the store is gone\n")


@both
def test_the_server_ends_with_its_companion(library: str) -> None:
    with served(library, "companion") as server:
        code, out, err = server.end()
    assert (code, out) == (0, "opened\nalong\nclosed\n"), err
    with served(library, "broken") as server:
        code, out, _ = server.end()
    assert (code, out) == (2, "opened\nclosed\nerror: the companion failed\n")


def test_an_unknown_library_is_named() -> None:
    with served("twisted") as server:
        code, out, _ = server.end()
    assert (code, out) == (2, "error: http_server must be granian or uvicorn, not 'twisted'\n")
