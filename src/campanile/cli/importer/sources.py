"""Files as streams of rows: NDJSON, CSV and Parquet, plain or compressed, from the start or from a position."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec

from campanile.cli.importer.places import BUFFER_BYTES, SCHEME, LocalFile, Place, listed, place_of
from campanile.errors import InvalidInput

Format = Literal["ndjson", "csv", "parquet"]

MAX_ROW_BYTES = 2 * 1024 * 1024
"""Longest line of a text file; campaign documents may have 1 MiB, events far less."""
PARQUET_ROWS = 4_096
"""Rows decoded from a Parquet file at a time."""
SUFFIXES: dict[str, Format] = {
    ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".pq": "parquet",
}  # fmt: skip
STATE_SUFFIX = ".campanile-import.json"
ERRORS_SUFFIX = ".errors.ndjson"
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PARQUET_MAGIC = b"PAR1"
_BOM = b"\xef\xbb\xbf"


class Position(NamedTuple):
    """A place between two rows."""

    row: int = 0
    """Rows before it."""
    offset: int = 0
    """Uncompressed bytes before it; 0 in Parquet files."""


class BadRow(NamedTuple):
    """A row that cannot be read."""

    code: str
    message: str


class Row(NamedTuple):
    """One record of a file."""

    number: int
    """Counts from 1; a CSV header is no row."""
    offset: int
    """Uncompressed byte at which it starts; 0 in Parquet files."""
    end: Position
    value: dict[str, Any] | BadRow


class Source(ABC):
    """An input file. `close` it when done."""

    name: str
    """As the user wrote it."""
    place: Place | None
    """None: standard input."""
    format: Format
    columns: tuple[str, ...] | None
    """Names of the columns; None where every row names its own fields."""
    size: int | None
    """Bytes of the file, None when unknown."""

    @abstractmethod
    def rows(self, start: Position) -> Iterator[Row]:
        """The rows from `start` on."""

    @abstractmethod
    def consumed(self) -> int:
        """Bytes of the file read so far, for progress."""

    @abstractmethod
    def close(self) -> None: ...


def expand(names: Sequence[str]) -> list[str]:
    """Files named directly, by folder or by pattern, in order of their names; `-` is standard input.

    In buckets a folder is an address that ends with a slash.

    Raises:
        InvalidInput: a name stands for nothing.
    """
    files: list[str] = []
    for name in names:
        path = Path(name)
        if name.startswith(SCHEME):
            files += _objects(name)
        elif name == "-" or path.is_file():
            files.append(name)
        elif path.is_dir():
            files += sorted(str(entry) for entry in path.iterdir() if entry.is_file() and _is_input(entry.name))
        else:
            base = Path(path.anchor or ".")
            pattern = str(path.relative_to(path.anchor)) if path.anchor else name
            found = sorted(str(entry) for entry in base.glob(pattern) if entry.is_file())
            if not found:
                raise InvalidInput(f"there is no file {name}")
            files += found
    return files


def _objects(name: str) -> list[str]:
    if not name.partition("?")[0].endswith("/"):
        return [name]
    files = [each for each in listed(name) if _is_input(each.partition("?")[0])]
    if not files:
        raise InvalidInput(f"there is no file in {name}")
    return files


def _is_input(name: str) -> bool:
    """Whether a file of a folder is meant: one with a known suffix that no import has written."""
    return _format_of(name) is not None and not name.endswith((STATE_SUFFIX, ERRORS_SUFFIX))


def open_source(name: str, *, format: Format | None = None, delimiter: str = "", null: str = "") -> Source:
    """Open a file for reading; its format comes from `format`, its name, or its first bytes.

    Raises:
        InvalidInput: it cannot be read, or its format is unknown.
    """
    place: Place | None = None
    size: int | None = None
    if name == "-":
        stream = cast(io.BufferedReader, sys.stdin.buffer)
    else:
        try:
            place = place_of(name)
            stream, size = place.open(), place.size
        except OSError as error:
            raise InvalidInput(f"cannot read {name}: {error.strerror or error}") from error
    try:
        chosen = format or _format_of(name.partition("?")[0]) or _format_of_content(stream.peek(4))
        if chosen is None:
            raise InvalidInput(f"{name}: unknown format, say --format ndjson, csv or parquet")
        if chosen != "parquet":
            return TextSource(name, place, stream, chosen, size=size, delimiter=delimiter, null=null)
        if place is None or size is None:
            raise InvalidInput("Parquet cannot be read from standard input")
        return ParquetSource(place, stream, size)
    except InvalidInput:
        if place is not None:
            stream.close()
        raise


def _format_of(name: str) -> Format | None:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() not in (".gz", ".zst")]
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def _format_of_content(head: bytes) -> Format | None:
    if head[:4] == _PARQUET_MAGIC:
        return "parquet"
    return "ndjson" if head.removeprefix(_BOM).lstrip()[:1] == b"{" else None


class TextSource(Source):
    """NDJSON or CSV, plain, gzip or zstd."""

    def __init__(
        self,
        name: str,
        place: Place | None,
        raw: io.BufferedReader,
        format: Format,
        *,
        size: int | None,
        delimiter: str,
        null: str,
    ) -> None:
        self.name = name
        self.place = place
        self.format = format
        self.size = size
        self._raw = raw
        self._null = null
        self._delimiter = delimiter or ("\t" if ".tsv" in Path(name).suffixes else ",")
        self._offset = 0
        self._damage: tuple[type[Exception], ...] = (EOFError, OSError, csv.Error, zlib.error)
        self.columns = None
        self._lines = self._read_lines()
        with self._reading():
            head = raw.peek(4)
            self._compressed = head[:2] == _GZIP_MAGIC or head[:4] == _ZSTD_MAGIC
            self._stream = self._unpack(head)
            if self._stream.peek(3)[:3] == _BOM:
                self._skip(3)
            if format == "csv":
                self.columns = self._header()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except self._damage as error:
            raise InvalidInput(f"{self.name} is damaged after byte {self._offset}: {error}") from error

    def _header(self) -> tuple[str, ...]:
        header = next(self._records(), None)
        if not header or any(not column for column in header):
            raise InvalidInput(f"{self.name}: the first line must name all columns")
        if len(set(header)) != len(header):
            raise InvalidInput(f"{self.name}: a column name occurs twice")
        return tuple(header)

    def _unpack(self, head: bytes) -> io.BufferedReader:
        if head[:2] == _GZIP_MAGIC:
            return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=self._raw)), BUFFER_BYTES)
        if head[:4] == _ZSTD_MAGIC:
            import zstandard  # comes with the server packages

            self._damage += (zstandard.ZstdError,)
            reader = zstandard.ZstdDecompressor().stream_reader(self._raw, read_across_frames=True)
            return io.BufferedReader(cast(io.RawIOBase, reader), BUFFER_BYTES)
        return self._raw

    def consumed(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return self._raw.tell()
        return self._offset

    def close(self) -> None:
        self._stream.close()
        if self.place is not None:
            self._raw.close()

    def rows(self, start: Position) -> Iterator[Row]:
        with self._reading():
            if start.offset > self._offset:
                self._skip(start.offset - self._offset)
            yield from (self._csv_rows if self.format == "csv" else self._json_rows)(start.row)

    def _skip(self, count: int) -> None:
        if not self._compressed and self.place is not None:
            self._stream.seek(count, io.SEEK_CUR)
            self._offset += count
            return
        while count > 0:
            block = self._stream.read(min(count, BUFFER_BYTES))
            if not block:
                raise InvalidInput(f"{self.name} is shorter than it was when the import was interrupted")
            count -= len(block)
            self._offset += len(block)

    def _read_lines(self) -> Iterator[bytes]:
        """Lines with their ends; one that is too long comes cut, and the rest of it is passed over."""
        while line := self._stream.readline(MAX_ROW_BYTES):
            self._offset += len(line)
            if len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):
                while rest := self._stream.readline(MAX_ROW_BYTES):
                    self._offset += len(rest)
                    if rest.endswith(b"\n"):
                        break
            yield line

    def _json_rows(self, number: int) -> Iterator[Row]:
        decoder = msgspec.json.Decoder()
        while True:
            offset = self._offset
            line = next(self._lines, None)
            if line is None:
                return
            if not line.strip():
                continue
            number += 1
            end = Position(number, self._offset)
            if len(line) >= MAX_ROW_BYTES:
                yield Row(number, offset, end, BadRow("event_too_large", "the line is too long"))
                continue
            try:
                value = decoder.decode(line)
            except msgspec.DecodeError:
                yield Row(number, offset, end, BadRow("invalid_json", "the line is not valid JSON"))
                continue
            if not isinstance(value, dict):
                yield Row(number, offset, end, BadRow("not_an_object", "the line is not a JSON object"))
                continue
            yield Row(number, offset, end, value)

    def _records(self) -> Iterator[list[str]]:
        # The reader takes line after line and never reads ahead, so the offset after a record is its end.
        texts = (line.decode("utf-8", "surrogateescape") for line in self._lines)
        csv.field_size_limit(MAX_ROW_BYTES)
        return csv.reader(texts, delimiter=self._delimiter, strict=True)

    def _csv_rows(self, number: int) -> Iterator[Row]:
        columns = self.columns or ()
        records = self._records()
        while True:
            offset = self._offset
            record = next(records, None)
            if record is None:
                return
            if not record:
                continue
            number += 1
            end = Position(number, self._offset)
            if len(record) != len(columns):
                message = f"the row has {len(record)} fields, the header {len(columns)}"
                yield Row(number, offset, end, BadRow("wrong_columns", message))
                continue
            if not all(field.isascii() or _is_text(field) for field in record):
                yield Row(number, offset, end, BadRow("invalid_utf8", "the row is not valid UTF-8"))
                continue
            value = {name: field for name, field in zip(columns, record, strict=True) if field not in ("", self._null)}
            yield Row(number, offset, end, value)


def _is_text(field: str) -> bool:
    try:
        field.encode()
    except UnicodeEncodeError:
        return False
    return True


class ParquetSource(Source):
    """A Parquet file; nested structs stay objects."""

    def __init__(self, place: Place, stream: io.BufferedReader, size: int) -> None:
        import pyarrow as pa  # comes with the server packages
        import pyarrow.parquet as pq

        self.name = place.name
        self.place = place
        self.format = "parquet"
        self.size = self._size = size
        self._stream = stream
        try:
            # Local files are mapped into memory by their name, which is faster.
            self._file = pq.ParquetFile(place.name if isinstance(place, LocalFile) else stream)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{place.name} is not a Parquet file: {error}") from error
        self.columns = tuple(self._file.schema_arrow.names)
        self._total = max(1, int(self._file.metadata.num_rows))
        self._done = 0

    def consumed(self) -> int:
        return self._size * self._done // self._total

    def close(self) -> None:
        self._file.close()
        self._stream.close()

    def rows(self, start: Position) -> Iterator[Row]:
        number = 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if number + count <= start.row:
                number += count
                continue
            for batch in self._file.iter_batches(batch_size=PARQUET_ROWS, row_groups=[group]):
                # Column by column: going through the rows of a batch takes Arrow ten times as long.
                names = batch.schema.names
                for fields in zip(*map(_values, batch.columns), strict=True):
                    number += 1
                    self._done = number
                    if number > start.row:
                        kept = {name: field for name, field in zip(names, fields, strict=True) if field is not None}
                        yield Row(number, 0, Position(number), kept)


def _values(column: Any) -> list[Any]:
    from pyarrow.types import is_nested

    # Only what is nested can hold maps; being asked about them slows all others down.
    values: list[Any] = column.to_pylist(maps_as_pydicts="lossy") if is_nested(column.type) else column.to_pylist()
    return values
