"""The store of files, in a folder and in a bucket."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campanile.errors import ConfigurationError
from campanile.reports.files.store import PART_BYTES, FileStore, FileUnreadable, StoreUnavailable, open_store
from tests.support.processes import free_ports
from tests.support.s3 import CREDENTIALS, make_bucket, s3_server

pytestmark = pytest.mark.slow

FILE, OTHER = "0123456789abcdef01234567", "fedcba9876543210fedcba98"
FUTURE = datetime.now(UTC) + timedelta(days=2)  # objects are dated by the machine


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    if request.param == "folder":
        return open_store(f"file://{tmp_path}/files")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    url = request.getfixturevalue("s3")
    bucket = f"reports-{abs(hash(request.node.name)) % 10**8}"
    make_bucket(url, bucket)
    return open_store(f"s3://{bucket}/some/prefix?endpoint={url}")


def read(store: FileStore, file_id: str, size: int, first: int = 0, last: int | None = None) -> bytes:
    async def collect() -> bytes:
        chunks = await store.read(file_id, size=size, first=first, last=size - 1 if last is None else last)
        return b"".join([chunk async for chunk in chunks])

    return asyncio.run(collect())


def test_what_was_put_can_be_read(store: FileStore) -> None:
    content = bytes(range(256)) * (PART_BYTES // 100)
    store.check()
    store.put(FILE, iter([content[:10], content[10 : PART_BYTES + 5], content[PART_BYTES + 5 :]]))
    assert read(store, FILE, len(content)) == content
    assert read(store, FILE, len(content), 1000, 1009) == content[1000:1010]
    assert read(store, FILE, len(content), len(content) - 1) == content[-1:]


def test_a_file_that_could_not_be_written_completely_does_not_exist(store: FileStore) -> None:
    def failing() -> Iterator[bytes]:
        yield b"x" * (PART_BYTES + 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.put(FILE, failing())
    with pytest.raises(FileUnreadable):
        read(store, FILE, PART_BYTES + 1)
    assert store.sweep(FUTURE, lambda _: set()) == 0


def test_a_file_of_another_size_is_not_served(store: FileStore) -> None:
    store.put(FILE, iter([b"content"]))
    with pytest.raises(FileUnreadable):
        read(store, FILE, 8)


def test_deleting(store: FileStore) -> None:
    store.put(FILE, iter([b"content"]))
    store.delete([FILE, OTHER])
    with pytest.raises(FileUnreadable):
        read(store, FILE, 7)
    store.delete([FILE])


def test_what_nobody_knows_is_swept_away_once_it_is_old(store: FileStore) -> None:
    for file_id in (FILE, OTHER):
        store.put(file_id, iter([b"content"]))
    assert store.sweep(datetime.now(UTC) - timedelta(days=1), lambda _: set()) == 0
    assert store.sweep(FUTURE, lambda ids: {FILE}.intersection(ids)) == 1
    assert read(store, FILE, 7) == b"content"
    with pytest.raises(FileUnreadable):
        read(store, OTHER, 7)


@pytest.mark.parametrize("name", ["", "..", "../secret", "a/b", "ABCDEF0123456789", "0123456789abcdef\n", "\0" * 16])
def test_only_ids_become_paths(store: FileStore, name: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        store.put(name, iter([b"x"]))
    with pytest.raises(ValueError, match="not the id"):
        read(store, name, 1)


def test_a_folder_is_private_and_complete_files_are_all_it_shows(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/new%20files")
    folder = tmp_path / "new files"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    seen: list[list[str]] = []

    def watching() -> Iterator[bytes]:
        for _ in range(3):
            yield b"x" * PART_BYTES
            seen.append([path.name for path in folder.rglob("*") if path.name == FILE])

    store.put(FILE, watching())
    assert seen == [[], [], []]
    assert (folder / FILE[:2] / FILE).stat().st_size == 3 * PART_BYTES


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/files")
    store.put(FILE, iter([b"content"]))
    path = tmp_path / "files" / FILE[:2] / FILE
    path.unlink()
    (tmp_path / "secret").write_bytes(b"secrets")
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(FileUnreadable):
        read(store, FILE, 7)


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/files")
    store.put(FILE, iter([b"content"]))
    left = tmp_path / "files" / FILE[:2] / f"{OTHER}#1"
    left.write_bytes(b"half")
    assert store.sweep(FUTURE, set) == 1
    assert not left.exists()


def test_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = open_store(f"s3://bucket?endpoint=http://127.0.0.1:{free_ports(1)[0]}&region=us-east-1")
    with pytest.raises(StoreUnavailable):
        store.check()


@pytest.mark.parametrize(
    "url", ["", "files", "file://host/x", "ftp://x/y", "s3://", "s3://bucket?colour=red", "file:///proc/nope/x"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_store(url)
