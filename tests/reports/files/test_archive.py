"""Archives: complete and equal, or nothing at all."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from campanile.errors import Unavailable
from campanile.reports.files import writing
from campanile.reports.files.archive import CHUNK_BYTES, Abandoned, ArchiveWriter, FileTooLarge
from campanile.reports.files.writing import RowLimit, SheetWriter
from campanile.reports.schemas import FileFormat, ReportWarning
from tests.reports.files.tables import COLUMNS, ROWS, archived, column, members, sheet

pytestmark = pytest.mark.slow

NOISE = random.Random(1).randbytes(CHUNK_BYTES)
PIECES = [b"first\n", b"x" * (3 * CHUNK_BYTES), b"last\n"]


def fill(archive: ArchiveWriter) -> None:
    with archive.member("a.csv") as file:
        for piece in PIECES:
            file.write(piece)
    with archive.member("b.csv") as file:
        file.write(b"")


def test_a_zip_is_read_by_others(tmp_path: Path) -> None:
    content = archived(fill, tmp_path)
    assert content.startswith(b"PK\x03\x04")
    assert members(content) == {"a.csv": b"".join(PIECES), "b.csv": b""}
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        for entry in package.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.compress_type == zipfile.ZIP_DEFLATED
            assert entry.extract_version == 20, "no extensions"


def test_a_tar_is_read_by_others(tmp_path: Path) -> None:
    plain, packed = archived(fill, tmp_path, compression="tar"), archived(fill, tmp_path, compression="gz")
    assert gzip.decompress(packed) == plain
    with tarfile.open(fileobj=io.BytesIO(plain)) as package:
        entries = package.getmembers()
        assert [(entry.name, entry.uid, entry.gid, entry.mtime) for entry in entries] == [
            ("a.csv", 0, 0, 315_532_800),
            ("b.csv", 0, 0, 315_532_800),
        ]
        first = package.extractfile(entries[0])
        assert first is not None
        assert first.read() == b"".join(PIECES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", ["zip", "tar", "gz"])
def test_equal_members_are_equal_archives(tmp_path: Path, compression: Any) -> None:
    first, second = (archived(fill, tmp_path, compression=compression) for _ in range(2))
    assert first == second


def test_checksums_and_sizes(tmp_path: Path) -> None:
    taken: list[bytes] = []
    with ArchiveWriter(taken.extend, "zip", folder=tmp_path, limit=10**9) as archive:
        fill(archive)
    content = b"".join(taken)
    assert (archive.size, archive.sha256) == (len(content), sha256(content).hexdigest())
    whole = b"".join(PIECES)
    assert [(member.name, member.size, member.sha256) for member in archive.members] == [
        ("a.csv", len(whole), sha256(whole).hexdigest()),
        ("b.csv", 0, sha256().hexdigest()),
    ]


class Shelf:
    """Keeps what is put completely, as a store does."""

    def __init__(self) -> None:
        self.kept: bytes | None = None
        self.failure: BaseException | None = None

    def put(self, chunks: Iterator[bytes]) -> None:
        try:
            self.kept = b"".join(chunks)
        except BaseException as error:
            self.failure = error
            raise


@pytest.mark.parametrize("compression", ["zip", "tar", "gz"])
@pytest.mark.parametrize("inside", [True, False])
def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, compression: Any, inside: bool) -> None:
    shelf = Shelf()
    with pytest.raises(ZeroDivisionError), ArchiveWriter(shelf.put, compression, folder=tmp_path, limit=10**9) as made:
        with made.member("a.csv") as file:
            file.write(PIECES[1])
            if inside:
                raise ZeroDivisionError
        raise ZeroDivisionError
    assert shelf.kept is None
    assert isinstance(shelf.failure, Abandoned)
    assert [thread for thread in threading.enumerate() if thread.name == "archive"] == []


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_failing_store_stops_the_writer(tmp_path: Path, after: int) -> None:
    def put(chunks: Iterator[bytes]) -> None:
        for _ in range(after):
            next(chunks)
        raise Unavailable("away")

    def endless(archive: ArchiveWriter) -> None:
        with archive.member("a.csv") as file:
            while True:
                file.write(NOISE)

    with (
        pytest.raises(Unavailable),
        ArchiveWriter(put, "tar" if after == 0 else "zip", folder=tmp_path, limit=10**9) as made,
    ):
        endless(made)


def test_a_store_that_fails_at_the_very_end_is_noticed(tmp_path: Path) -> None:
    def put(chunks: Iterator[bytes]) -> None:
        list(chunks)
        raise Unavailable("away")

    with pytest.raises(Unavailable), ArchiveWriter(put, "zip", folder=tmp_path, limit=10**9) as made:
        fill(made)


def test_an_archive_has_a_largest_size(tmp_path: Path) -> None:
    size = len(archived(fill, tmp_path))
    assert len(archived(fill, tmp_path, limit=size)) == size
    with pytest.raises(FileTooLarge):
        archived(fill, tmp_path, limit=size - 1)


# --- sheets


def writer(archive: ArchiveWriter, form: FileFormat, *, most_rows: int = 1000, watch: Any = None) -> SheetWriter:
    return SheetWriter(
        archive,
        form,
        stem="Daily",
        file_date=date(2025, 3, 2),
        facts={},
        most_rows=most_rows,
        watch=watch or (lambda _: None),
    )


def test_each_sheet_with_rows_becomes_a_file(tmp_path: Path) -> None:
    warning = ReportWarning(code="campaign_not_found", message="…")
    made: list[SheetWriter] = []

    def write(archive: ArchiveWriter) -> None:
        sheets = writer(archive, FileFormat())
        assert sheets.write(sheet("PUSH", COLUMNS, [ROWS[:1], [], ROWS[1:]]))
        assert not sheets.write(sheet("EMAIL", COLUMNS, [[]], warning))
        assert sheets.write(sheet("SMS", COLUMNS[:1], [ROWS[:0], [("x",)]]))
        sheets.write_header("CARDS", COLUMNS[:2])
        made.append(sheets)

    found = members(archived(write, tmp_path))
    assert list(found) == ["Daily_PUSH_20250302.csv", "Daily_SMS_20250302.csv", "Daily_CARDS_20250302.csv"]
    assert found["Daily_SMS_20250302.csv"] == b"Campaign ID\nx\n"
    assert found["Daily_CARDS_20250302.csv"] == b"Campaign ID,Campaign Name\n"
    assert made[0].warnings == [warning]
    assert made[0].rows == 4
    for part, content in zip(made[0].parts, found.values(), strict=True):
        assert (part.bytes, part.sha256) == (len(content), sha256(content).hexdigest())
    assert [(part.channel, part.rows, len(part.columns)) for part in made[0].parts] == [
        ("PUSH", 3, 10),
        ("SMS", 1, 1),
        ("CARDS", 0, 2),
    ]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "jsonl"])
def test_every_format_can_be_archived(tmp_path: Path, kind: Any) -> None:
    def write(archive: ArchiveWriter) -> None:
        writer(archive, FileFormat(kind=kind)).write(sheet("PUSH", COLUMNS, [ROWS]))

    first, second = (archived(write, tmp_path) for _ in range(2))
    assert first == second
    (name,) = members(first)
    assert name == f"Daily_PUSH_20250302.{kind}"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_file_that_is_full_continues_in_another_one(
    tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MEMBER_BYTES", 20)
    monkeypatch.setattr(writing, "SHEET_ROWS", 4)
    made: list[SheetWriter] = []

    def write(archive: ArchiveWriter) -> None:
        sheets = writer(archive, FileFormat(kind=kind))
        sheets.write(sheet("PUSH", [column("text")], [[("aaaaaaaaaa",)] * 3, [("bbbbbbbbbb",)] * 4]))
        made.append(sheets)

    found = members(archived(write, tmp_path))
    names = [f"Daily_PUSH_20250302{suffix}.{kind}" for suffix in ("", "_part002", "_part003")]
    assert list(found) == names[: len(found)]
    assert len(found) > 1
    assert sum(part.rows for part in made[0].parts) == 7
    assert all(part.rows for part in made[0].parts)
    if kind == "csv":
        assert all(content.startswith(b"H\n") for content in found.values())
        assert b"".join(content[2:] for content in found.values()) == b"aaaaaaaaaa\n" * 3 + b"bbbbbbbbbb\n" * 4


def test_too_many_rows_are_refused_not_cut(tmp_path: Path) -> None:
    def write(archive: ArchiveWriter, most_rows: int) -> None:
        sheets = writer(archive, FileFormat(), most_rows=most_rows)
        sheets.write(sheet("PUSH", COLUMNS, [ROWS]))
        sheets.write(sheet("SMS", COLUMNS, [ROWS]))

    archived(lambda archive: write(archive, 6), tmp_path)
    with pytest.raises(RowLimit):
        archived(lambda archive: write(archive, 5), tmp_path)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "jsonl"])
def test_whoever_watches_may_stop_it(tmp_path: Path, kind: Any) -> None:
    shelf, seen = Shelf(), []

    def watch(rows: int) -> None:
        seen.append(rows)
        if rows > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ArchiveWriter(shelf.put, "zip", folder=tmp_path, limit=10**9) as archive:
        writer(archive, FileFormat(kind=kind), watch=watch).write(sheet("PUSH", COLUMNS, [ROWS, ROWS, ROWS]))
    assert (seen, shelf.kept) == ([3, 6], None)


def test_cut_cells_are_reported(tmp_path: Path) -> None:
    made: list[SheetWriter] = []

    def write(archive: ArchiveWriter) -> None:
        sheets = writer(archive, FileFormat(kind="xlsx"))
        sheets.write(sheet("PUSH", [column("text")], [[("x" * 40_000,), ("y",), ("z" * 40_000,)]]))
        made.append(sheets)

    archived(write, tmp_path)
    assert [(found.code, found.channel, found.count) for found in made[0].warnings] == [("cell_truncated", "PUSH", 2)]
