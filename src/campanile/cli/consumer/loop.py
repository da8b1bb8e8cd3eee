"""Read, send, acknowledge: in this order, forever."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from campanile.cli.consumer import telemetry
from campanile.cli.consumer.delivery import Delivery, Stopped, Verdicts
from campanile.cli.consumer.graves import Graves
from campanile.cli.consumer.messages import Broker, BrokerFailed, Message
from campanile.client import RetryPolicy

POLL_SECONDS = 0.2
"""How long a read waits for messages: the latency that gathering them may cost."""
ONCE_ATTEMPTS = 5
"""Failures of the broker in a row after which a consumer that is to end by itself gives up."""


class Totals(msgspec.Struct):
    """What became of all messages so far."""

    messages: int = 0
    accepted: int = 0
    duplicates: int = 0
    skipped: int = 0
    dead: int = 0


class Consumer:
    """One subscription at work. `run` may be called once."""

    def __init__(
        self,
        broker: Broker,
        delivery: Delivery,
        graves: Graves,
        stopping: asyncio.Event,
        log: Any,
        *,
        batch: int,
        once: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        """`once` ends the work when nothing is left to read."""
        self._broker = broker
        self._delivery = delivery
        self._graves = graves
        self._stopping = stopping
        self._log = log
        self._batch = batch
        self._once = once
        self._policy = policy or RetryPolicy()
        self._failures = 0
        self.totals = Totals()

    async def run(self) -> Totals:
        """Work until asked to stop. A batch under way is finished first, unless it waits for the server.

        Raises:
            ServerRefused: the server refuses whatever we send. BrokerFailed: with `once`, after some attempts.
        """
        while not self._stopping.is_set():
            try:
                await self._broker.open()
                await self._work()
            except Stopped:
                self._log.warning("batch_given_back", why="stopped while the server was not ready")
            except BrokerFailed as error:
                self._failures += 1
                if self._once and self._failures >= ONCE_ATTEMPTS:
                    raise
                seconds = self._policy.wait(self._failures, None)
                telemetry.RETRIES.labels("broker").inc()
                self._log.warning("broker_not_ready", why=error.message, seconds=round(seconds, 1))
                await self._sleep(seconds)
            else:
                break
            finally:
                await self._broker.close()
        return self.totals

    async def _work(self) -> None:
        while not self._stopping.is_set():
            messages = await self._broker.fetch(self._batch, POLL_SECONDS)
            if messages:
                await self._take(messages)
            elif self._once and await self._broker.drained():
                return
            self._failures = 0

    async def _take(self, messages: Sequence[Message]) -> None:
        began = time.monotonic()
        async with self._held(messages):
            verdicts = await self._delivery.deliver(messages, self._wait_for_server)
            await self._graves.bury(verdicts.dead)
        await self._broker.acknowledge(messages)
        telemetry.BATCH_SECONDS.observe(time.monotonic() - began)
        self._count(messages, verdicts)

    def _count(self, messages: Sequence[Message], verdicts: Verdicts) -> None:
        totals, dead = self.totals, len(verdicts.dead)
        totals.messages += len(messages)
        totals.accepted += verdicts.accepted
        totals.duplicates += verdicts.duplicates
        totals.skipped += verdicts.skipped
        totals.dead += dead
        counts = {
            "accepted": verdicts.accepted, "duplicates": verdicts.duplicates, "skipped": verdicts.skipped, "dead": dead,
        }  # fmt: skip
        for result, count in counts.items():
            telemetry.MESSAGES.labels(result).inc(count)
        lag = self._broker.lag()
        if lag is not None:
            telemetry.LAG.set(lag)
        self._log.info("batch", messages=len(messages), lag=lag, **counts)
        codes: dict[str, int] = {}
        for letter in verdicts.dead:
            codes[letter.code] = codes.get(letter.code, 0) + 1
        if codes:
            self._log.warning("dead_letters", codes=codes)

    @contextlib.asynccontextmanager
    async def _held(self, messages: Sequence[Message]) -> AsyncIterator[None]:
        """Keep the broker from giving messages to others while they are worked on."""
        done = asyncio.Event()
        holding = asyncio.create_task(self._hold(messages, done))
        try:
            yield
        finally:
            done.set()
            await holding

    async def _hold(self, messages: Sequence[Message], done: asyncio.Event) -> None:
        while not await happened(done, self._broker.hold_seconds):
            try:
                await self._broker.hold(messages)
            except BrokerFailed as error:  # others get them too, then; they count once all the same
                self._log.warning("cannot_hold_messages", why=error.message)

    async def _wait_for_server(self, why: str, seconds: float) -> None:
        """Between two attempts to send a batch.

        Raises:
            Stopped: the consumer was asked to end.
        """
        telemetry.RETRIES.labels("server").inc()
        self._log.warning("server_not_ready", why=why, seconds=round(seconds, 1))
        await self._sleep(seconds)
        if self._stopping.is_set():
            raise Stopped

    async def _sleep(self, seconds: float) -> None:
        await happened(self._stopping, seconds)


async def happened(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long; whether it happened."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
