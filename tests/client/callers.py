"""Both clients behind one face: every question must be answered the same way by either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from campanile.client import AsyncClient, Client, RetryPolicy

KINDS = ("blocking", "async")
KEY = "report-key"


class Caller:
    """Asks a server with one kind of client; its waits are written down and do not take time."""

    def __init__(self, kind: str, url: str, *, timeout: float = 10.0, **policy: Any) -> None:
        self.kind = kind
        self.waits: list[float] = []

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        policy = {"attempts": 4, "chance": lambda: 0.5, **policy}
        self._retry = RetryPolicy(sleep=self.waits.append, async_sleep=sleep, **policy)
        self._url = url
        self._timeout = timeout

    def __call__(self, *questions: tuple[str, tuple[Any, ...], dict[str, Any]]) -> list[Any]:
        """Ask one question after the other of one client; a name may be that of a part, `campaigns.search`."""
        return self._blocking(questions) if self.kind == "blocking" else asyncio.run(self._async(questions))

    def ask(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return self((name, args, kwargs))[0]

    def _blocking(self, questions: Any) -> list[Any]:
        found: list[Any] = []
        with Client(self._url, "WS1", KEY, retry=self._retry, timeout=self._timeout) as client:
            for name, args, kwargs in questions:
                answer = _method(client, name)(*args, **kwargs)
                found.append(list(answer) if isinstance(answer, Iterator) else answer)
        return found

    async def _async(self, questions: Any) -> list[Any]:
        found: list[Any] = []
        async with AsyncClient(self._url, "WS1", KEY, retry=self._retry, timeout=self._timeout) as client:
            for name, args, kwargs in questions:
                answer = _method(client, name)(*args, **kwargs)
                if isinstance(answer, AsyncIterator):
                    found.append([item async for item in answer])
                else:
                    found.append(await answer)
        return found


def _method(client: Any, name: str) -> Any:
    for part in name.split("."):
        client = getattr(client, part)
    return client
