"""Archives that are written as they are made: zip, tar, tar.gz (report specification 9).

One thread spells cells and feeds an `ArchiveWriter`; another compresses and stores what it is fed, so that two cores
work. What waits between them is bounded. Members are known to be complete before the archive is: its table of
contents is the last thing written, and the store makes it visible only then.
"""

from __future__ import annotations

import io
import queue
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, cast

import msgspec

from campanile.errors import CampanileError

Compression = Literal["zip", "tar", "gz"]

MEMBER_BYTES = 2**31 - 2**27
"""Bytes of a member; a longer file continues in another one. Zip needs an extension beyond, which some readers lack."""
CHUNK_BYTES = 1024 * 1024
"""Bytes that are handed over at a time."""
WAITING_CHUNKS = 4
"""Chunks between the two threads."""
LEVEL = 6
"""Of deflate, also what zip members get; higher ones take twice the time for a hundredth of the size."""

EXTENSIONS: dict[Compression, str] = {"zip": ".zip", "tar": ".tar", "gz": ".tar.gz"}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every member, so that equal reports are equal files."""


class FileTooLarge(CampanileError):
    """The archive is larger than archives may be."""

    status = 422
    type = "file_too_large"


class Abandoned(Exception):
    """The writer gave the archive up; nothing of it remains."""


class Begin(msgspec.Struct, frozen=True):
    """A member of this name follows."""

    name: str


class End(msgspec.Struct, frozen=True):
    """The member is complete."""


Chunks = Generator[bytes, None, None]
Item = Begin | bytes | End
Put = Callable[[Iterator[bytes]], None]
"""Stores chunks as one object; nothing remains when the iterator raises."""


class Member(msgspec.Struct, frozen=True):
    """A file in an archive."""

    name: str
    size: int
    sha256: str


class MemberFile(io.RawIOBase):
    """The file that a member is written through. After the archive was given up, writing does nothing."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._buffer = bytearray()
        self._digest = sha256()
        self.size = 0
        self.muted = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        length = len(data) if isinstance(data, bytes) else memoryview(data).nbytes
        self.size += length
        if not self.muted:
            self._buffer += data
            if len(self._buffer) >= CHUNK_BYTES:
                self.flush()
        return length

    def flush(self) -> None:
        if self._buffer and not self.muted:
            chunk = bytes(self._buffer)
            self._buffer.clear()
            self._digest.update(chunk)
            self._feed(chunk)

    @property
    def sha256(self) -> str:
        """Of everything that was written and flushed."""
        return self._digest.hexdigest()


class ArchiveWriter:
    """Feed it members, one after the other; leave its context to complete the archive, or by an exception to undo it.

    Args:
        put: takes the bytes of the archive, in a thread of its own.
        folder: where members of tar archives wait for their size to be known.
        limit: most bytes of the archive.
    """

    def __init__(self, put: Put, compression: Compression, *, folder: Path, limit: int) -> None:
        self._items: queue.Queue[Item | BaseException | None] = queue.Queue(WAITING_CHUNKS)
        self._failure: BaseException | None = None
        self._put = put
        self._compression = compression
        self._folder = folder
        self._limit = limit
        self._thread = threading.Thread(target=self._store, name="archive", daemon=True)
        self._current: MemberFile | None = None
        self.members: list[Member] = []
        self.size = 0
        self.sha256 = ""

    def __enter__(self) -> ArchiveWriter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._current is not None:
            self._current.muted = True
        self._items.put(None if error is None else Abandoned())
        self._thread.join()
        if error is None and self._failure is not None:
            raise self._failure

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A new member; complete when the block ends.

        Raises:
            FileTooLarge: of the archive. CampanileError, OSError: it cannot be stored.
        """
        file = self._current = MemberFile(self._feed)
        self._feed(Begin(name))
        try:
            yield cast(IO[bytes], file)
            file.flush()
        except BaseException:
            file.muted = True
            raise
        self._feed(End())
        self.members.append(Member(name, file.size, file.sha256))

    def _feed(self, item: Item) -> None:
        if self._failure is not None:
            raise self._failure
        self._items.put(item)

    # --- in the thread that stores

    def _store(self) -> None:
        digest = sha256()

        def counted() -> Chunks:
            with closing(_packed(self._taken(), self._compression, self._folder)) as packed:
                for chunk in packed:
                    self.size += len(chunk)
                    if self.size > self._limit:
                        raise FileTooLarge(f"The archive would have more than {self._limit} bytes.")
                    digest.update(chunk)
                    yield chunk
            self.sha256 = digest.hexdigest()

        try:
            with closing(counted()) as chunks:
                self._put(chunks)
        except BaseException as error:  # belongs to the thread that feeds
            self._failure = error
            while not isinstance(item := self._items.get(), BaseException) and item is not None:
                pass

    def _taken(self) -> Iterator[Item]:
        while True:
            item = self._items.get()
            if item is None or isinstance(item, BaseException):
                self._items.put(item)  # it is the last one; also ends the emptying that follows a failure
                if item is None:
                    return
                raise item
            yield item


class _Tape(io.RawIOBase):
    """A file of which only what is new is kept."""

    def __init__(self) -> None:
        self._new = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise OSError("a tape cannot be rewound")

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        self._new += data
        self._position += len(data)
        return len(data)

    def take(self, least: int = 0) -> Iterator[bytes]:
        """What is new, if it is at least so much."""
        if self._new and len(self._new) >= least:
            yield bytes(self._new)
            self._new.clear()


def _packed(items: Iterator[Item], compression: Compression, folder: Path) -> Chunks:
    match compression:
        case "zip":
            return _zip(items)
        case "tar":
            return _tar(items, folder)
        case "gz":
            return _gzip(_tar(items, folder))


def _zip(items: Iterator[Item]) -> Chunks:
    tape = _Tape()
    package = zipfile.ZipFile(tape, "w", zipfile.ZIP_DEFLATED)
    member: IO[bytes] | None = None
    try:
        for item in items:
            if isinstance(item, bytes):
                if member is not None:
                    member.write(item)
            elif isinstance(item, Begin):
                info = zipfile.ZipInfo(item.name, _EARLIEST)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                member = package.open(info, "w")
            elif member is not None:
                member.close()
                member = None
            yield from tape.take(CHUNK_BYTES)
    finally:
        try:
            if member is not None:
                member.close()
        finally:
            package.close()
    yield from tape.take()


def _tar(items: Iterator[Item], folder: Path) -> Chunks:
    position = 0
    for item in items:
        if not isinstance(item, Begin):
            raise TypeError("members begin before they have bytes")
        with tempfile.TemporaryFile(dir=folder) as waiting:
            for part in items:
                if not isinstance(part, bytes):
                    break
                waiting.write(part)
            info = tarfile.TarInfo(item.name)
            info.size = waiting.tell()
            info.mtime = 315_532_800  # 1980-01-01
            yield info.tobuf(tarfile.GNU_FORMAT)
            waiting.seek(0)
            while chunk := waiting.read(CHUNK_BYTES):
                yield chunk
            padding = -info.size % tarfile.BLOCKSIZE
            position += tarfile.BLOCKSIZE + info.size + padding
            yield bytes(padding)
    yield bytes(2 * tarfile.BLOCKSIZE + -(position + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE)


def _gzip(chunks: Iterable[bytes]) -> Chunks:
    packer = zlib.compressobj(LEVEL, wbits=16 + zlib.MAX_WBITS)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()
