"""Where messages end that will never be counted: a file to mend and import, or a topic of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from campanile.cli.consumer.messages import Broker, DeadLetter
from campanile.cli.importer.errors import ErrorFile, Rejected, masked


class Graves(Protocol):
    """A place for dead letters; they are kept durably when `bury` returns."""

    async def bury(self, letters: Sequence[DeadLetter]) -> None: ...

    def close(self) -> None: ...


class FileGraves:
    """An error file as imports write it, with addresses masked: `campanile import FILE --preset retry` takes it."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            InvalidInput: the file cannot be written; better known now than with the first bad message.
        """
        self._file = ErrorFile(path)
        self._file.open()

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        await asyncio.to_thread(self._file.write, [_rejected(letter) for letter in letters])

    def close(self) -> None:
        self._file.close()


class TopicGraves:
    """A topic of the same broker: messages unchanged, with headers that say what is wrong."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """
        Raises:
            BrokerFailed: not all could be written; the batch is not acknowledged then.
        """
        if letters:
            await self._broker.publish(self._topic, letters)

    def close(self) -> None:
        pass


def _rejected(letter: DeadLetter) -> Rejected:
    message = letter.message
    try:
        value = msgspec.json.decode(message.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    raw = masked(value) if isinstance(value, dict) else None
    return Rejected(
        f"{message.topic}/{message.partition}", message.offset, 0, letter.event_id, letter.code, letter.field,
        letter.reason, raw,
    )  # fmt: skip
