"""Questions about news are shared, and nobody gets an answer to a question older than their own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from campanile.errors import EngineUnavailable
from campanile.stats.settled.news import News


class Store:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[set[str], int]] = []
        self.gates: list[asyncio.Event] = []
        self.error: Exception | None = None

    async def newest(
        self, workspace: str, campaigns: Collection[str], mark: int, names: Collection[str]
    ) -> dict[tuple[str, str], int]:
        self.asked.append((set(campaigns), mark))
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        if self.error is not None:
            raise self.error
        things = [*((campaign, "") for campaign in campaigns), *(("", name) for name in names)]
        return dict.fromkeys(things, len(self.asked))


async def settled_down() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_those_who_come_meanwhile_share_the_next_question() -> None:
    async def scene() -> list[Any]:
        store: Any = Store()
        news = News(store)
        first = asyncio.create_task(news.newest("w", ["a"], 7))
        await settled_down()
        late = [
            asyncio.create_task(news.newest("w", [name], mark, names))
            for name, mark, names in (("a", 9, ["n"]), ("b", 3, []))
        ]
        other = asyncio.create_task(news.newest("x", ["a"], 1))
        await settled_down()
        assert store.asked == [({"a"}, 7), ({"a"}, 1)]
        store.gates[0].set()
        await settled_down()
        assert store.asked[2:] == [({"a", "b"}, 3)]
        for gate in store.gates:
            gate.set()
        return [await task for task in (first, *late, other)]

    first, *late, other = asyncio.run(scene())
    assert first in ({("a", ""): 1}, {("a", ""): 2})
    assert late == [{("a", ""): 3, ("b", ""): 3, ("", "n"): 3}] * 2
    assert other.keys() == {("a", "")}


def test_a_failure_is_everybodys_and_the_next_question_is_asked_anew() -> None:
    async def scene() -> None:
        store: Any = Store()
        news = News(store)
        store.error = EngineUnavailable("away")
        task = asyncio.create_task(news.newest("w", ["a"], 1))
        await settled_down()
        store.gates[0].set()
        with pytest.raises(EngineUnavailable):
            await task
        store.error = None
        task = asyncio.create_task(news.newest("w", ["a"], 1))
        await settled_down()
        store.gates[1].set()
        assert await task == {("a", ""): 2}

    asyncio.run(scene())


def test_one_who_leaves_does_not_take_the_answer_along() -> None:
    async def scene() -> None:
        store: Any = Store()
        news = News(store)
        leaving = asyncio.create_task(news.newest("w", ["a"], 1))
        staying = asyncio.create_task(news.newest("w", ["a"], 1))
        await settled_down()
        leaving.cancel()
        store.gates[0].set()
        assert await staying == {("a", ""): 1}

    asyncio.run(scene())
