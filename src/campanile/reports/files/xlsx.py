"""Spreadsheets (report specification 10.3).

XlsxWriter makes the workbook: parts, styles, properties. Its sheet is a template into which rows are written here as
they come: XlsxWriter spells one cell at a time, which takes more than ten times as long, and it takes some texts for
markup. The result is a stream; neither rows nor files wait anywhere.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.utility import xl_col_to_name  # type: ignore[import-untyped]

from campanile.reports.files.cells import Lists, clean, list_text, number_text
from campanile.reports.files.valve import Valve
from campanile.reports.sheet import Column, Row

SHEET_ROWS = 1_048_576
"""Rows of a sheet, the header among them."""
CELL_UNITS = 32_767
"""UTF-16 code units of a cell; longer texts are cut."""
SHEET_BYTES = 2**31 - 2**27
"""Bytes of a sheet; within its package a larger one would need an extension that not every program knows."""
EXACT_DIGITS = 15
"""Significant digits that spreadsheet programs keep; longer numbers are written as texts."""

_SHEET = "xl/worksheets/sheet1.xml"
_MADE = datetime(1980, 1, 1)  # noqa: DTZ001 - a fixed label in local terms, so that equal reports are equal files
_EPOCH = date(1899, 12, 30)
_FIRST_DAY = date(1900, 3, 1)
"""Earlier days differ between programs, which is why they are texts."""
_ESCAPE_LIKE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_MARKUP = re.compile("[&<>]")
_EDGE = re.compile(r"^\s|\s$|\n")
_DATE_FORMATS = {"date": "yyyy-mm-dd", "datetime": "yyyy-mm-dd hh:mm:ss"}

Text = Callable[[Sequence[Any], Sequence[str]], list[str]]


class XlsxFile:
    """Writes one workbook with the sheet `sheet1` into `target`, which need not be seekable. Close it to complete it.

    `truncated` counts cells that were cut.

    Args:
        most_rows: of the sheet, the header among them.
    """

    def __init__(
        self, columns: Sequence[Column], target: IO[bytes], lists: Lists, *, most_rows: int = SHEET_ROWS
    ) -> None:
        self._lists = lists
        self._most_rows = most_rows
        self._row = 1
        self._bytes = 0
        self.truncated = 0
        template, styles = _template(columns)
        self._bold, self._plain, *own = styles
        self._valve = Valve(target)
        self._package = zipfile.ZipFile(self._valve, "w", zipfile.ZIP_DEFLATED)
        self._tail = b""
        with zipfile.ZipFile(io.BytesIO(template)) as parts:
            for part in parts.infolist():
                if part.filename != _SHEET:
                    self._package.writestr(_fixed(part.filename), parts.read(part))
            head, _, rest = parts.read(_SHEET).partition(b"<sheetData>")
            self._tail = b"</sheetData>" + rest.partition(b"</sheetData>")[2]
        self._sheet = self._package.open(_fixed(_SHEET), "w", force_zip64=False)
        # The template's size is not ours; readers that trust it would miss rows, and it may be left out.
        self._sheet.write(re.sub(rb"<dimension [^>]*/>", b"", head) + b"<sheetData>")
        self._columns = [
            self._column(column, xl_col_to_name(index), style)
            for index, (column, style) in enumerate(zip(columns, own, strict=True))
        ]
        cells = [
            self._string(xl_col_to_name(index), "1", self._bold, column.header) for index, column in enumerate(columns)
        ]
        self._sheet.write(f'<row r="1">{"".join(cells)}</row>'.encode())

    @property
    def room(self) -> int:
        """Rows that still fit."""
        return self._most_rows - self._row if self._bytes < SHEET_BYTES else 0

    def write(self, batch: Sequence[Row]) -> None:
        """Append rows; not more than there is room for."""
        if not batch:
            return
        numbers = [str(number) for number in range(self._row + 1, self._row + 1 + len(batch))]
        cells = [spell(values, numbers) for spell, values in zip(self._columns, zip(*batch, strict=True), strict=True)]
        rows = map("".join, zip(*cells, strict=True))
        written = "".join([f'<row r="{number}">{row}</row>' for number, row in zip(numbers, rows, strict=True)])
        self._row += len(batch)
        self._bytes += self._sheet.write(written.encode())

    def close(self) -> None:
        """End the sheet and the package."""
        self._sheet.write(self._tail)
        self._sheet.close()
        self._package.close()

    def abandon(self) -> None:
        """Let go of a file that is not going to be complete; nothing is written any more."""
        self._valve.shut()
        self._sheet.close()
        self._package.close()

    # --- cells

    def _column(self, column: Column, name: str, style: str) -> Text:
        match column.type:
            case "integer":
                return lambda cells, rows: [
                    "" if cell is None else self._number(name, row, style, str(cell))
                    for cell, row in zip(cells, rows, strict=True)
                ]
            case "percent" | "currency" | "decimal":
                places = column.decimals
                return lambda cells, rows: [
                    "" if cell is None else self._number(name, row, style, number_text(Decimal(cell), places))
                    for cell, row in zip(cells, rows, strict=True)
                ]
            case "date" | "datetime":
                return lambda cells, rows: [
                    "" if cell is None else self._day(name, row, style, cell)
                    for cell, row in zip(cells, rows, strict=True)
                ]
            case "boolean":
                return lambda cells, rows: [
                    "" if cell is None else f'<c r="{name}{row}" t="b"><v>{int(cell)}</v></c>'
                    for cell, row in zip(cells, rows, strict=True)
                ]
            case "list":
                return lambda cells, rows: [
                    "" if cell is None else self._string(name, row, style, list_text(cell, self._lists))
                    for cell, row in zip(cells, rows, strict=True)
                ]
            case "text":
                return lambda cells, rows: [
                    self._string(name, row, style, cell) if cell else "" for cell, row in zip(cells, rows, strict=True)
                ]

    def _number(self, name: str, row: str, style: str, text: str) -> str:
        if len(text) > EXACT_DIGITS and len(text.translate(_SIGNS).strip("0")) > EXACT_DIGITS:
            return self._string(name, row, self._plain, text)
        return f'<c r="{name}{row}" s="{style}"><v>{text}</v></c>'

    def _day(self, name: str, row: str, style: str, value: date | datetime) -> str:
        seconds = 0
        day: date = value
        if isinstance(value, datetime):
            day, seconds = value.date(), value.hour * 3600 + value.minute * 60 + value.second
        if day < _FIRST_DAY:
            return self._string(name, row, self._plain, str(value)[:19])
        serial = (day - _EPOCH).days
        return f'<c r="{name}{row}" s="{style}"><v>{serial + seconds / 86_400 if seconds else serial}</v></c>'

    def _string(self, name: str, row: str, style: str, text: str) -> str:
        text = clean(text)
        if len(text) > CELL_UNITS // 2 and len(text.encode("utf-16-le")) > 2 * CELL_UNITS:
            text = text.encode("utf-16-le")[: 2 * CELL_UNITS].decode("utf-16-le", "ignore")
            self.truncated += 1
        if "_x" in text:
            text = _ESCAPE_LIKE.sub("_x005F_", text)
        if _MARKUP.search(text):
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        space = ' xml:space="preserve"' if _EDGE.search(text) else ""
        return f'<c r="{name}{row}" s="{style}" t="inlineStr"><is><t{space}>{text}</t></is></c>'


_SIGNS = str.maketrans("", "", "-.")


def _template(columns: Sequence[Column]) -> tuple[bytes, list[str]]:
    """A workbook, and the numbers of its styles: of headers, of plain texts, of each column."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    book.set_properties({"author": "Campanile", "created": _MADE})
    sheet = book.add_worksheet("sheet1")
    sheet.freeze_panes(1, 0)
    sheet.write_blank(0, 0, None, book.add_format({"bold": True}))
    formats = ["@", *(_format(column) for column in columns)]
    known = {text: book.add_format({"num_format": text}) for text in formats}
    for index, text in enumerate(formats, 1):
        sheet.write_blank(0, index, None, known[text])
    book.close()
    with zipfile.ZipFile(made) as parts:
        styles = re.findall(r'<c r="[A-Z]+1" s="(\d+)"/>', parts.read(_SHEET).decode())
    return made.getvalue(), styles


def _format(column: Column) -> str:
    match column.type:
        case "integer":
            return "0"
        case "percent" | "currency":
            return "0.00"
        case "decimal":
            return f"0.{'0' * column.decimals}" if column.decimals else "0"
        case "date" | "datetime":
            return _DATE_FORMATS[column.type]
        case "text" | "list" | "boolean":
            return "@"


def _fixed(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
