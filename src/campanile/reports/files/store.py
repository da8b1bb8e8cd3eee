"""Where finished files are kept: a local folder, or a bucket of an S3-compatible store.

Objects have names that the server makes up. An object is complete as soon as it exists: local ones are written under
another name and synced to the disk before they get theirs.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from campanile.errors import CampanileError, ConfigurationError, Unavailable

PART_BYTES = 8 * 1024 * 1024
"""Bytes of one part of an upload."""
UPLOADS = 2
"""Parts of one upload under way at the same time; each is kept in memory."""
READ_BYTES = 256 * 1024
"""Bytes of one step of a download."""

_ID = re.compile(r"[0-9a-f]{16,64}")
_STAGED = re.compile(r"#\d+\Z")


class StoreUnavailable(Unavailable):
    """The store of files cannot be read or written."""

    type = "store_unavailable"


class DiskFull(Unavailable):
    """There is no room for the file."""

    type = "disk_full"


class FileUnreadable(CampanileError):
    """A file that should be there is not, or has another size."""

    type = "file_unreadable"


class FileStore:
    """Keeps files by id. Thread-safe.

    Args:
        folder: of a local store; None for a bucket.
    """

    def __init__(self, store: LocalStore | S3Store, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    def put(self, file_id: str, chunks: Iterator[bytes]) -> None:
        """Store a file; it exists when this returns, and does not when it raises.

        Raises:
            StoreUnavailable, DiskFull: it cannot be stored. Whatever `chunks` raises.
        """
        key = _key(file_id)
        with _translated():
            obstore.put(self._store, key, chunks, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=UPLOADS)
            if self._folder is not None:
                _sync(self._folder / key)

    async def read(self, file_id: str, *, size: int, first: int, last: int) -> AsyncIterator[bytes]:
        """Bytes `first` to `last`, both inclusive. The file is opened before this returns.

        Raises:
            FileUnreadable: it is not there, or does not have `size` bytes. StoreUnavailable: nobody knows.
        """
        key = _key(file_id)
        if self._folder is not None and (self._folder / key).is_symlink():
            raise FileUnreadable("The file was replaced behind the server.")
        with _translated():
            try:
                found = await obstore.get_async(self._store, key, options={"range": (first, last + 1)})
            except FileNotFoundError as error:
                raise FileUnreadable("The file is gone.") from error
        if found.meta["size"] != size:
            raise FileUnreadable("The file does not have its size.")
        return _chunks(found)

    def delete(self, file_ids: Sequence[str]) -> None:
        """Delete files; those that are gone already are fine.

        Raises:
            StoreUnavailable: some may be left.
        """
        for file_id in file_ids:
            with _translated(), suppress(FileNotFoundError):
                obstore.delete(self._store, _key(file_id))

    def sweep(self, before: datetime, known: Callable[[Sequence[str]], set[str]]) -> int:
        """Delete objects written before an instant that nobody knows: what crashed workers left. Returns how many.

        Args:
            known: which of some ids belong to a file.
        """
        removed = 0
        with _translated():
            for batch in obstore.list(self._store):
                old = {
                    meta["path"].rpartition("/")[2]: meta["path"] for meta in batch if meta["last_modified"] < before
                }
                for file_id in old.keys() - known(list(old)):
                    with suppress(FileNotFoundError):  # another worker sweeps, too
                        obstore.delete(self._store, old[file_id])
                        removed += 1
            if self._folder is not None:
                removed += _sweep_staged(self._folder, before)
        return removed

    def check(self) -> None:
        """Raise StoreUnavailable unless the store answers."""
        with _translated():
            next(iter(obstore.list(self._store, chunk_size=1)), None)


def open_store(url: str) -> FileStore:
    """The store at `file:///folder` (made when missing) or `s3://bucket/prefix?endpoint=…&region=…`.

    Credentials of S3 come from the `AWS_…` variables or from the machine's role.

    Raises:
        ConfigurationError: not such a URL, or the folder cannot be made.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        folder = Path(unquote(parts.path))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return FileStore(LocalStore(prefix=folder), folder)
        except (OSError, BaseError) as error:
            raise ConfigurationError(f"cannot use the folder {folder}: {error}", attribute="files_url") from error
    if parts.scheme == "s3" and parts.netloc:
        return FileStore(open_bucket(parts.netloc, parts.path.strip("/"), parts.query))
    raise ConfigurationError("files_url must be file:///folder or s3://bucket/prefix", attribute="files_url")


def open_bucket(name: str, prefix: str, query: str, *, attribute: str = "files_url") -> S3Store:
    """A bucket by its name, the folder in it, and the options of its URL; `attribute` names the URL in errors.

    Raises:
        ConfigurationError: an option is unknown or wrong.
    """
    options = {key: values[-1] for key, values in parse_qs(query).items()}
    config: dict[str, Any] = {key: options.pop(key) for key in ("endpoint", "region") if key in options}
    if options:
        raise ConfigurationError(
            f"{attribute} has an unknown option: {', '.join(sorted(options))}", attribute=attribute
        )
    plain = config.get("endpoint", os.environ.get("AWS_ENDPOINT_URL", "")).startswith("http://")
    try:
        return S3Store(name, prefix=prefix or None, client_options={"allow_http": plain}, **config)
    except (BaseError, ValueError) as error:
        raise ConfigurationError(f"{attribute} cannot be used: {error}", attribute=attribute) from error


def _key(file_id: str) -> str:
    """The name of the object. Ids are made here; anything else must not become part of a path."""
    if _ID.fullmatch(file_id) is None:
        raise ValueError("not the id of a file")
    return f"{file_id[:2]}/{file_id}"


async def _chunks(found: Any) -> AsyncIterator[bytes]:
    with _translated():
        async for chunk in found.stream(min_chunk_size=READ_BYTES):
            yield bytes(chunk)


def _sync(path: Path) -> None:
    """See to it that a power cut takes neither the bytes nor the name."""
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep_staged(folder: Path, before: datetime) -> int:
    """Delete files that were being written when their writer died."""
    staged = [path for path in folder.glob("??/*") if _STAGED.search(path.name)]
    old = [path for path in staged if path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


@contextmanager
def _translated() -> Iterator[None]:
    """What is missing here is the bucket or the folder itself; who looks for a file expects that it may be gone."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull("There is no room for the file.", retry_after=60) from error
        raise StoreUnavailable("The store of files cannot be used right now.", retry_after=30) from error
    except BaseError as error:
        if "os error 28" in str(error):
            raise DiskFull("There is no room for the file.", retry_after=60) from error
        raise StoreUnavailable("The store of files cannot be used right now.", retry_after=30) from error
