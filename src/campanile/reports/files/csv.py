"""Comma-separated files (report specification 10.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from campanile.kit import spreadsheets
from campanile.kit.spreadsheets import SKIPPED
from campanile.reports.files.cells import Lists, clean, spelling
from campanile.reports.files.columns import hundredths_texts, joined, repeated, whole_texts
from campanile.reports.sheet import Batch, Column
from campanile.reports.table import Cells, Percentages, Whole

_FORMULA_STARTS = frozenset("=+-@＝＋－＠") | frozenset(SKIPPED)
"""First characters of printable texts that need a closer look."""
_WITHOUT_TEXT = frozenset({"integer", "percent", "currency", "decimal", "boolean"})
_GUARDED = frozenset({"text", "list"})


class CsvText:
    """Turns rows into the text of one dialect.

    Args:
        guard: whether texts that a spreadsheet program would take for formulas get an apostrophe in front.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        separator: str = ",",
        newline: Literal["lf", "crlf"] = "lf",
        bom: bool = False,
        guard: bool = True,
        lists: Lists = "literal",
    ) -> None:
        self._columns = tuple(columns)
        self._separator = separator
        self._end = "\r\n" if newline == "crlf" else "\n"
        self._bom = bom
        self._guard = guard
        self._spellings = [spelling(column, lists) for column in columns]
        self._needs_quotes = re.compile(f'[{re.escape(separator)}"\r\n]|^ | $')

    def head(self) -> bytes:
        """The byte order mark, if there is one, and the header row."""
        headers = [self._cell(clean(column.header), guarded=self._guard) for column in self._columns]
        return (("\ufeff" if self._bom else "") + self._separator.join(headers) + self._end).encode()

    def rows(self, batch: Batch) -> bytes:
        """The rows, each with its line end."""
        if not batch:
            return b""
        texts = [self._texts(place, cells) for place, cells in enumerate(batch.columns)]
        return joined(pc.binary_join_element_wise(*texts, self._separator), self._end)

    def _texts(self, place: int, cells: Cells) -> pa.Array:
        column = self._columns[place]
        if isinstance(cells, Whole) and column.type == "integer":
            return whole_texts(cells, "")
        if isinstance(cells, Percentages):
            if cells.small and column.decimals == 2:
                return hundredths_texts(cells, "")
            cells = cells.as_coded()
        elif isinstance(cells, Whole):
            cells = cells.as_coded()
        return repeated(self._finished(column, self._spellings[place](cells.known)), cells)

    def _finished(self, column: Column, texts: list[str]) -> list[str]:
        """The cells of one column, guarded and quoted where they need it."""
        if column.type in _WITHOUT_TEXT:  # nothing to guard; a separator that is none of their characters
            return texts
        guarded = self._guard and column.type in _GUARDED
        whole = "".join(texts)
        if whole.isprintable() and '"' not in whole and self._separator not in whole:
            firsts = {text[:1] for text in texts}
            if (
                " " not in firsts
                and " " not in {text[-1:] for text in texts}
                and not (guarded and firsts & _FORMULA_STARTS)
            ):
                return texts
        return [self._cell(text, guarded=guarded) for text in texts]

    def _cell(self, text: str, *, guarded: bool) -> str:
        if guarded:
            text = spreadsheets.guarded(text)
        if self._needs_quotes.search(text):
            return '"' + text.replace('"', '""') + '"'
        return text
