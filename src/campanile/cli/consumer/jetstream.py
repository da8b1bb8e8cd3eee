"""A subject of a NATS JetStream stream, read through a durable pull consumer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from campanile.cli.consumer.messages import BrokerFailed, DeadLetter, Message
from campanile.errors import InvalidInput

CONNECT_SECONDS = 10
"""Time for the first answer of a NATS server."""
ANSWER_SECONDS = 10.0
"""Time for the server to confirm an acknowledgement or a dead letter."""
UNLIMITED = -1
"""Deliveries of a message: it is given back until somebody acknowledges it. Bad ones become dead letters."""
BATCHES_PENDING = 4
"""Batches that all consumers of the group together may have under way."""


class NatsBroker:
    """One subject through one durable consumer; several processes may share it."""

    def __init__(
        self,
        url: str,
        subject: str,
        group: str,
        log: Any,
        *,
        stream: str = "",
        credentials: Path | None = None,
        ack_wait: float = 30.0,
        batch: int = 10_000,
    ) -> None:
        """`ack_wait`: seconds after which messages of a consumer that went silent go to another one."""
        self.hold_seconds = ack_wait / 3
        self._url = url
        self._subject = subject
        self._group = group
        self._log = log
        self._stream = stream
        self._credentials = credentials
        self._ack_wait = ack_wait
        self._pending = BATCHES_PENDING * batch
        self._client: Client | None = None
        self._context: JetStreamContext | None = None
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._lag: int | None = None

    async def open(self) -> None:
        """
        Raises:
            InvalidInput: the durable consumer is there and reads another subject.
        """
        async with self._failures():
            # No reconnecting inside the library: our own loop waits, says so and subscribes anew. Without the number
            # the library tries sixty times before it first says that nobody is there.
            self._client = await nats.connect(
                self._url,
                name="campanile",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECONDS,
                error_cb=self._on_error,
                **({"user_credentials": str(self._credentials)} if self._credentials else {}),
            )
            self._context = self._client.jetstream(timeout=ANSWER_SECONDS)
            await self._subscribe(self._context)

    async def _subscribe(self, context: JetStreamContext) -> None:
        try:
            stream = self._stream or await context.find_stream_name_by_subject(self._subject)
        except NotFoundError as error:
            raise BrokerFailed(f"no JetStream stream keeps the subject {self._subject}") from error
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            deliver_policy=DeliverPolicy.ALL,
            max_deliver=UNLIMITED,
            max_ack_pending=self._pending,
        )
        self._subscription = await context.pull_subscribe(
            self._subject, durable=self._group, stream=stream, config=config
        )
        found = (await self._subscription.consumer_info()).config
        if found.filter_subject not in (None, "", self._subject):
            raise InvalidInput(
                f"the consumer {self._group} of the stream {stream} reads {found.filter_subject}: "
                "choose another --group"
            )
        if found.ack_wait:
            self.hold_seconds = found.ack_wait / 3

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        async with self._failures():
            try:
                received = await self._subscribed().fetch(limit, timeout=seconds)
            except NatsTimeout:
                if self._client is None or not self._client.is_connected:
                    raise BrokerFailed("NATS: the connection is gone") from None
                return []
            messages = [_message(item) for item in received]
            self._lag = received[-1].metadata.num_pending if received else None
            return messages

    async def hold(self, messages: Sequence[Message]) -> None:
        async with self._failures():
            for message in messages:
                await _native(message).in_progress()

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledgements keep their order, so the server's answer to the last one is an answer to all."""
        async with self._failures():
            for message in messages[:-1]:
                await _native(message).ack()
            await _native(messages[-1]).ack_sync(timeout=ANSWER_SECONDS)

    async def publish(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        if self._context is None:
            raise BrokerFailed("NATS: not connected")
        async with self._failures():
            for letter in letters:
                headers = {name: value.decode("utf-8", "replace") for name, value in letter.headers}
                headers["Nats-Msg-Id"] = f"dead:{letter.message.id}"
                await self._context.publish(topic, letter.message.body, timeout=ANSWER_SECONDS, headers=headers)

    async def drained(self) -> bool:
        async with self._failures():
            info = await self._subscribed().consumer_info()
            return not info.num_pending and not info.num_ack_pending

    def lag(self) -> int | None:
        return self._lag

    async def close(self) -> None:
        client, self._client = self._client, None
        self._context = self._subscription = None
        if client is not None:
            # What is not acknowledged comes again, so a connection that cannot even be closed loses nothing.
            with contextlib.suppress(NatsError, OSError):
                await client.close()

    def _subscribed(self) -> JetStreamContext.PullSubscription:
        if self._subscription is None:
            raise BrokerFailed("NATS: not connected")
        return self._subscription

    async def _on_error(self, error: Exception) -> None:
        self._log.warning("broker_error", why=str(error) or type(error).__name__)

    @contextlib.asynccontextmanager
    async def _failures(self) -> AsyncIterator[None]:
        try:
            yield
        except (NatsError, OSError) as error:
            raise BrokerFailed(f"NATS: {error or type(error).__name__}".replace("nats: ", "")) from error


def _message(item: Msg) -> Message:
    metadata = item.metadata
    return Message(
        topic=item.subject,
        partition=0,
        offset=metadata.sequence.stream,
        timestamp=int(metadata.timestamp.timestamp() * 1000),
        body=item.data,
        headers=tuple((name, value.encode()) for name, value in (item.headers or {}).items()),
        origin=f"nats:{metadata.stream}",
        native=item,
    )


def _native(message: Message) -> Msg:
    return cast(Msg, message.native)
