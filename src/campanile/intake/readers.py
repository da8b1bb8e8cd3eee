"""Processes that read large bodies, beside the one that serves.

Reading ten thousand events keeps one interpreter busy for a tenth of a second, and as long as it does, no question is
answered by the same interpreter. So large bodies are read by processes of their own, small ones where they arrive.

A reader gets pickled orders on its standard input and answers on its standard output, each with its lengths in front.
It ends when its input ends, so none can outlive its server.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import IO, Any

from campanile.errors import CampanileError, Unavailable
from campanile.intake.reading import Reading, ReadingOrder, read_events

LARGE_BODY_BYTES = 64 * 1024
"""Bodies from this size on are worth the way to another process: about 250 events."""

MAX_READERS = 4
"""Readers of one server; each needs about 100 MB."""

READING_SECONDS = 60.0
"""A reader that takes longer is stopped: no body within the limits takes more than a second."""

PIPE_BYTES = 1024 * 1024
"""Buffer of either pipe, the most that Linux gives to anyone: the two processes wake each other less often."""

_LENGTHS = struct.Struct("<QQ")


class ReaderPool:
    """Reads in at most `size` processes, started when the first large body arrives. Thread-safe."""

    def __init__(self, size: int | None = None) -> None:
        self.size = default_readers() if size is None else size
        """Processes at most; 0: everything is read in this process."""
        self._idle: queue.LifoQueue[_Reader | None] = queue.LifoQueue()
        for _ in range(self.size):
            self._idle.put(None)

    def read(self, order: ReadingOrder) -> Reading:
        """`read_events`, wherever it costs the others least. Blocks until there is room.

        Raises:
            Unavailable: the process that read the body ended over it.
        """
        result = self._read(order) if self.size and len(order.body) >= LARGE_BODY_BYTES else read_events(order)
        if result.batch is not None:
            result.batch.assemble()
        return result

    def _read(self, order: ReadingOrder) -> Reading:
        reader = self._idle.get()
        try:
            if reader is None:
                reader = _Reader()
            result = reader.read(order)
        except BrokenReader as error:
            reader = None
            raise Unavailable("The request could not be read; send it again.", type="reader_lost") from error
        finally:
            self._idle.put(reader)
        if isinstance(result, CampanileError):
            raise result
        return result

    def close(self) -> None:
        """End all readers; none may be reading."""
        while not self._idle.empty():
            reader = self._idle.get()
            if reader is not None:
                reader.close()


class BrokenReader(Exception):
    """A reader ended, or answered nothing in time."""


class _Reader:
    """One process."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "campanile.intake.readers"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pipesize=PIPE_BYTES,
            )
        except OSError as error:
            raise BrokenReader from error

    def read(self, order: ReadingOrder) -> Reading | CampanileError:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise BrokenReader
        watch = threading.Timer(READING_SECONDS, self._process.kill)
        watch.start()
        try:
            _send(stdin, order)
            answer: Reading | CampanileError = _receive(stdout)
        except (OSError, EOFError) as error:
            self.close()
            raise BrokenReader from error
        finally:
            watch.cancel()
        return answer

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.kill()
        self._process.wait()


def default_readers() -> int:
    """All processors but the one of the server, within bounds."""
    return min(MAX_READERS, len(os.sched_getaffinity(0)) - 1)


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Answer orders until there are no more: the whole life of a reader."""
    while True:
        try:
            order = _receive(orders)
        except EOFError:
            return
        try:
            answer: Reading | CampanileError = read_events(order)
        except CampanileError as refusal:
            answer = refusal
        _send(answers, answer)


def _send(stream: IO[bytes], message: object) -> None:
    """The message, then the large buffers within it, which are not copied for that."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    raws = [buffer.raw() for buffer in buffers]
    stream.write(_LENGTHS.pack(len(raws), len(data)) + struct.pack(f"<{len(raws)}Q", *(raw.nbytes for raw in raws)))
    stream.write(data)
    for raw in raws:
        stream.write(raw)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    count, size = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    sizes = struct.unpack(f"<{count}Q", _exactly(stream, 8 * count))
    data = _exactly(stream, size)
    buffers = [_exactly(stream, size) for size in sizes]
    return pickle.loads(data, buffers=buffers)  # noqa: S301 - our own process at the other end of a private pipe


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


class _WithoutPandas(MetaPathFinder):
    """Arrow would import pandas with its first array: a second and 60 MB for nothing."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)
        return None


def _main() -> None:
    sys.meta_path.insert(0, _WithoutPandas())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the server, which then ends its readers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not get between the answers
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
