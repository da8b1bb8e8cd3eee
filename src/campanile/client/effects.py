"""What a question needs from the outside world, as values: the same steps serve the blocking and the async client.

A question is a generator. It yields effects, is sent what came of each, and returns its answer; it never waits, reads
or writes by itself. `campanile.client.drivers` performs the effects, once with blocking calls and once with `await`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

Item = TypeVar("Item")
Result = TypeVar("Result")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request."""

    method: str
    path: str
    """Path on the server, quoted."""
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""
    accepted: frozenset[int] = frozenset({200, 201})
    """Statuses that are an answer, not an error."""
    repeatable: bool = True
    """Whether the server may get it twice without harm. Others are repeated only if they surely did nothing."""
    budget: str = ""
    """Requests of one budget share a rate limit that answers tell of beforehand; empty: none is told."""


class Answer(msgspec.Struct, frozen=True):
    """What came back. `headers` ignore case; `body` is empty while it is still to be read."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = b""


class Send(msgspec.Struct, frozen=True):
    """Send a request, get the complete `Answer`; raises `Unreachable`."""

    request: Request


class Open(msgspec.Struct, frozen=True):
    """Send a request, get an `Answer` whose body follows with `Read`; that of an error is there at once."""

    request: Request


class Read(msgspec.Struct, frozen=True):
    """The next bytes of the opened answer; empty at its end. Raises `Unreachable`."""


class Wait(msgspec.Struct, frozen=True):
    """Let time pass."""

    seconds: float


class Work(msgspec.Struct, frozen=True):
    """Do something that blocks, such as writing to a file, and get what it returns; raises what it raises."""

    action: Callable[[], Any]


class Emit(msgspec.Struct, Generic[Item], frozen=True):
    """Hand one item to whoever iterates."""

    item: Item


Effect: TypeAlias = Send | Open | Read | Wait | Work
Steps: TypeAlias = Generator[Effect, Any, Result]
"""A question with one answer."""
Stream: TypeAlias = Generator[Effect | Emit[Item], Any, None]
"""A question with many answers."""
