"""Spreadsheets written in a process of their own: spelling millions of cells must not keep a server from answering.

The process gets rows through its standard input and gives the bytes of the file through its standard output, a batch
at a time, so that rows are made here while the ones before them are written there and memory stays flat in both. It
ends by itself when its input ends: nothing is left when the server is killed.
"""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any, cast

from campanile.reports.files.cells import Lists
from campanile.reports.files.xlsx import SHEET_ROWS, XlsxFile
from campanile.reports.sheet import Column, Row

_REPLY = struct.Struct("<QQQ")
"""Room that is left, cells that were cut so far, bytes that follow."""


class WriterDied(RuntimeError):
    """The process ended before the file was complete."""


class XlsxProcess:
    """Writes one workbook into `target`, as `XlsxFile` does. Close or abandon it.

    `truncated` counts cells that were cut; it is complete when the file is closed.
    """

    def __init__(
        self, columns: Sequence[Column], target: IO[bytes], lists: Lists, *, most_rows: int = SHEET_ROWS
    ) -> None:
        self._target = target
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server, which decides what becomes of its runs
        )
        self._room = 0
        self.truncated = 0
        self._send((tuple(columns), lists, most_rows))
        self._waiting = True

    @property
    def room(self) -> int:
        """Rows that still fit, once the rows before are written.

        Raises:
            WriterDied: they could not be.
        """
        self._settle()
        return self._room

    def write(self, batch: Sequence[Row]) -> None:
        """Append rows; not more than there is room for."""
        if batch:
            self._settle()
            self._send(batch)
            self._waiting = True

    def close(self) -> None:
        """Complete the file."""
        self._settle()
        self._send(None)
        self._receive()
        self._end()

    def abandon(self) -> None:
        """Let go of a file that is not going to be complete; nothing is written any more."""
        self._process.kill()
        self._end()

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # what was not sent is not wanted any more
                    continue
        self._process.wait()

    def _settle(self) -> None:
        if self._waiting:
            self._receive()
            self._waiting = False

    def _send(self, message: object) -> None:
        if self._process.stdin is None:
            raise WriterDied("the process has no input")
        try:
            pickle.dump(message, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error

    def _receive(self) -> None:
        self._room, self.truncated, size = _REPLY.unpack(self._read(_REPLY.size))
        if size:
            self._target.write(self._read(size))

    def _read(self, size: int) -> bytes:
        data = b"" if self._process.stdout is None else self._process.stdout.read(size)
        if len(data) < size:
            raise self._died()
        return data

    def _died(self) -> WriterDied:
        return WriterDied(f"the process that writes spreadsheets ended with status {self._process.wait()}")


# --- the other side


class _Tray(io.RawIOBase):
    """Holds what was written since it was emptied."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._before = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._before + len(self._written)

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._before += len(taken)
        self._written.clear()
        return taken


def main(source: IO[bytes], target: IO[bytes]) -> None:
    """Write the workbook that the rows in `source` make; ends early when they do."""
    tray = _Tray()

    def reply(room: int, cut: int) -> None:
        made = tray.take()
        target.write(_REPLY.pack(room, cut, len(made)) + made)
        target.flush()

    try:
        columns, lists, most_rows = pickle.load(source)  # noqa: S301 - from the process that started this one
        file = XlsxFile(columns, cast(IO[bytes], tray), lists, most_rows=most_rows)
        reply(file.room, file.truncated)
        while (batch := pickle.load(source)) is not None:  # noqa: S301
            file.write(batch)
            reply(file.room, file.truncated)
        file.close()
        reply(0, file.truncated)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # whoever asked is gone, perhaps in mid-sentence
        return


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
