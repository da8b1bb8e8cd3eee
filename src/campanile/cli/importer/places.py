"""Where files are: in a folder of this machine, or in a bucket that speaks S3."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from campanile.errors import InvalidInput

if TYPE_CHECKING:
    from obstore.store import S3Store

FINGERPRINT_BYTES = 1024 * 1024
"""Bytes at each end of a file that its fingerprint covers."""
BUFFER_BYTES = 1024 * 1024
"""Bytes read from a file at a time."""
OBJECT_BUFFER_BYTES = 8 * 1024 * 1024
"""Bytes asked of a bucket at a time: each request costs a journey."""
SCHEME = "s3://"


class Place(Protocol):
    """A file that can be opened again and again."""

    name: str
    """As the user wrote it."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def beside(self) -> Path:
        """State and error file of an import are named after this, with a suffix of their own."""

    def open(self) -> io.BufferedReader:
        """The content, seekable. Raises OSError."""


class LocalFile:
    """A file of this machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = Path(name)

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    @property
    def beside(self) -> Path:
        return self._path

    def open(self) -> io.BufferedReader:
        return cast(io.BufferedReader, self._path.open("rb", buffering=BUFFER_BYTES))


class StoredObject:
    """An object of a bucket: `s3://bucket/key?endpoint=…&region=…`; credentials come from the environment."""

    def __init__(self, name: str) -> None:
        """
        Raises:
            ConfigurationError: the address makes no sense.
        """
        self.name = name
        self._store, self._key, _ = _bucket(name)

    @property
    def size(self) -> int:
        import obstore

        return int(obstore.head(self._store, self._key)["size"])

    @property
    def beside(self) -> Path:
        """In the current folder, under a name that tells objects of the same name in different folders apart."""
        return Path(self._key.replace("/", "_"))

    def open(self) -> io.BufferedReader:
        import obstore
        from obstore.exceptions import BaseError

        try:
            reader = obstore.open_reader(self._store, self._key, buffer_size=OBJECT_BUFFER_BYTES)
        except BaseError as error:
            raise OSError(str(error)) from error
        return io.BufferedReader(cast(io.RawIOBase, _Reader(reader)), BUFFER_BYTES)


class _Reader(io.RawIOBase):
    """An object as Python's files are."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from obstore.exceptions import BaseError

        try:
            content = memoryview(self._reader.read(len(buffer)))
        except BaseError as error:
            raise OSError(str(error)) from error
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())


def place_of(name: str) -> Place:
    """The file of a name."""
    return StoredObject(name) if name.startswith(SCHEME) else LocalFile(name)


def listed(name: str) -> Iterator[str]:
    """The objects below `s3://bucket/folder/`, in order of their names.

    Raises:
        InvalidInput: the bucket cannot be listed.
    """
    import obstore
    from obstore.exceptions import BaseError

    store, prefix, query = _bucket(name)
    try:
        keys = [meta["path"] for batch in obstore.list(store, prefix or None) for meta in batch]
    except (BaseError, OSError) as error:
        raise InvalidInput(f"cannot list {name}: {error}") from error
    bucket = urlsplit(name).netloc
    yield from (f"{SCHEME}{bucket}/{key}" + (f"?{query}" if query else "") for key in sorted(keys))


def fingerprint(place: Place) -> str:
    """Identity of a file's content: its size and both ends. The same wherever the file is."""
    size = place.size
    with place.open() as stream:
        first = hashlib.sha256(stream.read(FINGERPRINT_BYTES)).hexdigest()
        stream.seek(max(0, size - FINGERPRINT_BYTES))
        last = hashlib.sha256(stream.read(FINGERPRINT_BYTES)).hexdigest()
    return hashlib.sha256(f"{size}:{first}:{last}".encode()).hexdigest()


def _bucket(name: str) -> tuple[S3Store, str, str]:
    """Store, key and options of an address."""
    from campanile.reports.files.store import open_bucket  # comes with the server packages

    parts = urlsplit(name)
    key = parts.path.lstrip("/")
    return open_bucket(parts.netloc, "", parts.query, attribute="address"), key, parts.query
