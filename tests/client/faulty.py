"""A server on a real socket that answers as it is told to: late, wrongly, in part or not at all."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

DATE = "Mon, 20 Oct 2025 10:00:00 GMT"
EPOCH = 1_760_954_400
"""`DATE` in seconds since 1970."""
PAUSE_SECONDS = 0.02
"""Between the pieces of an answer that comes slowly."""

Reply = Callable[["Exchange"], None]


class Received(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Exchange(NamedTuple):
    """One connection whose request was read."""

    connection: socket.socket
    over: threading.Event
    """Set when the test is done."""


def answer(status: int = 200, body: bytes = b"", length: int | None = None, **headers: str) -> bytes:
    """The bytes of an HTTP answer; `length` is what it claims."""
    given = {"Content-Length": str(len(body) if length is None else length), "Connection": "close", "Date": DATE}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def replying(content: bytes) -> Reply:
    """Send these bytes, then hang up."""
    return lambda exchange: exchange.connection.sendall(content)


def ok(value: object, **headers: str) -> Reply:
    return replying(answer(200, json.dumps(value).encode(), **headers))


def status(code: int, **headers: str) -> Reply:
    return replying(answer(code, **headers))


def hang_up(_: Exchange) -> None:
    """Close the connection without a word."""


def reset(exchange: Exchange) -> None:
    """Tear the connection down."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(exchange: Exchange) -> None:
    """Say nothing until the test is over."""
    exchange.over.wait(30)


def dripping(value: object) -> Reply:
    """A complete answer in small pieces."""

    def reply(exchange: Exchange) -> None:
        content = answer(200, json.dumps(value).encode())
        for start in range(0, len(content), 40):
            exchange.connection.sendall(content[start : start + 40])
            exchange.over.wait(PAUSE_SECONDS)

    return reply


class FaultyServer:
    """Takes one reply from the script per request; the last one is repeated."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.requests: list[Received] = []
        self.over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads: list[threading.Thread] = []

    def will(self, *replies: Reply) -> None:
        """What to do next."""
        self.requests.clear()
        self.script = list(replies)

    def accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self.over.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):  # a client that gave up is no failure of the server
            self.requests.append(_read(connection))
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            reply(Exchange(connection, self.over))

    def close(self) -> None:
        self.over.set()
        socket.create_connection(self._socket.getsockname()).close()  # wakes up `accept`
        for thread in self._threads:
            thread.join()
        self._socket.close()


def _read(connection: socket.socket) -> Received:
    with connection.makefile("rb") as stream:
        method, path, _ = stream.readline().decode().split(" ")
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Received(method, path, headers, stream.read(int(headers.get("content-length", 0))))


@contextlib.contextmanager
def running() -> Iterator[FaultyServer]:
    server = FaultyServer()
    thread = threading.Thread(target=server.accept)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def page(
    data: Mapping[str, object] | None = None, *, total: int | None = None, current: int = 1, pages: int = 1
) -> Any:
    """An answer of the Stats API."""
    found = dict(data or {})
    return {
        "response_id": "r", "total_campaigns": len(found) if total is None else total, "current_page": current,
        "total_pages": pages, "data": found,
    }  # fmt: skip


def tree(platform: str = "EMAIL", **blocks: object) -> Sequence[object]:
    """A campaign with one node."""
    variations = {"all_variations": blocks}
    return [{"platforms": {platform: {"locales": {"all_locales": {"variations": variations}}}}}]
