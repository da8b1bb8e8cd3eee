"""What the consumer needs of a broker, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from campanile.errors import CampanileError


class BrokerFailed(CampanileError):
    """The broker cannot be reached, or refuses what we ask; trying again may help."""

    type = "broker_failed"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the broker delivered it."""

    topic: str
    """Topic, or subject."""
    partition: int
    """Of the topic; 0 where there is none."""
    offset: int
    """Of the partition, or sequence number of the stream."""
    timestamp: int
    """When the broker took it, in milliseconds since 1970."""
    body: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    origin: str
    """Broker and stream, for ids of events that bring none."""
    native: object = None
    """What the broker's library knows it by."""

    @property
    def id(self) -> str:
        """The same whenever this message is delivered. The time is in it because offsets of a new topic start over."""
        return f"{self.origin}:{self.partition}:{self.offset}:{self.timestamp}"

    def header(self, name: str) -> str:
        """The first header of this name, empty if there is none."""
        return next((value.decode("utf-8", "replace") for key, value in self.headers if key == name), "")


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that will never be counted, and why."""

    message: Message
    code: str
    field: str
    reason: str
    event_id: str = ""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The message's own headers, and where it came from and what is wrong with it."""
        message = self.message
        added = {
            "code": self.code,
            "field": self.field,
            "reason": self.reason,
            "source_topic": message.topic,
            "source_partition": str(message.partition),
            "source_offset": str(message.offset),
        }
        kept = [(name, value) for name, value in message.headers if name not in added]
        return kept + [(name, value.encode()) for name, value in added.items()]


class Broker(Protocol):
    """A subscription to one topic. All methods raise `BrokerFailed`; then it is closed and opened again."""

    hold_seconds: float
    """How often `hold` is to be called while messages are worked on."""

    async def open(self) -> None:
        """Connect and subscribe."""

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        """The next messages, at most `limit`; none when none arrived within about `seconds`."""

    async def hold(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are still worked on, so that nobody else gets them."""

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are done. What cannot be told is delivered again later."""

    async def publish(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters to another topic; they are kept there when this returns."""

    async def drained(self) -> bool:
        """Whether nothing is left to fetch, for us or for others of our group."""

    def lag(self) -> int | None:
        """Messages behind the last one fetched, as far as that is known."""

    async def close(self) -> None:
        """Leave the broker. May be called more than once; never raises."""
