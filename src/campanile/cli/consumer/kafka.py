"""A topic of a broker that speaks the Kafka protocol, read as a member of a consumer group."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Received

from campanile.cli.consumer.messages import BrokerFailed, DeadLetter, Message
from campanile.errors import InvalidInput

HOLD_SECONDS = 5.0
"""How often a consumer that waits for the server shows up at its group; brokers expel it after minutes."""
CONNECT_SECONDS = 5.0
"""Time for a broker to answer at first."""
PUBLISH_SECONDS = 30.0
"""Time for the broker to take dead letters."""

REPEAT_SECONDS = 60.0
"""How long an error that lasts is not logged again."""

Result = TypeVar("Result")


def read_properties(path: Path) -> dict[str, str]:
    """Settings of librdkafka, one `name=value` a line: addresses of TLS keys, SASL users, timeouts.

    Raises:
        InvalidInput: the file cannot be read, or a line has another form.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}") from error
    properties = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals or not name.strip():
            raise InvalidInput(f"{path}, line {number} is not of the form name=value")
        properties[name.strip()] = value.strip()
    return properties


class KafkaBroker:
    """One topic, as a member of a group. Offsets are committed by `acknowledge` and by nothing else."""

    hold_seconds = HOLD_SECONDS

    def __init__(
        self, servers: str, topic: str, group: str, log: Any, *, properties: Mapping[str, str] | None = None
    ) -> None:
        """`properties` win over our own settings, except for those that decide when offsets are committed.

        Raises:
            InvalidInput: a property is unknown to the library.
        """
        self._topic = topic
        self._log = log
        self._origin = f"kafka:{topic}"
        bridge = logging.Logger("librdkafka")
        bridge.addHandler(_Bridge(log))
        common: dict[str, Any] = {
            "bootstrap.servers": servers, "client.id": "campanile", "logger": bridge, "error_cb": self._on_error,
            **(properties or {}),
        }  # fmt: skip
        self._producing = {**common, "enable.idempotence": True}
        self._consuming = {
            "group.id": group, "auto.offset.reset": "earliest", **common,
            "enable.auto.commit": False, "enable.auto.offset.store": False, "enable.partition.eof": True,
        }  # fmt: skip
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._ended: set[int] = set()
        """Partitions read to their end."""
        self._early: list[Message] = []
        """Messages that came while others were worked on."""
        self._paused = False
        self._said: dict[int, float] = {}
        """When which kind of error was logged last."""
        try:
            Consumer(self._consuming).close()
        except KafkaException as error:
            raise InvalidInput(f"Kafka settings: {_text(error)}") from error

    async def open(self) -> None:
        await self._call(self._open)

    def _open(self) -> None:
        self._consumer = Consumer(self._consuming)
        self._ended.clear()
        self._early.clear()
        self._paused = False
        # Left to itself the library would look for brokers and topic forever, without a word to its caller.
        found = self._consumer.list_topics(self._topic, CONNECT_SECONDS).topics.get(self._topic)
        if found is None or found.error is not None:
            raise BrokerFailed(f"Kafka: the topic {self._topic} cannot be read: {found.error if found else 'unknown'}")
        self._consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        return await self._call(self._fetch, limit, seconds)

    def _fetch(self, limit: int, seconds: float) -> list[Message]:
        consumer = self._opened()
        if self._paused:
            consumer.resume(consumer.assignment())
            self._paused = False
        messages, self._early = self._early, []
        if len(messages) < limit:
            messages += self._read(consumer.consume(limit - len(messages), seconds))
        return messages

    async def hold(self, messages: Sequence[Message]) -> None:
        await self._call(self._hold)

    def _hold(self) -> None:
        """Polling is what keeps us in the group; paused partitions give nothing. New ones may, which is kept."""
        consumer = self._opened()
        consumer.pause(consumer.assignment())
        self._paused = True
        self._early += self._read(consumer.consume(1, 0))

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        await self._call(self._commit, messages)

    def _commit(self, messages: Sequence[Message]) -> None:
        ends: dict[int, int] = {}
        for message in messages:
            ends[message.partition] = max(ends.get(message.partition, 0), message.offset + 1)
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in ends.items()]
        try:
            done = self._opened().commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # Either the next commit of the partition says it, or whoever has the partition now reads these again.
            self._log.warning("offsets_not_committed", why=_text(error))
            return
        refused = [str(place.error) for place in done if place.error is not None]
        if refused:
            self._log.warning("offsets_not_committed", why=refused[0], partitions=len(refused))

    async def publish(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        await self._call(self._publish, topic, letters)

    def _publish(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        if self._producer is None:
            self._producer = Producer(self._producing)
        producer, failed = self._producer, []

        def delivered(error: KafkaError | None, _message: Received) -> None:
            if error is not None:
                failed.append(error)

        for letter in letters:
            headers: list[tuple[str, str | bytes | None]] = [*letter.headers]
            body, key = letter.message.body, letter.message.key
            try:
                producer.produce(topic, body, key, on_delivery=delivered, headers=headers)
            except BufferError:
                producer.flush(PUBLISH_SECONDS)
                producer.produce(topic, body, key, on_delivery=delivered, headers=headers)
        left = producer.flush(PUBLISH_SECONDS)
        if left or failed:
            producer.purge()
            producer.flush(PUBLISH_SECONDS)
            raise BrokerFailed(f"dead letters cannot be written to {topic}: {failed[0] if failed else 'no answer'}")

    async def drained(self) -> bool:
        return await self._call(self._drained)

    def _drained(self) -> bool:
        assigned = {place.partition for place in self._opened().assignment()}
        return bool(assigned) and assigned <= self._ended and not self._early

    def lag(self) -> int | None:
        consumer = self._opened()
        behind = 0
        for place in consumer.position(consumer.assignment()):
            _, end = consumer.get_watermark_offsets(place, cached=True)
            if place.offset >= 0 and end >= 0:
                behind += max(0, end - place.offset)
        return behind

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _read(self, received: Sequence[Received]) -> list[Message]:
        messages = []
        for item in received:
            error = item.error()
            partition, offset = item.partition(), item.offset()
            if error is not None:
                self._note(error, partition)
            elif partition is not None and offset is not None:
                self._ended.discard(partition)
                messages.append(self._message(item, partition, offset))
        return messages

    def _message(self, item: Received, partition: int, offset: int) -> Message:
        _, timestamp = item.timestamp()
        headers = item.headers() or ()
        pairs = headers.items() if isinstance(headers, dict) else headers
        return Message(
            topic=self._topic,
            partition=partition,
            offset=offset,
            timestamp=timestamp,
            body=_bytes(item.value()),
            key=None if item.key() is None else _bytes(item.key()),
            headers=tuple((name, _bytes(value)) for name, value in pairs),
            origin=self._origin,
        )

    def _note(self, error: KafkaError, partition: int | None) -> None:
        """An error that came in place of a message.

        Raises:
            BrokerFailed: waiting alone will not mend it.
        """
        if error.code() == KafkaError._PARTITION_EOF and partition is not None:
            self._ended.add(partition)
        elif error.retriable():
            self._on_error(error)
        else:
            raise BrokerFailed(f"Kafka: {error.str()}")

    def _on_assign(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        self._ended.clear()
        self._log.info("partitions_assigned", partitions=sorted(place.partition for place in places))

    def _on_revoke(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        gone = {place.partition for place in places}
        self._early = [message for message in self._early if message.partition not in gone]
        self._log.info("partitions_revoked", partitions=sorted(gone))

    def _on_error(self, error: KafkaError) -> None:
        """The library goes on trying by itself, several times a second; people should know why nothing arrives."""
        now = time.monotonic()
        if now - self._said.get(error.code(), -REPEAT_SECONDS) >= REPEAT_SECONDS:
            self._said[error.code()] = now
            self._log.warning("broker_error", why=error.str())

    def _opened(self) -> Consumer:
        if self._consumer is None:
            raise BrokerFailed("Kafka: not connected")
        return self._consumer

    async def _call(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Let the library work in a thread; its errors become ours."""
        try:
            return await asyncio.to_thread(work, *arguments)
        except KafkaException as error:
            raise BrokerFailed(f"Kafka: {_text(error)}") from error


class _Bridge(logging.Handler):
    """Lines that the library would write to standard error in a form of its own."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.debug("librdkafka", detail=record.getMessage())


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def _text(error: KafkaException) -> str:
    reason = error.args[0] if error.args else error
    return reason.str() if isinstance(reason, KafkaError) else str(reason)
