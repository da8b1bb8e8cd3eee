"""Reading files: formats, compression, positions to go on from, and damaged input."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from campanile.cli.importer.places import LocalFile, fingerprint
from campanile.cli.importer.sources import MAX_ROW_BYTES, BadRow, Position, Row, expand, open_source
from campanile.errors import InvalidInput

CSV = '\ufeffid,note,attributes.x\r\n1,"two\nlines, and ""quotes""",3\r\n\r\n2,,Größe\r\n3,plain,\r\n'


def read(path: Path, start: Position | None = None, **options: Any) -> list[Row]:
    source = open_source(str(path), **options)
    try:
        return list(source.rows(start or Position()))
    finally:
        source.close()


def write(path: Path, content: bytes) -> Path:
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = zstandard.compress(content)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_ndjson(tmp_path: Path, suffix: str) -> None:
    content = b'\xef\xbb\xbf{"a":1}\r\n\n{"a":2}\n[1]\n{broken\n{"a":3}'
    rows = read(write(tmp_path / f"x.ndjson{suffix}", content))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.value for row in rows if not isinstance(row.value, BadRow)] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [row.value.code for row in rows if isinstance(row.value, BadRow)] == ["not_an_object", "invalid_json"]
    assert content[rows[1].offset :].lstrip().startswith(b'{"a":2}')
    assert rows[-1].end == Position(5, len(content))


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_csv(tmp_path: Path, suffix: str) -> None:
    rows = read(write(tmp_path / f"x.csv{suffix}", CSV.encode()))
    assert [row.value for row in rows] == [
        {"id": "1", "note": 'two\nlines, and "quotes"', "attributes.x": "3"},
        {"id": "2", "attributes.x": "Größe"},
        {"id": "3", "note": "plain"},
    ]


@pytest.mark.parametrize("name", ["x.ndjson", "x.csv", "x.ndjson.gz", "x.csv.zst"])
def test_reading_goes_on_at_any_row(tmp_path: Path, name: str) -> None:
    lines = [f'{{"id":"{number}","t":"ä{number}"}}' for number in range(50)]
    if ".csv" in name:
        lines = ["id,t", *(f'{number},"ä\n{number}"' for number in range(50))]
    path = write(tmp_path / name, "\n".join(lines).encode())
    whole = read(path)
    assert len(whole) == 50
    for row in whole:
        assert read(path, row.end) == whole[row.number :]


def test_tables_of_other_kinds(tmp_path: Path) -> None:
    write(tmp_path / "x.tsv", b"a\tb\n1\tnull\n")
    assert read(tmp_path / "x.tsv", null="null")[0].value == {"a": "1"}
    write(tmp_path / "y.csv", b"a;b\n1;2,5\n")
    assert read(tmp_path / "y.csv", delimiter=";")[0].value == {"a": "1", "b": "2,5"}


def test_bad_csv_rows_are_told_apart(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "x.csv", b"a,b\n1,2,3\n1,\xff\n1,2\n"))
    assert [row.value.code for row in rows if isinstance(row.value, BadRow)] == ["wrong_columns", "invalid_utf8"]
    assert rows[2].value == {"a": "1", "b": "2"}


@pytest.mark.parametrize("header", [b"", b"a,a\n1,2\n", b"a,,b\n"])
def test_a_csv_file_needs_a_proper_header(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(write(tmp_path / "x.csv", header))


def test_broken_quoting_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="damaged after byte"):
        read(write(tmp_path / "x.csv", b'a,b\n1,2\n"x"y,2\n'))


def test_a_cut_archive_is_reported(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"a":%d}\n' % number for number in range(10_000)))
    (tmp_path / "x.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="damaged after byte"):
        read(tmp_path / "x.ndjson.gz")


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "x.ndjson", b'{"a":"' + b"x" * (2 * MAX_ROW_BYTES) + b'"}\n{"a":2}\n')
    first, second = read(path)
    assert isinstance(first.value, BadRow)
    assert first.value.code == "event_too_large"
    assert second.value == {"a": 2}


def parquet(path: Path) -> Path:
    rows = [
        {
            "event_id": f"e{number}",
            "time": datetime(2025, 10, 1, 12, number % 60, tzinfo=UTC),
            "amount": Decimal("12.50"),
            "attributes": {"size": number, "tags": ["a", "b"]},
            "missing": None,
        }
        for number in range(25)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
    return path


def test_parquet(tmp_path: Path) -> None:
    rows = read(parquet(tmp_path / "x.parquet"))
    assert len(rows) == 25
    assert rows[3].value == {
        "event_id": "e3",
        "time": datetime(2025, 10, 1, 12, 3, tzinfo=UTC),
        "amount": Decimal("12.50"),
        "attributes": {"size": 3, "tags": ["a", "b"]},
    }
    for row in (rows[0], rows[9], rows[10], rows[24]):
        assert read(tmp_path / "x.parquet", row.end) == rows[row.number :]


def test_formats_are_recognised_by_content(tmp_path: Path) -> None:
    assert read(write(tmp_path / "one", b' {"a":1}\n'))[0].value == {"a": 1}
    assert len(read(parquet(tmp_path / "two"))) == 25
    with pytest.raises(InvalidInput, match="unknown format"):
        read(write(tmp_path / "three", b"a,b\n"))
    with pytest.raises(InvalidInput, match="not a Parquet file"):
        read(write(tmp_path / "four.parquet", b"PAR1 but no"))


def test_names_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.csv", "a.ndjson.gz", "c.txt", "b.csv.errors.ndjson", "b.csv.campanile-import.json"):
        (tmp_path / name).write_bytes(b"x")
    assert expand([str(tmp_path)]) == [str(tmp_path / "a.ndjson.gz"), str(tmp_path / "b.csv")]
    assert expand([str(tmp_path / "*.csv"), "-"]) == [str(tmp_path / "b.csv"), "-"]
    with pytest.raises(InvalidInput, match="there is no file"):
        expand([str(tmp_path / "nothing*")])


def test_the_fingerprint_sees_both_ends_and_the_size(tmp_path: Path) -> None:
    path = tmp_path / "x"
    base = bytearray(json.dumps(list(range(500_000))).encode())
    path.write_bytes(base)
    first = fingerprint(LocalFile(str(path)))
    assert len(base) > 2 * 1024 * 1024
    seen = {first}
    for position in (0, len(base) - 1):
        changed = bytearray(base)
        changed[position] ^= 1
        path.write_bytes(changed)
        seen.add(fingerprint(LocalFile(str(path))))
    path.write_bytes(base + b" ")
    seen.add(fingerprint(LocalFile(str(path))))
    assert len(seen) == 4
    path.write_bytes(base)
    assert fingerprint(LocalFile(str(path))) == first
