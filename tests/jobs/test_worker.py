"""The worker: jobs are done, lost, given back, and its end is orderly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import pytest

from campanile.clock import FixedClock
from campanile.errors import Unavailable
from campanile.jobs import worker as worker_module
from campanile.jobs.queue import Job, Queue
from campanile.jobs.worker import Regular, Worker
from campanile.metadata import Metadata
from tests.support.metadata import sqlite_metadata

KIND = "sweep"


@pytest.fixture(name="metadata")
def _metadata(_sqlite_template: Path, tmp_path: Path) -> Iterator[Metadata]:
    with sqlite_metadata(_sqlite_template, tmp_path) as opened:
        yield opened


@pytest.fixture(name="queue")
def _queue(metadata: Metadata, clock: FixedClock) -> Queue:
    return Queue(metadata, clock)


def add(queue: Queue, metadata: Metadata, clock: FixedClock, *keys: str) -> None:
    with metadata.begin() as connection:
        for key in keys:
            queue.add(connection, KIND, key, due_at=clock.now())


def finishing(queue: Queue, done: list[str]) -> Callable[[Job], Awaitable[None]]:
    async def handle(job: Job) -> None:
        with queue.holding(job) as connection:
            queue.finish(connection, job)
        done.append(job.key)

    return handle


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - conditions without an event of their own
            await anyio.sleep(0.005)


def test_everything_due_is_done(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    done: list[str] = []
    add(queue, metadata, clock, "a", "b", "c")
    assert asyncio.run(Worker(queue, {KIND: finishing(queue, done)}).drain()) == 3
    assert sorted(done) == ["a", "b", "c"]
    assert queue.waiting([KIND]) == 0


def test_a_started_worker_sees_new_jobs_at_once_when_told(
    queue: Queue, metadata: Metadata, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 3600)
    done: list[str] = []

    async def run() -> None:
        worker = Worker(queue, {KIND: finishing(queue, done)})
        worker.start()
        await anyio.sleep(0.05)
        add(queue, metadata, clock, "a")
        while not done:
            worker.notify()
            await anyio.sleep(0.01)
        await worker.stop()

    asyncio.run(asyncio.wait_for(run(), 20))
    assert done == ["a"]


def test_a_failed_handler_leaves_the_job_for_later_and_the_worker_alive(
    queue: Queue, metadata: Metadata, clock: FixedClock
) -> None:
    done: list[str] = []
    finish = finishing(queue, done)

    async def handle(job: Job) -> None:
        if job.attempts == 1:
            raise ValueError("a defect")
        await finish(job)

    add(queue, metadata, clock, "a")
    worker = Worker(queue, {KIND: handle})
    assert asyncio.run(worker.drain()) == 1
    assert done == []
    clock.advance(5)
    assert asyncio.run(worker.drain()) == 1
    assert done == ["a"]


def test_the_end_of_the_worker_gives_jobs_back_uncounted(queue: Queue, metadata: Metadata, clock: FixedClock) -> None:
    begun: list[int] = []

    async def handle(job: Job) -> None:
        begun.append(job.attempts)
        await anyio.sleep(3600)

    async def run() -> None:
        worker = Worker(queue, {KIND: handle})
        worker.start()
        await until(lambda: bool(begun))
        await worker.stop()

    add(queue, metadata, clock, "a")
    asyncio.run(run())
    again = queue.claim([KIND])
    assert again is not None
    assert (begun, again.attempts) == ([1], 1)


def test_a_lost_job_is_dropped_in_the_middle(
    queue: Queue, metadata: Metadata, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PROLONG", worker_module.PROLONG / 1500)
    ends: list[str] = []

    async def handle(_: Job) -> None:
        with metadata.begin() as connection:
            queue.withdraw(connection, KIND, "a")
        try:
            await anyio.sleep(3600)
            ends.append("slept")
        finally:
            ends.append("left")

    add(queue, metadata, clock, "a")
    assert asyncio.run(asyncio.wait_for(Worker(queue, {KIND: handle}).drain(), 20)) == 1
    assert ends == ["left"]


def test_an_unreachable_queue_does_not_end_the_worker(
    queue: Queue, metadata: Metadata, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "AFTER_FAILURE_SECONDS", 0.01)
    done: list[str] = []
    failures = iter([Unavailable("away"), Unavailable("away")])
    claim = queue.claim

    def unreliable(kinds: list[str]) -> Job | None:
        for failure in failures:
            raise failure
        return claim(kinds)

    monkeypatch.setattr(queue, "claim", unreliable)

    async def run() -> None:
        worker = Worker(queue, {KIND: finishing(queue, done)}, parallel=1)
        worker.start()
        await until(lambda: bool(done))
        await worker.stop()

    add(queue, metadata, clock, "a")
    asyncio.run(run())


def test_regular_tasks_go_on_after_a_failure(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "AFTER_FAILURE_SECONDS", 0.01)
    calls: list[int] = []

    def task() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("disk")

    async def run() -> None:
        worker = Worker(queue, {}, regulars=[Regular("task", 0.01, task)])
        worker.start()
        await until(lambda: len(calls) >= 3)
        await worker.stop()

    asyncio.run(run())
