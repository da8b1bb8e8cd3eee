"""Sheets into members of an archive, in any format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import IO, Protocol

import msgspec

from campanile.errors import CampanileError
from campanile.reports.files.archive import MEMBER_BYTES, ArchiveWriter
from campanile.reports.files.csv import CsvText
from campanile.reports.files.jsonl import JsonLines
from campanile.reports.files.names import member_name
from campanile.reports.files.parquet import ParquetFile
from campanile.reports.files.xlsx import SHEET_ROWS
from campanile.reports.files.xlsx_process import XlsxProcess
from campanile.reports.schemas import FileFormat, ReportWarning
from campanile.reports.sheet import Batch, Column, Sheet

PIECE_ROWS = 4_000
"""Rows that are spelled at once: all their texts are in memory, with those of many columns."""
PIECE_CHARACTERS = 2**25
"""Fewer rows, if their texts are long; a single one may have more."""
UNBOUNDED = 2**63
"""Room in a file that takes any number of rows."""


class RowLimit(CampanileError):
    """The report has more rows than reports may have."""

    status = 422
    type = "row_limit"


class PartColumn(msgspec.Struct, frozen=True):
    """A column of a file, as the manifest shows it."""

    key: str
    header: str
    type: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file in an archive."""

    name: str
    channel: str
    rows: int
    bytes: int
    sha256: str
    columns: tuple[PartColumn, ...]


class TableFile(Protocol):
    """A file that is filled with rows."""

    @property
    def room(self) -> int:
        """Rows that still fit."""
        ...

    def write(self, batch: Batch) -> None: ...

    def close(self) -> None:
        """Complete the file."""
        ...

    def abandon(self) -> None:
        """Let go of it, incomplete as it is."""
        ...


class RowFile:
    """A spreadsheet, which takes rows."""

    def __init__(self, file: XlsxProcess) -> None:
        self._file = file

    @property
    def room(self) -> int:
        return self._file.room

    @property
    def truncated(self) -> int:
        """Cells that had to be cut."""
        return self._file.truncated

    def write(self, batch: Batch) -> None:
        for piece in batch.pieces(PIECE_ROWS):
            self._file.write(list(piece))

    def close(self) -> None:
        self._file.close()

    def abandon(self) -> None:
        self._file.abandon()


class TextFile:
    """A file of lines."""

    def __init__(self, text: CsvText | JsonLines, target: IO[bytes], most_bytes: int) -> None:
        self._text = text
        self._target = target
        self._left = most_bytes - target.write(text.head())

    @property
    def room(self) -> int:
        return UNBOUNDED if self._left > 0 else 0

    def write(self, batch: Batch) -> None:
        for piece in batch.pieces(max(1, min(PIECE_ROWS, PIECE_CHARACTERS // (batch.widest + 1)))):
            self._left -= self._target.write(self._text.rows(piece))

    def close(self) -> None:
        """Nothing follows the last line."""

    def abandon(self) -> None:
        """Nothing is held."""


def open_file(columns: tuple[Column, ...], form: FileFormat, target: IO[bytes], facts: Mapping[str, str]) -> TableFile:
    """An empty table in the format of the report.

    Args:
        facts: kept in files that have room for such.
    """
    match form.kind:
        case "csv":
            text = CsvText(
                columns,
                separator=form.separator,
                newline=form.newline,
                bom=form.bom,
                guard=form.formula_guard,
                lists=form.lists,
            )
            return TextFile(text, target, MEMBER_BYTES)
        case "jsonl":
            return TextFile(JsonLines(columns), target, MEMBER_BYTES)
        case "parquet":
            return ParquetFile(columns, target, facts)
        case "xlsx":
            return RowFile(XlsxProcess(columns, target, form.lists, most_rows=SHEET_ROWS))


class SheetWriter:
    """Writes sheets into an archive; each becomes a file, or several when it exceeds what a file may hold.

    Args:
        facts: kept in files that have room for such.
        most_rows: of all sheets together.
        watch: called with the rows so far before each batch; may raise to stop.
    """

    def __init__(
        self,
        archive: ArchiveWriter,
        form: FileFormat,
        *,
        stem: str,
        file_date: date,
        facts: Mapping[str, str],
        most_rows: int,
        watch: Callable[[int], None],
    ) -> None:
        self._archive = archive
        self._form = form
        self._stem = stem
        self._file_date = file_date
        self._facts = facts
        self._most_rows = most_rows
        self._watch = watch
        self.rows = 0
        self.parts: list[Part] = []
        self.warnings: list[ReportWarning] = []

    def write(self, sheet: Sheet) -> bool:
        """Write a sheet. False: it has no rows, and gets no file.

        Raises:
            RowLimit: there are too many rows by now. FileTooLarge, CampanileError: the archive cannot take them.
        """
        batches = self._counted(sheet.batches)
        first = next(batches, None)
        if first is not None:
            self._write(sheet.channel, sheet.columns, first, batches)
        self.warnings.extend(sheet.warnings)
        return first is not None

    def write_header(self, channel: str, columns: tuple[Column, ...]) -> None:
        """A file without rows."""
        self._write(channel, columns, None, iter(()))

    def _counted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if batch:
                self.rows += len(batch)
                if self.rows > self._most_rows:
                    raise RowLimit(f"The report has more than {self._most_rows} rows.")
                self._watch(self.rows)
                yield batch

    def _write(self, channel: str, columns: tuple[Column, ...], batch: Batch | None, batches: Iterator[Batch]) -> None:
        shown = tuple(PartColumn(column.key, column.header, column.type) for column in columns)
        number, cut = 0, 0
        while number == 0 or batch is not None:
            number += 1
            name = member_name(self._stem, channel, self._file_date, self._form.kind, number)
            with self._archive.member(name) as target:
                file = open_file(columns, self._form, target, self._facts)
                try:
                    rows, batch = _fill(file, batch, batches)
                    file.close()
                except BaseException:
                    file.abandon()
                    raise
                cut += file.truncated if isinstance(file, RowFile) else 0
            member = self._archive.members[-1]
            self.parts.append(
                Part(name=name, channel=channel, rows=rows, bytes=member.size, sha256=member.sha256, columns=shown)
            )
        if cut:
            sentence = "Some texts are longer than a spreadsheet cell may be; they were cut."
            self.warnings.append(ReportWarning(code="cell_truncated", message=sentence, channel=channel, count=cut))


def _fill(file: TableFile, batch: Batch | None, batches: Iterator[Batch]) -> tuple[int, Batch | None]:
    """Write until nothing is left or the file is full; the rows written, and the first batch of the next file."""
    rows = 0
    while batch is not None and (room := file.room) > 0:
        piece = batch.cut(0, room)
        file.write(piece)
        rows += len(piece)
        batch = batch.cut(room, len(batch)) if room < len(batch) else next(batches, None)
    return rows, batch
