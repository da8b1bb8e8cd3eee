"""The file of rejected rows: one JSON object per line, to be mended and imported again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import msgspec

from campanile.cli.importer.sources import BadRow
from campanile.errors import InvalidInput

RETRY_FIELDS = frozenset({"file", "row", "raw"})
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[^\s@\"'<>]+")
_PHONE = re.compile(r"\+\d[\d ()-]{6,}\d")
MASK = "***"


class Rejected(msgspec.Struct, frozen=True):
    """One row that was not accepted."""

    file: str
    row: int
    byte_offset: int
    event_id: str
    code: str
    field: str
    message: str
    raw: Any
    """The row as it was read, addresses and phone numbers masked; None when it could not be read."""


class ErrorFile:
    """Created at the first error; `truncate` first when an import goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[bytes] | None = None
        self.size = 0

    def truncate(self, size: int) -> None:
        """Keep the first `size` bytes only: what follows belongs to rows that will be sent again."""
        self.size = size
        if not self.path.exists():
            return
        if size == 0:
            self.path.unlink()
            return
        os.truncate(self.path, min(size, self.path.stat().st_size))

    def open(self) -> IO[bytes]:
        """Create the file, or get ready to append to it.

        Raises:
            InvalidInput: it cannot be written.
        """
        try:
            self._stream = self._stream or self.path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from error
        return self._stream

    def write(self, rejected: Iterable[Rejected]) -> None:
        """Append rows; they are on disk when this returns."""
        encoder = msgspec.json.Encoder()
        lines = [encoder.encode(row) + b"\n" for row in rejected]
        if not lines:
            return
        stream = self.open()
        try:
            stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        self.size += sum(len(line) for line in lines)

    def _unwritable(self, error: OSError) -> InvalidInput:
        return InvalidInput(f"cannot write the error file {self.path}: {error.strerror}")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def masked(value: Any) -> Any:
    """A copy without e-mail addresses and phone numbers."""
    if isinstance(value, str):
        return _PHONE.sub(MASK, _EMAIL.sub(MASK, value))
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else str(value)


def to_retry(row: dict[str, Any]) -> dict[str, Any] | BadRow:
    """The row that a line of an error file keeps; its event id stays the same."""
    raw = row.get("raw")
    if not row.keys() >= RETRY_FIELDS or not isinstance(raw, dict):
        return BadRow("not_an_object", "the line is not of an error file, or keeps no row")
    if row.get("event_id"):
        return {"event_id": row["event_id"], **raw}
    return raw
