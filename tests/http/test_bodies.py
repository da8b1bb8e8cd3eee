"""Reading bodies: limits in bytes and seconds, honest lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from litestar import Request

from campanile.errors import CampanileError, InvalidInput, PayloadTooLarge, RequestTimeout
from campanile.http.bodies import read_body, stream_body

Headers = Sequence[tuple[bytes, bytes]]


class Caller:
    """The other end of a request: delivers chunks, then is silent or gone."""

    def __init__(self, chunks: Sequence[bytes], headers: Headers = (), *, ending: str = "complete") -> None:
        self.received = 0
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        if ending == "complete":
            self._messages.append({"type": "http.request", "body": b"", "more_body": False})
        if ending == "gone":
            self._messages.append({"type": "http.disconnect"})
        scope: Any = {"type": "http", "headers": list(headers)}
        self.request: Request[Any, Any, Any] = Request(scope, receive=self._receive)  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        if self.received == len(self._messages):
            await anyio.sleep_forever()
        self.received += 1
        return self._messages[self.received - 1]


def read(caller: Caller, limit: int = 10, seconds: float = 5) -> bytes:
    async def run() -> bytes:
        return await read_body(caller.request, limit=limit, seconds=seconds)

    return anyio.run(run)


def refusal(caller: Caller, limit: int = 10, seconds: float = 5) -> CampanileError:
    with pytest.raises(CampanileError) as caught:
        read(caller, limit, seconds)
    return caught.value


def length(value: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", value)


@pytest.mark.parametrize("chunks", [[], [b""], [b"abc"], [b"ab", b"", b"cde"], [b"0123456789"]])
def test_whole_bodies(chunks: list[bytes]) -> None:
    body = b"".join(chunks)
    assert read(Caller(chunks)) == body
    assert read(Caller(chunks, [length(str(len(body)).encode())])) == body


def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    caller = Caller([b"x" * 11], [length(b"11")])
    assert isinstance(refusal(caller), PayloadTooLarge)
    assert caller.received == 0


def test_an_undeclared_body_is_refused_as_soon_as_it_is_too_long() -> None:
    caller = Caller([b"x" * 6, b"x" * 5, b"x" * 1000])
    assert isinstance(refusal(caller), PayloadTooLarge)
    assert caller.received == 2


def test_a_body_longer_than_declared_is_refused() -> None:
    assert refusal(Caller([b"xxxx"], [length(b"3")])).error_type == "incomplete_body"


@pytest.mark.parametrize("ending", ["gone", "complete"])
def test_a_body_shorter_than_declared_is_refused(ending: str) -> None:
    error = refusal(Caller([b"xxx"], [length(b"4")], ending=ending))
    assert isinstance(error, InvalidInput)
    assert error.error_type == "incomplete_body"


@pytest.mark.parametrize(
    "headers",
    [
        [length(b"3"), (b"transfer-encoding", b"chunked")],
        [length(b"3"), length(b"4")],
        [length(b"-3")],
        [length(b"3, 3")],
        [length("٣".encode())],
        [length(b"")],
    ],
)
def test_ambiguous_lengths_are_refused_unread(headers: Headers) -> None:
    caller = Caller([b"xxx"], headers)
    assert refusal(caller).error_type == "ambiguous_length"
    assert caller.received == 0


def test_repeated_equal_lengths_are_one_length() -> None:
    assert read(Caller([b"xxx"], [length(b"3"), length(b"3")])) == b"xxx"


def test_an_absurd_length_is_too_large_rather_than_an_error_of_ours() -> None:
    assert isinstance(refusal(Caller([], [length(b"9" * 5000)])), PayloadTooLarge)


def test_a_body_that_never_ends_runs_into_the_time_limit() -> None:
    assert isinstance(refusal(Caller([b"x"], ending="silent"), seconds=0.01), RequestTimeout)


def test_the_time_limit_is_for_the_whole_body() -> None:
    """A caller that sends a byte now and then does not earn a new time limit with each."""

    class Trickle(Caller):
        async def _receive(self) -> dict[str, Any]:
            await anyio.sleep(0.02)
            return {"type": "http.request", "body": b"x", "more_body": True}

    assert isinstance(refusal(Trickle([]), limit=10**9, seconds=0.1), RequestTimeout)


def test_streaming_gives_chunks_as_they_come() -> None:
    caller = Caller([b"ab", b"cd"])

    async def run() -> list[tuple[bytes, int]]:
        return [(chunk, caller.received) async for chunk in stream_body(caller.request, limit=10)]

    assert anyio.run(run) == [(b"ab", 1), (b"cd", 2)]
